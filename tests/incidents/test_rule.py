"""The rule by itself: what is usual, when a day is far off, what is never judged. No database."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.incidents import causes
from apps.incidents.rule import (
    FLOOR,
    Observed,
    Subject,
    find,
    judge,
    limit_of,
    severity_of,
    severity_of_quiet,
)
from apps.usage.usual import LEAST_DAYS, SAME_WEEKDAYS, WINDOW, median, usual

pytestmark = pytest.mark.databaseless

TODAY = 20_000
KEY = Subject("key", "k", "w")
amounts = st.integers(0, 10**13)
pasts = st.dictionaries(st.integers(TODAY - WINDOW - 5, TODAY - 1), amounts, max_size=WINDOW)


def even(amount: int, days: int = WINDOW) -> dict[int, int]:
    """The same amount on each of the days before."""
    return {TODAY - back: amount for back in range(1, days + 1)}


@given(pasts)
@settings(max_examples=60, deadline=None)
def test_what_is_usual_lies_among_the_days_it_rests_on(past: dict[int, int]) -> None:
    one = usual(past, TODAY)
    known = [past[day] for day in past if day >= TODAY - WINDOW]
    if len(known) < LEAST_DAYS:
        assert one is None
        return
    assert one is not None
    assert min(known) <= one.expected <= max(known)
    assert one.peak <= max(known)
    assert 0 <= one.low <= one.expected <= one.high
    assert one.days == len(known)
    assert limit_of(one, 7) >= one.expected + 7


@given(pasts, amounts, st.integers(1, 10**9))
@settings(max_examples=60, deadline=None)
def test_more_never_makes_a_day_less_far_off(past: dict[int, int], amount: int, more: int) -> None:
    one, other = (judge(past, TODAY, value, 1) for value in (amount, amount + more))
    assert (one is None) == (other is None)
    if one and other and one.is_far:
        assert other.is_far


@given(pasts, st.integers(2, 1000))
@settings(max_examples=40, deadline=None)
def test_the_rule_knows_no_unit(past: dict[int, int], times: int) -> None:
    """The same in cents and in dollars, but for what is rounded down."""
    one, other = usual(past, TODAY), usual({day: past[day] * times for day in past}, TODAY)
    if one is not None:
        assert other is not None
        assert abs(other.expected - one.expected * times) <= times
        assert other.peak == one.peak * times


@given(st.integers(1, 10**12), st.lists(st.integers(0, WINDOW - 1), max_size=14, unique=True))
@settings(max_examples=40, deadline=None)
def test_a_few_odd_days_move_what_is_usual_by_nothing(amount: int, odd: list[int]) -> None:
    past = even(amount)
    weekdays: dict[int, int] = {}
    for back in odd:
        day = TODAY - 1 - back
        if weekdays.get(day % 7, 0) < 3:  # of eight of one weekday
            weekdays[day % 7] = weekdays.get(day % 7, 0) + 1
            past[day] = amount * 50
    one = usual(past, TODAY)
    assert one is not None
    assert (one.expected, one.deviation) == (amount, 0)


def test_weekdays_are_kept_apart_once_there_are_enough_of_each() -> None:
    past = {day: 5 if day % 7 in (0, 1) else 100 for day in range(TODAY - WINDOW, TODAY)}
    for day in range(TODAY, TODAY + 1):
        one = usual(past, day)
        assert one is not None
        assert one.by_weekday
        assert one.expected == past[day - 7]
    few = {day: past[day] for day in past if day >= TODAY - 7 * SAME_WEEKDAYS + 1}
    one = usual(few, TODAY)
    assert one is not None
    assert not one.by_weekday
    assert one.expected == 100


def observed(past: dict[int, int], today: int, **more: object) -> Observed:
    days = {**past, TODAY: today}
    told: dict[str, object] = {
        "unit": "money",
        "known": frozenset(past),
        "begun": frozenset({TODAY}),
        "total": days,
        "series": {KEY: days},
        **more,
    }
    return Observed(**told)


DOLLAR = 1_000_000


def test_it_takes_a_multiple_and_an_amount_worth_the_trouble() -> None:
    past = even(20 * DOLLAR)
    assert not find(observed(past, 50 * DOLLAR), [TODAY]).far
    (day,) = find(observed(past, 51 * DOLLAR), [TODAY]).far[KEY]
    assert (day.observed, day.expected, day.excess) == (51 * DOLLAR, 20 * DOLLAR, 31 * DOLLAR)
    small = even(DOLLAR)
    assert not find(observed(small, DOLLAR + FLOOR["money"]), [TODAY]).far
    assert find(observed(small, DOLLAR + FLOOR["money"] + 1), [TODAY]).far
    # Beside a large bill, a hundredth of it is the least.
    large = dict.fromkeys((*small, TODAY), 10000 * DOLLAR)
    assert not find(observed(small, 100 * DOLLAR, total=large), [TODAY]).far
    assert find(observed(small, 102 * DOLLAR, total=large), [TODAY]).far


def test_a_height_it_has_reached_before_is_nothing_new() -> None:
    past = even(20 * DOLLAR)
    past[TODAY - 10] = past[TODAY - 24] = 90 * DOLLAR  # twice: a monthly run
    assert not find(observed(past, 130 * DOLLAR), [TODAY]).far
    assert find(observed(past, 136 * DOLLAR), [TODAY]).far
    once = even(20 * DOLLAR) | {TODAY - 10: 5_000 * DOLLAR}
    assert find(observed(once, 136 * DOLLAR), [TODAY]).far
    # Days that were an incident tell nothing of what is usual.
    apart = {KEY: {TODAY - 10, TODAY - 24}}
    assert find(observed(past, 60 * DOLLAR, apart=apart), [TODAY]).far


def test_a_day_that_is_not_read_is_no_zero_and_is_not_judged() -> None:
    past = even(20 * DOLLAR)
    holes = {day: past[day] for day in past if day % 3}
    one = observed(holes, 900 * DOLLAR, total=past | {TODAY: 900 * DOLLAR}, series={KEY: {**past}})
    assert KEY not in find(one, [TODAY + 1]).far
    judged = judge(one.history(KEY), TODAY, 900 * DOLLAR, 1)
    assert judged is not None
    assert judged.expected == 20 * DOLLAR  # a hole is left out, and does not pull it down
    silent = observed(past, 900 * DOLLAR, begun=frozenset())
    assert not find(silent, [TODAY]).far


def test_the_young_are_judged_once_they_have_a_past_of_their_own() -> None:
    past = even(20 * DOLLAR, LEAST_DAYS)
    total = even(1_000 * DOLLAR) | {TODAY: 1_000 * DOLLAR}
    born = {KEY: TODAY - LEAST_DAYS}
    known = frozenset(even(0))
    assert find(observed(past, 90 * DOLLAR, total=total, born=born, known=known), [TODAY]).far
    younger = {KEY: TODAY - LEAST_DAYS + 1}
    assert not find(
        observed(past, 90 * DOLLAR, total=total, born=younger, known=known), [TODAY]
    ).far
    # What had been there and was silent for eight weeks is no young one: these days are zeros.
    silent = find(observed({}, 90 * DOLLAR, total=total, known=known), [TODAY]).far[KEY]
    assert silent[0].expected == 0


def test_one_cause_is_one_incident_the_finest() -> None:
    past, workspace = even(20 * DOLLAR), Subject("workspace", "w")
    other, person = Subject("workspace", "v"), Subject("person", "p")
    series = {
        KEY: past | {TODAY: 900 * DOLLAR},
        workspace: even(60 * DOLLAR) | {TODAY: 950 * DOLLAR},
        person: past | {TODAY: 700 * DOLLAR},
        other: even(80 * DOLLAR) | {TODAY: 760 * DOLLAR},
    }
    total = even(140 * DOLLAR) | {TODAY: 1710 * DOLLAR}
    one = observed(past, 0, total=total, series=series)
    found = find(one, [TODAY], lambda people: dict.fromkeys(people, "v"))
    assert set(found.far) == {KEY, person}
    assert found.explained.keys() == {workspace, other, Subject("connection")}
    # Where more is too much than they explain, the coarser one is an incident of its own.
    series[workspace] = even(60 * DOLLAR) | {TODAY: 2_000 * DOLLAR}
    found = find(one, [TODAY], lambda people: dict.fromkeys(people, "v"))
    assert set(found.far) == {KEY, person, workspace}


QUIET = Subject("quiet")


def too_little(past: dict[int, int], amount: int, **more: object) -> bool:
    """Whether a day that is over counts as too little of the whole."""
    over = {"known": frozenset({*past, TODAY}), "begun": frozenset(), "settled": TODAY, **more}
    return QUIET in find(observed(past, amount, series={}, **over), [TODAY]).far


def test_a_whole_that_uses_much_less_is_quiet_once_its_day_is_over() -> None:
    past = even(100 * DOLLAR)
    assert not too_little(past, 60 * DOLLAR)
    assert too_little(past, 60 * DOLLAR - 1)
    assert too_little(past, 0)
    # What is still to come, or to be told of, is not missing.
    assert not too_little(past, 0, settled=TODAY - 1)
    assert not too_little(past, 0, known=frozenset(past), begun=frozenset({TODAY}))
    # Little money is not worth a word, nor is one key's or one workspace's silence.
    assert not too_little(even(9 * DOLLAR), 0)
    assert not find(
        observed(past, 0, total=past | {TODAY: 100 * DOLLAR}, settled=TODAY), [TODAY]
    ).far
    # Where days stray far by themselves, it takes more; a weekday that is not known tells nothing.
    stray = {day: past[day] * (2 if day // 7 % 2 else 1) for day in past}
    assert not too_little(stray, 55 * DOLLAR)
    assert not too_little({day: past[day] for day in past if day > TODAY - 21}, 0)


@given(
    st.integers(10**6, 10**11),
    st.lists(st.integers(90, 110), min_size=WINDOW, max_size=WINDOW),
    st.integers(0, 110),
    st.integers(0, 110),
)
@settings(max_examples=60, deadline=None)
def test_less_never_makes_a_day_less_quiet(base: int, parts: list[int], one: int, two: int) -> None:
    past = {TODAY - back: base * part for back, part in enumerate(parts, start=1)}
    assert too_little(past, 0)
    assert not too_little(past, base * 90)
    least, most = sorted((one, two))
    assert too_little(past, base * least) or not too_little(past, base * most)


def test_severity_goes_by_what_the_connection_usually_uses() -> None:
    assert [severity_of(excess, 100) for excess in (30, 10, 9, 2, 1)] == [
        "high",
        "high",
        "medium",
        "medium",
        "low",
    ]
    assert severity_of(1, 0) == "high"
    assert [severity_of_quiet(left, 100) for left in (0, 10, 11, 60)] == [
        "medium",
        "medium",
        "low",
        "low",
    ]


def test_the_middle() -> None:
    assert median([3]) == 3
    assert median([1, 4, 2, 9]) == 3
    with pytest.raises(ValueError, match="middle"):
        median([])


# --- Why ------------------------------------------------------------------------------------------


def mix(days: int, **more: object) -> causes.Mix:
    usual_mix: dict[str, object] = {
        "amount": 100 * days,
        "tokens": 1_000 * days,
        "told": 900 * days,
        "cache_read": 450 * days,
        "output": 100 * days,
        "models": {"old": 100 * days},
    }
    return causes.Mix(days, **{**usual_mix, **more})


def names(before: causes.Mix, during: causes.Mix) -> list[str]:
    return [str(one["name"]) for one in causes.compare(before, during)]


def test_a_cause_is_what_is_different_with_its_figures() -> None:
    before = mix(28)
    assert names(before, mix(1)) == []
    assert names(before, mix(1, amount=400, models={"old": 100, "new": 300})) == ["model"]
    (cache,) = causes.compare(before, mix(1, cache_read=90))
    assert cache == {"name": "cache", "before": 500_000, "after": 100_000}
    assert names(before, mix(1, output=200)) == ["output"]
    (more,) = causes.compare(before, mix(2, tokens=8_000, output=800, told=7_000, cache_read=3_400))
    assert more == {"name": "tokens", "before": 1_000, "after": 4_000}


def test_where_requests_are_counted_answers_and_requests_are_told_apart() -> None:
    before = mix(28, requests=280)
    assert names(before, mix(1, requests=10)) == []
    assert names(before, mix(1, requests=40, output=400, tokens=4_000)) == ["requests"]
    assert names(before, mix(1, requests=10, output=300)) == ["answers"]


def test_what_was_silent_before_is_said_to_be() -> None:
    nothing = causes.Mix(28)
    assert causes.compare(nothing, mix(1)) == [{"name": "silent", "days": 28}]
