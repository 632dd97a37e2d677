"""The list of reports, declared."""

from collections.abc import Sequence
from typing import ClassVar

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.reports.calendar import in_words
from apps.reports.models import Run, Schedule
from apps.ui.filters import BooleanFilter, ChoiceFilter, Filter, SearchFilter
from apps.ui.listing import Column, Empty, ListPage

GOING = Q(paused_at__isnull=True, stopped_at__isnull=True)
STATES = [
    ("on", gettext_lazy("On")),
    ("paused", gettext_lazy("Paused")),
    ("stopped", gettext_lazy("Stopped")),
]
CONDITIONS = {
    "on": GOING,
    "paused": Q(paused_at__isnull=False),
    "stopped": Q(stopped_at__isnull=False),
}


def standing(schedule: Schedule) -> tuple[str, str, str]:
    """Where it stands, as a badge with the reason."""
    if schedule.stopped_at:
        return "danger", _("Stopped"), schedule.stopped_why
    if schedule.paused_at:
        return "muted", _("Paused"), ""
    return "success", _("On"), ""


RUN_WORDS = {
    Run.State.WAITING: ("info", gettext_lazy("Waiting")),
    Run.State.MAKING: ("info", gettext_lazy("Being made")),
    Run.State.MADE: ("success", gettext_lazy("Sent off")),
    Run.State.FAILED: ("danger", gettext_lazy("Failed")),
}


def outcome(state: str | None) -> tuple[str, str] | None:
    """A run's state as a badge; None for a report that has not run yet."""
    if not state:
        return None
    tone, word = RUN_WORDS[Run.State(state)]
    return tone, str(word)


class ReportList(ListPage[Schedule]):
    """Everything that is sent regularly here."""

    name = "reports"
    title = gettext_lazy("Reports")
    template = "reports/list.html"
    default_sort = "name"
    columns = [
        Column(key="name", label=gettext_lazy("Report"), cell="link", sort="name", css="cell-main"),
        Column(
            key="when",
            label=gettext_lazy("When"),
            value=lambda row: in_words(row.rhythm, row.hour, row.organization.time_zone),
        ),
        Column(key="owner", label=gettext_lazy("Made by")),
        Column(
            key="state",
            label=gettext_lazy("State"),
            value=standing,
            cell="badge",
            export=lambda row: standing(row)[1],
        ),
        Column(
            key="last",
            label=gettext_lazy("Last time"),
            value=lambda row: outcome(row.last_state),
            cell="badge",
            export="last_state",
        ),
        Column(
            key="next",
            label=gettext_lazy("Next"),
            value=lambda row: None if row.paused_at or row.stopped_at else row.next_at,
            cell="when",
            sort="next_at",
        ),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(label=gettext_lazy("Search reports"), fields=["name"]),
        ChoiceFilter(
            key="state",
            label=gettext_lazy("State"),
            options=STATES,
            lookup=lambda value, page: CONDITIONS[value],
        ),
        BooleanFilter(
            key="mine",
            label=gettext_lazy("Made by me"),
            when=lambda page: Q(owner=page.request.user),
        ),
    ]

    def rows(self) -> QuerySet[Schedule]:
        """The organization's reports, each with the state of its last run."""
        last = Run.objects.filter(schedule=OuterRef("pk")).order_by("-pk").values("state")[:1]
        mine = Schedule.objects.visible_to(self.request.user)
        found = mine.filter(organization=self.organization).annotate(last_state=Subquery(last))
        return found.select_related("owner", "organization")

    def row_url(self, row: Schedule) -> str:
        """The report's own page."""
        return reverse("reports:report", kwargs={"slug": self.organization.slug, "pk": row.pk})

    def counted(self, count: int) -> str:
        """ "1,204 reports"."""
        return ngettext("%(n)s report", "%(n)s reports", count) % {"n": self.number(count)}

    def nothing_yet(self) -> Empty:
        """Nothing is sent yet."""
        return Empty(
            icon="calendar",
            title=_("Nothing is sent regularly yet"),
            text=_("Open a page as you want to have it and choose “Send regularly”."),
            url=reverse("usage:usage", kwargs={"slug": self.organization.slug}),
            label=_("To usage and cost"),
        )
