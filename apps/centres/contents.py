"""What a centre takes, item by item, with the rule that decides; what nobody takes; what a rule would take."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from apps.centres.models import CostCentre, Rule, Subject
from apps.centres.months import Span
from apps.centres.rules import Ruling, Sorter, Thing, item, rulings_of, things_of
from apps.centres.statements import Ident, Piece, charged, judged
from apps.organizations.models import Connection, Organization
from apps.usage.money import joined
from apps.usage.names import Name, Names
from apps.usage.people import persons_of

SHOWN = 50


@dataclass(slots=True)
class Took:
    """A key, person or workspace, what it cost in a month by currency, and the rule. ``item``: as lists hold
    it, "" for what no list can hold. ``subject`` "" is what names none of the three."""

    subject: str
    thing: Thing
    ruling: Ruling | None
    costs: dict[str, Decimal] = field(default_factory=dict)
    name: Name = field(default_factory=lambda: Name(""))
    item: str = ""
    connection: str = ""

    @property
    def most(self) -> Decimal:
        """To sort by."""
        return max(self.costs.values(), key=abs, default=Decimal(0))

    def add(self, currency: str, amount: Decimal) -> None:
        """Take money in."""
        self.costs[currency] = self.costs.get(currency, Decimal(0)) + amount


def took(
    organization: Organization,
    connections: Sequence[Connection],
    month: Span,
    *centres: int | None,
) -> list[Took]:
    """What centres have of a month by the rules of now, and (None) what none has: the dearest first. All of it
    where none are named.

    By what decided: what a rule about workspaces takes is one item a workspace. Of what nobody takes it is
    the nearest that a rule could be about. Some ten queries, whatever the number of items.
    """
    sorter = Sorter(connections, rulings_of(organization))
    found: dict[tuple[str, Thing], Took] = {}
    for ident, _none, _billed, shared in charged(connections, month):
        decided = sorter.decided(ident[:4])
        if centres and (decided[0].centre if decided else None) not in centres:
            continue
        things = dict(things_of(ident[:4]))
        subject = decided[1] if decided else next(iter(things), "")
        thing = things.get(Subject(subject), (ident[0], "")) if subject else (ident[0], "")
        ruling = decided[0] if decided else None
        held = found.setdefault((subject, thing), Took(subject, thing, ruling))
        held.add(ident[-1], joined(0, shared))
    rows = [one for one in found.values() if any(one.costs.values())]
    _name(organization, connections, rows)
    return sorted(rows, key=lambda one: (-one.most, one.name.text))


def _name(
    organization: Organization, connections: Sequence[Connection], rows: Sequence[Took]
) -> None:
    names = Names(organization, connections)
    own = {one.pk: one.name for one in connections}
    pairs = {one.thing for one in rows if one.subject == Subject.PERSON}
    people = persons_of(connections, pairs) if pairs else {}
    for subject in (Subject.KEY, Subject.WORKSPACE):
        values = [(one.thing[1], one.thing[0]) for one in rows if one.subject == subject]
        called = names.of(subject, values) if values else {}
        for one in rows:
            if one.subject == subject:
                one.name = called[one.thing[1], one.thing[0]]
                one.item = item(*one.thing)
    called = names.of("person", [(value, 0) for value in set(people.values())]) if people else {}
    for one in rows:
        one.connection = own[one.thing[0]]
        if one.subject == Subject.PERSON:
            person = people[one.thing]
            one.name = called[person, 0]
            one.item = str(person) if str(person).isdecimal() else ""
        elif not one.subject:
            one.name = Name(own[one.thing[0]], known=False)


# --- Before a rule is saved --------------------------------------------------------------------------


@dataclass(slots=True)
class Preview:
    """What a rule would take, and what that cost in a month."""

    month: Span
    counts: dict[str, int] = field(default_factory=dict)  # items by subject
    shown: list[Took] = field(default_factory=list)
    costs: dict[str, Decimal] = field(default_factory=dict)
    # What of it other centres have today, by name and currency, and what nobody has.
    taken_from: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    unallocated: dict[str, Decimal] = field(default_factory=dict)
    is_estimate: bool = False

    @property
    def number(self) -> int:
        """How many items."""
        return sum(self.counts.values())

    @property
    def more(self) -> int:
        """How many of them are not shown."""
        return self.number - len(self.shown)


def preview(
    organization: Organization,
    connections: Sequence[Connection],
    month: Span,
    *,
    centre: CostCentre,
    draft: Ruling,
    instead_of: Rule | None = None,
) -> Preview:
    """What ``draft`` would take beside the rules of now, at its place among them."""
    rulings = rulings_of(organization)
    before = Sorter(connections, rulings)
    after = Sorter(connections, _with(rulings, centre, draft, instead_of))
    found = Preview(month)
    things: dict[Thing, Took] = {}
    pieces = []
    for ident, _none, billed, shared in charged(connections, month):
        decided = after.decided(ident[:4])
        if decided is None or decided[0] is not draft:
            pieces.append(Piece(month.number, None, ident, billed, shared))
            continue
        pieces.append(Piece(month.number, centre.pk, ident, billed, shared))
        _take(found, things, ident, joined(0, shared), decided[1], before.decide(ident[:4]))
    found.is_estimate = any(one.is_estimate for one in judged(pieces) if one.centre is not None)
    rows = [one for one in things.values() if any(one.costs.values())]
    found.counts = {draft.subject: len(rows)} if rows else {}
    found.shown = sorted(rows, key=lambda one: -one.most)[:SHOWN]
    _name(organization, connections, found.shown)
    return found


def _take(
    found: Preview,
    things: dict[Thing, Took],
    ident: Ident,
    amount: Decimal,
    subject: str,
    today: Ruling | None,
) -> None:
    thing = dict(things_of(ident[:4]))[Subject(subject)]
    currency = ident[-1]
    things.setdefault(thing, Took(subject, thing, None)).add(currency, amount)
    _add(found.costs, currency, amount)
    if today is None:
        _add(found.unallocated, currency, amount)
    else:
        key = (today.centre_name, currency)
        found.taken_from[key] = found.taken_from.get(key, Decimal(0)) + amount


def _add(sums: dict[str, Decimal], currency: str, amount: Decimal) -> None:
    sums[currency] = sums.get(currency, Decimal(0)) + amount


def _with(
    rulings: Iterable[Ruling], centre: CostCentre, draft: Ruling, instead_of: Rule | None
) -> list[Ruling]:
    """The rules with one more, the last of its centre's, or in the place of another."""
    held = list(rulings)
    if instead_of is not None:
        return [draft if one.rule == instead_of.pk else one for one in held]
    # After the last rule of its own centre; a first one goes where the centres' order puts it.
    order = list(
        CostCentre.objects.current()
        .filter(organization=centre.organization_id)
        .values_list("pk", flat=True)
    )
    rank = {pk: at for at, pk in enumerate(order)}
    at = sum(rank.get(one.centre, 0) <= rank.get(centre.pk, 0) for one in held)
    return [*held[:at], draft, *held[at:]]
