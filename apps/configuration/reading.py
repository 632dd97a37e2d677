"""Documents for reading: their settings by section, and what differs between two."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from apps.providers.masking import MASK
from apps.providers.settings import Configuration, Words

SHORT = 120  # characters of a text that fits into a line


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value and its place: the names that lead to it, within its setting or the whole document."""

    place: tuple[str, ...]
    value: Any

    @property
    def path(self) -> str:
        """The names that lead to it, for reading."""
        return " › ".join(self.place)

    @property
    def kind(self) -> str:
        """How to draw it: "flag", "hidden", "long", "empty" or "plain"."""
        if isinstance(self.value, bool):
            return "flag"
        if self.value in (None, "", [], {}):
            return "empty"
        if self.value == MASK:
            return "hidden"
        return "long" if "\n" in self.text or len(self.text) > SHORT else "plain"

    @property
    def text(self) -> str:
        """The value as text: a text itself, anything else as JSON."""
        return (
            self.value if isinstance(self.value, str) else msgspec.json.encode(self.value).decode()
        )


def leaves(value: Any, place: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """The values in it, in their order. Entries of a list are told by name or id where those differ."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from leaves(inner, (*place, str(name)))
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        for name, entry in zip(_names(value), value, strict=True):
            yield from leaves(entry, (*place, name))
    else:
        yield Leaf(place, value)


def _names(entries: Sequence[Any]) -> list[str]:
    for key in ("name", "id"):
        names = [one.get(key) if isinstance(one, dict) else None for one in entries]
        texts = [name for name in names if isinstance(name, str) and name]
        if len(set(texts)) == len(entries):
            return texts
    return [str(number) for number in range(1, len(entries) + 1)]


# --- By section ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """A setting of a document, for reading."""

    label: Words
    name: str
    meaning: Words
    leaves: list[Leaf]


@dataclass(frozen=True, slots=True)
class ShownSection:
    """Settings that belong together and that the document has."""

    label: Words
    settings: list[Shown]


def by_section(document: Mapping[str, Any], known: Configuration) -> list[ShownSection]:
    """What the document has; fields that are not known here come last."""
    sections = [
        ShownSection(
            section.label,
            [
                Shown(one.label, one.name, one.meaning, list(leaves(document[one.name])))
                for one in section.settings
                if one.name in document
            ],
        )
        for section in known.sections
    ]
    named = {one.name for section in known.sections for one in section.settings} | {known.version}
    others = [
        Shown(name, name, "", list(leaves(value)))
        for name, value in document.items()
        if name not in named
    ]
    sections.append(ShownSection(_("Other fields"), others))
    return [section for section in sections if section.settings]


# --- Between two ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """One place that differs. ``before`` or ``after`` is None where it has no value there; ``hidden``: it
    is the hidden value that differs, and nothing of it can be shown."""

    path: str
    before: Leaf | None
    after: Leaf | None
    hidden: bool = False


Fingerprints = Mapping[str, str]  # by place, as a JSON list


def differences(
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    hidden: tuple[Fingerprints, Fingerprints] | None = None,
) -> list[Difference]:
    """What differs, place by place; an order of fields is none, an order of entries is. ``hidden``: what
    tells the hidden values of both apart."""
    old = {leaf.place: leaf for leaf in leaves(before or {}) if leaf.place}
    new = {leaf.place: leaf for leaf in leaves(after or {}) if leaf.place}
    found = [
        Difference(" › ".join(place), old.get(place), new.get(place))
        for place in {**old, **new}
        if _json(old.get(place)) != _json(new.get(place))
    ]
    if hidden:
        was, now = _by_place(before, hidden[0]), _by_place(after, hidden[1])
        found += [
            Difference(" › ".join(place), None, None, hidden=True)
            for place in now
            if place in was
            and was[place] != now[place]
            and _json(old.get(place)) == _json(new.get(place))
        ]
    if not found and before != after:
        found.append(Difference(_("Order of the entries of a list"), None, None))
    return found


def _by_place(
    document: Mapping[str, Any] | None, fingerprints: Fingerprints
) -> dict[tuple[str, ...], list[str]]:
    """Fingerprints by the place that ``leaves`` calls them by."""
    found: dict[tuple[str, ...], list[str]] = {}
    for path, fingerprint in sorted(fingerprints.items()):
        found.setdefault(_place(document, msgspec.json.decode(path)), []).append(fingerprint)
    return found


def _place(value: Any, path: Sequence[str | int]) -> tuple[str, ...]:
    place: list[str] = []
    for step in path:
        if isinstance(step, str) and isinstance(value, Mapping):
            place.append(step)
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            if not any(isinstance(one, dict | list) for one in value):
                break  # a list of plain values is one leaf
            place.append(_names(value)[step])
            value = value[step]
    return tuple(place)


def _json(leaf: Leaf | None) -> bytes | None:
    return None if leaf is None else msgspec.json.encode(leaf.value, order="sorted")
