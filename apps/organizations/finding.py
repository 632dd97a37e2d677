"""The support desk's one box: who and what is meant by a text, over every organization in reach.

Each shelf adds what it can find in ``AppConfig.ready()``. A finder asks indexes alone, gives at most
``MOST`` + 1 rows, and looks at organizations that let support look and at no other.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, Q
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.organizations.models import (
    ColleagueInvitation,
    Connection,
    ConnectionQuerySet,
    Grant,
    Organization,
)
from apps.organizations.policy import support_may

Words = str | Promise
SHORTEST = 2  # characters that are worth a look
MOST = 10  # shown of each kind


def _open_connections() -> ConnectionQuerySet:
    return Connection.objects.confirmed().filter(organization__support_may_read=True)


@dataclass(frozen=True, slots=True)
class Reach:
    """Where support may look: organizations by id, and their connections, drafts left out, by id."""

    organizations: dict[int, Organization]
    connections: dict[int, Connection]

    @classmethod
    def now(cls) -> "Reach":
        """As it is at this moment. Two queries."""
        organizations = {
            one.pk: one
            for one in Organization.objects.filter(support_may_read=True).only("name", "slug")
        }
        rows = _open_connections().only(
            "name",
            "provider",
            "organization",
            "remote_organization_id",
            "remote_organization_name",
            "credential_hint",
        )
        return cls(organizations, {one.pk: one for one in rows.order_by("name", "pk")})


@dataclass(frozen=True, slots=True)
class Finder:
    """One kind of thing. ``find(text, reach)`` gives rows, the best first; ``note`` says of a row what
    tells it from others; ``why`` is where its diagnosis stands, "" where there is none."""

    name: str
    label: Words
    reads: str  # action of the policy
    find: Callable[[str, Reach], Iterable[Any]]
    note: Callable[[Any], Words]
    why: Callable[[Any], str] = lambda row: ""
    # A list of Django admin that goes on where this one stops ("members_person"); "": none does.
    more: str = ""
    order: int = 50


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that was found."""

    row: Any
    note: Words
    organization: Organization | None
    url: str
    why: str


@dataclass(frozen=True, slots=True)
class Group:
    """What one finder has found. ``more``: the address where the rest is, "" where this is all."""

    label: Words
    hits: list[Hit]
    more: str
    capped: bool


FINDERS: dict[str, Finder] = {}


def add(*finders: Finder) -> None:
    """Have these looked for too; for a shelf's ``ready()``."""
    for one in finders:
        FINDERS[one.name] = one


def find(text: str, user: User) -> list[Group]:
    """Everything that ``user`` may see and that ``text`` means. The same number of queries for any text."""
    wanted = text.strip()
    if len(wanted) < SHORTEST:
        return []
    reach = Reach.now()
    finders = sorted(FINDERS.values(), key=lambda one: one.order)
    groups = (_group(one, wanted, reach) for one in finders if support_may(user, one.reads))
    return [group for group in groups if group.hits]


def _group(finder: Finder, text: str, reach: Reach) -> Group:
    rows = list(finder.find(text, reach))
    more = ""
    if finder.more and len(rows) > MOST:
        more = f"{reverse(f'admin:{finder.more}_changelist')}?{urlencode({'q': text})}"
    hits = [
        Hit(row, finder.note(row), _whose(row, reach), _page_of(row), finder.why(row))
        for row in rows[:MOST]
    ]
    return Group(finder.label, hits, more, len(rows) > MOST)


def _page_of(row: Model) -> str:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[row.pk])


def _whose(row: Any, reach: Reach) -> Organization | None:
    """The organization of a row, without asking the database."""
    if isinstance(row, Organization):
        return None
    number = getattr(row, "organization_id", None)
    if number is None and hasattr(row, "connection_id"):
        number = reach.connections[row.connection_id].organization_id
    return reach.organizations.get(number) if number is not None else None


def by_remote_id(rows: Any, text: str, reach: Reach) -> list[Any]:
    """Mirror rows that a provider calls ``text``. One query, by the index of (connection, remote id)."""
    return placed(rows.filter(remote_id=text), reach)


def placed(rows: Any, reach: Reach) -> list[Any]:
    """Those of the connections in reach, which they are given, so that nobody asks for them again."""
    # By a query within it: hundreds of ids as parameters cost more than the rows that they find.
    open_ones = _open_connections().values("pk")
    found = list(rows.filter(connection_id__in=open_ones).order_by()[: MOST + 1])
    found = [row for row in found if row.connection_id in reach.connections]
    for row in found:
        row.connection = reach.connections[row.connection_id]
    return found


def distinct(*lists: Iterable[Any]) -> list[Any]:
    """Their rows, each once, in the order in which they were found; no more than are shown."""
    found = {row.pk: row for rows in lists for row in rows}
    return list(found.values())[: MOST + 1]


# --- What this shelf can find --------------------------------------------------------------------


def _holding(rows: Iterable[Any], text: str, *names: str) -> Iterator[Any]:
    wanted = text.lower()
    for row in rows:
        if any(wanted in str(getattr(row, name)).lower() for name in names):
            yield row


def _organizations(text: str, reach: Reach) -> Sequence[Organization]:
    found = _holding(reach.organizations.values(), text, "name", "slug")
    return sorted(found, key=lambda one: (one.slug != text.lower(), one.name))[: MOST + 1]


def _connections(text: str, reach: Reach) -> list[Connection]:
    names = ("name", "remote_organization_id", "remote_organization_name", "credential_hint")
    return list(_holding(reach.connections.values(), text, *names))[: MOST + 1]


def _users(text: str, reach: Reach) -> list[User]:
    wanted = Q(email__icontains=text) | Q(name__icontains=text)
    holders = Grant.objects.filter(organization__support_may_read=True).values("user")
    return list(User.objects.filter(wanted, pk__in=holders).order_by("email")[: MOST + 1])


def _colleagues(text: str, reach: Reach) -> list[ColleagueInvitation]:
    found = ColleagueInvitation.objects.filter(
        email__icontains=text, organization__support_may_read=True, accepted_at__isnull=True
    )
    return list(found.order_by("email", "pk")[: MOST + 1])


def why(question: str, pk: int, **given: str) -> str:
    """The address of a diagnosis."""
    address = reverse("admin:diagnosis", args=[question, pk])
    return f"{address}?{urlencode(given)}" if given else address


def register() -> None:
    """Make this shelf's known."""
    add(
        Finder(
            "organizations",
            _("Organizations"),
            "organization.read",
            _organizations,
            lambda row: row.slug,
            lambda row: why("stale", row.pk),
            "organizations_organization",
            order=0,
        ),
        Finder(
            "connections",
            _("Connections"),
            "connections.read",
            _connections,
            lambda row: " · ".join(
                part for part in (row.remote_organization_name, row.credential_hint) if part
            ),
            lambda row: why("stale", row.organization_id, connection=str(row.pk)),
            "organizations_connection",
        ),
        Finder(
            "users",
            _("Users of this portal"),
            "grants.read",
            _users,
            lambda row: row.email if row.name else "",
            more="accounts_user",
        ),
        Finder(
            "colleagues",
            _("Colleagues invited"),
            "grants.read",
            _colleagues,
            lambda row: row.get_role_display(),
            lambda row: why("join", row.organization_id, email=row.email),
            "organizations_colleagueinvitation",
        ),
    )
