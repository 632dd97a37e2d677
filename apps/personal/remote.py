"""Changes of a person's own account: how each is sent, read back, and written to the mirror."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.configuration.sealed import is_lost, typed_document, wipe
from apps.organizations.connections import end
from apps.organizations.models import Connection
from apps.organizations.sealing import Secret
from apps.personal.budget import REQUEST_BUDGET
from apps.personal.mirror import active_of, as_membership, names_of, with_account
from apps.personal.models import Account
from apps.providers.catalogue import PROVIDERS
from apps.providers.errors import NotFound, Refused, Unauthorized, Unclear
from apps.providers.protocol import Adapter
from apps.providers.records.account import AccountRecord
from apps.sync import schedule
from apps.sync.models import Command
from apps.sync.outbox.kinds import (
    Brought,
    Done,
    Json,
    Kind,
    Moot,
    NotDone,
    Step,
    Undecided,
    Verdict,
    register,
)


def _row(command: Command) -> Account | None:
    return Account.objects.filter(pk=command.row_id, gone_at__isnull=True).first()


def _check(command: Command) -> str:
    return "" if _row(command) else _("This account is gone.")


def _me(adapter: Adapter, command: Command) -> AccountRecord:
    """The account as it is now, if it is still the one that was asked about."""
    found = with_account(adapter).get_current_user()
    if found.remote_id != command.arguments["remote_id"]:
        raise Refused(_("The key belongs to another account by now."))
    return found


def _write(command: Command, **columns: Any) -> None:
    Account.objects.filter(pk=command.row_id).update(
        changed_at=timezone.now(), fingerprint=0, **columns
    )


# --- Profile -------------------------------------------------------------------------------------

PROFILE = ("name", "takes_part_in_benchmarks")


def _wanted(command: Command) -> Json:
    return {name: command.arguments[name] for name in PROFILE if name in command.arguments}


def _send_profile(adapter: Adapter, command: Command) -> Json:
    with_account(adapter).update_current_user(**_wanted(command))
    return {}


def _read_profile(adapter: Adapter, command: Command) -> Verdict:
    there = _me(adapter, command)
    same = all(getattr(there, name) == value for name, value in _wanted(command).items())
    return Done() if same else NotDone()


def _check_profile(command: Command) -> str:
    row = _row(command)
    if row is None:
        return _("This account is gone.")
    if any(getattr(row, name) != command.before.get(name) for name in _wanted(command)):
        return _("Meanwhile the profile was changed at the provider.")
    return ""


def _describe_profile(command: Command) -> str:
    words = []
    if "name" in command.arguments:
        words.append(_("You are called “%(name)s” from now on.") % command.arguments)
    if "takes_part_in_benchmarks" in command.arguments:
        words.append(
            _("You take part in benchmarks from now on.")
            if command.arguments["takes_part_in_benchmarks"]
            else _("You no longer take part in benchmarks.")
        )
    return " ".join(words)


UPDATE_PROFILE = Kind(
    name="personal.update_profile",
    label=gettext_lazy("Change own profile"),
    action="account.change",
    capability="account.change",
    resource="account",
    steps=(Step("update", _send_profile, _read_profile),),
    describe=_describe_profile,
    settle=lambda command: _write(command, **_wanted(command)),
    check=_check_profile,
)


# --- Terms ---------------------------------------------------------------------------------------


def _accepted(there: AccountRecord | None) -> Json:
    at = there.terms_accepted_at if there else None
    return {"at": at.isoformat() if at else None}


def _send_terms(adapter: Adapter, command: Command) -> Json:
    return _accepted(with_account(adapter).accept_terms())


def _read_terms(adapter: Adapter, command: Command) -> Verdict:
    there = _me(adapter, command)
    return Done(_accepted(there)) if there.terms_accepted_at else NotDone()


ACCEPT_TERMS = Kind(
    name="personal.accept_terms",
    label=gettext_lazy("Accept the terms"),
    action="account.change",
    capability="account.terms",
    resource="account",
    steps=(Step("accept", _send_terms, _read_terms),),
    describe=lambda command: (
        _("You accept the terms of service of %(connection)s.") % {"connection": command.connection}
    ),
    settle=lambda command: _write(
        command, terms_accepted_at=command.results[-1]["at"] or timezone.now()
    ),
    check=_check,
)


# --- Invite --------------------------------------------------------------------------------------


def _token(command: Command) -> str:
    return str((typed_document(command) or {})["token"])


def _check_token(command: Command) -> str:
    return _check(command) or (
        _("What was pasted for it is wiped. Paste it anew.") if is_lost(command) else ""
    )


def _look_at_places(adapter: Adapter, command: Command) -> Json:
    there = _me(adapter, command)
    if command.unclear_since and "ids" in command.baseline:
        return {"ids": command.baseline["ids"]}  # one more since it was first sent is its doing
    return {"ids": sorted(one.organization_id for one in there.memberships)}


def _send_acceptance(adapter: Adapter, command: Command) -> Json:
    joined = with_account(adapter).accept_invite(_token(command))
    if joined is None:
        raise Unclear(_("It was sent, and the answer does not say which organization it is."))
    return {"joined": as_membership(joined)}


def _read_acceptance(adapter: Adapter, command: Command) -> Verdict:
    """One organization more than right before (or than the person saw, if nothing was sent): that is it."""
    there = _me(adapter, command)
    before = command.baseline.get("ids", command.before["ids"])
    new = [one for one in there.memberships if one.organization_id not in before]
    if len(new) > 1:
        return Undecided(
            _("You are in several new organizations."),
            [{"id": one.organization_id, "label": one.organization_name} for one in new],
        )
    return Done({"joined": as_membership(new[0])}) if new else NotDone()


def _settle_acceptance(command: Command) -> None:
    wipe([command])
    row, joined = _row(command), command.results[-1].get("joined")
    if row and joined:
        others = [one for one in row.raw.get("memberships", []) if one["id"] != joined["id"]]
        memberships = [*others, joined]
        _write(command, raw={"memberships": memberships}, organizations=names_of(memberships))
    # The provider may bill use to it from now on, and it may hand out settings.
    for listing in ("account", "remote_config"):
        schedule.soon(command.connection, listing)


ACCEPT_INVITE = Kind(
    name="personal.accept_invite",
    label=gettext_lazy("Accept an invite"),
    action="account.change",
    capability="account.join",
    resource="account",
    steps=(Step("accept", _send_acceptance, _read_acceptance, look=_look_at_places),),
    describe=lambda command: _("You join the organization that has invited you."),
    settle=_settle_acceptance,
    undo=wipe,
    check=_check_token,
)


# --- Which account is billed ---------------------------------------------------------------------


def _send_active(adapter: Adapter, command: Command) -> Json:
    with_account(adapter).set_active_account(command.arguments["organization_id"] or None)
    return {}


def _read_active(adapter: Adapter, command: Command) -> Verdict:
    there = _me(adapter, command)
    wanted = command.arguments["organization_id"]
    if wanted and wanted not in {one.organization_id for one in there.memberships}:
        return Moot(_("You are not in that organization (any more)."))
    return Done() if active_of(there) == wanted else NotDone()


def _settle_active(command: Command) -> None:
    _write(command, active_organization_id=command.arguments["organization_id"])
    schedule.soon(command.connection, "remote_config")  # the active one's own may apply


def _describe_active(command: Command) -> str:
    if name := command.arguments["name"]:
        return _("Use is billed to %(name)s from now on, in every client of yours.") % {
            "name": name
        }
    return _("Use is billed to you yourself from now on, in every client of yours.")


SET_ACTIVE = Kind(
    name="personal.set_active",
    label=gettext_lazy("Switch the active account"),
    action="account.change",
    capability="account.change",
    resource="account",
    steps=(Step("switch", _send_active, _read_active),),
    describe=_describe_active,
    settle=_settle_active,
    check=_check,
)


# --- Account token -------------------------------------------------------------------------------


def _send_refresh(adapter: Adapter, command: Command) -> Brought:
    try:
        found = with_account(adapter).refresh_account_token(_token(command))
    except Unauthorized as error:
        # Said of the token that was pasted: this call does not use the connection's key.
        words = error.message or _("The provider does not take this refresh token (any more).")
        raise Refused(words, status=error.status, request_id=error.request_id) from None
    lines = [_("Account token: %(token)s") % {"token": f"workos:{found.access_token}"}]
    if found.refresh_token:
        lines.append(_("Refresh token: %(token)s") % {"token": found.refresh_token})
    until = found.expires_at.isoformat() if found.expires_at else None
    return Brought({"expires_at": until}, Secret("\n".join(lines)))


def _read_refresh(adapter: Adapter, command: Command) -> Verdict:
    """Nothing there tells of it; and sent twice, it would be refused."""
    return Moot(
        _(
            "The answer was lost, and the new token with it. A refresh token works once, so this one "
            "may be used up: sign in at the provider again."
        )
    )


REFRESH_TOKEN = Kind(
    name="personal.refresh_token",
    label=gettext_lazy("New account token"),
    action="account.token",
    capability="account.token",
    resource="account",
    steps=(Step("refresh", _send_refresh, _read_refresh),),
    describe=lambda command: _("The refresh token is used up; a new account token is shown once."),
    settle=lambda command: wipe([command]),
    undo=wipe,
    check=_check_token,
)


# --- Delete --------------------------------------------------------------------------------------


def _look_before_deletion(adapter: Adapter, command: Command) -> Json:
    return {"id": _me(adapter, command).remote_id}


def _send_deletion(adapter: Adapter, command: Command) -> Json:
    with_account(adapter).delete_current_user()
    return {}


def _read_deletion(adapter: Adapter, command: Command) -> Verdict:
    """The key dies with its account. That it is refused says so only if it was accepted right before."""
    try:
        _me(adapter, command)
    except NotFound:
        return Done()
    except Unauthorized:
        if command.baseline.get("id") != command.arguments["remote_id"]:
            raise
        return Done()
    return NotDone()


def _check_deletion(command: Command) -> str:
    """It must still be the account whose address was typed."""
    row = _row(command)
    if row is None:
        return _("This account is gone.")
    if row.email != command.before.get("email"):
        return _("Meanwhile its address was changed at the provider: it is %(email)s now.") % {
            "email": row.email
        }
    return ""


def _settle_deletion(command: Command) -> None:
    """It is gone, and its key with it: nothing is kept that could be sent."""
    _write(command, gone_at=timezone.now())
    connection = (
        Connection.objects.live().select_for_update().filter(pk=command.connection_id).first()
    )
    if connection:
        end(connection, command.actor)


def _describe_deletion(command: Command) -> str:
    provider = PROVIDERS.get(command.connection.provider)
    words = _("Your account %(email)s is deleted for good.") % {"email": command.label}
    return f"{words} {provider.deletion_ends if provider else ''}".strip()


DELETE_ACCOUNT = Kind(
    name="personal.delete_account",
    label=gettext_lazy("Delete own account"),
    action="account.delete",
    capability="account.delete",
    resource="account",
    steps=(
        Step(
            "delete",
            _send_deletion,
            _read_deletion,
            look=_look_before_deletion,
            gone_is_done=True,
        ),
    ),
    describe=_describe_deletion,
    settle=_settle_deletion,
    check=_check_deletion,
    final=True,
    ends_key=True,
)


def register_kinds() -> None:
    """Make the changes of this shelf known to the outbox."""
    for kind in (
        UPDATE_PROFILE,
        ACCEPT_TERMS,
        ACCEPT_INVITE,
        SET_ACTIVE,
        REFRESH_TOKEN,
        DELETE_ACCOUNT,
        REQUEST_BUDGET,
    ):
        register(kind)
