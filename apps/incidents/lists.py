"""The list of incidents, declared."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.incidents import words
from apps.incidents.models import WANTING, Incident, Kind, Severity, State, Unit
from apps.incidents.naming import names_of, thing_of
from apps.organizations.lists import ListByConnection, connection_column, connection_filter
from apps.ui.filters import ChoiceFilter, Filter, SearchFilter
from apps.ui.listing import Column, Empty
from apps.usage.days import day_of
from apps.usage.models import ReadDay, Report, ReportName
from apps.usage.usual import WINDOW

STATES = {
    "wanting": (gettext_lazy("Open or being looked into"), Q(state__in=WANTING)),
    **{state.value: (state.label, Q(state=state)) for state in State},
}


def _day(value: Any, row: Incident, page: Any) -> str:
    return escape(date_format(value, "j M Y"))


class IncidentList(ListByConnection[Incident]):
    """Everything that was far off its usual."""

    name = "incidents"
    title = gettext_lazy("Incidents")
    all_label = gettext_lazy("All incidents")
    default_sort = "-opened"
    template = "incidents/list.html"
    columns = [
        Column(
            key="subject",
            label=gettext_lazy("What"),
            value=lambda row: row.called,
            cell="link",
            css="cell-main",
            sort="label",
        ),
        Column(
            key="kind",
            label=gettext_lazy("Kind"),
            value=lambda row: row.get_kind_display(),
            sort="kind",
        ),
        Column(
            key="severity",
            label=gettext_lazy("Severity"),
            value=lambda row: (words.TONES[row.severity], row.get_severity_display()),
            cell="badge",
            export=lambda row: row.get_severity_display(),
            sort="rank",
        ),
        Column(
            key="state",
            label=gettext_lazy("State"),
            value=lambda row: (words.STATE_TONES[row.state], row.get_state_display()),
            cell="badge",
            export=lambda row: row.get_state_display(),
            sort="state",
        ),
        Column(
            key="observed",
            label=gettext_lazy("Came to"),
            value=lambda row: words.told(row.observed, row),
            numeric=True,
        ),
        Column(
            key="expected",
            label=gettext_lazy("Usually"),
            value=lambda row: words.told(row.expected, row),
            numeric=True,
        ),
        Column(
            key="since",
            label=gettext_lazy("Since (UTC)"),
            value="since_date",
            cell=_day,
            sort="since",
        ),
        Column(
            key="last",
            label=gettext_lazy("Last (UTC)"),
            value="last_date",
            cell=_day,
            sort="last",
            shown=False,
        ),
        Column(
            key="cause",
            label=gettext_lazy("Likely cause"),
            value=lambda row: str(words.CAUSES[row.causes[0]["name"]]) if row.causes else "",
            export=lambda row: " ".join(words.cause(one) for one in row.causes),
        ),
        connection_column(),
        Column(
            key="opened",
            label=gettext_lazy("Opened"),
            value="opened_at",
            cell="when",
            sort="opened_at",
        ),
        Column(key="reason", label=gettext_lazy("Reason"), shown=False),
        # As whole numbers, for those who add them up.
        Column(key="unit", label=gettext_lazy("Unit"), value="unit_in_words", shown=False),
        Column(key="amount", label=gettext_lazy("Amount"), value="observed", shown=False),
        Column(key="usual", label=gettext_lazy("Usual amount"), value="expected", shown=False),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(label=gettext_lazy("Search incidents"), fields=["label", "value"]),
        ChoiceFilter(
            key="state",
            label=gettext_lazy("State"),
            options=[(key, label) for key, (label, _condition) in STATES.items()],
            lookup=lambda value, page: STATES[value][1],
        ),
        ChoiceFilter(key="kind", label=gettext_lazy("Kind"), options=Kind.choices, lookup="kind"),
        ChoiceFilter(
            key="severity",
            label=gettext_lazy("Severity"),
            options=Severity.choices,
            lookup="severity",
        ),
        connection_filter(),
    ]

    def rows(self) -> QuerySet[Incident]:
        """The organization's incidents."""
        return Incident.objects.visible_to(self.request.user).filter(
            connection__in=list(self.connections)
        )

    def prepare(self, rows: list[Incident]) -> None:
        """Give each row its connection and what it is called now."""
        for row in rows:
            row.connection = self.connections[row.connection_id]
        names = names_of(self.organization, list(self.connections.values()), map(thing_of, rows))
        for row in rows:
            row.called = names[thing_of(row)].text  # type: ignore[attr-defined]  # for the columns
            unit = _("millionths of %(currency)s") % {"currency": row.currency}
            row.unit_in_words = unit if row.unit == Unit.MONEY else _("tokens")  # type: ignore[attr-defined]  # likewise

    def row_url(self, row: Incident) -> str:
        """The incident's own page."""
        return reverse("incidents:one", kwargs={"slug": self.organization.slug, "pk": row.pk})

    def row_label(self, row: Incident) -> str:
        """What it is about, and since when."""
        return f"{row} {row.since_date}"

    def counted(self, count: int) -> str:
        """ "12 incidents"."""
        return ngettext("%(n)s incident", "%(n)s incidents", count) % {"n": self.number(count)}

    def _unread(self) -> list[str]:
        """Connections whose last eight weeks are still being read. At most two queries."""
        reading = Report.objects.filter(
            connection__in=list(self.connections),
            name=ReportName.USAGE,
            backfilled_at__isnull=True,
        )
        ids = list(reading.values_list("connection_id", flat=True))
        days = ReadDay.objects.filter(
            connection__in=ids, report=ReportName.USAGE, day__gte=day_of(timezone.now()) - WINDOW
        )
        counts = dict(
            days.order_by().values_list("connection_id").annotate(n=Count("day")) if ids else ()
        )
        return [self.connections[pk].name for pk in ids if counts.get(pk, 0) < WINDOW]

    def nothing_yet(self) -> Empty:
        """Nothing was far off, as far as has been looked."""
        if unread := self._unread():
            return Empty(
                icon="hourglass",
                title=_("Too little has been read to tell"),
                text=_(
                    "What is usual is known once eight weeks of use have been read. It is still being read: "
                    "%(names)s."
                )
                % {"names": ", ".join(unread)},
            )
        return Empty(
            icon="circle-check",
            title=_("Nothing is far off its usual"),
            text=_(
                "Every key, person and workspace is held against its own last eight weeks, by weekday. "
                "What is far above that appears here within a day, and a whole connection that is far below."
            ),
        )
