"""The list of invites, declared."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.invites.models import Invite
from apps.members.standing import role_label
from apps.organizations.lists import ListByConnection, connection_column, connection_filter
from apps.organizations.models import Connection
from apps.sync.models import Command
from apps.sync.outbox.requests import busy_targets
from apps.sync.schedule import freshness
from apps.ui.filters import ChoiceFilter, Filter, SearchFilter
from apps.ui.listing import BulkAction, Column, Empty

State = Invite.State
SOON = timedelta(days=7)

TONES = {
    State.SENDING: "info",
    State.PENDING: "plain",
    State.ACCEPTED: "success",
    State.REFUSED: "danger",
    State.EXPIRED: "warning",
    State.WITHDRAWN: "muted",
    State.UNKNOWN: "muted",
}


def has_lapsed() -> Q:
    """Invites past their date, whether or not a walk has noticed yet."""
    return Q(state=State.EXPIRED) | Q(state=State.PENDING, expires_at__lt=timezone.now())


def is_past(state: str, expires_at: datetime | None, now: datetime) -> bool:
    """Whether a pending invite's date is past, whether or not a walk has noticed yet."""
    return state == State.PENDING and expires_at is not None and expires_at < now


def lapses_soon() -> Q:
    """Pending invites that lapse within a week."""
    now = timezone.now()
    return still_open() & Q(expires_at__gte=now, expires_at__lt=now + SOON)


def still_open() -> Q:
    """Pending invites that can be accepted as far as we know: of a disconnected account nobody hears any more."""
    open_now = Q(state=State.PENDING) & ~Q(expires_at__lt=timezone.now())
    return open_now & ~Q(connection__state=Connection.State.DISCONNECTED)


STATES = {
    "pending": (gettext_lazy("Pending"), still_open),
    "expiring": (gettext_lazy("Expires within 7 days"), lapses_soon),
    "expired": (gettext_lazy("Expired"), has_lapsed),
    "accepted": (gettext_lazy("Accepted"), lambda: Q(state=State.ACCEPTED)),
    "sending": (gettext_lazy("Being sent"), lambda: Q(state=State.SENDING)),
    "refused": (gettext_lazy("Refused"), lambda: Q(state=State.REFUSED)),
    "withdrawn": (gettext_lazy("Withdrawn"), lambda: Q(state=State.WITHDRAWN)),
    "unknown": (gettext_lazy("No longer listed"), lambda: Q(state=State.UNKNOWN)),
}


def state_now(invite: Invite) -> Invite.State:
    """The state as it is this minute: a date may pass between two walks."""
    past = is_past(invite.state, invite.expires_at, timezone.now())
    return State.EXPIRED if past else State(invite.state)


def shown_state(invite: Invite) -> tuple[str, str, str]:
    """Tone, word and reason for the state as it is this minute."""
    state = state_now(invite)
    known = state != State.UNKNOWN or not invite.remote_status
    return TONES[state], str(state.label) if known else invite.remote_status, invite.error


class InviteList(ListByConnection[Invite]):
    """One row for each invite at each connection."""

    name = "invites"
    title = gettext_lazy("Invites")
    all_label = gettext_lazy("All invites")
    template = "invites/list.html"
    rows_url_name = "invites:rows"
    default_sort = "-invited"
    columns = [
        Column(
            key="email",
            label=gettext_lazy("Email"),
            cell="link",
            sort="email",
            css="cell-main",
        ),
        connection_column(),
        Column(
            key="role",
            label=gettext_lazy("Role"),
            value=lambda row: role_label(row.connection.provider, row.role),
            sort="role",
            export="role",
        ),
        Column(
            key="state",
            label=gettext_lazy("State"),
            cell="invites/cells.html:state",
            export=lambda row: shown_state(row)[1],
        ),
        Column(
            key="invited",
            label=gettext_lazy("Invited"),
            value="invited_at",
            cell="when",
            sort="invited_at",
            nullable=True,
        ),
        Column(
            key="expires",
            label=gettext_lazy("Expires"),
            value="expires_at",
            cell="when",
            sort="expires_at",
            nullable=True,
        ),
        Column(
            key="actions",
            label=gettext_lazy("Actions"),
            cell="invites/cells.html:actions",
            buttons=True,
            css="cell-actions",
        ),
        Column(key="error", label=gettext_lazy("Reason"), shown=False),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(label=gettext_lazy("Search invites"), fields=["email"]),
        ChoiceFilter(
            key="state",
            label=gettext_lazy("State"),
            options=[(key, label) for key, (label, _condition) in STATES.items()],
            lookup=lambda value, page: STATES[value][1](),
        ),
        connection_filter(),
    ]
    bulk_actions = [
        BulkAction(
            name="resend",
            label=gettext_lazy("Resend"),
            icon="send",
            action="invites.resend",
            url_name="invites:bulk_resend",
        ),
        BulkAction(
            name="withdraw",
            label=gettext_lazy("Withdraw"),
            icon="mail-off",
            action="invites.withdraw",
            url_name="invites:bulk_withdraw",
            danger=True,
        ),
    ]

    @cached_property
    def stamp(self) -> str:
        """Makes the nonces of this page's own buttons: pressed twice, they ask once."""
        return uuid.uuid4().hex

    def rows(self) -> QuerySet[Invite]:
        """The organization's invites."""
        return Invite.objects.visible_to(self.request.user).filter(
            connection__in=list(self.connections)
        )

    def prepare(self, rows: list[Invite]) -> None:
        """Give each row its connection and its open Command. One query."""
        for row in rows:
            row.connection = self.connections[row.connection_id]
        self.flights: dict[tuple[int, str], Command] = busy_targets(
            {row.connection_id for row in rows}, {row.target for row in rows}
        )

    def flight(self, row: Invite) -> Command | None:
        """The open Command on this very row (an older row of the address is not in flight)."""
        command = self.flights.get((row.connection_id, row.target))
        return command if command and command.row_id == row.pk else None

    def in_flight(self, row: Invite) -> bool:
        """Whether a Command on it is open and goes on by itself."""
        return self.flight(row) is not None

    def state_of(self, row: Invite) -> tuple[str, str, str]:
        """Tone, word and reason."""
        tone, word, reason = shown_state(row)
        gone = row.connection.state == Connection.State.DISCONNECTED
        if gone and row.state in (State.PENDING, State.SENDING):
            return "muted", word, reason or _("when disconnected")
        return tone, word, reason

    def can_resend(self, row: Invite) -> bool:
        """Whether it can be sent again from here."""
        again = row.state in (State.PENDING, State.EXPIRED, State.REFUSED, State.WITHDRAWN)
        live = row.connection.state == Connection.State.ACTIVE
        return again and live and bool(self.request.may("invites.resend"))

    def can_withdraw(self, row: Invite) -> bool:
        """Whether it can be withdrawn from here."""
        live = row.connection.state == Connection.State.ACTIVE
        pending = row.state == State.PENDING and row.remote_id is not None
        return pending and live and bool(self.request.may("invites.withdraw"))

    def row_url(self, row: Invite) -> str:
        """The person invited."""
        people = reverse("members:list", kwargs={"slug": self.organization.slug})
        return f"{people}{row.person_id}/"

    def row_label(self, row: Invite) -> str:
        """The address."""
        return row.email

    def context(self) -> dict[str, Any]:
        """How fresh the list is, and whether the page offers to invite."""
        return {
            "freshness": freshness(self.organization, "invites"),
            "may_invite": self.request.may("invites.invite"),
        }

    def counted(self, count: int) -> str:
        """ "1,204 invites"."""
        return ngettext("%(n)s invite", "%(n)s invites", count) % {"n": self.number(count)}

    def nothing_yet(self) -> Empty:
        """No connection, or nobody invited."""
        if not self.live:
            return self.not_connected(
                _(
                    "Connect your organization at Anthropic or Cline: its invites appear here a moment later."
                )
            )
        return Empty(
            icon="mail",
            title=_("Nobody has been invited yet"),
            text=_("Invite one person or two thousand; each provider sends its own mail."),
            url=reverse("invites:new", kwargs={"slug": self.organization.slug})
            if self.request.may("invites.invite")
            else "",
            label=_("Invite people"),
        )
