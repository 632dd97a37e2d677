"""The last hours by the minute: asked for by a person, read by a worker, held against the limits."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.audit.models import Entry
from apps.organizations.models import Connection, Grant, Role
from apps.providers import errors
from apps.providers.anthropic import AnthropicAdapter
from apps.providers.guard import worker_scope
from apps.sync.models import Resource
from apps.usage import headroom, minutes
from apps.usage.models import MinuteReading, MinuteUse
from apps.usage.tasks import prune_minutes
from tests.browsing import at_desk
from tests.desk import Desk
from tests.factories import GrantFactory, RateLimitFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db(transaction=True)
State = MinuteReading.State
OPUS = "claude-opus-4-6"


@pytest.fixture
def claude(usage_desk: Desk) -> Connection:
    """The account at Anthropic."""
    connection: Connection = usage_desk.connections["anthropic"]
    connection.capabilities["limits.read"] = {"ok": True, "reason": ""}
    connection.save()
    Resource.objects.create(connection=connection, name="rate_limits", completed_at=timezone.now())
    return connection


def ask(connection: Connection, actor: Any) -> MinuteReading:
    return minutes.ask(connection=connection, actor=actor)


def read(reading: MinuteReading) -> MinuteReading:
    """What a worker does with the wish."""
    with worker_scope():
        minutes.read(reading.pk, reading.fence)
    reading.refresh_from_db()
    return reading


@pytest.fixture
def owner(claude: Connection) -> Grant:
    """Of the organization."""
    grant: Grant = GrantFactory(organization=claude.organization)
    return grant


def told(desk: Desk, first: int, end: int) -> dict[tuple[int, str, str], list[int]]:
    """Tokens by minute, workspace and model as the sandbox sums them, batches left out."""
    at = [f"{minutes.moment_of(one):%Y-%m-%dT%H:%M:00Z}" for one in (first, end)]
    dimensions = "".join(f"&group_by[]={one}" for one in ("workspace_id", "model", "service_tier"))
    status, _, answer = desk.sandbox.anthropic(
        "GET",
        f"/usage_report/messages?starting_at={at[0]}&ending_at={at[1]}&bucket_width=1m&limit=1440{dimensions}",
    )
    assert status == 200, answer
    found: dict[tuple[int, str, str], list[int]] = {}
    for number, bucket in enumerate(answer["data"]):
        for row in bucket["results"]:
            if row["service_tier"] == "batch":
                continue
            held = found.setdefault(
                (first + number, row["workspace_id"] or "-", row["model"]), [0, 0, 0]
            )
            cache = row["cache_creation"]
            held[0] += row["uncached_input_tokens"] + sum(cache.values())
            held[1] += row["cache_read_input_tokens"]
            held[2] += row["output_tokens"]
    return found


def test_three_hours_are_one_request_and_agree_with_the_provider(
    usage_desk: Desk, claude: Connection, owner: Grant
) -> None:
    before = usage_desk.sandbox.control.counters().get("getMessagesUsageReport", 0)
    reading = read(ask(claude, owner.user))
    assert (reading.state, reading.error) == (State.DONE, "")
    assert usage_desk.sandbox.control.counters().get("getMessagesUsageReport", 0) == before + 1
    assert reading.first is not None
    assert reading.last is not None
    assert reading.last - reading.first + 1 == minutes.HOURS_READ * 60
    ours = {
        (one.minute, one.workspace, one.model): [one.fresh, one.cached, one.output]
        for one in MinuteUse.objects.filter(connection=claude)
    }
    assert ours == told(usage_desk, reading.first, reading.last + 1)
    assert ours
    assert Entry.objects.filter(verb="usage.read_minutes", actor=owner.user.email).exists()
    with pytest.raises(minutes.NotNow, match="less than a minute ago"):
        ask(claude, owner.user)
    MinuteReading.objects.update(read_at=timezone.now() - timedelta(minutes=2))
    again = read(ask(claude, owner.user))
    assert again.state == State.DONE
    assert len(set(MinuteUse.objects.values_list("minute", "workspace", "model"))) == (
        MinuteUse.objects.count()
    )


def test_a_grouping_that_is_refused_falls_back_and_a_refusal_is_said(
    usage_desk: Desk, claude: Connection, owner: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = AnthropicAdapter.usage_by_minute

    def coarse(self: Any, start: Any, end: Any, group_by: Any, cursor: Any = None) -> Any:
        if len(group_by) > 1:
            raise errors.Refused("Too many dimensions.")
        return original(self, start, end, group_by, cursor)

    monkeypatch.setattr(AnthropicAdapter, "usage_by_minute", coarse)
    reading = read(ask(claude, owner.user))
    assert (reading.state, reading.grouping) == (State.DONE, ["model"])
    assert set(MinuteUse.objects.values_list("workspace", flat=True)) == {"?"}
    monkeypatch.undo()
    MinuteReading.objects.update(read_at=timezone.now() - timedelta(minutes=2))
    usage_desk.sandbox.control.fault("getMessagesUsageReport", "403")
    failed = read(ask(claude, owner.user))
    assert failed.state == State.FAILED
    page = at_desk(owner.user).get(reverse("usage:minutes", args=[claude.organization.slug])).text
    assert "The last hours could not be read:" in page
    assert failed.error in page.replace("&#x27;", "'")
    assert "Tokens by the minute" in page, "what was read before stays"


def test_room_in_the_rate_budget_is_waited_for_and_not_for_ever(
    claude: Connection, owner: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    monkeypatch.setattr("apps.usage.minutes.time.sleep", rests.append)
    monkeypatch.setattr(minutes, "WAIT_SECONDS", 2.5)
    ticks = iter(range(1000))
    monkeypatch.setattr("apps.usage.minutes.time.monotonic", lambda: float(next(ticks)))

    def spent(self: Any, *asked: Any) -> Any:
        raise errors.BudgetSpent("No room.", retry_after=2.0)

    monkeypatch.setattr(AnthropicAdapter, "usage_by_minute", spent)
    reading = read(ask(claude, owner.user))
    assert (reading.state, reading.error) == (State.FAILED, "No room.")
    assert rests


def test_a_worker_that_died_is_said_and_its_late_word_counts_for_nothing(
    claude: Connection, owner: Grant
) -> None:
    first = ask(claude, owner.user)
    with pytest.raises(minutes.NotNow, match="being read"):
        ask(claude, owner.user)
    long_ago = timezone.now() - minutes.SILENT
    MinuteReading.objects.update(state=State.RUNNING, heartbeat_at=long_ago)
    page = at_desk(owner.user).get(reverse("usage:minutes", args=[claude.organization.slug])).text
    assert "did not come back" in page
    second = ask(claude, owner.user)
    with worker_scope():
        minutes.read(first.pk, first.fence)
    second.refresh_from_db()
    assert second.state == State.QUEUED


def test_a_reading_fails_nobody_elses_trial_and_leaves_its_own(
    claude: Connection, owner: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Connection.objects.filter(pk=claude.pk)
    until = timezone.now() + timedelta(minutes=1)
    reading = ask(claude, owner.user)
    row.update(breaker_open_until=until, breaker_trial=True, failures=5)
    failed = read(reading)
    assert (failed.state, failed.error) == (
        State.FAILED,
        "The provider cannot be reached just now.",
    )
    claude.refresh_from_db()
    assert (claude.failures, claude.breaker_trial, claude.breaker_open_until) == (5, True, until)

    def refuse(*asked: Any) -> Any:
        claude.refresh_from_db()
        assert claude.breaker_trial, "let through to try"
        raise errors.Refused("No.")

    monkeypatch.setattr(AnthropicAdapter, "usage_by_minute", refuse)
    reading = ask(claude, owner.user)
    row.update(breaker_open_until=timezone.now(), breaker_trial=False)
    assert read(reading).error == "No."
    claude.refresh_from_db()
    assert (claude.failures, claude.breaker_trial) == (5, False)
    assert claude.breaker_open_until is not None
    assert claude.breaker_open_until <= timezone.now(), "the next may try at once"


@pytest.mark.parametrize("during", ["the call", "the writing"])
def test_whoever_is_asked_anew_writes_nothing_and_blames_nobody(
    claude: Connection, owner: Grant, monkeypatch: pytest.MonkeyPatch, during: str
) -> None:
    where, name = {
        "the call": (AnthropicAdapter, "usage_by_minute"),
        "the writing": (minutes._Minutes, "_write"),
    }[during]
    original = getattr(where, name)

    def overtaken(*given: Any) -> Any:
        MinuteReading.objects.update(fence=F("fence") + 1, state=State.QUEUED)
        return original(*given)

    monkeypatch.setattr(where, name, overtaken)
    now = minutes.minute_of(timezone.now())
    MinuteUse.objects.create(connection=claude, minute=now - 60, workspace="-", model=OPUS)
    reading = read(ask(claude, owner.user))
    assert (reading.state, reading.error) == (State.QUEUED, "")
    assert list(MinuteUse.objects.values_list("minute", flat=True)) == [now - 60]
    claude.refresh_from_db()
    assert (claude.failures, claude.last_error) == (0, "")


def test_old_minutes_are_forgotten(claude: Connection) -> None:
    now = minutes.minute_of(timezone.now())
    for back in (10, minutes.HOURS_KEPT * 60 + 1):
        MinuteUse.objects.create(connection=claude, minute=now - back, workspace="-", model=OPUS)
    prune_minutes()
    assert list(MinuteUse.objects.values_list("minute", flat=True)) == [now - 10]


def had(connection: Connection) -> int:
    """A reading that was made just now; the last minute of it."""
    now = timezone.now()
    last = minutes.minute_of(now) - 6
    MinuteReading.objects.create(
        connection=connection,
        state=State.DONE,
        asked_at=now,
        heartbeat_at=now,
        read_at=now,
        first=last - 179,
        last=last,
        grouping=["workspace_id", "model", "service_tier"],
    )
    return last


def test_headroom_is_the_highest_minute_against_the_limit_of_models_and_workspace(
    claude: Connection, owner: Grant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    lab = WorkspaceFactory(connection=claude, name="Lab")
    names = f"claude-opus-4-5, {OPUS}"
    common = {"connection": claude, "group": "model_group", "model_names": names}
    cached, aware = "input_tokens_per_minute", "input_tokens_per_minute_cache_aware"
    for kind, value in ((cached, 1000), (aware, 1000), ("output_tokens_per_minute", 0)):
        RateLimitFactory(**common, kind=kind, value=value, workspace_remote_id="")
    RateLimitFactory(
        **common,
        kind=aware,
        value=200,
        organization_value=1000,
        workspace_remote_id=lab.remote_id,
    )
    RateLimitFactory(**common, kind="requests_per_minute", value=50, workspace_remote_id="")
    browser = at_desk(owner.user)
    address = reverse("limits:list", args=[claude.organization.slug])
    assert "The last hours are not read yet." in browser.get(address).text
    last = had(claude)

    def use(back: int, workspace: str, model: str, fresh: int, from_cache: int) -> None:
        MinuteUse.objects.create(
            connection=claude,
            minute=last - back,
            workspace=workspace,
            model=model,
            fresh=fresh,
            cached=from_cache,
            output=7,
        )

    use(5, lab.remote_id, OPUS, 150, 100)
    use(5, "-", "claude-opus-4-5-20251101", 250, 0)  # the dated one of an alias
    use(9, "-", OPUS, 300, 400)
    use(5, "-", "claude-haiku-4-5", 10_000, 0)  # has limits of its own
    use(200, "-", OPUS, 900, 0)  # before what was read
    page = browser.get(address).text
    assert re.search('"400 of 1,000, [^"]*">40 %', page), "two models in one minute"
    assert re.search('"700 of 1,000, [^"]*">70 %', page), "the cache counts where the limit says so"
    assert re.search('"150 of 200, [^"]*">75 %', page), "the workspace's own"
    assert "The usage report does not count requests." in page
    assert "100 %" in page, "a limit of nothing has no headroom"
    assert "Read them again" not in page, "it was read this minute"
    chosen = browser.get(f"{address}?workspace={lab.pk}").text
    assert "100 of 1,000" not in chosen
    assert re.search('"150 of 200, [^"]*">75 %', chosen)
    assert re.search('"250 of 1,000, [^"]*">25 %', chosen), (
        "what it inherits is held against its own use"
    )
    exported = browser.get(f"{address}?export=csv")
    text = b"".join(exported.streaming_content).decode()  # type: ignore[attr-defined]  # the test client's
    assert "Lab: 150 / 200 (" in text
    with django_assert_num_queries(3):
        headroom.Peaks([claude.pk], [(claude.pk, lab.remote_id or "")])


def test_minutes_that_are_forgotten_are_no_zero(
    claude: Connection, owner: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    RateLimitFactory(
        connection=claude,
        group="model_group",
        model_names=OPUS,
        kind="output_tokens_per_minute",
        value=100,
        workspace_remote_id="",
    )
    last = had(claude)
    for back, output in ((170, 90), (10, 40)):
        MinuteUse.objects.create(
            connection=claude, minute=last - back, workspace="-", model=OPUS, output=output
        )
    browser = at_desk(owner.user)
    address = reverse("limits:list", args=[claude.organization.slug])
    assert '">90 %' in browser.get(address).text
    reading = MinuteReading.objects.get()
    # An hour of the three is still kept: what was read begins with it.
    monkeypatch.setattr(minutes, "kept_from", lambda: last - 59)
    prune_minutes()
    assert '">40 %' in browser.get(address).text
    drawn = headroom.by_minute(reading)
    assert len(drawn) == 60
    assert drawn[0][0] == minutes.moment_of(last - 59)
    monkeypatch.setattr(minutes, "kept_from", lambda: last + 1)
    prune_minutes()
    page = browser.get(address).text
    assert "The last hours are not read yet." in page
    assert '">0 %' not in page
    assert headroom.by_minute(reading) == []


def test_the_page_asks_shows_and_waits(claude: Connection, owner: Grant) -> None:
    browser: Client = at_desk(owner.user)
    slug = claude.organization.slug
    page = reverse("usage:minutes", args=[slug])
    assert "Read the last 3 hours" in browser.get(page).text
    assert "By the minute" in browser.get(reverse("usage:usage", args=[slug])).text
    wish = reverse("usage:read_minutes", args=[slug, claude.uid])
    assert browser.post(wish)["Location"] == f"{page}?connection={claude.uid}"
    waiting = {"HX-Request": "true", "HX-Target": "minutes-state"}
    answer = browser.get(page, headers=waiting)
    assert "being read" in answer.text
    assert "<html" not in answer.text
    assert "every 1s" in browser.get(reverse("limits:list", args=[slug])).text
    assert browser.post(wish, {"back": "limits"})["Location"].endswith("/limits/")
    reading = read(MinuteReading.objects.get())
    assert browser.get(page, headers=waiting)["HX-Refresh"] == "true"
    shown = browser.get(page).text
    assert "Highest minutes" in shown
    assert "they have limits of their own" in shown
    assert reading.asked_by == owner.user
    viewer = GrantFactory(organization=claude.organization, role=Role.VIEWER)
    assert "Read them again" not in at_desk(viewer.user).get(page).text
