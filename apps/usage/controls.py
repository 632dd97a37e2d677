"""What the usage page's controls offer and hold, and what was typed into them made into filters."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from apps.keys.models import Key
from apps.members.models import Person
from apps.organizations.models import Connection, Organization
from apps.usage.models import Dimension
from apps.usage.names import Names
from apps.usage.question import (
    GROUPS,
    PRESETS,
    SHOWS,
    UNTOLD_IN_ADDRESS,
    WIDTHS,
    Question,
)
from apps.usage.tuples import ALL, CUBES, NONE

Words = str | Promise
MOST_OPTIONS = 300
MOST_FOUND = 20  # keys or people that one name may mean
# Filters with a menu, and the grain that has every value of theirs.
MENUS = {"connection": "", "workspace": "workspace", "model": "model", "service_tier": "terms"}
# Of groupings that a shelf adds: what can be chosen.
Options = Callable[[Organization], Sequence[tuple[str, str]]]
_OPTIONS: dict[str, Options] = {}
_GRAINS = {grain.name: grain.id for grain in CUBES}


def add_menu(name: str, options: Options) -> None:
    """Have a menu for the filter of an added grouping."""
    _OPTIONS[name] = options


@dataclass(slots=True)
class Menu:
    """One menu: (value, label, chosen)."""

    name: str
    label: Words
    options: list[tuple[str, str, bool]] = field(default_factory=list)
    error: str = ""

    @property
    def chosen(self) -> bool:
        """Whether anything but "any" is chosen."""
        return any(chosen for _value, _label, chosen in self.options)


@dataclass(slots=True)
class Chip:
    """A filter without a menu: what it says, the link that drops it, and its hidden fields."""

    label: str
    url: str
    fields: list[tuple[str, str]]


@dataclass(slots=True)
class Controls:
    """Everything above the answer."""

    presets: list[tuple[str, Words, str, bool]]
    groups: list[tuple[str, Words, bool]]
    widths: list[tuple[str, Words, bool]]
    shows: list[tuple[str, Words, bool]]
    menus: list[Menu]
    chips: list[Chip]
    first: str
    last: str
    whole: bool  # also finds keys, and compares
    finds: bool  # people


@dataclass(slots=True)
class Found:
    """What was typed to find something, as filters; ``errors`` by control where nothing is called that."""

    filters: dict[str, list[str]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, ids: list[str], nothing: str) -> None:
        """Take the ids that were found, or note that there are none."""
        if ids:
            self.filters[name] = ids
        else:
            self.errors[f"find_{name}"] = nothing


def look_up(
    params: QueryDict, organization: Organization, connections: Sequence[Connection]
) -> Found:
    """Keys and people by what was typed: a name, an id or an address. At most two queries."""
    found = Found()
    if text := _typed(params, "find_key"):
        keys = Key.objects.filter(connection__in=connections)
        ids = keys.filter(Q(remote_id=text) | Q(name__iexact=text)).values_list(
            "remote_id", flat=True
        )
        nothing = _("No API key is called “%(text)s”.") % {"text": text[:60]}
        found.put("key", [str(one) for one in ids[:MOST_FOUND]], nothing)
    if text := _typed(params, "find_person"):
        people = Person.objects.filter(organization=organization)
        called = people.filter(Q(email=text.lower()) | Q(name__iexact=text))
        nothing = _("Nobody here has the name or address “%(text)s”.") % {"text": text[:60]}
        pks = called.values_list("pk", flat=True)[:MOST_FOUND]
        found.put("person", [str(one) for one in pks], nothing)
    return found


def _typed(params: QueryDict, name: str) -> str:
    return params.get(name, "").replace("\x00", "").strip()[:200]


def controls_of(
    question: Question,
    organization: Organization,
    connections: Sequence[Connection],
    *,
    groups: Mapping[str, Words] = GROUPS,
    shows: Mapping[str, Words] = SHOWS,
    widths: Mapping[str, Words] = WIDTHS,
    menus: Iterable[str] | None = None,
    finds: bool = True,
) -> Controls:
    """The controls of a question. A fixed number of queries."""
    names = Names(organization, connections)
    wanted = (*MENUS, *_OPTIONS) if menus is None else menus
    found = [_menu(name, question, connections, names) for name in wanted]
    first = question.typed["from"] or question.first.isoformat()
    last = question.typed["to"] or question.last.isoformat()
    if question.preset:
        first, last = question.first.isoformat(), question.last.isoformat()
    return Controls(
        presets=[
            (name, label, _preset_url(question, name), question.preset == name)
            for name, label in PRESETS.items()
        ],
        groups=[(name, label, name == question.group) for name, label in groups.items()],
        widths=[(name, label, name == question.by) for name, label in widths.items()],
        shows=[(name, label, name == question.show) for name, label in shows.items()],
        menus=[menu for menu in found if len(menu.options) > 1 or menu.chosen or menu.error],
        chips=_chips(question, names),
        first=first,
        last=last,
        whole="key" in groups,
        finds=finds,
    )


def _preset_url(question: Question, name: str) -> str:
    return question.url(preset=name, by_asked=False)


def _single(question: Question, name: str) -> str | None:
    values = question.filters.get(name, [])
    return values[0] if len(values) == 1 else None


def _menu(name: str, question: Question, connections: Sequence[Connection], names: Names) -> Menu:
    chosen = _single(question, name)
    if name == "connection":
        options = [(str(one.pk), one.name) for one in connections]
    elif name in _OPTIONS:
        options = list(_OPTIONS[name](names.organization))
        if options:
            options.append((NONE, str(names.of(name, [(NONE, 0)])[NONE, 0])))
        if chosen is not None and all(value != chosen for value, _label in options):
            options.append((chosen, str(names.of(name, [(chosen, 0)])[chosen, 0])))  # is no more
    else:
        rows = Dimension.objects.filter(
            connection__in=connections, grain=_GRAINS[MENUS[name]]
        ).exclude(**{name: ALL})
        pairs = list(rows.values_list(name, "connection_id").distinct()[:MOST_OPTIONS])
        called = names.of(name, pairs)
        texts = {value: str(called[value, pk]) for value, pk in reversed(pairs)}
        if chosen is not None:
            texts.setdefault(chosen, chosen)
        options = sorted(texts.items(), key=lambda one: one[1].lower())
    return Menu(
        name,
        GROUPS[name],
        [(value or UNTOLD_IN_ADDRESS, label, value == chosen) for value, label in options],
        question.errors.get(name, ""),
    )


def _chips(question: Question, names: Names) -> list[Chip]:
    chips = []
    for name, values in question.filters.items():
        if (name in MENUS or name in _OPTIONS) and len(values) == 1:
            continue
        chips.append(
            Chip(
                f"{GROUPS[name]}: {', '.join(_called(name, values, names))}",
                question.without(name),
                [(name, value or UNTOLD_IN_ADDRESS) for value in values],
            )
        )
    return chips


def _called(name: str, values: Sequence[str], names: Names) -> list[str]:
    """Names of filter values; an id that means something at one connection is looked up at all of them."""
    pairs: list[tuple[Any, int]] = [
        (value, pk)
        for value in values
        for pk in ([*names.connections] if name in ("workspace", "key") else [0])
    ]
    called = names.of(name, pairs)
    best: dict[str, str] = {}
    for (value, _pk), one in called.items():
        if value not in best or one.url:
            best[value] = one.text
    return [best[value] for value in values]
