"""Single calls: asked for, read page by page, kept for a while, listed beneath their sums."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.audit.models import Entry
from apps.members.models import Member
from apps.organizations.models import Connection
from apps.usage import calls, reads
from apps.usage.models import Call, CallLedger
from tests.browsing import at_desk
from tests.desk import Desk
from tests.factories import MemberFactory
from tests.usage.conftest import read
from tests.usage.told import settled_days

pytestmark = pytest.mark.django_db(transaction=True)


def back(days: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=days)


@pytest.fixture
def cline(usage_desk: Desk) -> Connection:
    """Cline alone, whose key may read ledgers."""
    connection = usage_desk.connections["cline"]
    for name in ("usage.calls", "usage.summary"):
        connection.capabilities[name] = {"ok": True, "reason": ""}
    connection.save()
    return connection


@pytest.fixture
def busy(cline: Connection) -> Member:
    """The member who used most in the days that are settled."""
    read(cline, "usage")
    rows = reads.sums([cline], *settled_days(), ["account"])
    account = max(rows, key=lambda row: row.tokens).group["account"]
    member: Member = MemberFactory(
        connection=cline,
        remote_id=account,
        person__organization=cline.organization,
        person__name="Ada",
    )
    return member


@pytest.fixture
def reader(usage_desk: Desk) -> Client:
    client: Client = at_desk(usage_desk.owner)
    return client


def page_of(member: Member, query: str = "") -> str:
    slug = member.connection.organization.slug
    return f"/o/{slug}/usage/calls/{member.person_id}/{query}"


def ask(reader: Client, member: Member, first: date) -> Any:
    return reader.post(f"{page_of(member)}read/", {"first": first.isoformat()}, follow=True)


def told(desk: Desk, account: str, first: date) -> dict[str, Any]:
    """Every call of the ledger from ``first`` on, as the sandbox itself has it, by id."""
    found: dict[str, Any] = {}
    path = f"/organizations/{desk.sandbox.cline_organization}/members/{account}/usages?limit=200"
    cursor = ""
    while True:
        answer = desk.sandbox.cline("GET", f"{path}&cursor={cursor}")[2]["data"]
        rows = [one for one in answer["items"] if one["createdAt"] >= first.isoformat()]
        found |= {one["id"]: one for one in rows}
        cursor = answer["nextToken"]
        if not cursor or len(rows) < len(answer["items"]):
            return found


def test_calls_are_read_when_asked_for_and_add_up_to_the_report_by_day(
    usage_desk: Desk, busy: Member, reader: Client
) -> None:
    assert "Not read yet." in reader.get(page_of(busy)).text
    assert not Call.objects.exists()
    assert "being read" in ask(reader, busy, back(6)).content.decode()
    assert Entry.objects.get(verb="usage.read_calls").details["accounts"] == [busy.remote_id]
    read(busy.connection, "calls")
    expected = told(usage_desk, str(busy.remote_id), back(6))
    held = {one.remote_id: one for one in Call.objects.all()}
    assert held.keys() >= expected.keys(), "a page brings older ones along"
    for key, row in expected.items():
        assert held[key].prompt_tokens == row["promptTokens"]
        assert held[key].charged == Decimal(row["creditsUsed"]) / 10**6
        assert held[key].listed == Decimal(row["costUsd"]) / 10**8
    first, last = settled_days()
    days = f"?day_from={first}&day_to={last}"
    listed = reader.get(page_of(busy, days)).text
    assert "These calls add up to what the provider's report by day says" in listed
    one = Call.objects.filter(at__date__range=(first, last)).first()
    assert one is not None
    Call.objects.filter(pk=one.pk).update(prompt_tokens=(one.prompt_tokens or 0) + 5)
    assert "do not agree" in reader.get(page_of(busy, days)).text
    headers = {"hx-request": "true", "hx-target": "table"}
    fragment = reader.get(page_of(busy, f"{days}&model={one.model}"), headers=headers).text
    alike = Call.objects.filter(at__date__range=(first, last), model=one.model).count()
    assert 'id="calls-sums" hx-swap-oob="true"' in fragment
    assert f'<span class="stat-value">{alike}</span>' in fragment
    asked: Any = reader.get(page_of(busy, f"{days}&export=csv"))
    content = b"".join(asked.streaming_content).decode()
    between = Call.objects.filter(at__date__range=(first, last)).count()
    assert content.strip().count("\n") == between


def test_a_long_ledger_is_read_in_several_turns_and_then_only_what_is_new(
    usage_desk: Desk, busy: Member, reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "PAGES_AT_ONCE", 1)
    ask(reader, busy, back(60))
    turns = 0
    while CallLedger.objects.get().due:
        (run,) = read(busy.connection, "calls")
        assert run.pages == 1
        turns += 1
        assert turns < 50
    row = CallLedger.objects.get()
    assert turns > 1
    earliest = calls.kept_from().date()
    assert row.wanted_from.date() == earliest, "no further than calls are kept"
    expected = told(usage_desk, str(busy.remote_id), earliest)
    assert Call.objects.count() == len(expected)
    CallLedger.objects.update(read_at=timezone.now() - timedelta(minutes=30))
    ask(reader, busy, back(60))
    (run,) = read(busy.connection, "calls")
    assert run.pages == 1, "it ends where the earlier reading began"
    row.refresh_from_db()
    assert not row.due
    assert Call.objects.count() == len(told(usage_desk, str(busy.remote_id), earliest))
    assert row.reached is not None
    assert row.reached.date() == earliest


def test_a_wish_for_older_calls_counts_while_the_ledger_is_being_read(
    usage_desk: Desk, busy: Member, reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    earliest = calls.kept_from().date()
    ask(reader, busy, back(0))
    original = calls.LedgerReading._page

    def wished_meanwhile(reading: Any, ledger: Any) -> Any:
        page = original(reading, ledger)
        if reading.pages == 1:
            ask(reader, busy, back(60))
            ask(reader, busy, back(1))  # wants less: that takes nothing from the other
        return page

    monkeypatch.setattr(calls.LedgerReading, "_page", wished_meanwhile)
    (run,) = read(busy.connection, "calls")
    assert run.pages > 1
    row = CallLedger.objects.get()
    assert not row.due
    assert row.reached is not None
    assert row.wanted_from.date() == row.reached.date() == earliest
    assert Call.objects.count() == len(told(usage_desk, str(busy.remote_id), earliest))


def test_what_is_too_old_is_forgotten(busy: Member, reader: Client, settings: Settings) -> None:
    ask(reader, busy, back(8))
    read(busy.connection, "calls")
    settings.USAGE_CALLS_DAYS = 5  # longer than a weekend, and so are the days before
    kept = Call.objects.filter(at__gte=calls.kept_from()).count()
    assert kept < Call.objects.count()
    calls.forget_old()
    assert Call.objects.count() == kept > 0
    row = CallLedger.objects.get()
    assert row.reached == calls.kept_from()


def test_a_ledger_that_the_provider_does_not_know_stops_no_other(
    cline: Connection, busy: Member, reader: Client
) -> None:
    stranger = MemberFactory(
        connection=cline, remote_id="mbr-NOBODY", person__organization=cline.organization
    )
    ask(reader, stranger, back(2))
    ask(reader, busy, back(2))
    read(cline, "calls")
    assert "member not found" in reader.get(page_of(stranger)).text
    assert Call.objects.filter(account=busy.remote_id).exists()
    assert not CallLedger.objects.filter(due=True).exists()


def test_the_way_from_a_sum_to_its_calls(busy: Member, reader: Client) -> None:
    slug = busy.connection.organization.slug
    first, last = settled_days()
    url = f"/o/{slug}/usage/?from={first}&to={last}"
    link = f"/o/{slug}/usage/calls/{busy.person_id}/?day_from={first}&amp;day_to={last}"
    assert link in reader.get(f"{url}&group=person").text
    pinned = reader.get(f"{url}&person={busy.person_id}").text
    assert f'<a href="{link}">' in pinned
    assert f"{link}&amp;model=" in pinned
    assert (
        f"/usage/calls/{busy.person_id}/" in reader.get(f"/o/{slug}/people/{busy.person_id}/").text
    )


def test_who_may_not_ask_is_told_and_a_date_is_needed(busy: Member, reader: Client) -> None:
    answer = reader.post(f"{page_of(busy)}read/", {"first": "soon"}, follow=True)
    assert "Choose the first day to read" in answer.content.decode()
    connection = busy.connection
    connection.capabilities["usage.calls"] = {"ok": False, "reason": "Only owners may."}
    connection.save()
    assert "Only owners may." in ask(reader, busy, back(1)).content.decode()
    assert not CallLedger.objects.exists()


def test_the_list_takes_as_many_queries_for_many_calls_as_for_few(
    busy: Member, reader: Client
) -> None:
    ask(reader, busy, back(6))
    read(busy.connection, "calls")
    first, last = settled_days()
    url = page_of(busy, f"?day_from={first}&day_to={last}")

    def queries() -> int:
        with CaptureQueriesContext(database) as seen:
            assert reader.get(url).status_code == 200
        return len(seen)

    held = list(Call.objects.filter(at__date__range=(first, last)).values_list("pk", flat=True))
    counts = []
    for kept in (40, 40, 3):  # the first fills caches
        Call.objects.exclude(pk__in=held[:kept]).delete()
        counts.append(queries())
    assert counts[1] == counts[2]
