"""A provider's own summary: read beside the report by day, and held against it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from apps.organizations.models import Connection
from apps.usage.models import CallLedger, Summary
from apps.usage.summaries import beside
from tests.browsing import at_desk
from tests.desk import Desk
from tests.usage.conftest import DAYS, read
from tests.usage.told import settled_days

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cline(usage_desk: Desk) -> Connection:
    """Cline alone, whose key may read its summary."""
    connection = usage_desk.connections["cline"]
    connection.capabilities["usage.summary"] = {"ok": True, "reason": ""}
    connection.save()
    return connection


def test_a_summary_adds_requests_and_agrees_with_the_report_or_the_difference_is_shown(
    usage_desk: Desk, cline: Connection
) -> None:
    read(cline, "usage", "summary")
    first, last = settled_days()
    (found,) = beside([cline], first, last)
    path = f"/organizations/{cline.remote_organization_id}/metrics"
    metrics = usage_desk.sandbox.cline("GET", f"{path}?startDate={first}&endDate={last}")[2]["data"]
    assert found.requests == metrics["requests"] > 0
    assert found.days > 0
    assert [one.label for one in found.figures] == [
        "Input tokens",
        "Output tokens",
        "Charged",
        "List price",
    ]
    assert all(one.ours == one.theirs for one in found.figures)
    assert found.figures[2].ours > 0
    browser = at_desk(usage_desk.owner)
    page = f"/o/{usage_desk.organization.slug}/usage/?from={first}&to={last}"
    html = browser.get(page).text
    assert "it agrees with the report by day" in html
    assert "Requests and active members come from the organization metrics." in html
    Summary.objects.filter(connection=cline, width="day", settled=True).update(
        prompt_tokens=F("prompt_tokens") + 7
    )
    (found,) = beside([cline], first, last)
    assert [(one.label, one.difference) for one in found.differing] == [
        ("Input tokens", 7 * found.days)
    ]
    assert "do not agree" in browser.get(page).text
    assert "do not agree" not in browser.get(f"{page}&model=anthropic%2Fclaude-sonnet-4.6").text


def test_a_month_tells_how_many_were_active_and_what_is_settled_is_not_read_again(
    usage_desk: Desk, cline: Connection
) -> None:
    read(cline, "usage", "summary")
    today = datetime.now(UTC).date()
    days = Summary.objects.filter(connection=cline, width="day")
    assert days.count() == DAYS + 1
    (now,) = beside([cline], today, today)
    assert now.active == now.active_ours
    assert now.members is not None
    assert now.figures == [], "what may still change is not held against anything"
    (run,) = read(cline, "summary")
    assert run.requests <= 2, "today, and the month"
    assert not CallLedger.objects.exists(), "no single call is read unasked"


def test_sums_over_another_range_than_was_asked_for_are_no_sums_of_that_day(
    usage_desk: Desk, cline: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.providers.cline.adapter import ClineAdapter

    asked = ClineAdapter.get_organization_metrics

    def deaf(self: ClineAdapter, first: object, last: object) -> object:
        week = datetime.now(UTC).date() - timedelta(days=7)
        return asked(self, week, datetime.now(UTC).date())

    monkeypatch.setattr(ClineAdapter, "get_organization_metrics", deaf)
    read(cline, "summary")
    assert not Summary.objects.filter(width="day").exists()
    assert all(one.requests is None for one in Summary.objects.filter(width="month"))
