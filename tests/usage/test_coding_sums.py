"""Claude Code summed up by month and by day says what its days say, whatever the range and whatever is corrected."""

import random
from collections import defaultdict
from datetime import date
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from apps.organizations.models import Connection
from apps.usage import coding_reads, coding_rollups, rosters
from apps.usage.answer import period_of, periods
from apps.usage.coding_reads import Range
from apps.usage.days import date_of, day_of
from apps.usage.models import Coder, CoderMonth, CodingDay, CodingModel, CodingRoster, CodingTool
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db

DAYS = 70
WHO = [("ada@acme.example", ""), ("bob@acme.example", ""), ("", "ci-runner")]


class Told:
    """What was written, to be held against what is read."""

    def __init__(self, connections: list[Connection], today: int) -> None:
        self.dice = random.Random(11)
        self.today = today
        self.rows: dict[tuple[int, int], list[tuple[tuple[str, str], str, int]]] = {}
        self.coders = {
            (connection.pk, who): Coder.objects.create(
                connection=connection, email=who[0], key_name=who[1]
            )
            for connection in connections
            for who in WHO
        }
        for connection in connections:
            for day in range(today - DAYS, today + 1):
                self.write(connection, day)

    def write(self, connection: Connection, day: int) -> None:
        """The day anew: nobody, or some with n sessions, of which 3 n proposals were taken."""
        before = coding_rollups.of_day(connection.pk, day)
        for model in (CodingDay, CodingModel, CodingTool):
            model.objects.filter(connection=connection, day=day).delete()
        told = [
            (who, terminal, self.dice.randrange(1, 9))
            for who in WHO
            for terminal in ("vscode", "tmux")
            if self.dice.random() < 0.3
        ]
        self.rows[connection.pk, day] = told
        for who, terminal, n in told:
            own = {"connection": connection, "day": day, "coder": self.coders[connection.pk, who]}
            CodingDay.objects.create(**own, terminal=terminal, sessions=n, commits=n)
            CodingTool.objects.create(**own, tool=f"{terminal}_tool", accepted=3 * n)
            CodingModel.objects.create(
                **own, model=terminal, estimate_micros=n, estimate_femtos=999_999_999
            )
        coding_rollups.exchange(connection.pk, day, before)

    def by_who(self, first: int, last: int) -> dict[Any, Any]:
        """Sessions, days used and the last of them."""
        found: dict[Any, Any] = defaultdict(lambda: [0, set()])
        for (_, day), told in self.rows.items():
            for who, _terminal, n in told:
                if first <= day <= last:
                    found[who][0] += n
                    found[who][1].add(day)
        return {who: (n, len(days), date_of(max(days))) for who, (n, days) in found.items()}

    def check(self, connections: list[Connection], first: int, last: int) -> None:
        where = Range(connections, date_of(first), date_of(last))
        expected = self.by_who(first, last)
        coders = coding_reads.coders(where)
        assert {
            (one.email, one.key_name): (one.work.sessions, one.days, one.last) for one in coders
        } == expected
        for one in coders:
            n = one.work.sessions
            assert (one.work.commits, one.work.accepted) == (n, 3 * n)
        rows = [
            (who, terminal, n, day)
            for (_, day), told in self.rows.items()
            for who, terminal, n in told
            if first <= day <= last
        ]
        cost = sum((one.work.estimate for one in coders), Decimal(0))
        micros = sum(n for _, _, n, _ in rows)
        assert cost == Decimal(micros) / 10**6 + Decimal(999_999_999 * len(rows)) / 10**15
        by_terminal: dict[str, int] = defaultdict(int)
        for _, terminal, n, _ in rows:
            by_terminal[terminal] += n
        sums = coding_reads.sums_by_kind(where)
        assert {name: work.sessions for name, work in sums["terminal"].items()} == by_terminal
        total = coding_reads.total_of(sums)
        assert (total.sessions, total.accepted) == (micros, 3 * micros)
        assert total.estimate == cost
        assert coding_reads.coders(where, coding_reads.users(where)[:1]) == coders[:1]
        known = Range(
            connections, where.first, where.last, [one.email for one in coders if one.email]
        )
        of_known = coding_reads.sums_by_kind(known)
        n = sum(n for who, _, n, _ in rows if who[0])
        assert coding_reads.total_of(of_known).commits == n
        assert [one.email for one in coding_reads.users(known)] == [
            one.email for one in coders if one.email
        ]
        for by in ("day", "week", "month"):
            at: Any = periods(where.first, where.last, by)
            used: dict[date, set[str]] = defaultdict(set)
            for who, _, _, day in rows:
                if who[0]:
                    used[period_of(date_of(day), by)].add(who[0])
            found = coding_reads.adoption(where, by, at)
            assert {one: found[one].active for one in at} == {one: len(used[one]) for one in at}
            assert found[at[-1]].ever == 2


def test_sums_agree_with_days_over_any_range_and_after_corrections() -> None:
    connection = ConnectionFactory()
    connections = [connection, ConnectionFactory(organization=connection.organization)]
    today = day_of(timezone.now())
    told = Told(connections, today)
    for first, last in ((today - DAYS, today), (today - 50, today - 3), (today - 9, today - 2)):
        told.check(connections, first, last)
    for _ in range(12):  # the provider thinks better of it
        told.write(told.dice.choice(connections), today - told.dice.randrange(DAYS))
    told.check(connections, today - DAYS, today)
    told.check(connections, today - 40, today)
    for day in range(today - DAYS, today + 1):  # and in the end there was nothing
        told.dice.random = lambda: 1.0  # type: ignore[method-assign]  # nobody
        for one in connections:
            told.write(one, day)
    assert not CoderMonth.objects.exists()
    assert not CodingRoster.objects.exists()
    whole = Range(connections, date_of(today - DAYS), date_of(today))
    assert coding_reads.sums_by_kind(whole)["tool"] == {}
    assert coding_reads.users(whole) == []


def test_what_was_read_before_there_were_rosters_has_them_too() -> None:
    connection = ConnectionFactory()
    Told([connection], day_of(timezone.now()))

    def kept() -> dict[tuple[str, int], Any]:
        return {
            (row.width, row.first): sorted(zip(*rosters.unpacked(row.coders), strict=True))
            for row in CodingRoster.objects.filter(connection=connection)
        }

    made = kept()
    assert {width for width, _ in made} == {"day", "month"}
    CodingRoster.objects.all().delete()
    import_module("apps.usage.migrations.0012_rosters").pack(apps, None)
    assert kept() == made
