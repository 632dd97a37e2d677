"""Support sends a stuck change again: one of them asks, another of them, a lead, lets it be.

The change stays its asker's. The worker asks the policy for them as before every sending, and neither of
the two needs a right to the change itself. Money is left out: that it is sent again two persons of the
organization decide.
"""

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import F, Prefetch, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User
from apps.notices import services as notices
from apps.notices.models import Severity
from apps.notices.topics import Topic
from apps.organizations.policy import OWNERS, support_may
from apps.sync.models import Command, CommandState, SupportResend
from apps.sync.outbox.kinds import kind_of
from apps.sync.outbox.requests import (
    RequestRefused,
    content_hash,
    move_or_refuse,
    must_be_stuck,
    note_decision,
)
from apps.sync.outbox.states import note_event
from apps.sync.outbox.word import carry_soon

S = CommandState
D = SupportResend.Decision
ASK, CONFIRM = "commands.ask_resend", "commands.confirm_resend"
TOPIC = Topic(
    "support.sent_again",
    gettext_lazy("Support sends a change again"),
    OWNERS,
    "audit.read",
    gettext_lazy("Two of support have decided that a stuck change is sent again; told each time."),
)


def with_waiting(commands: QuerySet[Command]) -> QuerySet[Command]:
    """Each with the requests that wait for a lead's word (one or none) as ``asked_to_resend``. One query."""
    waiting = SupportResend.objects.filter(decision="", fence=F("command__fence"))
    return commands.prefetch_related(
        Prefetch("support_resends", waiting.select_related("asked_by"), "asked_to_resend")
    )


def waiting_for(command: Command) -> SupportResend | None:
    """The request that waits for a lead's word; None where none does (any more). At most one query."""
    if command.state != S.OPERATOR:
        return None
    asked = command.support_resends.filter(decision="", fence=command.fence)
    return asked.select_related("asked_by").first()


def _permit(actor: User, action: str, command: Command) -> None:
    if not support_may(actor, action, command.organization):
        raise PermissionDenied(_("Your role in support, or the organization, does not allow this."))


def ask(*, command: Command, actor: User, reason: str) -> SupportResend:
    """Ask that ``command`` be sent again; nothing is sent by it. Asked twice by the same person is once.

    Raises PermissionDenied and RequestRefused (it is not stuck, moves money, or somebody else has asked).
    """
    _permit(actor, ASK, command)
    must_be_stuck(command)
    if command.is_money:
        raise RequestRefused(
            _("Money is sent again by two persons of the organization only: hand them the change.")
        )
    try:
        with transaction.atomic(durable=True):
            stale = command.support_resends.filter(decision="").exclude(fence=command.fence)
            stale.update(decision=D.OVERTAKEN, decided_at=timezone.now())
            asked = SupportResend.objects.create(
                command=command, fence=command.fence, reason=reason, asked_by=actor
            )
            names = {"name": actor, "reason": reason}
            note_event(
                command, _("%(name)s of support asks that it be sent again: %(reason)s") % names
            )
            note_decision(command, actor, "resend_asked", support={"reason": reason})
    except IntegrityError:
        return _asked_before(command, actor)
    return asked


def _asked_before(command: Command, actor: User) -> SupportResend:
    asked = command.support_resends.filter(decision="").select_related("asked_by").first()
    if asked is None or asked.asked_by_id != actor.pk:
        raise RequestRefused(
            _("Somebody has asked for this already. Look at the change's present state.")
        )
    return asked


def confirm(*, command: Command, asked: int, actor: User) -> None:
    """Send ``command`` again, as a second of support beside whoever made the request ``asked`` (its id).

    Raises PermissionDenied and RequestRefused: it was not this that was asked, it was taken back or the
    change has gone on, or ``actor`` asked for it themselves.
    """
    _permit(actor, CONFIRM, command)
    must_be_stuck(command)
    request = waiting_for(command)
    if request is None or request.pk != asked:
        raise RequestRefused(_overtaken())
    first = request.asked_by
    if first is not None and first.pk == actor.pk:
        raise RequestRefused(
            _("You asked for this yourself: a second person of support must confirm it.")
        )
    if first is None or not support_may(first, ASK, command.organization):
        raise RequestRefused(_("Whoever asked for this is no longer of support: ask anew."))
    digest = content_hash(
        command.kind, command.connection_id, command.target, command.arguments, command.before
    )
    if digest != command.arguments_hash:
        raise RequestRefused(_("What is to be done has changed since it was asked for."))
    names = {"first": first, "second": actor, "reason": request.reason}
    now = timezone.now()
    with transaction.atomic(durable=True):
        _decide(request, D.SENT, actor)
        move_or_refuse(
            command,
            S.RETRY,
            note=_("Sent again by support: %(first)s asked, %(second)s confirmed. %(reason)s")
            % names,
            due_at=now,
            kicked_at=now,
        )
        support = {
            "asked": first.email,
            "confirmed": actor.email,
            "reason": request.reason,
        }
        note_decision(command, actor, "resent", support=support)
        _tell(command, request, first, actor)
        carry_soon(command)


def take_back(*, command: Command, asked: int, actor: User) -> None:
    """Let the request ``asked`` be over, with nothing sent: by whoever may ask."""
    _permit(actor, ASK, command)
    request = waiting_for(command)
    if request is None or request.pk != asked:
        raise RequestRefused(_overtaken())
    with transaction.atomic(durable=True):
        _decide(request, D.TAKEN_BACK, actor)
        words = _("%(name)s of support took the request to send it again back.")
        note_event(command, words % {"name": actor})
        note_decision(command, actor, "resend_taken_back", support={"reason": request.reason})


def _decide(request: SupportResend, decision: SupportResend.Decision, actor: User) -> None:
    """Close it, if nobody was faster."""
    waiting = SupportResend.objects.filter(pk=request.pk, decision="")
    if not waiting.update(decision=decision, decided_by=actor, decided_at=timezone.now()):
        raise RequestRefused(_overtaken())


def _overtaken() -> str:
    return _("This request is over, or another one: look at the change's present state.")


def _tell(command: Command, request: SupportResend, first: User, second: User) -> None:
    """Have the owners hear of it, in the transaction that sends it again."""
    given = {
        "kind": kind_of(command).label,
        "label": command.label,
        "first": first,
        "first_email": first.email,
        "second": second,
        "second_email": second.email,
        "reason": request.reason,
        "asker": command.asked_by or _("somebody who is gone"),
    }
    notices.tell(
        topic=TOPIC.name,
        organization=command.organization,
        cause=f"resend:{request.pk}",
        title=_("Support sends a change again: %(kind)s, %(label)s") % given,
        text=_(
            "Nobody could tell whether it had happened. %(first)s (%(first_email)s) of support asked that it be "
            "sent again, %(second)s (%(second_email)s) confirmed it. It stays the change of %(asker)s. "
            "Reason: %(reason)s"
        )
        % given,
        url=reverse("sync:command", kwargs={"slug": command.organization.slug, "uid": command.uid}),
        severity=Severity.INFO,
    )
