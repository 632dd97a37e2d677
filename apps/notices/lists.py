"""The lists of notices and of deliveries, declared."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.accounts.models import User
from apps.notices.models import Channel, Delivery, Endpoint, Hearing, Notice, Severity
from apps.notices.topics import open_to
from apps.ui.filters import ChoiceFilter, Filter, SearchFilter
from apps.ui.listing import BulkAction, Column, Empty, ListPage

SEVERITY_TONES = {
    Severity.INFO: "plain",
    Severity.WARNING: "warning",
    Severity.URGENT: "danger",
}
STATES = [
    ("unread", gettext_lazy("Not read by me")),
    ("open", gettext_lazy("Not acknowledged")),
    ("acknowledged", gettext_lazy("Acknowledged")),
    ("settled", gettext_lazy("Over")),
]


def severity(notice: Notice) -> tuple[str, str]:
    """How much it presses, as a badge."""
    one = Severity(notice.severity)
    return SEVERITY_TONES[one], str(one.label)


def standing(notice: Notice) -> tuple[str, str]:
    """Where it stands, as a badge."""
    if notice.acknowledged_at:
        return "success", _("Acknowledged")
    if notice.settled_at:
        return "muted", _("Over")
    return "info", _("Open")


def _topics(page: Any) -> list[tuple[str, Any]]:
    return [(topic.name, topic.label) for topic in open_to(page.request.role)]


def in_state(value: str, user: User) -> Q:
    """The condition of one of STATES, for ``user``."""
    if value == "unread":
        mine = Hearing.objects.filter(notice=OuterRef("pk"), user=user, read_at__isnull=True)
        return Q(Exists(mine))
    return {
        "open": Q(acknowledged_at__isnull=True, settled_at__isnull=True),
        "acknowledged": Q(acknowledged_at__isnull=False),
        "settled": Q(settled_at__isnull=False),
    }[value]


class NoticeList(ListPage[Notice]):
    """Everything that was told here, the newest first."""

    name = "notices"
    title = gettext_lazy("Notices")
    template = "notices/list.html"
    default_sort = "-pk"
    columns = [
        Column(
            key="title",
            label=gettext_lazy("Notice"),
            cell="notices/cells.html:title",
            css="cell-main",
        ),
        Column(
            key="severity",
            label=gettext_lazy("Severity"),
            value=severity,
            cell="badge",
            export=lambda row: severity(row)[1],
        ),
        Column(key="topic", label=gettext_lazy("Topic"), value="topic_label"),
        Column(
            key="state",
            label=gettext_lazy("State"),
            value=standing,
            cell="badge",
            export=lambda row: standing(row)[1],
        ),
        Column(key="told", label=gettext_lazy("Told"), value="created_at", cell="when", sort="pk"),
        Column(key="by", label=gettext_lazy("Acknowledged by"), value="acknowledged_by"),
        Column(
            key="acknowledged",
            label=gettext_lazy("Acknowledged at"),
            value="acknowledged_at",
            cell="when",
            shown=False,
        ),
        Column(key="text", label=gettext_lazy("Text"), shown=False),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(label=gettext_lazy("Search the notices"), fields=["title", "text"]),
        ChoiceFilter(
            key="state",
            label=gettext_lazy("State"),
            options=STATES,
            lookup=lambda value, page: in_state(value, page.request.user),
        ),
        ChoiceFilter(key="topic", label=gettext_lazy("Topic"), options=_topics, lookup="topic"),
        ChoiceFilter(
            key="severity",
            label=gettext_lazy("Severity"),
            options=list(Severity.choices),
            lookup="severity",
        ),
    ]
    bulk_actions = [
        BulkAction(
            name="acknowledge",
            label=gettext_lazy("Acknowledge"),
            icon="checks",
            action="notices.acknowledge",
            url_name="notices:bulk_acknowledge",
        ),
        BulkAction(
            name="read",
            label=gettext_lazy("Mark as read"),
            icon="mail-opened",
            action="notices.own",
            url_name="notices:bulk_read",
        ),
    ]

    def rows(self) -> QuerySet[Notice]:
        """The organization's notices that the reader's role may hear of."""
        mine = Notice.objects.visible_to(self.request.user)
        return mine.filter(organization=self.organization).select_related("acknowledged_by")

    def prepare(self, rows: list[Notice]) -> None:
        """Which of them the reader has not read."""
        mine = Hearing.objects.filter(notice__in=rows, user=self.request.user, read_at__isnull=True)
        self._unread = set(mine.values_list("notice", flat=True))

    def unread(self, row: Notice) -> bool:
        """Whether the reader has not read it."""
        return row.pk in self._unread

    def row_url(self, row: Notice) -> str:
        """The notice's own page."""
        return reverse("notices:notice", kwargs={"slug": self.organization.slug, "pk": row.pk})

    def counted(self, count: int) -> str:
        """ "1,204 notices"."""
        return ngettext("%(n)s notice", "%(n)s notices", count) % {"n": self.number(count)}

    def nothing_yet(self) -> Empty:
        """Nothing was told yet."""
        return Empty(
            icon="bell",
            title=_("Nothing to tell yet"),
            text=_("When something wants looking at, it stands here, and a mail tells you."),
            url=reverse("notices:own", kwargs={"slug": self.organization.slug}),
            label=_("Choose what you hear of"),
        )


DELIVERY_TONES = {
    Delivery.State.WAITING: "info",
    Delivery.State.SENDING: "info",
    Delivery.State.SENT: "success",
    Delivery.State.FAILED: "danger",
    Delivery.State.DROPPED: "muted",
}


def delivery_state(delivery: Delivery) -> tuple[str, str, str]:
    """How a delivery stands, as a badge with what was said."""
    state = Delivery.State(delivery.state)
    word: str = str(state.label)
    if state == Delivery.State.WAITING and delivery.attempts:
        word = _("Will be tried again")
    return DELIVERY_TONES[state], word, delivery.said


def _webhooks(page: Any) -> list[tuple[str, Any]]:
    found = Endpoint.objects.filter(organization=page.organization)
    return [(str(one.pk), one.name) for one in found]


class DeliveryList(ListPage[Delivery]):
    """What was sent, to whom, and what came of it."""

    name = "deliveries"
    title = gettext_lazy("Deliveries")
    template = "notices/deliveries.html"
    default_sort = "-pk"
    columns = [
        Column(key="label", label=gettext_lazy("About"), cell="link", css="cell-main"),
        Column(
            key="channel",
            label=gettext_lazy("By"),
            value=lambda row: row.get_channel_display(),
        ),
        Column(key="receiver", label=gettext_lazy("To")),
        Column(
            key="state",
            label=gettext_lazy("State"),
            value=delivery_state,
            cell="badge",
            export=lambda row: delivery_state(row)[1],
        ),
        Column(key="attempts", label=gettext_lazy("Attempts"), numeric=True),
        Column(
            key="created", label=gettext_lazy("Created"), value="created_at", cell="when", sort="pk"
        ),
        Column(key="settled", label=gettext_lazy("Settled"), value="settled_at", cell="when"),
        Column(key="said", label=gettext_lazy("What was said"), shown=False),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(label=gettext_lazy("Search deliveries"), fields=["label", "user__email"]),
        ChoiceFilter(
            key="state",
            label=gettext_lazy("State"),
            options=list(Delivery.State.choices),
            lookup="state",
        ),
        ChoiceFilter(
            key="by",
            label=gettext_lazy("By"),
            options=list(Channel.choices),
            lookup="channel",
        ),
        ChoiceFilter(
            key="webhook", label=gettext_lazy("Webhook"), options=_webhooks, lookup="endpoint"
        ),
    ]

    def rows(self) -> QuerySet[Delivery]:
        """The organization's deliveries."""
        mine = Delivery.objects.visible_to(self.request.user)
        return mine.filter(organization=self.organization).select_related("user", "endpoint")

    def row_url(self, row: Delivery) -> str:
        """The delivery's own page."""
        return reverse("notices:delivery", kwargs={"slug": self.organization.slug, "pk": row.pk})

    def counted(self, count: int) -> str:
        """ "1,204 deliveries"."""
        return ngettext("%(n)s delivery", "%(n)s deliveries", count) % {"n": self.number(count)}

    def nothing_yet(self) -> Empty:
        """Nothing was sent yet."""
        return Empty(
            icon="send",
            title=_("Nothing was sent yet"),
            text=_("Every mail and webhook that carries a notice or a report stands here."),
        )
