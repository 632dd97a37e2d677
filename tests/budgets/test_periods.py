"""Where months, quarters and years begin and end."""

from datetime import date

import pytest

from apps.budgets.models import Period
from apps.budgets.periods import before, name_of, span_of

pytestmark = pytest.mark.databaseless


@pytest.mark.parametrize(
    ("period", "day", "first", "last", "name"),
    [
        (Period.MONTH, date(2028, 2, 29), date(2028, 2, 1), date(2028, 2, 29), "February 2028"),
        (Period.MONTH, date(2026, 12, 31), date(2026, 12, 1), date(2026, 12, 31), "December 2026"),
        (Period.QUARTER, date(2026, 10, 1), date(2026, 10, 1), date(2026, 12, 31), "Q4 2026"),
        (Period.QUARTER, date(2026, 6, 30), date(2026, 4, 1), date(2026, 6, 30), "Q2 2026"),
        (Period.YEAR, date(2026, 7, 4), date(2026, 1, 1), date(2026, 12, 31), "2026"),
    ],
)
def test_a_day_lies_in_its_period(
    period: Period, day: date, first: date, last: date, name: str
) -> None:
    assert span_of(period, day) == (first, last)
    assert name_of(period, first) == name
    previous = next(before(period, (first, last)))
    assert (first - previous[1]).days == 1
    assert span_of(period, previous[0]) == previous
