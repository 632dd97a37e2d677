"""Charts as data and as pictures; money and counts as they are written."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from django.template import engines

from apps.ui import amounts
from apps.ui.charts import HEIGHT, Chart, Series, in_words, sparkline

pytestmark = pytest.mark.databaseless


def bars(*values: list[int], **fields: object) -> Chart:
    series = [
        Series(f"part {at}", one, [str(value) for value in one]) for at, one in enumerate(values)
    ]
    labels = [f"day {at}" for at in range(len(values[0]))]
    return Chart("test", "Test", labels, series, **fields)  # type: ignore[arg-type]  # the fields of one


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        ("0", "$0.00"),
        ("0.004", "<$0.01"),
        ("1234.565", "$1,234.56"),
        ("1234.575", "$1,234.58"),
        ("-3.5", "−$3.50"),
    ],
)
def test_money_is_rounded_to_the_cent_and_nothing_looks_free_that_is_not(
    amount: str, written: str
) -> None:
    assert amounts.money(Decimal(amount)) == written


def test_large_amounts_are_glanced_at_without_their_cents() -> None:
    assert amounts.whole(Decimal("122365.52")) == "$122,366"
    assert amounts.whole(Decimal("999.994")) == "$999.99"


@pytest.mark.parametrize(
    ("number", "short"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1K"),
        (12_345, "12.3K"),
        (999_950, "1M"),
        (7_240_000, "7.24M"),
    ],
)
def test_counts_are_short_where_they_are_glanced_at(number: int, short: str) -> None:
    assert amounts.compact(number) == short


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (12, 10, "+20%"),
        (5, 10, "−50%"),
        (10, 10, "±0%"),
        (3, 0, "new"),
        (0, 0, "–"),
        (150, 10, "15×"),
    ],
)
def test_change_is_said_against_the_period_before(now: int, before: int, said: str) -> None:
    assert amounts.change(now, before) == said


def test_a_picture_stacks_its_bars_up_to_the_highest() -> None:
    chart = bars([1, 3], [1, 1])
    assert chart.top == 4
    tall = [float(one) for one in re.findall(r"v(-[\d.]+)", chart.picture())]
    assert tall == [-HEIGHT / 4, -HEIGHT * 3 / 4, -HEIGHT / 4, -HEIGHT / 4]
    assert "style" not in chart.picture(), "the content security policy refuses styles of its own"


def test_colours_are_given_in_turn_and_lines_are_no_part_of_the_sum() -> None:
    chart = bars([1, 2], [1, 2], [9, 9])
    chart.series[2].line = True
    assert chart.top == 9
    assert [one.colour for one in chart.series] == [1, 2, 3]
    assert len(chart.bars) == 2


def test_the_table_behind_leads_where_the_bars_lead() -> None:
    chart = bars([1, 2], base="?group=key&range=7d", queries=["range=&from=a&to=a", ""])
    assert [row[3] for row in chart.rows()] == ["?group=key&from=a&to=a", ""]


def test_what_a_chart_is_given_cannot_break_out_of_it() -> None:
    evil = "</script><script>alert(1)</script>"
    chart = Chart("test", evil, [evil], [Series(evil, [1], [evil])])
    template = engines["django"].from_string("{% load ui %}{% chart chart %}")
    assert "<script>alert" not in template.render({"chart": chart})


def test_a_sparkline_says_in_words_what_it_shows() -> None:
    words = in_words([1, 5, 2], ["$1", "$5", "$2"], ["Mon", "Tue", "Wed"])
    assert words == "$1 to $2, highest $5 on Tue"
    assert f'aria-label="{words}"' in sparkline([1, 5, 2], words)
    assert sparkline([1], words) == ""


def test_what_is_not_known_is_a_gap_in_a_sparkline_and_no_zero() -> None:
    texts, titles = ["$1", "–", "$2", "$3"], ["Mon", "Tue", "Wed", "Thu"]
    words = in_words([1, None, 2, 3], texts, titles)
    assert words == "$1 to $3, highest $3 on Thu, 1 of them not known"
    drawn = sparkline([1, None, 2, 3], words)
    line = drawn.partition('sparkline-line" d="')[2].partition('"')[0]
    first, second = line.split("M")[1:]
    assert first == "0.0 18.0L0.0 18.0", "a day between gaps is a dot"
    assert second.startswith("66.7 "), "the line goes on where something is known again"
    assert "33.3 " not in line
    assert sparkline([None, 3, None], "") == "", "one dot is no line"
    assert in_words([None, None], texts, titles) == "Nothing is known yet"


def test_a_line_beside_the_point_does_not_look_like_the_bars_that_it_crosses() -> None:
    static = Path(__file__).parents[2] / "static" / "orgdesk"
    styles = (static / "orgdesk.css").read_text()
    muted = re.findall(r"--chart-muted: (#\w+)", styles)
    lines = re.findall(r"--chart-line: (#\w+)", styles)
    assert len(muted) == len(lines) == 2, "by day and by night"
    assert not set(muted) & set(lines)
    assert "path.chart-line.chart-muted { stroke: var(--chart-line)" in styles
    assert 'series.line ? "--chart-line"' in (static / "charts.js").read_text()
