"""What is summed up and written as arrays is what rows one by one would have been."""

import random
import sqlite3
from collections import defaultdict

import numpy as np
import psycopg
import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st

from apps.usage import arrays, bulk, retention
from apps.usage.arrays import COUNTED, SUMMED
from apps.usage.days import HOURS, day_of
from apps.usage.models import Fact, Rollup
from apps.usage.tuples import COUNTS, MONEY
from tests.factories import ConnectionFactory

counts = st.tuples(*[st.integers(0, 2**50)] * (len(COUNTS) - 1), st.none() | st.integers(0, 9))


@given(st.lists(st.tuples(st.integers(1, 5), counts)))
@of_hypothesis(max_examples=200, deadline=None)
def test_sums_by_dimension_are_exact_and_requests_are_none_where_nobody_told_them(
    rows: list[tuple[int, tuple[int, ...]]],
) -> None:
    wanted: dict[int, list[int | None]] = {}
    for one, row in rows:
        held = wanted.setdefault(one, [*[0] * (len(COUNTS) - 1), None])
        for at, value in enumerate(row):
            if value is not None:
                held[at] = (held[at] or 0) + value
    found = arrays.counted([one for one, _ in rows], [row for _, row in rows])
    assert found.ids.tolist() == sorted(wanted)
    assert {one: list(row) for one, row in found.rows().items()} == wanted


def test_what_does_not_fit_is_an_error_and_no_wrong_sum() -> None:
    row = [2**62, *[0] * (len(COUNTS) - 2), None]
    with pytest.raises(OverflowError):
        arrays.counted([1, 1], [row, row])
    with pytest.raises(OverflowError):
        arrays.counted([1], [[2**63, *row[1:]]])


def _written(values: list[list[int]]) -> list[bulk.Values]:
    """Rollups of these SUMMED rows, as the table has them."""
    owner = ConnectionFactory().pk
    array = np.array(values, np.int64).reshape(-1, len(SUMMED))
    ids = np.arange(1, len(values) + 1)
    grains = ids % 3
    keys = {"grain": grains, "dimension_id": ids}
    write = arrays.insertion(
        Rollup, keys, arrays.columns_of(array, SUMMED), {"connection_id": owner, "day": 20_000}
    )
    write()
    rows = bulk.select(
        Rollup, ("dimension_id", "grain", "day", *COUNTS, *MONEY), connection_id=owner
    )
    if values:
        with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)), transaction.atomic():
            write()
    return sorted(rows)


def _row(dice: random.Random, requests: int, listed: int) -> list[int]:
    told = [dice.randrange(2**62) for _ in COUNTS[:-1]]
    money = [dice.randrange(-(2**62), 2**62) for _ in MONEY]
    return [
        *told,
        5 * requests,
        requests,
        *money[:-2],
        *(one * listed for one in money[-2:]),
        listed,
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("told", ["none of them", "all of them", "some of them"])
@pytest.mark.parametrize("size", [0, 1, 2, 49, 260])
def test_rows_are_written_as_they_are_with_null_where_nothing_was_told(
    told: str, size: int
) -> None:
    dice = random.Random(size)
    shares = defaultdict(lambda: 0.5, {"none of them": 0.0, "all of them": 1.0})
    flags = [int(dice.random() < shares[told]) for _ in range(size)]
    values = [_row(dice, flag, flag) for flag in flags]
    wanted = []
    width = len(COUNTED)
    for one, row in enumerate(values, 1):
        has = bool(row[-1])
        requests = row[len(COUNTS) - 1] if has else None
        money = [*row[width:-3], *(row[-3:-1] if has else (None, None))]
        wanted.append((one, one % 3, 20_000, *row[: len(COUNTS) - 1], requests, *money))
    assert _written(values) == wanted


@pytest.mark.django_db(transaction=True)
def test_what_all_rows_have_the_same_is_written_in_each_also_into_a_part() -> None:
    owner, day = ConnectionFactory().pk, day_of(timezone.now())
    retention.make_room(day)
    for hour, part in ((day * HOURS, ""), (day * HOURS + 1, retention.part_of(day))):
        table = arrays.counted([3, 1, 2], [[7, 0, 0, 0, 0, 9, 0, None]] * 3)
        keys = {"hour": np.full(3, hour), "dimension_id": table.ids}
        columns = arrays.columns_of(table.values, COUNTED)
        arrays.insertion(Fact, keys, columns, {"connection_id": owner}, part)()
        rows = bulk.select(Fact, ("dimension_id", *COUNTS), connection_id=owner, hour=hour)
        assert sorted(rows) == [(one, 7, 0, 0, 0, 0, 9, 0, None) for one in (1, 2, 3)]
