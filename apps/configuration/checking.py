"""Whether a typed document is one that a provider's clients would take, as far as its types are known."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.providers.settings import Configuration, Shape, Words

LONGEST = 1 << 20  # characters of a document
DEEPEST = 40

TYPES: dict[str, Words] = {
    "flag": gettext_lazy("true or false"),
    "text": gettext_lazy("a text"),
    "number": gettext_lazy("a number"),
    "object": gettext_lazy("an object"),
    "list": gettext_lazy("a list"),
}
_PYTHON: dict[str, Any] = {
    "flag": bool,
    "text": str,
    "number": (int, float),
    "object": dict,
    "list": list,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at one place of a document ("globalRules[0].name"; "" for the whole)."""

    place: str
    words: str

    def __str__(self) -> str:
        return f"{self.place}: {self.words}" if self.place else self.words


class Unreadable(ValueError):
    """It is no document at all; the text says why, in plain words."""


def read(text: str) -> dict[str, Any]:
    """The document that ``text`` spells. Unreadable if it spells none."""
    if len(text) > LONGEST:
        raise Unreadable(_("It is longer than a million characters."))
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise Unreadable(
            _("This is not JSON: %(why)s") % {"why": _where(str(error), text)}
        ) from None
    if not isinstance(found, dict):
        raise Unreadable(_("It must be an object: { … }."))
    if _depth(found) > DEEPEST:
        raise Unreadable(_("It is nested too deeply."))
    return found


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def _where(words: str, text: str) -> str:
    """msgspec's words, which count bytes, with the line instead. They quote nothing of the text."""
    reason, _byte, place = words.partition(" (byte ")
    number = place.rstrip(")")
    if not number.isdecimal():
        return reason.removeprefix("JSON is malformed: ")
    line = text.encode()[: int(number)].count(b"\n") + 1
    return _("line %(line)d, %(why)s") % {
        "line": line,
        "why": reason.removeprefix("JSON is malformed: "),
    }


def faults(document: Mapping[str, Any], known: Configuration) -> list[Fault]:
    """What of it has another type than is known; unknown fields may be anything."""
    shapes = {one.name: one.shape for section in known.sections for one in section.settings}
    shapes[known.version] = Shape("text")
    whole = Shape("object", shapes, (known.version,))
    return list(_faults(document, whole, ""))


def _faults(value: Any, shape: Shape, place: str) -> Iterator[Fault]:
    wanted = _PYTHON[shape.type]
    is_flag = isinstance(value, bool)
    if not isinstance(value, wanted) or (is_flag and shape.type == "number"):
        yield Fault(place, _("must be %(type)s") % {"type": TYPES[shape.type]})
    elif shape.type == "list" and shape.entries:
        for number, entry in enumerate(value):
            yield from _faults(entry, shape.entries, f"{place}[{number}]")
    elif shape.type == "object":
        yield from _faults_within(value, shape, place)
    elif shape.one_of and value not in shape.one_of:
        yield Fault(place, _("must be one of %(known)s") % {"known": ", ".join(shape.one_of)})


def _faults_within(value: Mapping[str, Any], shape: Shape, place: str) -> Iterator[Fault]:
    for name in shape.needed:
        if name not in value:
            yield Fault(_join(place, name), _("is missing"))
    for name, inner in value.items():
        known = shape.fields.get(name) or shape.entries
        if known:
            yield from _faults(inner, known, _join(place, name))


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
