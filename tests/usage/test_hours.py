"""Hours that are kept by cube say what the facts say, whatever is asked; where there are none, the facts are asked."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import example, given
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st

from apps.organizations.models import Connection
from apps.usage import arrays, facts, hours, ledger, packing, reading, reads, retention
from apps.usage.days import HOURS, date_of, day_of
from apps.usage.dimensions import Dimensions
from apps.usage.models import Fact, HourRollup, Report
from apps.usage.tuples import COLUMNS, COUNTS, NONE, NOT_ASKED
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db(transaction=True)

DAYS = 3
QUESTIONS: list[tuple[tuple[str, ...], dict[str, list[str]]]] = [
    (("hour",), {}),
    (("hour", "model"), {}),
    (("hour", "key"), {"workspace": ["w1"]}),
    (("hour",), {"key": ["k2"]}),
    (("hour", "account", "connection"), {}),
    (("hour", "service_tier"), {"model": ["m0", "m2"]}),
    (("hour", "model"), {"key": ["k1"]}),  # of no cube: the facts
]


def tuple_of(n: int) -> tuple[str, ...]:
    told = {"workspace": f"w{n % 2}", "key": f"k{n % 4}", "model": f"m{n % 3}", "account": NONE}
    told |= {"service_tier": f"t{n % 2}", "service_account": NONE, "currency": "USD"}
    return tuple(told.get(name, NOT_ASKED) for name in COLUMNS)


class Told:
    """A connection whose days are written as a walk writes them."""

    def __init__(self, connection: Connection, seed: int, most: int = 10**9) -> None:
        self.connection, self.dice, self.most = connection, random.Random(seed), most
        self.dimensions = Dimensions(connection.pk)
        self.ids = list(self.dimensions.ids(map(tuple_of, range(12))).values())
        self.last = day_of(timezone.now()) - 3
        self.report = Report.objects.create(
            connection=connection, name="usage", hourly=True, backfill_to=self.last - DAYS
        )
        for day in range(self.last - DAYS + 1, self.last + 1):
            self.write(day)

    def counts(self, seed: int) -> tuple[Any, ...]:
        requests = 3 if seed % 2 else None
        return (*(self.dice.randrange(self.most) for _ in range(4)), 0, 7, 0, requests)

    def write(self, day: int) -> None:
        buckets = facts.Buckets(self.dimensions, (), ())
        for hour in range(day * HOURS, (day + 1) * HOURS):
            chosen = self.dice.sample(self.ids, self.dice.randrange(len(self.ids)))
            buckets.hours[hour] = arrays.counted(chosen, [self.counts(day) for _ in chosen])
        writer = facts.DayWriter(self.report, self.dimensions, lambda: None, ())
        known = ledger.plan(self.report, timezone.now()).known.get(day)
        writer.write(day, buckets, known, timezone.now(), with_costs=False)

    @property
    def days(self) -> tuple[Any, Any]:
        return date_of(self.last - DAYS + 1), date_of(self.last)


def answers(told: list[Told]) -> list[Any]:
    connections, (first, last) = [one.connection for one in told], told[0].days
    return [
        sorted(map(repr, reads.sums(connections, first, last, group_by, filters)))
        for group_by, filters in QUESTIONS
    ]


def test_hours_of_the_cubes_are_those_of_the_facts_also_after_a_day_is_told_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = ConnectionFactory()
    other = ConnectionFactory(organization=connection.organization)
    told = [Told(connection, 1), Told(other, 2)]
    told[0].write(told[0].last)
    with CaptureQueriesContext(database) as queries:
        by_cube = answers(told)
    asked = [one["sql"] for one in queries if "usage_fact" in one["sql"]]
    assert len(asked) == 1, "what no cube has"
    assert all(by_cube)
    # One day was read before there were cubes by the hour, then all of them.
    HourRollup.objects.filter(connection=connection, day=told[0].last).delete()
    assert answers(told) == by_cube
    HourRollup.objects.all().delete()
    assert answers(told) == by_cube
    # What is too much to be looked up fact by fact is added up by the database.
    monkeypatch.setattr(reading, "MOST_LOOKED_UP", 0)
    assert answers(told) == by_cube


FOUR_BYTES = 2**32
counts_of_a_day = st.integers(1, 8).flatmap(
    lambda width: st.lists(
        st.one_of(
            st.just(0),
            st.integers(0, FOUR_BYTES - 1),
            st.sampled_from([FOUR_BYTES - 1, FOUR_BYTES, 2**63 - 1]),
            st.integers(0, 2**63 - 1),
        ),
        min_size=width * HOURS,
        max_size=width * HOURS,
    )
)


def as_number(counts: Sequence[int]) -> int:
    return sum(count << 64 * at for at, count in enumerate(counts))


@given(counts_of_a_day)
@example([FOUR_BYTES - 1] * HOURS)
@example([0] * (2 * HOURS - 1) + [FOUR_BYTES])
@of_hypothesis(max_examples=200, deadline=None)
def test_a_row_gives_back_each_count_in_four_bytes_or_eight(counts: list[int]) -> None:
    width = len(counts) // HOURS
    mask, number = (1 << width) - 1, as_number(counts)
    (kept,) = packing.packed(np.array([counts], np.int64))
    assert len(kept) == len(counts) * (4 if max(counts) < FOUR_BYTES else 8)
    assert hours.number_of(kept, mask) == number
    by_hour = dict(hours.unpacked(number, mask))
    for hour in range(HOURS):
        own = counts[hour * width : (hour + 1) * width]
        assert by_hour.get(hour, [0] * len(COUNTS))[:width] == own
        assert (hour in by_hour) == any(own)


@given(st.lists(st.lists(st.integers(0, FOUR_BYTES - 1), min_size=HOURS, max_size=HOURS)))
@of_hypothesis(max_examples=100, deadline=None)
def test_narrow_rows_are_added_up_beyond_four_bytes(rows: list[list[int]]) -> None:
    kept = packing.packed(np.array(rows, np.int64).reshape(-1, HOURS))
    number = sum(hours.number_of(counts, 1 << 5) for counts in kept)
    sums = [sum(column) for column in zip(*rows, strict=True)] or [0] * HOURS
    by_hour = dict(hours.unpacked(number, 1 << 5))
    assert [by_hour[at][5] if at in by_hour else 0 for at in range(HOURS)] == sums


def test_a_row_of_another_length_is_none() -> None:
    for length in (0, 4 * HOURS - 1, 4 * HOURS + 4, 6 * HOURS, 8 * HOURS + 1):
        with pytest.raises(ValueError, match="no hours of a day"):
            hours.number_of(bytes(length), 1)


def _hours_of(day: int) -> Any:
    return HourRollup.objects.filter(day=day)


def test_rows_of_eight_bytes_a_count_say_the_same_and_are_exchanged() -> None:
    told = Told(ConnectionFactory(), 5, most=10**9)
    by_cube = answers([told])
    lengths = {len(row.counts) // (24 * row.told.bit_count()) for row in HourRollup.objects.all()}
    assert lengths == {4, 8}, "some sums are too large for four bytes"
    for row in HourRollup.objects.all():
        number = hours.number_of(bytes(row.counts), row.told)
        row.counts = number.to_bytes(8 * HOURS * row.told.bit_count(), "little")
        row.save(update_fields=["counts"])
    assert answers([told]) == by_cube
    told.write(told.last)
    again = {len(row.counts) // (24 * row.told.bit_count()) for row in _hours_of(told.last)}
    assert 4 in again


def test_counts_that_do_not_fit_are_read_from_the_facts() -> None:
    told = Told(ConnectionFactory(), 3, most=3 * hours.MOST)
    assert not HourRollup.objects.exists()
    (whole,) = reads.sums([told.connection], *told.days)
    by_hour = reads.sums([told.connection], *told.days, ("hour",))
    assert whole.tokens == sum(row.tokens for row in by_hour) > 3 * hours.MOST
    assert whole.tokens == sum(
        row.tokens for row in reads.sums([told.connection], *told.days, ("key",))
    )


def test_hours_that_are_over_go_from_the_cubes_too(settings: Any) -> None:
    settings.USAGE_HOURS_KEPT_DAYS = 3
    told = Told(ConnectionFactory(), 4)
    assert not HourRollup.objects.filter(day__lt=told.last).exists(), "never written"
    settings.USAGE_HOURS_KEPT_DAYS = 90
    for day in range(told.last - DAYS + 1, told.last + 1):
        told.write(day)
    Fact.objects.filter(hour__lt=told.last * HOURS).delete()
    settings.USAGE_HOURS_KEPT_DAYS = 1
    retention.forget()
    kept = set(HourRollup.objects.values_list("day", flat=True))
    assert kept == {told.last}
    first = timezone.now().date() - timedelta(days=1)
    assert retention.kept_from() == day_of(first)
