"""The list of a directory's people, declared."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.directory.models import DirectoryGroup, DirectoryMembership, DirectoryUser
from apps.organizations.models import Grant, Role
from apps.ui.filters import ChoiceFilter, Filter, SearchFilter
from apps.ui.listing import Column, Empty, ListPage

STATES = [
    ("in", gettext_lazy("Has a role")),
    ("waits", gettext_lazy("Has not accepted yet")),
    ("none", gettext_lazy("No role")),
    ("out", gettext_lazy("Taken off by hand")),
    ("inactive", gettext_lazy("Not active")),
]


def with_roles(people: QuerySet[DirectoryUser]) -> QuerySet[DirectoryUser]:
    """These people, each with ``held_role`` ("" or None for none) and ``is_given`` (by the directory)."""
    held = Grant.objects.filter(organization=OuterRef("organization"), user=OuterRef("user"))
    return people.annotate(
        held_role=Subquery(held.values("role")[:1]),
        is_given=Subquery(held.values("from_directory")[:1]),
    ).select_related("user", "invitation")


def standing(person: Any) -> tuple[str, str]:
    """Where they stand here, as a badge."""
    if not person.active:
        return "muted", _("Not active")
    if person.held_role:
        return "success", str(Role(person.held_role).label)
    if person.kept_out_at:
        return "warning", _("Taken off by hand")
    if person.invitation:
        return "info", _("Has not accepted yet")
    return "plain", _("No role")


def source(person: Any) -> str:
    """Where their role comes from."""
    if not person.held_role:
        return ""
    return _("Directory") if person.is_given else _("By hand")


def in_state(value: str, page: Any = None) -> Q:
    """Those who stand as ``value`` of STATES says; after ``with_roles``."""
    here, nothing = Q(held_role__isnull=False), Q(held_role__isnull=True, active=True)
    return {
        "in": here,
        "waits": nothing & Q(invitation__isnull=False, kept_out_at__isnull=True),
        "none": nothing & Q(invitation__isnull=True, kept_out_at__isnull=True),
        "out": nothing & Q(kept_out_at__isnull=False),
        "inactive": Q(active=False),
    }[value]


def _groups(page: Any) -> list[tuple[str, Any]]:
    visible = DirectoryGroup.objects.visible_to(page.request.user)
    groups = visible.filter(organization=page.organization)
    return [(str(one.pk), one.name) for one in groups.order_by("name", "pk")[:200]]


def _in_group(value: str, page: Any) -> Q:
    return Q(
        Exists(DirectoryMembership.objects.filter(member=OuterRef("pk"), group__pk=int(value)))
    )


class PeopleList(ListPage[DirectoryUser]):
    """Everybody whom the directory speaks of."""

    name = "directory"
    title = gettext_lazy("People of the directory")
    template = "directory/people.html"
    default_sort = "name"
    columns = [
        Column(
            key="name",
            label=gettext_lazy("User name"),
            value="user_name",
            cell="link",
            sort="user_name",
            css="cell-main",
        ),
        Column(key="called", label=gettext_lazy("Name")),
        Column(key="email", label=gettext_lazy("Email address"), sort="email"),
        Column(
            key="state",
            label=gettext_lazy("Role"),
            value=standing,
            cell="badge",
            export=lambda row: standing(row)[1],
        ),
        Column(key="source", label=gettext_lazy("Given by"), value=source),
        Column(
            key="changed",
            label=gettext_lazy("Changed"),
            value="changed_at",
            cell="when",
            sort="changed_at",
        ),
        Column(key="external_id", label=gettext_lazy("External id"), shown=False),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(
            label=gettext_lazy("Search people"),
            fields=["user_name", "email", "display_name", "external_id"],
        ),
        ChoiceFilter(key="state", label=gettext_lazy("Role"), options=STATES, lookup=in_state),
        ChoiceFilter(key="group", label=gettext_lazy("Group"), options=_groups, lookup=_in_group),
    ]

    def rows(self) -> QuerySet[DirectoryUser]:
        """The organization's."""
        visible = DirectoryUser.objects.visible_to(self.request.user)
        return with_roles(visible.filter(organization=self.organization))

    def row_url(self, row: DirectoryUser) -> str:
        """The person's own page."""
        return reverse("directory:person", kwargs={"slug": self.organization.slug, "pk": row.pk})

    def counted(self, count: int) -> str:
        """ "1,204 people"."""
        return ngettext("%(n)s person", "%(n)s people", count) % {"n": self.number(count)}

    def nothing_yet(self) -> Empty:
        """Nobody was heard of."""
        return Empty(
            icon="users",
            title=_("The directory has sent nobody yet"),
            text=_("Assign people to this portal at your identity provider: they appear here."),
            url=reverse("directory:directory", kwargs={"slug": self.organization.slug}),
            label=_("How to set it up"),
        )
