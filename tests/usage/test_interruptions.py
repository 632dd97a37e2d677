"""Rate limits, killed workers, corrections: the backfill ends complete and exact, and nothing counts twice."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.organizations.models import Connection
from apps.providers.anthropic import AnthropicAdapter
from apps.providers.guard import worker_scope
from apps.sync.models import Resource, SyncRun
from apps.sync.walk import walk
from apps.usage import facts, hours, ledger, reads, rollups
from apps.usage.days import HOURS, day_of
from apps.usage.models import Correction, Fact, ReadDay, Report
from tests.desk import Desk, open_desk
from tests.sandbox_server import SandboxServer
from tests.sync.test_kills import after
from tests.usage.conftest import read, with_usage
from tests.usage.told import settled_days, tokens_found, tokens_told

MOST_WALKS = 40


def walk_on(connection: Connection, name: str = "usage") -> int:
    """Walk until a walk comes to its end with nothing left; how many it took."""
    resource, _ = Resource.objects.get_or_create(connection=connection, name=name)
    for walks in range(1, MOST_WALKS):
        Resource.objects.update(leased_until=None)
        Connection.objects.update(breaker_open_until=None, failures=0)
        with worker_scope():
            run = walk(resource.pk)
        assert run is not None
        report = Report.objects.filter(connection=connection, name=name).first()
        if run.state == SyncRun.State.COMPLETE and report and report.backfilled_at:
            return walks
    raise AssertionError(f"not done after {MOST_WALKS} walks: {run.error}")


# Where the worker dies, and at which time it comes there.
MOMENTS: dict[str, Callable[[], None]] = {
    "between two days": lambda: after(facts.DayWriter, "write", 2),
    "facts written, rollups not": lambda: after(hours, "exchange", 1),
    "rollups written, ledger not": lambda: after(rollups.DayOfRollups, "write", 2),
    "in the transaction that ends a day": lambda: after(ledger, "mark", 2),
    "some hours of a large day written": lambda: after(facts.DayWriter, "_exchanging", 4),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_worker_in_a_storm_of_429_leaves_no_hole_and_no_double(
    sandbox: SandboxServer, settings: Settings, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    settings.SANDBOX_URL = sandbox.base_url
    settings.SYNC_WAIT_LIMIT_SECONDS = 0.05
    if "large day" in moment:
        monkeypatch.setattr(facts, "MOST_ROWS", dict.fromkeys(facts.MOST_ROWS, 40))
    desk = open_desk(sandbox)
    connection = with_usage(desk.connections["anthropic"])
    resource = Resource.objects.create(connection=connection, name="usage")
    connections.close_all()
    child = os.fork()
    if not child:
        MOMENTS[moment]()
        with worker_scope():
            walk(resource.pk)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert walk_is_refused(resource)
    sandbox.control.fault(
        "getMessagesUsageReport", "429", probability=0.4, count=None, retry_after=0
    )
    walk_on(connection)
    sandbox.control.clear_faults()
    assert tokens_found(connection) == tokens_told(desk)
    first, last = settled_days()
    assert reads.totals([connection], first, last).coverage.is_complete
    assert not ReadDay.objects.filter(replacing=True).exists()
    assert not SyncRun.objects.filter(state=SyncRun.State.RUNNING).exists()
    rows = Fact.objects.filter(connection=connection, hour__lt=(day_of(last) + 1) * HOURS)
    by_hour = sum(row.output for row in rows)
    assert by_hour == sum(values[4] for values in tokens_told(desk).values())


def walk_is_refused(resource: Resource) -> bool:
    """While the dead one's lease lasts nobody else walks."""
    with worker_scope():
        return walk(resource.pk) is None


def test_a_correction_replaces_and_is_noted(usage_desk: Desk) -> None:
    connection = usage_desk.connections["anthropic"]
    read(connection, "usage", "costs")
    assert not Correction.objects.exists()
    _, last = settled_days()
    day = day_of(last)
    # As if the provider had told less of it then.
    hour = day * HOURS + 12
    row = Fact.objects.filter(connection=connection, hour=hour, output__gt=10).first()
    assert row is not None
    Fact.objects.filter(hour=hour, dimension_id=row.dimension_id).update(output=row.output - 7)
    ReadDay.objects.filter(day=day).update(
        read_at=timezone.now() - timedelta(hours=3), settled=False
    )
    read(connection, "usage", "costs")
    (correction,) = Correction.objects.all()
    assert (correction.day, correction.report, correction.rows) == (day, "usage", 1)
    assert correction.before == {"output": row.output - 7}
    assert correction.after == {"output": row.output}
    assert tokens_found(connection) == tokens_told(usage_desk)


def test_an_hour_that_was_still_filling_up_is_no_correction(usage_desk: Desk) -> None:
    connection = usage_desk.connections["anthropic"]
    read(connection, "usage")
    today = day_of(timezone.now())
    Fact.objects.filter(connection=connection, hour__gte=today * HOURS).update(output=1)
    earlier = timezone.now() - timedelta(minutes=5)
    ReadDay.objects.filter(day=today).update(through=today * HOURS, read_at=earlier)
    read(connection, "usage")
    assert not Correction.objects.exists()


def test_a_pause_stops_the_backfill_and_not_the_present(
    usage_desk: Desk, settings: Settings
) -> None:
    connection = usage_desk.connections["anthropic"]
    settings.USAGE_SLICE_SECONDS = -1.0  # no time for any of the backfill
    read(connection, "usage")
    today = day_of(timezone.now())
    assert list(ReadDay.objects.values_list("day", flat=True)) == [today]
    resource = Resource.objects.get(connection=connection, name="usage")
    assert resource.due_at is not None
    assert resource.due_at <= timezone.now()  # there is more: at once
    settings.USAGE_SLICE_SECONDS = 60.0
    Report.objects.update(paused_at=timezone.now())
    read(connection, "usage")
    assert ReadDay.objects.count() == 1
    first, last = settled_days()
    (hole,) = reads.totals([connection], first, last).coverage.holes
    assert (hole.first, hole.last, hole.why) == (first, last, "paused")
    Report.objects.update(paused_at=None)
    read(connection, "usage")
    assert tokens_found(connection) == tokens_told(usage_desk)


def test_older_than_the_provider_keeps_pauses_with_its_words(
    usage_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = usage_desk.connections["anthropic"]
    read(connection, "usage")
    Report.objects.update(backfill_to=day_of(timezone.now()) - 12)
    usage_desk.sandbox.control.fault("getMessagesUsageReport", "400", skip=1, count=None)
    read(connection, "usage")
    report = Report.objects.get(connection=connection, name="usage")
    assert report.paused_at is not None
    assert report.refusal
    usage_desk.sandbox.control.clear_faults()


@pytest.mark.parametrize(
    "kind",
    [
        "cut",
        "garbage",
        "empty_body",
        "500",
        "lost_cursor",
        "no_cursor",
        "missing_field",
        "null_field",
    ],
)
def test_whatever_spoils_a_page_is_made_good_by_the_next_walk(usage_desk: Desk, kind: str) -> None:
    connection = usage_desk.connections["anthropic"]
    control = usage_desk.sandbox.control
    control.fault(
        "getMessagesUsageReport", kind, skip=3, count=4, field="results.output_tokens", rows="all"
    )
    resource = Resource.objects.create(connection=connection, name="usage")
    with worker_scope():
        walk(resource.pk)
    control.clear_faults()
    ReadDay.objects.update(read_at=timezone.now() - timedelta(hours=2))
    walk_on(connection)
    assert tokens_found(connection) == tokens_told(usage_desk)
    assert not ReadDay.objects.filter(unreadable__gt=0).exists()


def test_small_pages_and_pages_that_overlap_change_nothing(
    usage_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    original: Any = AnthropicAdapter.get_messages_usage_report

    def small(self: Any, query: Any, *, page: str | None = None) -> Any:
        return original(self, replace(query, buckets=5), page=page)

    monkeypatch.setattr(AnthropicAdapter, "get_messages_usage_report", small)
    usage_desk.sandbox.control.fault("getMessagesUsageReport", "duplicate_rows", count=None)
    connection = usage_desk.connections["anthropic"]
    walk_on(connection)
    assert tokens_found(connection) == tokens_told(usage_desk)
