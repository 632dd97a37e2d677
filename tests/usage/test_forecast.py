"""What a month will come to: the rule by itself, against the sandbox's worlds. No database."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.usage.days import date_of, day_of
from apps.usage.forecast import LEAST_DAYS, forecast, month_of
from apps.usage.usual import MILLION
from tests.incidents.worlds import world_of

pytestmark = pytest.mark.databaseless

TODAY = day_of(date(2026, 11, 11))  # ten days of the month are over, nineteen are to come
FIRST, LAST = month_of(TODAY)


def even(amount: int, days: int = 60) -> dict[int, int]:
    return {TODAY - back: amount for back in range(1, days + 1)}


def test_months_have_their_own_lengths() -> None:
    assert (date_of(FIRST), date_of(LAST)) == (date(2026, 11, 1), date(2026, 11, 30))
    assert date_of(month_of(day_of(date(2028, 2, 9)))[1]) == date(2028, 2, 29)
    assert date_of(month_of(day_of(date(2026, 12, 31)))[1]) == date(2026, 12, 31)


def test_the_sum_so_far_is_exact_and_the_rest_is_what_is_usual() -> None:
    past = even(100)
    told = forecast(past, past.keys(), TODAY)
    assert told is not None
    assert (told.so_far, told.rest, told.total) == (1_000, 2_000, 3_000)
    assert told.low <= told.total <= told.high
    assert (told.days, told.unread, told.by_weekday, told.last) == (56, 0, True, LAST)
    # Half of today has been read: half of it is to come.
    half = forecast({**past, TODAY: 70}, past.keys(), TODAY, left_today=MILLION // 2)
    assert half is not None
    assert (half.so_far, half.rest) == (1_070, 1_950)


def test_weekends_are_expected_to_be_weekends() -> None:
    past = {day: 10 if date_of(day).weekday() > 4 else 100 for day in even(0)}
    told = forecast(past, past.keys(), TODAY)
    assert told is not None
    coming = range(TODAY, LAST + 1)
    assert told.rest == sum(10 if date_of(day).weekday() > 4 else 100 for day in coming)


def test_what_has_grown_lately_is_expected_to_stay() -> None:
    past = {day: 100 if day < TODAY - 14 else 150 for day in even(0)}
    told = forecast(past, past.keys(), TODAY)
    assert told is not None
    assert told.rest == pytest.approx(20 * 150, rel=0.01)
    # A single odd day changes nothing.
    odd = even(100) | {TODAY - 5: 90_000}
    told = forecast(odd, odd.keys(), TODAY)
    assert told is not None
    assert told.rest == 2_000


def test_too_little_tells_nothing_and_holes_are_said() -> None:
    short = even(100, LEAST_DAYS - 1)
    assert forecast(short, short.keys(), TODAY) is None
    assert forecast({}, set(even(0)), TODAY) is None
    past = even(100)
    known = set(past) - {TODAY - 1, TODAY - 2}
    told = forecast(past, known, TODAY)
    assert told is not None
    assert (told.unread, told.so_far, told.total) == (2, 800, 3_000)
    assert forecast(past, set(past) - set(range(TODAY - 6, TODAY)), TODAY) is None
    # On the first of a month there is nothing yet, and a whole month to come.
    begin = forecast({day - 10: 100 for day in past}, {day - 10 for day in past}, FIRST)
    assert begin is not None
    assert (begin.so_far, begin.rest) == (0, 3_000)


def test_days_before_reading_began_are_not_read_and_those_before_the_first_use_are_nothing() -> (
    None
):
    past = even(100, 40)
    year = (day_of(date(2026, 1, 1)), day_of(date(2026, 12, 31)))
    assert forecast(past, past.keys(), TODAY, period=year) is None, "most of the year is not read"
    # The newest days are read first: of a month whose first days are still missing, those are estimated.
    begun = even(100, 20)
    autumn = (TODAY - 22, LAST)
    told = forecast(begun, begun.keys(), TODAY, period=autumn)
    assert told is not None
    assert (told.unread, told.so_far, told.rest) == (2, 2_000, 2_200)
    # Where the day before the first use is read, nothing was used until then.
    told = forecast(begun, begun.keys() | {TODAY - 21}, TODAY, period=autumn)
    assert told is not None
    assert (told.unread, told.rest) == (0, 2_000)


@given(
    st.dictionaries(
        st.integers(TODAY - 60, TODAY), st.integers(0, 10**12), min_size=20, max_size=61
    ),
    st.integers(0, MILLION),
)
@settings(max_examples=60, deadline=None)
def test_the_band_holds_the_sum_and_never_less_than_is_spent(
    amounts: dict[int, int], left: int
) -> None:
    told = forecast(amounts, set(range(TODAY - 60, TODAY)), TODAY, left_today=left)
    born = min((day for day in amounts if amounts[day]), default=TODAY)
    assert (told is None) == (TODAY - born < LEAST_DAYS)
    if told is None:
        return
    assert told.so_far == sum(amounts.get(day, 0) for day in range(FIRST, TODAY + 1))
    assert told.so_far <= told.low <= told.total <= told.high


def test_four_of_five_months_of_the_sandbox_end_within_the_band() -> None:
    """Asked every third day of half a year, without the turn of the year, which nobody foresees."""
    held = asked = 0
    for seed in range(1, 5):
        world = world_of("small", seed, back=330, runs_away=False)
        for today in range(world.first_day - 240, world.first_day - 31, 3):
            first, last = month_of(today)
            if date_of(today).month in (12, 1):
                continue
            past = range(world.first_day - 330, today)
            told = forecast({day: world.total[day] for day in past}, set(past), today)
            assert told is not None
            asked += 1
            spent = sum(world.total[day] for day in range(first, last + 1))
            held += told.low <= spent <= told.high
    assert held >= asked * 4 // 5, f"{held} of {asked}"
