"""Which rule decides. Pure reading: rules as plain values, names looked up once, an answer for each item.

An item is a key, a person or a workspace that usage names. The nearest decides: a rule about the key before
one about the person before one about the workspace; among several about the same, the centres' order,
then the order of the rules.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from apps.centres.models import CostCentre, Rule, RuleKind, Subject
from apps.keys.models import Key
from apps.members.models import Member
from apps.organizations.models import Connection, Organization
from apps.usage.tuples import MARKS, NONE
from apps.workspaces.models import Workspace

SUBJECTS = (Subject.KEY, Subject.PERSON, Subject.WORKSPACE)
# (connection id, workspace, key, account), as a Dimension has them.
Triple = tuple[int, str, str, str]
Thing = tuple[int, str]  # connection id, and the provider's id


def item(connection: int, value: str) -> str:
    """A key or workspace as lists hold it."""
    return f"{connection}/{value}"


@dataclass(frozen=True, slots=True)
class Ruling:
    """A rule as it decides, and as a closed month keeps it. ``rule`` None: not saved yet."""

    centre: int
    centre_name: str
    subject: str
    kind: str
    text: str
    items: tuple[str, ...]
    rule: int | None = None

    @classmethod
    def of(cls, rule: Rule) -> "Ruling":
        """A saved rule, whose centre is at hand."""
        return cls(
            rule.centre_id,
            str(rule.centre),
            rule.subject,
            rule.kind,
            rule.text,
            tuple(rule.items),
            rule.pk,
        )

    @classmethod
    def kept(cls, told: dict[str, Any]) -> "Ruling":
        """As ``keep`` made it."""
        return cls(**{**told, "items": tuple(told["items"])})

    def keep(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def rulings_of(organization: Organization) -> list[Ruling]:
    """The rules that are in force, in the order in which they decide. One query."""
    rules = Rule.objects.filter(
        centre__organization=organization, centre__removed_at__isnull=True
    ).select_related("centre")
    ordered = rules.order_by("centre__position", "centre_id", "position", "pk")
    return [Ruling.of(rule) for rule in ordered]


class Sorter:
    """Decides by ``rulings``, in their order. What names are needed is read once: at most four queries."""

    def __init__(self, connections: Iterable[Connection], rulings: Sequence[Ruling]) -> None:
        self.ids = [one.pk for one in connections]
        self.rulings = list(rulings)
        self._lists: dict[tuple[str, str], int] = {}
        self._domains: dict[str, int] = {}
        self._tags: dict[str, int] = {}
        self._names: dict[str, list[tuple[int, Ruling]]] = {one: [] for one in SUBJECTS}
        for at, ruling in enumerate(self.rulings):
            if ruling.kind == RuleKind.LIST:
                for one in ruling.items:
                    self._lists.setdefault((ruling.subject, one), at)
            elif ruling.kind == RuleKind.DOMAIN:
                self._domains.setdefault(ruling.text, at)
            elif ruling.kind == RuleKind.TAG:
                self._tags.setdefault(ruling.text, at)
            else:
                self._names[ruling.subject].append((at, ruling))
        self._called: dict[str, dict[Thing, str]] = {}
        self._tagged: dict[Thing, list[str]] = {}
        self._people: dict[Thing, tuple[int, str]] = {}
        self._read()
        self._decided: dict[tuple[str, int, str], int | None] = {}

    def _read(self) -> None:
        used = {ruling.subject for ruling in self.rulings}
        if self._names[Subject.KEY]:
            self._called[Subject.KEY] = _named(Key, self.ids)
        if self._names[Subject.WORKSPACE]:
            self._called[Subject.WORKSPACE] = _named(Workspace, self.ids)
        if self._tags:
            self._tagged = _tags_of(self.ids)
        if Subject.PERSON in used:
            rows = Member.objects.filter(connection__in=self.ids).order_by()
            for connection, account, person, email in rows.values_list(
                "connection_id", "remote_id", "person_id", "person__email"
            ).iterator():
                self._people[connection, str(account)] = (person, email.lower())

    def decide(self, triple: Triple) -> Ruling | None:
        """The rule that decides; None: unallocated."""
        found = self.decided(triple)
        return found[0] if found else None

    def decided(self, triple: Triple) -> "tuple[Ruling, str] | None":
        """The rule that decides, and the subject by which: "key", "person" or "workspace"."""
        for subject, thing in things_of(triple):
            at = self._of(subject, thing)
            if at is not None:
                return self.rulings[at], subject
        return None

    def of_thing(self, subject: str, thing: Thing) -> Ruling | None:
        """The rule that decides about one key, person (by account) or workspace, as such."""
        at = self._of(subject, thing)
        return None if at is None else self.rulings[at]

    def _of(self, subject: str, thing: Thing) -> int | None:
        key = (subject, *thing)
        if key not in self._decided:
            self._decided[key] = min(self._matching(subject, thing), default=None)
        return self._decided[key]

    def _matching(self, subject: str, thing: Thing) -> Iterator[int]:
        if subject == Subject.PERSON:
            person, email = self._people.get(thing, (0, ""))
            listed, domain = str(person), email.rpartition("@")[2]
            if domain in self._domains:
                yield self._domains[domain]
        else:
            listed = item(*thing)
        if subject == Subject.WORKSPACE:
            yield from (self._tags[tag] for tag in self._tagged.get(thing, ()) if tag in self._tags)
        if (subject, listed) in self._lists:
            yield self._lists[subject, listed]
        name = self._called.get(subject, {}).get(thing, "")
        if not name:
            return
        for at, ruling in self._names[subject]:
            begins = ruling.kind == RuleKind.BEGINS
            if name.startswith(ruling.text) if begins else ruling.text in name:
                yield at


def things_of(triple: Triple) -> Iterator[tuple[str, Thing]]:
    """What a row of usage names, the nearest first. The default workspace is one; no key is none."""
    connection, workspace, key, account = triple
    if key not in MARKS:
        yield Subject.KEY, (connection, key)
    if account not in MARKS:
        yield Subject.PERSON, (connection, account)
    if workspace == NONE or workspace not in MARKS:
        yield Subject.WORKSPACE, (connection, workspace)


def _named(model: type[Key] | type[Workspace], ids: Sequence[int]) -> dict[Thing, str]:
    rows: Any = model.objects.filter(connection__in=ids, remote_id__isnull=False).order_by()
    return {
        (connection, str(remote)): name.lower()
        for connection, remote, name in rows.values_list(
            "connection_id", "remote_id", "name"
        ).iterator()
    }


def _tags_of(ids: Sequence[int]) -> dict[Thing, list[str]]:
    """What workspaces are tagged with, as rules spell it: each tag by its name, and as name=value.

    Tags lie beyond the contract's file: a provider that tells none, or tells them in another shape, has none.
    """
    rows = Workspace.objects.filter(connection__in=ids, raw__has_key="tags").order_by()
    found: dict[Thing, list[str]] = {}
    for connection, remote, tags in rows.values_list("connection_id", "remote_id", "raw__tags"):
        if isinstance(tags, dict):
            told = [
                (name.strip().lower(), str(value).strip().lower()) for name, value in tags.items()
            ]
            spelled = [one for name, value in told for one in (name, f"{name}={value}")]
            found[connection, str(remote)] = spelled
    return found


def centres_of(organization: Organization) -> list[CostCentre]:
    """Those that were not removed, in their order. One query."""
    return list(CostCentre.objects.current().filter(organization=organization))
