"""What people have at the providers, as lists and pages show it: badges, and what is in flight."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from apps.members.models import Member, Person
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.sync.models import Command
from apps.ui.prepared import Prepared

Words = str | Promise


class Badge(NamedTuple):
    """One thing a person has somewhere: a membership, a pending invite.

    ``target`` is what a Command on it names; ``tone`` one of plain, invite, muted.
    """

    provider: str  # catalogue key
    label: Words  # "Anthropic", or the connection's name where there are several of a provider
    text: Words  # the role
    tone: str = "plain"
    why: Words = ""
    connection_id: int = 0
    target: str = ""


@dataclass(slots=True)
class Standing:
    """What the list shows of a person beyond their own columns."""

    badges: list[Badge] = field(default_factory=list)
    memberships: int = 0
    left: bool = False
    invited: bool = False
    # Open Commands by (connection id, target).
    flights: dict[tuple[int, str], Command] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """ "flight", "member", "invited" or "left": what the list shows of all this first."""
        if self.flights:
            return "flight"
        return "member" if self.memberships else "invited" if self.invited else "left"

    @property
    def in_words(self) -> str:
        """ "Member", "Invited", "Left" or "No access"."""
        if self.memberships:
            return _("Member")
        if self.invited:
            return _("Invited")
        return _("Left") if self.left else _("No access")


# What higher shelves add to a person: (the page's connections by id, people) → (person id, badge).
BadgeSource = Callable[[dict[int, Connection], Sequence[Person]], Iterable[tuple[int, Badge]]]
_sources: list[BadgeSource] = []


def add_badges(source: BadgeSource) -> None:
    """Have ``source`` add badges to the people of a page, all at once; for a shelf's ``ready()``."""
    if source not in _sources:
        _sources.append(source)


def role_label(provider: str, role: str) -> Words:
    """The role as people call it; the provider's own word for one that we do not know."""
    known = PROVIDERS.get(provider)
    return known.role_label(role) if known else role


def connection_label(connection: Connection, among: Iterable[Connection]) -> Words:
    """The provider's name, or the connection's where several are of that provider."""
    alone = sum(one.provider == connection.provider for one in among) == 1
    provider = PROVIDERS.get(connection.provider)
    return provider.label if alone and provider else connection.name


def standings(connections: dict[int, Connection], people: Sequence[Person]) -> list[Standing]:
    """What each of ``people`` has, in their order. Two or three queries, and one for each badge source."""
    found: defaultdict[int, Standing] = defaultdict(Standing)
    for person_id, badge in _membership_badges(connections, people, found):
        found[person_id].badges.append(badge)
    for source in _sources:
        for person_id, badge in source(connections, people):
            found[person_id].badges.append(badge)
            found[person_id].invited |= badge.tone == "invite"
    _note_flights(connections, people, found)
    return [found[person.id] for person in people]


# By person alone: given connections as well, SQLite reads all of their members.
_members = Prepared(
    lambda people: Member.objects.filter(person__in=people).values_list(
        "connection_id", "pk", "person_id", "remote_id", "role", "gone_at"
    )
)


def _membership_badges(
    connections: dict[int, Connection],
    people: Sequence[Person],
    found: defaultdict[int, Standing],
) -> Iterator[tuple[int, Badge]]:
    looks: dict[tuple[int, str], Badge] = {}  # few, and translated once, not for every row
    for connection_id, _pk, person_id, remote_id, role, gone_at in sorted(
        _members(people=[person.id for person in people])
    ):
        connection = connections.get(connection_id)
        if connection is None:
            continue
        if gone_at:
            found[person_id].left = True
            continue
        found[person_id].memberships += connection.state != Connection.State.DISCONNECTED
        look = looks.get((connection_id, role))
        if look is None:
            look = looks[connection_id, role] = _look(connection, role, connections.values())
        yield person_id, Badge(*look[:6], f"members:{remote_id}")


def _look(connection: Connection, role: str, among: Iterable[Connection]) -> Badge:
    return badge_of(connection, among, str(role_label(connection.provider, role)))


def badge_of(
    connection: Connection, among: Iterable[Connection], text: str, tone: str = "plain"
) -> Badge:
    """A badge for something there, without its target; muted where the connection is disconnected."""
    live = connection.state != Connection.State.DISCONNECTED
    return Badge(
        provider=connection.provider,
        label=str(connection_label(connection, among)),
        text=text,
        tone=tone if live else "muted",
        why=connection.name if live else _("As it was when this was disconnected."),
        connection_id=connection.pk,
    )


FEW = 50  # open Commands, which are looked at instead of being looked for: mostly there is none
_SHOWN = ("uid", "kind", "state", "target", "connection_id", "due_at")
_first_open = Prepared(
    lambda connections: (
        Command.objects.filter(connection__in=connections, settled_at__isnull=True)
        .open()
        .only(*_SHOWN)[: FEW + 1]
    )
)
_open_commands = Prepared(
    lambda connections, targets: (
        Command.objects.filter(connection__in=connections, target__in=targets).open().only(*_SHOWN)
    )
)


def _note_flights(
    connections: dict[int, Connection],
    people: Sequence[Person],
    found: defaultdict[int, Standing],
) -> None:
    """Open Commands by what they act on. One query; a second where there are more than a few."""
    by_target = {
        (badge.connection_id, badge.target): person.id
        for person in people
        for badge in found[person.id].badges
    }
    by_address = {f"invites:{person.email}": person.id for person in people}
    commands = _first_open(connections=list(connections))
    if len(commands) > FEW:
        targets = {target for _connection, target in by_target} | by_address.keys()
        commands = _open_commands(connections=list(connections), targets=list(targets))
    for command in commands:
        key = (command.connection_id, command.target)
        person_id = by_target.get(key) or by_address.get(command.target)
        if person_id:
            found[person_id].flights[key] = command
