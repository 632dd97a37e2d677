"""Charts: what one shows, as data; and the pictures that need no script.

A view makes a ``Chart``; the template says ``{% chart chart %}``. The page gets the numbers as a table,
a plain picture of them drawn here, and the data as JSON, from which ``static/orgdesk/charts.js`` draws
with ECharts in the picture's place. So nothing flashes empty, and without JavaScript nothing is lost.
Small ones (``sparkline``) are drawn here alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

Value = Decimal | float | int | None  # None: nothing is known of that label

COLOURS = 8  # --chart-1 to --chart-8 of orgdesk.css; then they begin anew
WIDTH, HEIGHT = 1000, 240  # of the drawn picture, in its own units
SPARK_WIDTH, SPARK_HEIGHT = 100, 28


@dataclass(slots=True)
class Series:
    """One part of every bar, or one line.

    ``texts`` are the values as they are to be read ("$1.20"), in the order of ``values``. ``line`` is
    drawn over the bars, and no part of their sum. ``muted`` takes the colour of what is beside the point:
    "all others". ``query`` leads to what lies beneath (see ``Chart.base``).
    """

    name: str
    values: Sequence[Value]
    texts: Sequence[str]
    query: str = ""
    line: bool = False
    muted: bool = False
    colour: int = 0  # given by the chart


@dataclass(slots=True)
class Chart:
    """Bars over time, stacked, with lines over them; or lines alone, where every series is one.

    ``labels`` stand below the bars, ``titles`` are the same in full. ``totals`` are the bars' sums in
    words. Following a part of a bar leads to ``base`` with the parameters of the label's query and of the
    series' put in their places (an empty one is taken out); without ``base`` nothing can be followed. ``unit`` is what the axis counts: "USD", "" for counts.
    """

    name: str  # of its files, and unique on its page
    title: str
    labels: Sequence[str]
    series: list[Series]
    titles: Sequence[str] = ()
    totals: Sequence[str] = ()
    base: str = ""
    queries: Sequence[str] = ()  # of the labels
    unit: str = ""
    label_head: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        coloured = 0
        for one in self.series:
            if not one.muted:
                one.colour = coloured % COLOURS + 1
                coloured += 1
        if not self.titles:
            self.titles = self.labels

    @property
    def bars(self) -> list[Series]:
        """The series that are stacked."""
        return [one for one in self.series if not one.line]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw: no value but zeros."""
        return not any(value for one in self.series for value in one.values)

    @property
    def top(self) -> float:
        """What the highest bar or point reaches."""
        stacks = [
            sum(float(one.values[at] or 0) for one in self.bars if (one.values[at] or 0) > 0)
            for at in range(len(self.labels))
        ]
        lines = [float(value or 0) for one in self.series if one.line for value in one.values]
        return max([*stacks, *lines, 0.0])

    def data(self) -> dict[str, Any]:
        """What charts.js reads. Values are for drawing alone; what is read are the texts."""
        return {
            "name": self.name,
            "title": self.title,
            "unit": self.unit,
            "labels": list(self.labels),
            "titles": list(self.titles),
            "totals": list(self.totals),
            "base": self.base,
            "queries": list(self.queries),
            "series": [
                {
                    "name": one.name,
                    "values": [None if value is None else float(value) for value in one.values],
                    "texts": list(one.texts),
                    "query": one.query,
                    "line": one.line,
                    "muted": one.muted,
                    "colour": one.colour,
                }
                for one in self.series
            ],
        }

    def rows(self) -> list[tuple[str, list[str], str, str]]:
        """The table behind it: title, texts of the series, total, and where the row leads."""
        return [
            (
                title,
                [one.texts[at] for one in self.series],
                self.totals[at] if self.totals else "",
                self._leads_to(at),
            )
            for at, title in enumerate(self.titles)
        ]

    def _leads_to(self, at: int) -> str:
        if not self.base or not self.queries or not self.queries[at]:
            return ""
        changed = dict(parse_qsl(self.queries[at], keep_blank_values=True))
        held = [(k, v) for k, v in parse_qsl(self.base.lstrip("?")) if k not in changed]
        return f"?{urlencode([*held, *((k, v) for k, v in changed.items() if v)])}"

    def picture(self) -> SafeString:
        """The bars and lines as SVG, without words; colours by class, no style of its own."""
        top = self.top
        if not top or not self.labels:
            return mark_safe("")
        step = WIDTH / len(self.labels)
        gap = step * 0.2
        floor = [0.0] * len(self.labels)
        paths = []
        for one in self.bars:
            parts = []
            for at, value in enumerate(one.values):
                tall = max(float(value or 0), 0) / top * HEIGHT
                if tall:
                    low = HEIGHT - floor[at]
                    parts.append(
                        f"M{at * step + gap / 2:.1f} {low:.1f}"
                        f"h{step - gap:.1f}v{-tall:.1f}h{gap - step:.1f}z"
                    )
                    floor[at] += tall
            paths.append((_colour(one), "", "".join(parts)))
        for one in self.series:
            if one.line:
                points = [(float(v or 0), at) for at, v in enumerate(one.values) if v is not None]
                paths.append((_colour(one), " chart-line", _line(points, top, step)))
        return format_html(
            '<svg class="chart-picture" viewBox="0 0 {} {}" preserveAspectRatio="none"'
            ' aria-hidden="true" focusable="false">{}</svg>',
            WIDTH,
            HEIGHT,
            format_html_join("", '<path class="chart-{}{}" d="{}"/>', paths),
        )


def _colour(series: Series) -> str:
    return "muted" if series.muted else str(series.colour)


def _line(points: list[tuple[float, int]], top: float, step: float) -> str:
    spots = [f"{(at + 0.5) * step:.1f} {HEIGHT - value / top * HEIGHT:.1f}" for value, at in points]
    return "M" + "L".join(spots) if spots else ""


def sparkline(values: Sequence[Value], label: str) -> SafeString:
    """A line a few words wide; ``label`` says in words what it shows. Where nothing is known (None)
    the line has a gap, and is never drawn down to zero.

    "" where fewer than two are known.
    """
    if sum(value is not None for value in values) < 2:
        return mark_safe("")
    top = max((float(value) for value in values if value is not None), default=0.0) or 1.0
    step = SPARK_WIDTH / (len(values) - 1)
    room = SPARK_HEIGHT - 4
    line = area = ""
    for run in _runs(values):
        spots = [f"{at * step:.1f} {2 + room - max(one, 0) / top * room:.1f}" for at, one in run]
        if len(run) == 1:  # a day between two gaps is a dot
            spots.append(spots[0])
        line += "M" + "L".join(spots)
        area += f"M{'L'.join(spots)}V{SPARK_HEIGHT}H{run[0][0] * step:.1f}z"
    return format_html(
        '<svg class="sparkline" viewBox="0 0 {w} {h}" preserveAspectRatio="none" role="img"'
        ' aria-label="{label}"><path class="sparkline-area" d="{area}"/>'
        '<path class="sparkline-line" d="{line}"/></svg>',
        w=SPARK_WIDTH,
        h=SPARK_HEIGHT,
        label=label,
        area=area,
        line=line,
    )


def _runs(values: Sequence[Value]) -> list[list[tuple[int, float]]]:
    """The known values with their places, cut where something is not known."""
    runs: list[list[tuple[int, float]]] = [[]]
    for at, value in enumerate(values):
        if value is not None:
            runs[-1].append((at, float(value)))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def in_words(values: Sequence[Value], texts: Sequence[str], titles: Sequence[str]) -> str:
    """What a sparkline shows, for whoever hears it: from, to, the highest, and how much is not known."""
    known = [at for at, value in enumerate(values) if value is not None]
    if not known:
        return _("Nothing is known yet") if values else ""
    highest = max(known, key=lambda at: float(values[at] or 0))
    told = _("%(first)s to %(last)s, highest %(top)s on %(when)s") % {
        "first": texts[known[0]],
        "last": texts[known[-1]],
        "top": texts[highest],
        "when": titles[highest],
    }
    gaps = len(values) - len(known)
    if not gaps:
        return told
    words = ngettext("%(n)d of them not known", "%(n)d of them not known", gaps) % {"n": gaps}
    return f"{told}, {words}"
