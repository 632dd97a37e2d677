"""Weeks and months that are summed up once more say what their days say, whatever is asked and whatever changes."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection as database
from django.utils import timezone

from apps.organizations.models import Connection
from apps.usage import arrays, blocks, reads, rollups
from apps.usage.days import HOURS, date_of, day_of
from apps.usage.dimensions import Dimensions
from apps.usage.models import Block, BlockRollup, Dimension, ReadDay, Report, Rollup
from apps.usage.tuples import COLUMNS, FULL, NONE, NOT_ASKED, WHO
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db(transaction=True)

DAYS = 75
GROUPINGS: tuple[tuple[str, ...], ...] = (
    (),
    ("key",),
    ("workspace", "model"),
    ("month",),
    ("week", "model"),
    ("day",),
    ("month", "service_account", "connection"),
    ("description", "token_type"),
)


def tuple_of(**told: str) -> tuple[str, ...]:
    return tuple({"currency": "USD", **told}.get(name, NOT_ASKED) for name in COLUMNS)


TUPLES = [
    tuple_of(workspace=f"w{n % 2}", key=f"k{n % 4}", model=f"m{n % 3}", service_account=NONE)
    for n in range(6)
]
LINE = tuple_of(workspace="w0", model="m0", description="a line", token_type="output")


class Year:
    """Some weeks of a connection, written as a walk writes them."""

    def __init__(self, last: date, seed: int) -> None:
        self.connection: Connection = ConnectionFactory()
        self.dice = random.Random(seed)
        self.dimensions = Dimensions(self.connection.pk)
        self.ids = list(self.dimensions.ids([*TUPLES, LINE]).values())
        self.last = day_of(last)
        self.first = self.last - DAYS + 1
        for name in ("usage", "costs"):
            Report.objects.create(connection=self.connection, name=name, backfill_to=self.first)
        for day in range(self.first, self.last + 1):
            self.write(day)
        self.read(range(self.first, self.last + 1))

    def write(self, day: int) -> None:
        chosen = self.dice.sample(self.ids[:-1], self.dice.randrange(len(self.ids)))
        counts: list[list[int | None]] = [
            [*(self.dice.randrange(10**9) for _ in range(7)), self.dice.choice([None, 3])]
            for _ in chosen
        ]
        listed = self.dice.choice([None, 10**15])
        rolled = rollups.DayOfRollups(self.dimensions, day)
        rolled.write(
            rolled.sums(
                arrays.counted(chosen, counts),
                {self.ids[-1]: (self.dice.randrange(-(10**12), 10**18), listed)},
            )
        )

    def read(self, days: Sequence[int]) -> None:
        ReadDay.objects.bulk_create(
            ReadDay(
                connection=self.connection,
                report=name,
                day=day,
                through=(day + 1) * HOURS,
                read_at=timezone.now(),
            )
            for day in days
            for name in ("usage", "costs")
        )

    def make(self) -> None:
        blocks.make_due(self.connection.pk, lambda: None)


def answers(years: Sequence[Year], dice: random.Random) -> list[Any]:
    """Every grouping over some ranges, in an order of its own."""
    connections = [year.connection for year in years]
    found = []
    for group_by in GROUPINGS:
        for _ in range(4):
            first = years[0].first + dice.randrange(DAYS)
            last = min(years[0].last, first + dice.randrange(14, DAYS))
            for filters in ({}, {"model": ["m1", "m0"]}, {"service_account": [NONE]}):
                rows = reads.sums(connections, date_of(first), date_of(last), group_by, filters)
                found.append((group_by, first, last, filters, sorted(map(repr, rows))))
    return found


@pytest.fixture
def yesterday() -> date:
    return timezone.now().date() - timedelta(days=1)


def test_blocks_say_what_their_days_say(yesterday: date) -> None:
    years = [Year(yesterday, 1), Year(yesterday, 2)]
    before = answers(years, random.Random(3))
    for year in years:
        year.make()
    made = Block.objects.filter(made=True)
    assert {last - first + 1 == 7 for first, last in made.values_list("first", "last")} == {
        True,
        False,
    }
    ids = [year.connection.pk for year in years]
    cover = blocks.cover(ids, years[0].first, years[0].last, None, FULL)
    assert cover.blocks
    assert answers(years, random.Random(3)) == before
    # One connection has them and the other has not.
    Block.objects.filter(connection=years[0].connection).update(made=False)
    assert answers(years, random.Random(3)) == before


def test_a_day_that_changes_takes_its_blocks_back_until_they_are_made_anew(yesterday: date) -> None:
    year = Year(yesterday, 4)
    year.make()
    assert not blocks.due(year.connection.pk)
    day = year.first + 40
    having = Block.objects.filter(first__lte=day, last__gte=day)
    assert having.filter(made=True).count() >= 1
    year.write(day)
    assert not having.filter(made=True).exists()
    others = Block.objects.filter(made=True).count()
    changed = answers([year], random.Random(5))
    year.make()
    assert Block.objects.filter(made=True).count() > others
    assert answers([year], random.Random(5)) == changed
    Block.objects.update(made=False)
    assert answers([year], random.Random(5)) == changed


def test_a_day_that_changes_while_a_block_is_made_leaves_it_unmade(
    yesterday: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    year = Year(yesterday, 6)
    bounds = blocks.due(year.connection.pk)[0]
    summed = blocks._summed
    changed: list[bool] = []

    def and_meanwhile(*arguments: Any) -> Any:
        rows = summed(*arguments)
        if not changed:
            changed.append(True)
            year.write(bounds[0] + 1)
        return rows

    monkeypatch.setattr(blocks, "_summed", and_meanwhile)
    assert not blocks.make(year.connection.pk, bounds, lambda: None)
    assert not Block.objects.filter(made=True).exists()
    assert blocks.make(year.connection.pk, bounds, lambda: None)
    rows = BlockRollup.objects.filter(block__first=bounds[0], block__last=bounds[1])
    assert rows.exists()


def test_a_week_or_month_with_a_day_unread_is_not_made(yesterday: date) -> None:
    year = Year(yesterday, 7)
    hole = year.first + 30
    ReadDay.objects.filter(day=hole, report="costs").delete()
    due = blocks.due(year.connection.pk)
    assert due
    assert not any(first <= hole <= last for first, last in due)
    Report.objects.filter(name="costs").update(paused_at=timezone.now())
    assert any(first <= hole <= last for first, last in blocks.due(year.connection.pk))


def test_the_cube_of_who_is_summed_up_of_what_was_read_before_there_was_one(
    yesterday: date,
) -> None:
    year = Year(yesterday, 8)
    year.make()
    made = {
        model: sorted(map(str, model.objects.filter(grain=WHO.id).values_list()))
        for model in (Rollup, BlockRollup)
    }
    assert all(made.values())
    migration = import_module("apps.usage.migrations.0010_who")
    editor = SimpleNamespace(connection=database)
    migration.forget(apps, editor)
    assert not Rollup.objects.filter(grain=WHO.id).exists()
    migration.sum_up(apps, editor)
    ids = dict(Dimension.objects.filter(grain=WHO.id).values_list("digest", "pk"))
    assert len(ids) == 7
    for model, before in made.items():
        assert model.objects.filter(grain=WHO.id).count() == len(before), model
    rows = reads.sums([year.connection], date_of(year.first), date_of(year.last), ["key", "model"])
    Block.objects.update(made=False)
    again = reads.sums([year.connection], date_of(year.first), date_of(year.last), ["key", "model"])
    fine = reads.sums(
        [year.connection], date_of(year.first), date_of(year.last), ["key", "model", "geo"]
    )
    assert sorted(map(repr, rows)) == sorted(map(repr, again))
    assert sum(row.cost for row in rows) == sum(row.cost for row in fine)
    assert sum(row.output for row in rows) == sum(row.output for row in fine)
