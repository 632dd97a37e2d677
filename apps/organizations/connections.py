"""Connecting remote accounts, and what is done with a connection from then on.

Each service is one durable transaction with its audit line. A key comes in as a ``Secret``, is
sealed before anything is written, and never goes out again. Shelves above take part through the
registries below, which their ``AppConfig.ready()`` fills.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import record
from apps.organizations.adapters import allowed_base_urls
from apps.organizations.credentials import hint_of, seal_for, unseal_from
from apps.organizations.health import kick_probe
from apps.organizations.models import Connection, Organization
from apps.organizations.policy import must as _must
from apps.organizations.sealing import SealBroken, Secret
from apps.organizations.services import Refused
from apps.providers.catalogue import PROVIDERS
from apps.providers.protocol import Provider

DRAFT_HOURS = 24
PROBE_LOST_SECONDS = 180  # a probe that takes longer has lost its worker

Probe, State = Connection.Probe, Connection.State

# Called inside the transaction that makes a connection active or resumes it: make its listings due.
on_connected: list[Callable[[Connection], None]] = []
# Says why a connection cannot be disconnected now, "" if nothing speaks against it.
disconnect_obstacles: list[Callable[[Connection], str]] = []
# Called inside the transaction that disconnects: cancel what still waits to be sent.
on_disconnected: list[Callable[[Connection, User | None], None]] = []


# --- The wizard ----------------------------------------------------------------------------------


class NotReached(Refused):
    """An organization was chosen that the key does not reach."""

    field = "remote_organization_id"


def offered(organization: Organization) -> list[Provider]:
    """Accounts of persons are connected on their own desks, those of organizations on the others."""
    return [one for one in PROVIDERS.values() if one.is_personal == organization.is_personal]


@transaction.atomic(durable=True)
def begin(
    *, organization: Organization, actor: User, provider: str, base_url: str, credential: Secret
) -> Connection:
    """Seal a pasted key in a draft and have a worker find out what is behind it."""
    _must(actor, "connections.connect", organization)
    _must_be_allowed(provider, base_url)
    known = PROVIDERS[provider]
    if known.is_personal != organization.is_personal:
        raise Refused(_("Such an account is not connected here."))
    draft = Connection(
        organization=organization,
        provider=provider,
        base_url=base_url,
        name=known.label,
        requests_per_minute=known.requests_per_minute,
        created_by=actor,
    )
    _seal_into(draft, credential)
    draft.save()
    record(
        organization=organization,
        actor=actor,
        verb="connections.begin",
        target=draft,
        details={"provider": provider, "base_url": base_url, "key_hint": draft.credential_hint},
        connection=draft,
    )
    kick_probe(draft.pk)
    return draft


@transaction.atomic(durable=True)
def begin_beside(
    *, connection: Connection, actor: User, remote_organization_id: str, name: str
) -> Connection:
    """A draft for another organization that the key of ``connection`` reaches: one that was just opened
    with it. The same draft where there is one already."""
    current = _locked(connection, State.ACTIVE, State.PAUSED)
    _must(actor, "connections.connect", current.organization)
    _must_be_allowed(current.provider, current.base_url)
    draft = Connection(
        organization=current.organization,
        provider=current.provider,
        base_url=current.base_url,
        name=PROVIDERS[current.provider].label,
        remote_organization_id=remote_organization_id,
        remote_organization_name=name[:200],
        requests_per_minute=current.requests_per_minute,
        created_by=actor,
    )
    _must_be_new(draft, remote_organization_id)
    begun = Connection.objects.filter(
        organization=current.organization,
        state=State.DRAFT,
        provider=current.provider,
        remote_organization_id=remote_organization_id,
        created_by=actor,
    ).first()
    if begun:
        return begun
    try:
        _seal_into(draft, unseal_from(current, "credential"))
    except SealBroken:
        raise Refused(
            _("The key of %(name)s cannot be opened. Connect the account by pasting a key.")
            % {"name": current.name}
        ) from None
    draft.save()
    record(
        organization=current.organization,
        actor=actor,
        verb="connections.begin_beside",
        target=draft,
        details={
            "provider": draft.provider,
            "remote_organization_id": remote_organization_id,
            "key_hint": draft.credential_hint,
        },
        connection=draft,
    )
    kick_probe(draft.pk)
    return draft


@transaction.atomic(durable=True)
def paste_again(
    *, connection: Connection, actor: User, base_url: str, credential: Secret
) -> Connection:
    """Try a draft with another key, or with the same key at another base URL."""
    draft = _locked(connection, State.DRAFT)
    _must(actor, "connections.connect", draft.organization)
    _must_be_allowed(draft.provider, base_url)
    draft.base_url = base_url
    draft.remote_organization_id = draft.remote_organization_name = ""
    _seal_into(draft, credential)
    draft.save()
    record(
        organization=draft.organization_id,
        actor=actor,
        verb="connections.paste_again",
        target=draft,
        details={"base_url": base_url, "key_hint": draft.credential_hint},
        connection=draft,
    )
    kick_probe(draft.pk)
    return draft


@transaction.atomic(durable=True)
def choose_organization(
    *, connection: Connection, actor: User, remote_organization_id: str
) -> Connection:
    """Settle which of the organizations that a key reaches is meant, and find out about that one."""
    draft = _locked(connection, State.DRAFT)
    _must(actor, "connections.connect", draft.organization)
    reached = {one["id"]: one["name"] for one in draft.probe_result.get("organizations", [])}
    if remote_organization_id not in reached:
        raise NotReached(_("The key does not reach that organization. Choose one of those shown."))
    _must_be_new(draft, remote_organization_id)
    draft.remote_organization_id = remote_organization_id
    draft.remote_organization_name = reached[remote_organization_id][:200]
    _ask(draft, draft.probe_result)
    draft.save()
    kick_probe(draft.pk)
    return draft


def why_not_yet(draft: Connection) -> str:
    """Why a draft cannot be made a connection (yet), "" if it can. What is connected already is found later."""
    if draft.probe == Probe.FAILED:
        return _("Nothing was found with this key. Try again, or paste another one.")
    if draft.probe == Probe.FOUND and not draft.remote_organization_id:
        return _("Choose first which of the organizations that the key reaches is meant.")
    if draft.probe != Probe.FOUND:
        return _("The provider has not said yet what this key can do. Wait a moment.")
    needs = PROVIDERS[draft.provider].needs
    if not draft.can(needs):
        return _("This key may not read what there is to show: %(reason)s") % {
            "reason": draft.why_not(needs)
        }
    return ""


def connect(
    *, connection: Connection, actor: User, name: str, seen: str | None = None
) -> Connection:
    """Make a probed draft an active connection and have its listings walked.

    ``seen``: the id of the remote organization that the actor was shown. Refused where a key that was
    pasted meanwhile leads to another one.
    """
    try:
        return _connect(connection, actor, name, seen)
    except IntegrityError:
        # Two people connected the same account in the same moment.
        raise Refused(_("This account has just been connected by somebody else.")) from None


@transaction.atomic(durable=True)
def _connect(connection: Connection, actor: User, name: str, seen: str | None) -> Connection:
    draft = _locked(connection, State.DRAFT)
    _must(actor, "connections.connect", draft.organization)
    overtaken = seen is not None and seen != draft.remote_organization_id
    if overtaken and not draft.remote_organization_id:
        raise Refused(_("Another key was pasted meanwhile. Look first at what is found with it."))
    if why := why_not_yet(draft):
        raise Refused(why)
    if overtaken:
        raise Refused(
            _(
                "Another key was pasted meanwhile, and it leads elsewhere. Look at what was found now."
            )
        )
    _must_be_new(draft, draft.remote_organization_id)
    _must_be_free(draft, name)
    draft.name = name
    draft.state = State.ACTIVE
    draft.last_ok_at = timezone.now()
    draft.save()
    record(
        organization=draft.organization_id,
        actor=actor,
        verb="connections.connect",
        target=draft,
        details={
            "provider": draft.provider,
            "remote_organization": draft.remote_organization_name,
            "remote_organization_id": draft.remote_organization_id,
            "key_hint": draft.credential_hint,
        },
        connection=draft,
    )
    for hook in on_connected:
        hook(draft)
    return draft


@transaction.atomic(durable=True)
def discard(*, connection: Connection, actor: User | None) -> None:
    """Throw a draft away, its key with it. ``actor`` None: it was abandoned."""
    draft = _locked(connection, State.DRAFT)
    if actor:
        _must(actor, "connections.connect", draft.organization)
    record(
        organization=draft.organization_id,
        actor=actor,
        verb="connections.discard",
        target=draft,
        connection=draft,
    )
    draft.delete()


# --- A connection that stands --------------------------------------------------------------------


@transaction.atomic(durable=True)
def rename(*, connection: Connection, actor: User, name: str) -> Connection:
    """Give a connection another name."""
    current = _locked(connection, State.ACTIVE, State.PAUSED)
    _must(actor, "connections.change", current.organization)
    before = current.name
    if name == before:
        return current
    _must_be_free(current, name)
    current.name = name
    current.save(update_fields=["name"])
    _note(current, actor, "connections.rename", {"name": [before, name]})
    return current


@transaction.atomic(durable=True)
def rotate(*, connection: Connection, actor: User, credential: Secret) -> Connection:
    """Have a new key probed; it takes the old one's place only if it reaches the same account."""
    current = _locked(connection, State.ACTIVE, State.PAUSED)
    _must(actor, "connections.rotate", current.organization)
    _must_be_allowed(current.provider, current.base_url)
    current.next_credential = seal_for(current, "next_credential", credential)
    _ask(current, {"asked_by": actor.pk, "hint": hint_of(credential)})
    current.save(update_fields=["next_credential", "probe", "probe_asked_at", "probe_result"])
    _note(current, actor, "connections.rotate.begin", {"key_hint": hint_of(credential)})
    kick_probe(current.pk)
    return current


@transaction.atomic(durable=True)
def drop_new_key(*, connection: Connection, actor: User) -> Connection:
    """Give up a rotation; the key in use stays."""
    current = _locked(connection, State.ACTIVE, State.PAUSED)
    _must(actor, "connections.rotate", current.organization)
    current.next_credential = ""
    current.probe, current.probe_result = Probe.NONE, {}
    current.save(update_fields=["next_credential", "probe", "probe_result"])
    _note(current, actor, "connections.rotate.drop")
    return current


@transaction.atomic(durable=True)
def ask_again(*, connection: Connection, actor: User) -> Connection:
    """Probe once more with the key that is there: after a failure, or to see whether it works again."""
    current = _locked(connection, State.DRAFT, State.ACTIVE, State.PAUSED)
    _must(actor, "connections.change", current.organization)
    if current.probe in (Probe.WAITING, Probe.RUNNING):
        return current
    if not (current.next_credential or current.credential):
        raise Refused(_("The key was not kept. Paste it again."))
    _ask(current, {name: current.probe_result.get(name) for name in ("asked_by", "hint")})
    current.save(update_fields=["probe", "probe_asked_at", "probe_result"])
    _note(current, actor, "connections.ask_again")
    kick_probe(current.pk)
    return current


@transaction.atomic(durable=True)
def pause(*, connection: Connection, actor: User) -> Connection:
    """Stop syncing and sending until it is resumed; what is shown stays as it is."""
    current = _locked(connection, State.ACTIVE, State.PAUSED)
    _must(actor, "connections.pause", current.organization)
    if current.state == State.ACTIVE:
        current.state = State.PAUSED
        current.save(update_fields=["state"])
        _note(current, actor, "connections.pause")
    return current


@transaction.atomic(durable=True)
def resume(*, connection: Connection, actor: User) -> Connection:
    """Go on with a paused connection, beginning with a sync."""
    current = _locked(connection, State.ACTIVE, State.PAUSED)
    _must(actor, "connections.pause", current.organization)
    if current.state == State.PAUSED:
        current.state = State.ACTIVE
        current.save(update_fields=["state"])
        _note(current, actor, "connections.resume")
        for hook in on_connected:
            hook(current)
    return current


@transaction.atomic(durable=True)
def disconnect(*, connection: Connection, actor: User) -> Connection:
    """Wipe the key and stop for good. What was mirrored stays; queued changes are cancelled.

    Refused while a change is on its way whose outcome is not known.
    """
    current = _locked(connection, State.ACTIVE, State.PAUSED)
    _must(actor, "connections.disconnect", current.organization)
    for obstacle in disconnect_obstacles:
        if why := obstacle(current):
            raise Refused(why)
    end(current, actor)
    return current


def end(current: Connection, actor: User | None) -> None:
    """Wipe the key and stop for good, in the caller's transaction. ``actor`` None: nobody asked."""
    current.state = State.DISCONNECTED
    current.disconnected_at = timezone.now()
    current.credential = current.next_credential = current.credential_hint = ""
    current.probe, current.probe_result = Probe.NONE, {}
    current.frozen_at, current.frozen_reason = None, ""
    current.failures, current.breaker_open_until, current.breaker_trial = 0, None, False
    current.last_error = ""
    current.save()
    _note(current, actor, "connections.disconnect")
    for hook in on_disconnected:
        hook(current, actor)


# --- What time does ------------------------------------------------------------------------------


def tidy() -> None:
    """Throw abandoned drafts away, and wake workers for probes that were lost on the way."""
    now = timezone.now()
    abandoned = Connection.objects.filter(
        state=State.DRAFT, created_at__lt=now - timedelta(hours=DRAFT_HOURS)
    )
    for draft in abandoned:
        try:
            discard(connection=draft, actor=None)
        except Refused:
            continue  # it was confirmed or discarded a moment ago
    lost = now - timedelta(seconds=PROBE_LOST_SECONDS)
    with transaction.atomic(durable=True):
        Connection.objects.filter(probe=Probe.RUNNING, probe_asked_at__lt=lost).update(
            probe=Probe.WAITING, probe_asked_at=now
        )
        waiting = Connection.objects.filter(probe=Probe.WAITING).values_list("pk", flat=True)
        for pk in list(waiting):
            kick_probe(pk)


# --- Shared --------------------------------------------------------------------------------------


def _locked(connection: Connection, *states: Connection.State) -> Connection:
    # PostgreSQL locks the row; on SQLite the IMMEDIATE transaction is the lock.
    current = (
        Connection.objects.select_for_update(of=("self",))
        .select_related("organization")
        .filter(pk=connection.pk, state__in=states)
        .first()
    )
    if current is None:
        raise Refused(_("The connection has changed in the meantime. Load the page again."))
    return current


def _must_be_allowed(provider: str, base_url: str) -> None:
    if base_url not in allowed_base_urls(provider):
        raise Refused(_("That base URL is not on this portal's list."))


def _must_be_free(connection: Connection, name: str) -> None:
    """Two of one name could not be told apart, in no list and before no change."""
    others = Connection.objects.live().filter(organization=connection.organization_id)
    if others.filter(name__iexact=name).exclude(pk=connection.pk).exists():
        raise Refused(
            _("Another connection is called “%(name)s” already. Choose another name.")
            % {"name": name}
        )


def _must_be_new(draft: Connection, remote_organization_id: str) -> None:
    twin = (
        Connection.objects.live()
        .filter(
            organization=draft.organization_id,
            provider=draft.provider,
            base_url=draft.base_url,
            remote_organization_id=remote_organization_id,
        )
        .first()
    )
    if twin:
        raise Refused(
            _(
                "This account is connected already, as “%(name)s”. To use another key, replace it there."
            )
            % {"name": twin.name}
        )


def _seal_into(draft: Connection, credential: Secret) -> None:
    draft.credential = seal_for(draft, "credential", credential)
    draft.credential_hint = hint_of(credential)
    draft.credential_changed_at = timezone.now()
    draft.capabilities, draft.offers = {}, {}
    _ask(draft)


def _ask(connection: Connection, result: dict[str, Any] | None = None) -> None:
    connection.probe = Probe.WAITING
    connection.probe_asked_at = timezone.now()
    connection.probe_result = result or {}


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
