"""The list of people, declared."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from html import escape
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.members.models import Member, Person
from apps.members.search import containing
from apps.members.standing import standings
from apps.organizations.lists import ListByConnection, connection_filter
from apps.providers.catalogue import PROVIDERS
from apps.sync.models import Resource
from apps.sync.schedule import freshness
from apps.ui.filters import ChoiceFilter, Hits, SearchFilter
from apps.ui.listing import BulkAction, Column, Empty
from apps.ui.plain import PlainRows
from apps.ui.prepared import Prepared

Words = str | Promise


@dataclass(frozen=True, slots=True)
class StateOption:
    """A state to filter by that a higher shelf knows about; ``hits`` gets the connections' ids."""

    value: str
    label: Words
    hits: Callable[[Sequence[int]], Hits]


_states: list[StateOption] = []


def add_state(option: StateOption) -> None:
    """Offer one more state to filter by; for a shelf's ``ready()``."""
    if all(option.value != known.value for known in _states):
        _states.append(option)


def add_bulk_action(action: BulkAction) -> None:
    """Offer one more thing to do with chosen people, before the last, which removes; for ``ready()``."""
    if all(action.name != known.name for known in PeopleList.bulk_actions):
        PeopleList.bulk_actions.insert(-1, action)


# --- Filters -------------------------------------------------------------------------------------


def _providers(page: Any) -> list[tuple[str, Words]]:
    keys = dict.fromkeys(one.provider for one in page.live)
    return [(key, PROVIDERS[key].label if key in PROVIDERS else key) for key in keys]


def _roles(page: Any) -> list[tuple[str, Words]]:
    labels: dict[str, Words] = {}
    for connection in page.live:
        provider = PROVIDERS.get(connection.provider)
        for option in provider.roles if provider else ():
            labels.setdefault(option.value, option.label)
        for offered in connection.offers.get("roles") or ():
            labels.setdefault(offered, offered)
    return list(labels.items())


def state_options() -> list[tuple[str, Words]]:
    """Values and labels of the states that people can be filtered by."""
    own: list[tuple[str, Words]] = [("member", _("Member")), ("left", _("Left"))]
    return [own[0], *((option.value, option.label) for option in _states), own[1]]


def in_state(value: str, ids: Sequence[int]) -> Hits:
    """People in a state, as far as connections with these ids know of it."""
    for option in _states:
        if option.value == value:
            return option.hits(ids)
    return _hits(_left if value == "left" else _here, connections=ids)


def _here(connections: Sequence[int], roles: Sequence[str] = ()) -> QuerySet[Member]:
    """Memberships at these connections, ``roles``: with one of these roles."""
    members = Member.objects.filter(connection__in=connections, gone_at__isnull=True)
    return members.filter(role__in=roles) if roles else members


def _left(connections: Sequence[int]) -> QuerySet[Member]:
    """Memberships that have ended, of those who have none there any more."""
    members = Member.objects.filter(connection__in=connections)
    still = members.filter(gone_at__isnull=True, person=OuterRef("person"))
    return members.filter(~Exists(still), gone_at__isnull=False)


def _hits(
    members_of: Callable[..., QuerySet[Member]],
    number: Callable[[int], int] | None = None,
    **values: Sequence[Any],
) -> Hits:
    """People that have one of these memberships: one at each connection, as a rule."""
    ids, walk = _forms(members_of)
    repeats = len(values["connections"])
    return Hits(ids, walk, values, number=number, own=True, repeats=repeats, steady=True)


@cache
def _forms(members_of: Callable[..., QuerySet[Member]]) -> tuple[Callable[..., Any], ...]:
    """The ids of people that have such memberships, and whether a person has one."""
    return (
        lambda **values: members_of(**values).values("person_id"),
        lambda **values: Exists(members_of(**values).filter(person=OuterRef("pk"))),
    )


@lru_cache(maxsize=64)
def _present(most: int, distinct: bool) -> Prepared[Any]:
    def build(connections: Sequence[int], roles: Sequence[str] = ()) -> QuerySet[Any, Any]:
        people = _here(connections, roles).order_by().values_list("person_id")
        return (people.distinct() if distinct else people)[:most]

    return Prepared(build)


def _number_present(asked: dict[str, Sequence[Any]]) -> Callable[[int], int]:
    """What ``Hits.count`` does by itself, by SQL that is written once."""

    def number(cap: int) -> int:
        plenty = cap * len(asked["connections"])
        if _present(plenty + 1, distinct=False).count(**asked) > plenty:
            return cap + 1
        return _present(cap + 1, distinct=True).count(**asked)

    return number


def _name(value: Any, person: Person, page: Any) -> str:
    # In every row another: as a template's macro it was a fifth of drawing them.
    name = person.name or person.email
    shown = escape(name)
    return (
        f'<a class="person" href="{page.row_url(person)}">'
        f'<span class="avatar avatar-sm tint-{person.id % 6}" aria-hidden="true">'
        f'{escape(name[0].upper())}</span><span class="person-name" title="{shown}">{shown}</span></a>'
    )


def _same_access(person: Any) -> Any:
    # Of whom this gives the same have badges that look the same.
    standing = person.standing
    return person.id if standing.flights else tuple([badge[:5] for badge in standing.badges])


def _same_state(person: Any) -> Any:
    standing = person.standing
    return standing.state, standing.left


class PeopleList(ListByConnection[Person]):
    """One row for each human, with a badge for each membership and each pending invite."""

    name = "people"
    title = gettext_lazy("People")
    all_label = gettext_lazy("All people")
    template = "members/list.html"
    rows_url_name = "members:rows"
    # Of the organization at hand, which ``desk_view`` found among the reader's own. Not through
    # ``visible_to`` once more: the database would ask that of every row it counts.
    plain_rows = PlainRows(
        lambda organizations: Person.objects.filter(organization__in=organizations).defer(
            "search_text", "searchable", "created_at"
        )
    )
    default_sort = "name"
    columns = [
        Column(
            key="name",
            label=gettext_lazy("Name"),
            cell=_name,
            sort="sort_name",
            css="cell-main",
        ),
        Column(key="email", label=gettext_lazy("Email"), sort="email", css="cell-email"),
        Column(
            key="access",
            label=gettext_lazy("Access"),
            cell="members/cells.html:access",
            alike=_same_access,
            export=lambda person: "; ".join(
                f"{badge.label}: {badge.text}" for badge in person.standing.badges
            ),
        ),
        Column(
            key="state",
            label=gettext_lazy("State"),
            cell="members/cells.html:state",
            alike=_same_state,
            export=lambda person: person.standing.in_words,
        ),
        Column(
            key="joined",
            label=gettext_lazy("Since"),
            value="joined_at",
            cell="when",
            sort="joined_at",
            nullable=True,
        ),
    ]
    filters = [
        SearchFilter(
            label=gettext_lazy("Search people"),
            placeholder=gettext_lazy("Name or email"),
            lookup=lambda text, page: containing(text, page.organization),
        ),
        ChoiceFilter(key="provider", label=gettext_lazy("Provider"), options=_providers),
        connection_filter(lookup=None, live_alone=True),
        ChoiceFilter(key="role", label=gettext_lazy("Role"), options=_roles),
        ChoiceFilter(
            key="state",
            label=gettext_lazy("State"),
            options=lambda page: state_options(),
            lookup=lambda value, page: in_state(value, [one.pk for one in page.live]),  # type: ignore[attr-defined]  # PeopleList's own
        ),
    ]
    bulk_actions: ClassVar[list[BulkAction]] = [
        BulkAction(
            name="change_role",
            label=gettext_lazy("Change role"),
            icon="user-cog",
            action="people.change_role",
            url_name="members:bulk_change_role",
        ),
        BulkAction(
            name="remove",
            label=gettext_lazy("Remove"),
            icon="user-minus",
            action="people.remove",
            url_name="members:bulk_remove",
            danger=True,
        ),
    ]

    def conditions(self) -> Iterator[Any]:
        """Provider, connection and role speak of one and the same membership."""
        yield from super().conditions()
        asked = self.values.keys() & {"provider", "connection", "role"}
        if not asked:
            return
        ids = [
            one.pk
            for one in self.live
            if self.values.get("provider") in (None, one.provider)
            and self.values.get("connection") in (None, str(one.pk))
        ]
        given: dict[str, Sequence[Any]] = {"connections": ids}
        if "role" in self.values:
            given["roles"] = [self.values["role"]]
        yield _hits(_here, _number_present(given), **given)

    def prepare(self, rows: list[Person]) -> None:
        """Give each person their Standing: memberships, invites, what is in flight."""
        for person, standing in zip(rows, standings(self.connections, rows), strict=True):
            person.standing = standing  # type: ignore[attr-defined]  # for the cells

    def in_flight(self, row: Person) -> bool:
        """Whether a Command on something of this person is open."""
        return bool(row.standing.flights)  # type: ignore[attr-defined]  # given by prepare()

    def context(self) -> dict[str, Any]:
        """How fresh the list is."""
        return {"freshness": freshness(self.organization, "members", "invites")}

    def row_url(self, row: Person) -> str:
        """The person's own page."""
        return f"{self._people}{row.id}/"

    @cached_property
    def _people(self) -> str:
        return f"/o/{self.organization.slug}/people/"

    def row_label(self, row: Person) -> str:
        """Name and address."""
        return f"{row.name} {row.email}".strip()

    def counted(self, count: int) -> str:
        """ "1,204 people"."""
        return ngettext("%(n)s person", "%(n)s people", count) % {"n": self.number(count)}

    def no_match(self) -> Empty:
        """Nobody passes the filters."""
        return Empty(
            icon="user-question",
            title=_("Nobody matches"),
            text=_("No person passes this search and these filters."),
            url=self.clear_url,
            label=_("Clear filters"),
        )

    def nothing_yet(self) -> Empty:
        """No connection, or a first walk that is still under way."""
        if not self.live:
            return self.not_connected(
                _(
                    "Connect your organization at Anthropic or Cline: its people appear here a moment later."
                )
            )
        walked = Resource.objects.filter(
            connection__in=self.live, name="members", completed_at__isnull=False
        ).exists()
        if not walked:
            return Empty(
                icon="refresh",
                title=_("The first look at your providers is under way"),
                text=_("People appear here as they are found. Large organizations take a minute."),
                url=reverse("organizations:connections", kwargs={"slug": self.organization.slug}),
                label=_("See how far it is"),
            )
        return Empty(icon="users", title=_("Nobody is there yet"), text=_("Invite the first one."))
