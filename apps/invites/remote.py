"""Changes of invites: how each is sent, read back, and written to the mirror."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.invites.models import Invite
from apps.members.models import Person
from apps.members.standing import role_label
from apps.providers.catalogue import PROVIDERS
from apps.providers.protocol import Adapter
from apps.providers.records import InviteRecord
from apps.sync.models import Command
from apps.sync.outbox.kinds import (
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

# A provider's clock may run behind ours by this much; an invite older than that is not ours.
CLOCK_TOLERANCE = timedelta(minutes=5)


# --- Invite --------------------------------------------------------------------------------------


def _known_ids(command: Command) -> Json:
    """The baseline: every invite of this address that the mirror has ever seen."""
    email = command.arguments["email"]
    ids = Invite.objects.filter(
        connection=command.connection, email__iexact=email, remote_id__isnull=False
    ).values_list("remote_id", flat=True)
    return {"ids": sorted(ids)}


def _send_invite(adapter: Adapter, command: Command) -> Json:
    return _as_result(adapter.invite(command.arguments["email"], command.arguments["role"]))


def _as_result(record: InviteRecord) -> Json:
    return {
        "remote_id": record.remote_id or None,
        "role": record.role,
        "status": record.status,
        "invited_at": record.invited_at.isoformat() if record.invited_at else None,
        "expires_at": record.expires_at.isoformat() if record.expires_at else None,
    }


def _read_invite(adapter: Adapter, command: Command) -> Verdict:
    """Exactly one new pending invite, or a new member: done. None: not done. Several: a person decides."""
    email = command.arguments["email"]
    known = set(command.baseline.get("ids", []))
    since = command.first_sent_at - CLOCK_TOLERANCE
    found = [
        record
        for record in adapter.pending_invites(email)
        if record.remote_id not in known
        and (record.invited_at is None or record.invited_at >= since)
        and not _claimed_by_another(command, record.remote_id)
    ]
    if len(found) == 1:
        return Done(_as_result(found[0]))
    if found:
        return Undecided(
            _("The provider shows several new invites to this address."),
            [{"id": r.remote_id, "label": f"{r.email} · {r.role}"} for r in found],
        )
    if adapter.members_by_email(email):
        return Done({"joined": True})
    return NotDone()


def _claimed_by_another(command: Command, remote_id: str) -> bool:
    return (
        Command.objects.filter(connection=command.connection, remote_id=remote_id)
        .exclude(pk=command.pk)
        .exists()
    )


def _begin_invites(commands: list[Command]) -> None:
    """Show each invite at once, as being sent."""
    if not commands:
        return
    organization = commands[0].organization
    emails = {c.arguments["email"].lower() for c in commands}
    Person.objects.bulk_create(
        [Person(organization=organization, email=email) for email in sorted(emails)],
        ignore_conflicts=True,
        batch_size=500,
    )
    people = dict(
        Person.objects.filter(organization=organization, email__in=emails).values_list(
            "email", "pk"
        )
    )
    # An earlier try to the same address that was refused is what this one stands for.
    Invite.objects.filter(
        connection_id__in={c.connection_id for c in commands},
        email__in=[c.arguments["email"] for c in commands],
        state=Invite.State.REFUSED,
    ).delete()
    now = timezone.now()
    rows = [
        _new_row(command, people[command.arguments["email"].lower()], now) for command in commands
    ]
    Invite.objects.bulk_create(rows, batch_size=500)
    for command, row in zip(commands, rows, strict=True):
        command.row_id = row.pk


def _new_row(command: Command, person_id: int, now: datetime) -> Invite:
    return Invite(
        connection=command.connection,
        person_id=person_id,
        email=command.arguments["email"],
        role=command.arguments["role"],
        state=Invite.State.SENDING,
        invited_at=now,  # asked for now; the provider's own time follows
        first_seen_at=now,
        changed_at=now,
    )


def _settle_invite(command: Command) -> None:
    result: dict[str, Any] = command.results[-1]
    row = Invite.objects.filter(pk=command.row_id)
    now = timezone.now()
    if result.get("joined"):
        row.update(state=Invite.State.ACCEPTED, changed_at=now, error="")
        return
    remote_id = result.get("remote_id")
    walked = Invite.objects.filter(connection=command.connection, remote_id=remote_id)
    if remote_id and (seen := walked.exclude(pk=command.row_id).first()):
        # A walk was faster in naming it: its row stays, ours goes.
        row.delete()
        Command.objects.filter(pk=command.pk).update(row_id=seen.pk)
        return
    row.update(
        remote_id=remote_id,
        role=result.get("role") or command.arguments["role"],
        state=Invite.State.PENDING,
        remote_status=result.get("status") or "",
        invited_at=result.get("invited_at") or now,
        expires_at=result.get("expires_at"),
        changed_at=now,
        fingerprint=0,
        error="",
    )


def _undo_invites(commands: list[Command]) -> None:
    """Take the flight back: the row stays, with the reason."""
    for command in commands:
        Invite.objects.filter(pk=command.row_id, state=Invite.State.SENDING).update(
            state=Invite.State.REFUSED, error=command.error, changed_at=timezone.now()
        )


def _describe_invite(command: Command) -> str:
    provider = PROVIDERS[command.connection.provider]
    words = [
        _("%(connection)s sends an invitation as %(role)s to %(email)s.")
        % {
            "connection": command.connection,
            "role": role_label(provider.key, command.arguments["role"]),
            "email": command.arguments["email"],
        }
    ]
    if provider.invite_days:
        words.append(_("It expires after %(days)d days.") % {"days": provider.invite_days})
    if provider.holds_seats:
        words.append(_("It holds a seat as long as it is open."))
    return " ".join(words)


INVITE_STEP = Step("invite", _send_invite, _read_invite, baseline=_known_ids)

INVITE = Kind(
    name="invites.invite",
    label=gettext_lazy("Invite"),
    action="invites.invite",
    capability="invites.create",
    resource="invites",
    steps=(INVITE_STEP,),
    describe=_describe_invite,
    settle=_settle_invite,
    undo=_undo_invites,
    begin=_begin_invites,
)


# --- Withdraw ------------------------------------------------------------------------------------


def _send_withdrawal(adapter: Adapter, command: Command) -> Json:
    adapter.withdraw_invite(command.arguments["remote_id"])
    return {}


def _read_withdrawal(adapter: Adapter, command: Command) -> Verdict:
    """No longer pending: withdrawn, unless the person has accepted it meanwhile."""
    email = command.arguments["email"]
    found = adapter.invite_now(command.arguments["remote_id"], email)
    status = found.status if found else ""
    if status == "pending":
        return NotDone()
    if status == "accepted" or adapter.members_by_email(email):
        return Moot(_("The invite was accepted meanwhile."))
    return Done()


def _check_withdrawal(command: Command) -> str:
    """The before-image: the invite must still be pending."""
    invite = Invite.objects.filter(pk=command.row_id).only("state").first()
    if invite is None or invite.state != Invite.State.PENDING:
        state = invite.get_state_display() if invite else _("gone")
        return _("This invite is no longer pending: %(state)s.") % {"state": state}
    return ""


def _mark_withdrawn(row_id: int | None) -> None:
    now = timezone.now()
    Invite.objects.filter(pk=row_id).update(
        state=Invite.State.WITHDRAWN, gone_at=now, changed_at=now, fingerprint=0
    )


def _settle_withdrawal(command: Command) -> None:
    _mark_withdrawn(command.row_id)


def _describe_withdrawal(command: Command) -> str:
    return _("The invitation of %(email)s at %(connection)s stops working.") % {
        "email": command.arguments["email"],
        "connection": command.connection,
    }


WITHDRAW_STEP = Step(
    "withdraw",
    _send_withdrawal,
    _read_withdrawal,
    gone_is_done=True,
    words=gettext_lazy("The old invite was withdrawn."),
)

WITHDRAW = Kind(
    name="invites.withdraw",
    label=gettext_lazy("Withdraw invite"),
    action="invites.withdraw",
    capability="invites.withdraw",
    resource="invites",
    steps=(WITHDRAW_STEP,),
    describe=_describe_withdrawal,
    settle=_settle_withdrawal,
    check=_check_withdrawal,
)


# --- Resend: neither provider has it, so withdraw, then invite ---------------------------------------


def _old_invite_is_gone(command: Command, step: Step, result: Json) -> None:
    """Between the two steps: the old row ends, a new one shows what is on its way."""
    _mark_withdrawn(command.row_id)
    _begin_invites([command])
    Command.objects.filter(pk=command.pk).update(row_id=command.row_id)


def _describe_resend(command: Command) -> str:
    return " ".join(
        [
            _("The old invitation of %(email)s is withdrawn first.")
            % {"email": command.arguments["email"]},
            _describe_invite(command),
        ]
    )


RESEND = Kind(
    name="invites.resend",
    label=gettext_lazy("Resend invite"),
    action="invites.resend",
    capability="invites.create",
    resource="invites",
    steps=(WITHDRAW_STEP, INVITE_STEP),
    describe=_describe_resend,
    settle=_settle_invite,
    undo=_undo_invites,
    check=_check_withdrawal,
    step_done=_old_invite_is_gone,
)


def register_kinds() -> None:
    """Make the changes of this shelf known to the outbox."""
    for kind in (INVITE, WITHDRAW, RESEND):
        register(kind)
