"""What support is offered on a stuck change that may have to be sent again: ask, confirm, take back.

``support_resend`` does it; here stand the words, the forms and who sees which.
"""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import UnfoldBooleanWidget

from apps.accounts.models import User
from apps.organizations.policy import may, support_may
from apps.organizations.support import NOBODY, Act, ActForm, ReasonForm, Words
from apps.sync.models import Command, CommandState
from apps.sync.outbox import support_resend
from apps.sync.outbox.kinds import kind_of
from apps.ui.times import Clock

S = CommandState


def may_send_again(row: Command, actor: User) -> bool:
    """Whether this person decides it alone, by a role on the organization."""
    return (
        row.state == S.OPERATOR
        and not row.is_money
        and may(actor, "commands.decide", row.organization)
        and may(actor, kind_of(row).action, row.organization)
    )


class ResendForm(ReasonForm):
    """Asks how they know that it has not happened."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].label = _("Why it should be sent again")
        self.fields["reason"].help_text = _(
            "Say how you know that it has not happened. Whoever confirms it reads this, and so does the "
            "organization."
        )


class RequestForm(ActForm):
    """Names the request that was looked at: another that was made meanwhile is not meant."""

    asked = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        request = support_resend.waiting_for(self.rows[0]) if len(self.rows) == 1 else None
        self.fields["asked"].initial = request.pk if request else 0


class ConfirmForm(RequestForm):
    """Has them say that they looked."""

    looked = forms.BooleanField(
        label=_("I have looked at the provider: it has not happened."),
        widget=UnfoldBooleanWidget,
    )


def _known_of_it(row: Command) -> list[tuple[Words, object]]:
    """What stands for and against its having happened."""
    kind, request = kind_of(row), support_resend.waiting_for(row)
    found = [f"{one.get('label', '')} ({one.get('id', '')})".strip() for one in row.candidates]
    facts: list[tuple[Words, object]] = [
        (_("What it does"), kind.describe(row)),
        (_("Whose change it is"), row.asked_by or _("somebody who is gone")),
        (_("Sent"), _sent(row)),
        (_("What the read-back said"), row.error or NOBODY),
        (_("Found at the provider"), "; ".join(found) or _("Nothing that it could have made")),
    ]
    if done := [str(step.words) for step in kind.steps[: row.step] if step.words]:
        facts.append((_("What has happened of it"), " ".join(done)))
    if request:
        facts += [
            (_("Asked to be sent again by"), request.asked_by or NOBODY),
            (_("Asked"), Clock().exact(request.asked_at)),
            (_("Their reason"), request.reason),
        ]
    return facts


def _sent(row: Command) -> str:
    if row.sent_at is None:
        return str(_("Never"))
    words = ngettext("%(n)d time, last %(at)s", "%(n)d times, last %(at)s", row.attempts)
    return words % {"n": row.attempts, "at": Clock().exact(row.sent_at)}


def _may_ask_resend(row: Command, actor: User) -> bool:
    return (
        row.state == S.OPERATOR
        and not row.is_money
        and not may_send_again(row, actor)
        and support_may(actor, support_resend.ASK, row.organization)
        and support_resend.waiting_for(row) is None
    )


def _may_confirm_resend(row: Command, actor: User) -> bool:
    if not support_may(actor, support_resend.CONFIRM, row.organization):
        return False
    request = support_resend.waiting_for(row)
    return request is not None and request.asked_by_id != actor.pk


def _may_take_back_resend(row: Command, actor: User) -> bool:
    if not support_may(actor, support_resend.ASK, row.organization):
        return False
    return support_resend.waiting_for(row) is not None


ACTS = (
    Act(
        "ask_resend",
        _("Ask that it be sent again"),
        _(
            "Nothing is sent yet: a second person of support, a lead, must confirm it. Nobody could tell "
            "whether the change has happened. If it has, sending it again does it twice."
        ),
        form=ResendForm,
        do=lambda row, actor, given: support_resend.ask(
            command=row, actor=actor, reason=given["reason"]
        ),
        possible=_may_ask_resend,
        many=False,
        fresh=True,
        shows=_known_of_it,
    ),
    Act(
        "confirm_resend",
        _("Confirm, and send it again"),
        _(
            "It is sent to the provider once more, as the change of whoever asked for it. Nobody could tell "
            "whether it has happened: if it has, it happens a second time. Owners are told, with both names."
        ),
        form=ConfirmForm,
        do=lambda row, actor, given: support_resend.confirm(
            command=row, asked=given["asked"], actor=actor
        ),
        possible=_may_confirm_resend,
        many=False,
        grave=True,
        fresh=True,
        shows=_known_of_it,
    ),
    Act(
        "take_back_resend",
        _("Do not send it again"),
        _(
            "The request to send it again is over. Nothing is sent; the change still needs a decision."
        ),
        form=RequestForm,
        do=lambda row, actor, given: support_resend.take_back(
            command=row, asked=given["asked"], actor=actor
        ),
        possible=_may_take_back_resend,
        many=False,
        shows=_known_of_it,
    ),
)
