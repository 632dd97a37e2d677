"""The audit log as a list."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.audit.record import SYSTEM
from apps.audit.words import in_words
from apps.organizations.audit_words import AREAS
from apps.organizations.lists import ListByConnection, connection_filter
from apps.organizations.models import Organization
from apps.ui.filters import ChoiceFilter, DateRangeFilter, Filter, SearchFilter
from apps.ui.listing import Column, Empty

SOURCES = [
    ("web", gettext_lazy("Portal")),
    ("api", gettext_lazy("API")),
    ("directory", gettext_lazy("Directory")),
    ("worker", gettext_lazy("Worker")),
    ("admin", gettext_lazy("Support")),
    ("command line", gettext_lazy("Command line")),
]


def _actors(page: Any) -> list[tuple[str, Any]]:
    people = User.objects.filter(grants__organization=page.organization).order_by("name", "email")
    return [("0", SYSTEM), *((str(user.pk), str(user)) for user in people)]


def _by(value: str, page: Any) -> Q:
    return Q(actor_id__isnull=True) if value == "0" else Q(actor_id=value)


class AuditList(ListByConnection[Entry]):
    """Every line of an organization's log, the newest first."""

    name = "audit"
    title = gettext_lazy("Audit log")
    template = "organizations/audit/list.html"
    default_sort = "-line"
    columns = [
        Column(
            key="line", label=gettext_lazy("Line"), value="sequence", sort="sequence", numeric=True
        ),
        Column(key="at", label=gettext_lazy("When"), cell="when"),
        Column(key="actor", label=gettext_lazy("Who")),
        Column(
            key="what",
            label=gettext_lazy("What"),
            value=lambda row: in_words(row.verb),
            cell="link",
            css="cell-main",
        ),
        Column(key="target", label=gettext_lazy("On what")),
        Column(
            key="source",
            label=gettext_lazy("Through"),
            value=lambda row: dict(SOURCES).get(row.source, row.source),
        ),
        Column(key="verb", label=gettext_lazy("Verb"), shown=False),
        Column(
            key="target_id",
            label=gettext_lazy("Id"),
            value=lambda row: f"{row.target_type} {row.target_id}".strip(),
            shown=False,
        ),
        Column(key="details", label=gettext_lazy("Details"), shown=False),
        Column(key="address", label=gettext_lazy("Address"), shown=False),
        Column(key="request_id", label=gettext_lazy("Request id"), shown=False),
        Column(key="hash", label=gettext_lazy("Hash"), shown=False),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(
            label=gettext_lazy("Search the log"),
            fields=["actor", "target", "target_id", "verb", "request_id"],
        ),
        ChoiceFilter(key="who", label=gettext_lazy("Who"), options=_actors, lookup=_by),
        ChoiceFilter(
            key="what",
            label=gettext_lazy("What"),
            options=list(AREAS.items()),
            lookup=lambda value, page: Q(verb__startswith=value),
        ),
        connection_filter(lookup="connection_id"),
        ChoiceFilter(
            key="through", label=gettext_lazy("Through"), options=SOURCES, lookup="source"
        ),
        DateRangeFilter(key="when", label=gettext_lazy("When"), field="at"),
    ]

    def rows(self) -> QuerySet[Entry]:
        """The organization's lines: they hang on its id alone, so that they outlive it."""
        mine = Organization.objects.visible_to(self.request.user).values("pk")
        return Entry.objects.filter(organization_id__in=mine, organization_id=self.organization.pk)

    def row_url(self, row: Entry) -> str:
        """The line's own page."""
        slug = self.organization.slug
        return reverse("audit:entry", kwargs={"slug": slug, "sequence": row.sequence})

    def counted(self, count: int) -> str:
        """ "1,204 lines"."""
        return ngettext("%(n)s line", "%(n)s lines", count) % {"n": self.number(count)}

    def nothing_yet(self) -> Empty:
        """Nothing has happened yet."""
        return Empty(
            icon="shield-check",
            title=_("Nothing has been done yet"),
            text=_(
                "Everything that somebody changes here is written down and cannot be taken out."
            ),
        )
