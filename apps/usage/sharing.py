"""Sharing money out by tokens, to the last femtodollar.

A provider that bills by workspace and line item does not say what a key or a person cost. A line's
amount is shared out over the usage that it was charged for, by the tokens of its kind; the parts sum to
it exactly, the last femtodollars by largest remainder.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apps.usage.tuples import COLUMNS, COUNTS, NONE, NOT_ASKED, Tuple

# What both a line and usage are told apart by.
COMMON = ("workspace", "model", "service_tier", "context_window", "geo")
_AT = {name: COLUMNS.index(name) for name in COLUMNS}
Counts = Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Line:
    """An amount of a day: its dimension, what that says, femtodollars."""

    dimension: int
    tuple: Tuple
    femtos: int


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """``amount`` in whole parts proportional to ``weights`` (not all 0) that sum up to it."""
    total = sum(weights)
    parts, left = [], []
    for place, weight in enumerate(weights):
        part, rest = divmod(amount * weight, total)
        parts.append(part)
        left.append((-rest, place))
    for _, place in sorted(left)[: amount - sum(parts)]:
        parts[place] += 1
    return parts


class Usage:
    """A day's usage, to be looked up by what a line says."""

    def __init__(self, counts: Mapping[int, Counts], tuples: Mapping[int, Tuple]) -> None:
        self._rows = [(one, tuples[one], counts[one]) for one in sorted(counts)]
        first = self._rows[0][1] if self._rows else ()
        # What usage was not asked by cannot be held against a line. It is the same for a whole day.
        self._told = [name for name in COMMON if first and first[_AT[name]] != NOT_ASKED]
        self._found: dict[tuple[str, ...], dict[Tuple, list[tuple[int, Counts]]]] = {}

    def of(self, line: Line) -> list[tuple[int, Counts]]:
        """The usage that a line was charged for: what agrees in all that both say."""
        names = tuple(name for name in self._told if self._binds(line, name))
        if names not in self._found:
            groups = self._found[names] = {}
            for one, row, counts in self._rows:
                key = tuple(row[_AT[name]] for name in (*names, "currency"))
                groups.setdefault(key, []).append((one, counts))
        wanted = tuple(line.tuple[_AT[name]] for name in (*names, "currency"))
        return self._found[names].get(wanted, [])

    @staticmethod
    def _binds(line: Line, name: str) -> bool:
        value = line.tuple[_AT[name]]
        # A line without a model is about none in particular; without a workspace, about the default one.
        return value != NOT_ASKED and (value != NONE or name == "workspace")


def share(lines: Iterable[Line], usage: Usage) -> dict[int, int]:
    """Femtodollars by dimension; what cannot be shared out stays with its line's own."""
    found: dict[int, int] = {}
    for line in lines:
        kind = line.tuple[_AT["token_type"]]
        matching = usage.of(line) if kind in COUNTS else []
        place = COUNTS.index(kind) if matching else 0
        weights = [counts[place] or 0 for _, counts in matching]
        if not any(weights):
            found[line.dimension] = found.get(line.dimension, 0) + line.femtos
            continue
        for (one, _), part in zip(matching, split(line.femtos, weights), strict=True):
            found[one] = found.get(one, 0) + part
    return found
