"""A worker finds out what is behind a connection's key, and writes down what it found.

Three occasions: a wizard's draft; a new key that is to take the old one's place; a connection whose
capabilities are in doubt (a 403), or whose key is to be tried again after a freeze.
"""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import record
from apps.organizations import health
from apps.organizations.adapters import open_adapter
from apps.organizations.credentials import Field, seal_for, unseal_from
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.providers.errors import Forbidden, NotFound, ProviderError, Refused, Unauthorized
from apps.providers.masking import mask_text
from apps.providers.records import Found

Probe, State = Connection.Probe, Connection.State

# Seconds to wait for the rate budget: a probe is up to twenty requests, and its minute passes.
PATIENCE = 65.0

# Called inside the transaction that writes down what a connection in use can do (by now).
on_renewed: list[Callable[[Connection], None]] = []

# What the page says of a failure depends on its kind; "key" and "organization" want another key.
KEY, PERMISSION, ORGANIZATION, REFUSED, NETWORK, OURS = (
    "key",
    "permission",
    "organization",
    "refused",
    "network",
    "ours",
)


def probe(connection_id: int) -> None:
    """Carry out the waiting probe of one connection. Safe to call at any time, or twice."""
    now = timezone.now()
    claimed = Connection.objects.filter(pk=connection_id, probe=Probe.WAITING).update(
        probe=Probe.RUNNING, probe_asked_at=now
    )
    if not claimed:
        return
    connection = Connection.objects.get(pk=connection_id)
    field: Field = "next_credential" if connection.next_credential else "credential"
    try:
        _look(connection, field)
    except Exception:  # a bug of ours: taken for lost, it would be repeated for ever
        _write_failure(connection, field, ProviderError(_("The portal itself failed.")), OURS)
        raise


def _look(connection: Connection, field: Field) -> None:
    try:
        found = _ask(connection, field)
        if not connection.remote_organization_id and not found.abilities:
            if not found.organizations:
                raise Forbidden(_("The key's owner belongs to no organization."))
            if len(found.organizations) == 1:  # nothing to choose: look at once at the only one
                connection.remote_organization_id = found.organizations[0].remote_id
                found = _ask(connection, field)
    except ProviderError as error:
        _failed(connection, field, error)
    else:
        _found(connection, field, found)


def _ask(connection: Connection, field: Field) -> Found:
    with open_adapter(connection, field=field, wait=PATIENCE) as adapter:
        return adapter.probe()


def _mine(connection: Connection, field: Field) -> Connection | None:
    """The row, locked, if nobody has pasted another key or thrown it away meanwhile."""
    return (
        Connection.objects.select_for_update()
        .filter(pk=connection.pk, probe=Probe.RUNNING, **{field: getattr(connection, field)})
        .first()
    )


# --- Found ---------------------------------------------------------------------------------------


@transaction.atomic(durable=True)
def _found(connection: Connection, field: Field, found: Found) -> None:
    current = _mine(connection, field)
    if current is None:
        return
    if current.state == State.DRAFT:
        _fill_draft(current, found)
    elif not _is_same_account(current, found):
        _not_the_same_account(current, field, found)
    else:
        _renew(current, field, found)
        current.save()
        for hook in on_renewed:
            hook(current)
        return
    current.save()


def _result(found: Found) -> dict[str, Any]:
    return {
        "account": found.account,
        "organizations": [
            {"id": one.remote_id, "name": one.name, "roles": list(one.roles)}
            for one in found.organizations
        ],
    }


def _take_over(current: Connection, found: Found) -> None:
    current.capabilities = {
        name: {"ok": ability.ok, "reason": mask_text(ability.reason)[:500]}
        for name, ability in found.abilities.items()
    }
    current.offers = {"roles": list(found.assignable_roles)} if found.assignable_roles else {}
    current.last_ok_at = timezone.now()


def _fill_draft(current: Connection, found: Found) -> None:
    current.probe = Probe.FOUND
    # The choice among several stays on the page after one was chosen.
    result = _result(found)
    if current.remote_organization_id and current.probe_result.get("organizations"):
        result["organizations"] = current.probe_result["organizations"]
    current.probe_result = result
    if len(found.organizations) == 1 and found.abilities:
        only = found.organizations[0]
        current.remote_organization_id = only.remote_id
        current.remote_organization_name = only.name[:200]
        current.name = _free_name(current, only.name or current.name)
        _take_over(current, found)


def _free_name(current: Connection, wished: str) -> str:
    """A name to begin with: the organization's own, with the provider's where it is taken."""
    others = Connection.objects.live().filter(organization=current.organization_id)
    if others.filter(name__iexact=wished[:80]).exists():
        wished = f"{wished[:60]} ({PROVIDERS[current.provider].label})"
    return wished[:80]


def _is_same_account(current: Connection, found: Found) -> bool:
    return [one.remote_id for one in found.organizations] == [current.remote_organization_id]


def _not_the_same_account(current: Connection, field: Field, found: Found) -> None:
    reached = ", ".join(one.name or one.remote_id for one in found.organizations)
    current.probe = Probe.FAILED
    current.probe_result = {
        "error": {
            "kind": ORGANIZATION,
            "message": _("The key belongs to “%(reached)s”, not to “%(expected)s”.")
            % {"reached": reached, "expected": current.remote_organization_name},
            "new_key": field == "next_credential",
        }
    }
    if field == "next_credential":
        current.next_credential = ""


def _renew(current: Connection, field: Field, found: Found) -> None:
    """The key in use works (again), or a new one takes its place."""
    asked, lost = current.probe_result, []
    if field == "next_credential":
        lost = _lost(current, found)
        clear = unseal_from(current, "next_credential")
        current.credential = seal_for(current, "credential", clear)
        current.credential_hint = str(asked.get("hint") or "")
        current.credential_changed_at = timezone.now()
        current.next_credential = ""
        told = {"key_hint": current.credential_hint} | ({"lost": lost} if lost else {})
        _note(current, _actor(asked), "connections.rotate", told)
    if current.frozen_at:
        _note(current, _actor(asked), "connections.unfreeze")
    current.frozen_at, current.frozen_reason = None, ""
    current.failures, current.breaker_open_until, current.breaker_trial = 0, None, False
    current.last_error = ""
    current.remote_organization_name = (
        found.organizations[0].name or current.remote_organization_name
    )[:200]
    current.probe = Probe.FOUND
    current.probe_result = _result(found) | ({"lost": lost} if lost else {})
    _take_over(current, found)


def _lost(current: Connection, found: Found) -> list[str]:
    """What the key in use could do and the new one cannot, by capability."""
    return [
        name
        for name in current.capabilities
        if current.can(name) and not (name in found.abilities and found.abilities[name].ok)
    ]


def _actor(asked: dict[str, Any]) -> User | None:
    return User.objects.filter(pk=asked.get("asked_by") or 0).first()


# --- Failed --------------------------------------------------------------------------------------


def _kind_of(error: ProviderError) -> str:
    if isinstance(error, Unauthorized):
        return KEY
    if isinstance(error, Forbidden):
        return PERMISSION
    if isinstance(error, NotFound):
        return ORGANIZATION
    return REFUSED if isinstance(error, Refused) else NETWORK


def _failed(connection: Connection, field: Field, error: ProviderError) -> None:
    kind = _kind_of(error)
    _write_failure(connection, field, error, kind)
    if connection.state == State.DRAFT or field == "next_credential":
        return
    if kind == KEY:
        health.freeze(connection, error)
    else:
        health.note_failure(connection, error)


@transaction.atomic(durable=True)
def _write_failure(connection: Connection, field: Field, error: ProviderError, kind: str) -> None:
    current = _mine(connection, field)
    if current is None:
        return
    asked = current.probe_result
    current.probe = Probe.FAILED
    current.probe_result = {
        "error": {
            "kind": kind,
            "message": mask_text(error.message)[:500],
            "status": error.status,
            "request_id": error.request_id,
            "new_key": field == "next_credential",
        }
    }
    if kind in (NETWORK, OURS):
        # The same key may be tried again without pasting it; any other failure wants another one.
        current.probe_result |= {name: asked.get(name) for name in ("asked_by", "hint")}
    elif field == "next_credential":
        current.next_credential = ""
    elif current.state == State.DRAFT:
        current.credential = current.credential_hint = ""
    if field == "next_credential":
        _note(
            current,
            _actor(asked),
            "connections.rotate.refused",
            {"kind": kind, "reason": error.message, "key_hint": asked.get("hint")},
        )
    current.save()


def _note(
    connection: Connection, actor: User | None, verb: str, details: dict[str, Any] | None = None
) -> None:
    record(
        organization=connection.organization_id,
        actor=actor,
        verb=verb,
        target=connection,
        details=details,
        connection=connection,
    )
