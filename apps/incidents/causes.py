"""Why so much? What is different on the far-off days from the four weeks before them, with the figures.

A cause is {"name": …} and its figures, kept with the incident: shares in millionths, amounts and tokens
as whole numbers a day. ``words.py`` says them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.incidents.looking import COLUMN_OF, Sight, in_unit
from apps.incidents.models import Kind
from apps.incidents.rule import Judged, Subject
from apps.usage import reads
from apps.usage.days import day_of
from apps.usage.rows import Row
from apps.usage.tuples import MARKS, NONE

MILLION = 1_000_000
BEFORE = 28  # days that the far-off ones are held against
YOUNG = 14  # days: what was first used no longer ago is new
MODEL_SHIFT = 250_000  # of all use: so much more is one model's
CACHE_DROP = 150_000  # of the input: so much less comes from the cache
TIMES = (3, 2)  # half as much again is worth a word
MOVED = 300_000  # of what was too much: so much is one key's or one person's

Cause = dict[str, Any]


def who_of(cause: Cause) -> tuple[str, str] | None:
    """Kind and the provider's id of whoever a cause names; None where it names nobody."""
    kind = str(cause["name"]).removeprefix("new_").removeprefix("less_")
    return (kind, str(cause["value"])) if kind in ("key", "person") else None


@dataclass(slots=True)
class Mix:
    """What was used on ``days`` days: amounts in the incident's unit; by model too."""

    days: int
    amount: int = 0
    tokens: int = 0
    told: int = 0  # input of which the cache's share is told
    cache_read: int = 0
    output: int = 0
    requests: int | None = None
    models: dict[str, int] = field(default_factory=dict)

    def a_day(self, amount: int) -> int:
        """On an average day."""
        return amount // self.days if self.days else 0

    @property
    def hit_rate(self) -> int | None:
        """The cache's share of the input, in millionths."""
        return self.cache_read * MILLION // self.told if self.told else None


def mix_of(rows: Iterable[Row], days: int, unit: str) -> Mix:
    """Rows by model put together."""
    mix = Mix(days)
    for row in rows:
        amount = in_unit(row, unit)
        mix.amount += amount
        mix.tokens += row.tokens
        mix.told += row.input - row.unsplit_input
        mix.cache_read += row.cache_read
        mix.output += row.output
        if row.requests is not None:
            mix.requests = (mix.requests or 0) + row.requests
        model = row.group["model"]
        mix.models[model] = mix.models.get(model, 0) + amount
    return mix


def compare(before: Mix, during: Mix) -> list[Cause]:
    """What is different, what says most first. Pure."""
    if not before.tokens:
        return [{"name": "silent", "days": before.days}] if before.days else []
    found = [*_model(before, during), *_cache(before, during), *_longer(before, during)]
    return [*found, *_more(before, during)]


def _share(mix: Mix, model: str) -> int:
    return mix.models.get(model, 0) * MILLION // mix.amount if mix.amount else 0


def _model(before: Mix, during: Mix) -> list[Cause]:
    shifts = {
        one: _share(during, one) - _share(before, one)
        for one in during.models
        if one not in MARKS and during.models[one] > 0
    }
    model = max(shifts, key=lambda one: shifts[one], default="")
    if not model or shifts[model] < MODEL_SHIFT:
        return []
    shares = {"before": _share(before, model), "after": _share(during, model)}
    return [{"name": "model", "model": model, **shares}]


def _cache(before: Mix, during: Mix) -> list[Cause]:
    was, now = before.hit_rate, during.hit_rate
    if was is None or now is None or was - now < CACHE_DROP:
        return []
    return [{"name": "cache", "before": was, "after": now}]


def _times(now: int, was: int) -> bool:
    return now * TIMES[1] >= was * TIMES[0] > 0


def _longer(before: Mix, during: Mix) -> list[Cause]:
    """Longer answers: by request where those are counted, else by the answers' share of all tokens."""
    if before.requests and during.requests:
        was, now = before.output // before.requests, during.output // during.requests
        return [{"name": "answers", "before": was, "after": now}] if _times(now, was) else []
    was, now = (mix.output * MILLION // mix.tokens if mix.tokens else 0 for mix in (before, during))
    return [{"name": "output", "before": was, "after": now}] if _times(now, was) else []


def _more(before: Mix, during: Mix) -> list[Cause]:
    if before.requests and during.requests:
        was, now = before.a_day(before.requests), during.a_day(during.requests)
        return [{"name": "requests", "before": was, "after": now}] if _times(now, was) else []
    was, now = before.a_day(before.tokens), during.a_day(during.tokens)
    return [{"name": "tokens", "before": was, "after": now}] if _times(now, was) else []


def _fewer(before: Mix, during: Mix) -> list[Cause]:
    """What there was less of on quiet days."""
    if before.requests is not None and during.requests is not None:
        was, now = before.a_day(before.requests), during.a_day(during.requests)
        return [{"name": "fewer", "before": was, "after": now}] if now < was else []
    was, now = before.a_day(before.tokens), during.a_day(during.tokens)
    return [{"name": "less", "before": was, "after": now}] if now < was else []


# --- Read for one incident ------------------------------------------------------------------------


def causes_of(sight: Sight, subject: Subject, far: Sequence[Judged]) -> list[Cause]:
    """The likely causes of one subject's far-off days. Two queries, four for a workspace or a connection."""
    first, days = far[0].day, {one.day for one in far}
    past = {day for day in range(first - BEFORE, first) if day in sight.observed.known}
    filters = {COLUMN_OF[Kind(subject.kind)]: [subject.value]} if subject.value else {}
    rows = sight.rows(first - BEFORE, max(days), "day", "model", **filters)
    unit = sight.observed.unit
    before, during = (
        mix_of((row for row in rows if day_of(row.group["day"]) in chosen), len(chosen), unit)
        for chosen in (past, days)
    )
    if subject.kind == Kind.QUIET:
        less = _movers(sight, filters, past, days, first, sign=-1)
        return [*less, *_fewer(before, during)] if before.tokens else []
    found = compare(before, during)
    if subject.kind in (Kind.WORKSPACE, Kind.CONNECTION):
        found = [*_movers(sight, filters, past, days, first), *found]
    return found


def _movers(
    sight: Sight,
    filters: Mapping[str, Sequence[str]],
    past: set[int],
    days: set[int],
    first: int,
    *,
    sign: int = 1,
) -> list[Cause]:
    """The key, or the person, that used most of what was too much; whether it is new. With ``sign`` -1: that
    most of what was too little is missing of."""
    unit = sight.observed.unit
    if not past:
        return []
    for kind, column in (("key", "key"), ("person", "account")):
        was, now = (_sums(sight, column, filters, chosen, unit) for chosen in (past, days))
        # Amounts a day, so that four weeks and one day may be held against each other.
        moved = {
            one: sign * (now.get(one, 0) // len(days) - was.get(one, 0) // len(past))
            for one in {**now, **was}
            if one == NONE or one not in MARKS
        }
        whole = sign * (sum(now.values()) // len(days) - sum(was.values()) // len(past))
        one = max(moved, key=lambda name: moved[name], default="")
        if not one or one == NONE or whole <= 0 or moved[one] * MILLION // whole < MOVED:
            continue
        share = min(MILLION, moved[one] * MILLION // whole)
        if sign < 0:
            return [{"name": f"less_{kind}", "value": one, "share": share}]
        births = reads.first_days([sight.connection], column, [one])
        born = births.get((sight.connection.pk, one))
        new = born is not None and day_of(born) >= first - YOUNG
        cause: Cause = {"name": f"new_{kind}" if new else kind, "value": one, "share": share}
        return [cause | {"first": day_of(born)} if new and born else cause]
    return []


def _sums(
    sight: Sight,
    column: str,
    filters: Mapping[str, Sequence[str]],
    days: set[int],
    unit: str,
) -> dict[str, int]:
    """Sums of the days by a column. Days that are not asked for lie between far-off ones at the most."""
    found: dict[str, int] = {}
    spread = max(days) - min(days) + 1 > len(days)
    group = [column, "day"] if spread else [column]
    for row in sight.rows(min(days), max(days), *group, **filters):
        if not spread or day_of(row.group["day"]) in days:
            found[row.group[column]] = found.get(row.group[column], 0) + in_unit(row, unit)
    return found
