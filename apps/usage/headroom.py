"""Headroom: what the last hours took in their highest minute, against the limits per minute.

Counts what the provider's report of tokens counts. Limits of requests, of fast mode, of batches and of
anything that is no message have no figure, because no report says what was used of them.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, Sum
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.ui import amounts
from apps.ui.listing import Column
from apps.usage import minutes
from apps.usage.models import MinuteReading, MinuteUse
from apps.workspaces.limit_lists import LimitList
from apps.workspaces.models import RateLimit

Used = tuple[int, int, int]  # fresh input, input from the cache, output
# What of a minute counts towards a limit, by the provider's name of it.
COUNTED: dict[str, Callable[[Used], int]] = {
    "input_tokens_per_minute_cache_aware": lambda used: used[0],
    "input_tokens_per_minute": lambda used: used[0] + used[1],
    "output_tokens_per_minute": lambda used: used[2],
    "tokens_per_minute": sum,
}
UNCOUNTED: dict[str, Promise] = {
    "requests_per_minute": gettext_lazy("The usage report does not count requests."),
    "fast_itpmca": gettext_lazy("The usage by the minute does not tell fast mode apart."),
    "fast_otpm": gettext_lazy("The usage by the minute does not tell fast mode apart."),
}
TIGHT, FULL = 80, 100  # per cent


@dataclass(frozen=True, slots=True)
class Headroom:
    """The highest minute of one limit. ``where``: "" for the organization, else the workspace's name."""

    limit: int
    peak: int
    at: datetime | None  # when that minute began; None where nothing was used
    where: str = ""

    @property
    def percent(self) -> int:
        """How much of the limit the highest minute took."""
        return self.peak * 100 // self.limit if self.limit else FULL

    @property
    def free(self) -> int:
        """What was left of it then; 0 where it took more."""
        return max(0, self.limit - self.peak)

    @property
    def tone(self) -> str:
        """Of its badge."""
        if self.percent >= FULL:
            return "danger"
        return "warning" if self.percent >= TIGHT else "success"


@dataclass(slots=True)
class Told:
    """What a limit's cell shows: ``why`` where there is no figure, else the organization's, the chosen
    workspace's, and the tightest of those with a limit of their own."""

    why: str = ""
    lines: tuple[Headroom, ...] = ()


ByModel = Mapping[str, Mapping[int, Used]]


class Peaks:
    """The minutes of some connections, by model. Three queries, whatever the number of limits."""

    def __init__(self, connections: Iterable[int], overrides: Iterable[tuple[int, str]]) -> None:
        """``overrides``: connection and remote id of workspaces that are looked at by themselves."""
        read = MinuteReading.objects.filter(connection__in=list(connections), read_at__isnull=False)
        # Of minutes that are forgotten nothing is known: that is no zero.
        self.readings = {one.connection_id: one for one in read if minutes.kept(one)}
        windows = Q(pk__in=[])
        for one in self.readings.values():
            windows |= _window(one)
        rows = MinuteUse.objects.filter(windows).order_by()
        self._whole = _by_model(rows, ("connection_id",))
        wanted = {workspace for _connection, workspace in overrides}
        own = rows.filter(workspace__in=wanted) if wanted else rows.none()
        self._own = _by_model(own, ("connection_id", "workspace"))

    def of(self, row: RateLimit, limit: int, workspace: str = "", where: str = "") -> Headroom:
        """The highest minute of the models that ``row`` limits, in the organization or one workspace."""
        place = (row.connection_id, workspace) if workspace else (row.connection_id,)
        count = COUNTED[row.kind]
        found: defaultdict[int, int] = defaultdict(int)
        for model, used in (self._own if workspace else self._whole).get(place, {}).items():
            if is_meant(model, row.model_names):
                for minute, one in used.items():
                    found[minute] += count(one)
        at = max(found, key=lambda minute: (found[minute], minute), default=None)
        if at is None or not found[at]:
            return Headroom(limit, 0, None, where)
        return Headroom(limit, found[at], minutes.moment_of(at), where)


def _window(reading: MinuteReading) -> Q:
    """The minutes of a reading that are kept."""
    kept = minutes.kept(reading)
    return Q(connection=reading.connection_id, minute__gte=kept.start, minute__lt=kept.stop)


def _by_model(rows: Any, names: tuple[str, ...]) -> dict[tuple[Any, ...], ByModel]:
    sums = rows.values_list(*names, "model", "minute").annotate(
        Sum("fresh"), Sum("cached"), Sum("output")
    )
    found: dict[tuple[Any, ...], dict[str, dict[int, Used]]] = {}
    for *place, model, minute, fresh, cached, output in sums:
        by_model = found.setdefault(tuple(place), {})
        by_model.setdefault(model, {})[minute] = (fresh, cached, output)
    return found  # type: ignore[return-value]  # read only from here on


def is_meant(model: str, names: str) -> bool:
    """Whether a limit of ``names`` ("a, b") counts ``model``: by its id, or by the alias of a dated one."""
    return any(
        model == name or re.fullmatch(rf"{re.escape(name.removesuffix('-latest'))}-\d{{8}}", model)
        for name in names.split(", ")
    )


# --- The column of the list of limits ------------------------------------------------------------


def prepare(page: LimitList, rows: Sequence[RateLimit]) -> None:
    """Give each limit its ``headroom``. Three queries."""
    overrides = {
        (row.connection_id, one.remote_id)
        for row in rows
        for one in row.overrides  # type: ignore[attr-defined]  # given by the list
    }
    if page.workspace:
        overrides.add((page.workspace.connection_id, str(page.workspace.remote_id)))
    peaks = Peaks({row.connection_id for row in rows}, overrides)
    for row in rows:
        row.headroom = _told(page, row, peaks)  # type: ignore[attr-defined]  # read by the cell


def _told(page: LimitList, row: RateLimit, peaks: Peaks) -> Told:
    if why := _uncounted(page, row, peaks):
        return Told(why)
    lines = []
    if (whole := row.organizations) is not None:  # type: ignore[attr-defined]  # given by the list
        lines.append(peaks.of(row, whole))
    told_apart = "workspace_id" in peaks.readings[row.connection_id].grouping
    if page.workspace is not None:
        effective = row.here[0]  # type: ignore[attr-defined]  # likewise
        if effective is not None and told_apart:
            lines.append(
                peaks.of(row, effective, str(page.workspace.remote_id), page.workspace.name)
            )
        return Told(lines=tuple(lines))
    own = [
        peaks.of(row, one.effective, one.remote_id, one.workspace)
        for one in row.overrides  # type: ignore[attr-defined]  # likewise
    ]
    if own and told_apart:
        lines.append(max(own, key=lambda one: (one.percent, one.where)))
    return Told(lines=tuple(lines))


def _uncounted(page: LimitList, row: RateLimit, peaks: Peaks) -> str:
    """Why there is no figure for a limit; "" where there is one."""
    if row.kind in UNCOUNTED:
        return str(UNCOUNTED[row.kind])
    if row.kind not in COUNTED or not row.model_names:
        return _("No report says what was used of it.")
    if not minutes.is_told(page.connections[row.connection_id]):
        return _("This connection may not read usage.")
    if row.connection_id not in peaks.readings:
        return _("The last hours are not read yet.")
    return ""


def _exported(row: Any) -> str:
    told: Told = row.headroom
    return "; ".join(
        f"{one.where + ': ' if one.where else ''}{one.peak} / {one.limit}"
        + (f" ({one.at:%Y-%m-%d %H:%M} UTC)" if one.at else "")
        for one in told.lines
    )


COLUMN = Column(
    key="headroom",
    label=gettext_lazy("Highest minute"),
    value=lambda row: row.headroom,
    cell="usage/headroom_cells.html:headroom",
    export=_exported,
    css="text-nowrap",
)


# --- The page of minutes -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Busiest:
    """The highest minutes of one model in one workspace."""

    workspace: str  # remote id, or a mark
    model: str
    input: int
    input_with_cache: int
    output: int
    at: datetime  # of ``input_with_cache``

    @property
    def texts(self) -> tuple[str, str, str]:
        """The three figures to be read."""
        figures = (self.input, self.input_with_cache, self.output)
        return tuple(map(amounts.count, figures))  # type: ignore[return-value]  # three


def busiest(reading: MinuteReading, most: int) -> list[Busiest]:
    """The models and workspaces with the highest minutes of input, the highest first. One query."""
    rows = MinuteUse.objects.filter(_window(reading))
    found: dict[tuple[str, str], list[tuple[int, int, int, int]]] = defaultdict(list)
    names = ("workspace", "model", "minute", "fresh", "cached", "output")
    for workspace, model, minute, fresh, cached, output in rows.values_list(*names):
        found[workspace, model].append((fresh + cached, minute, fresh, output))
    peaks = [
        Busiest(
            *place,
            max(one[2] for one in used),
            max(used)[0],
            max(one[3] for one in used),
            minutes.moment_of(max(used)[1]),
        )
        for place, used in found.items()
    ]
    return sorted(peaks, key=lambda one: (-one.input_with_cache, one.workspace, one.model))[:most]


def by_minute(reading: MinuteReading) -> list[tuple[datetime, Used]]:
    """Every minute that was read and is kept, the oldest first, with the tokens of all. One query."""
    rows = MinuteUse.objects.filter(_window(reading))
    sums = (
        rows.order_by().values_list("minute").annotate(Sum("fresh"), Sum("cached"), Sum("output"))
    )
    found = {minute: (fresh, cached, output) for minute, fresh, cached, output in sums}
    every = minutes.kept(reading)
    return [(minutes.moment_of(one), found.get(one, (0, 0, 0))) for one in every]
