"""What is read when somebody asks, and one's own use and money, over the API: the pages' figures and services."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.audit.models import Entry
from apps.members.models import Member
from apps.organizations.models import Connection, Grant, Organization, Role
from apps.personal.models import Allowance
from apps.usage.call_models import Call, CallLedger
from apps.usage.minutes import minute_of
from apps.usage.models import MinuteReading, MinuteUse
from apps.usage.money import split
from tests.api.conftest import client_for
from tests.factories import (
    AccountFactory,
    ConnectionFactory,
    CreditFactory,
    GrantFactory,
    MemberFactory,
    PaymentFactory,
    PersonFactory,
    WorkspaceFactory,
    own_desk,
    with_account,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads anything here."""
    monkeypatch.setattr("celery.Celery.send_task", lambda self, *a, **k: None)


# --- Minutes -------------------------------------------------------------------------------------


def read_minutes(connection: Connection) -> datetime:
    """Two minutes that were read; the moment of the second."""
    now = timezone.now()
    last = minute_of(now) - 10
    MinuteReading.objects.create(
        connection=connection,
        state=MinuteReading.State.DONE,
        asked_at=now,
        heartbeat_at=now,
        read_at=now - timedelta(minutes=2),
        first=last - 1,
        last=last,
        grouping=["workspace_id", "model", "service_tier"],
    )
    lab = WorkspaceFactory(connection=connection, name="Lab")
    MinuteUse.objects.create(
        connection=connection,
        minute=last,
        workspace=lab.remote_id,
        model="claude-opus-4-6",
        fresh=30,
        cached=10,
        output=7,
    )
    return datetime.fromtimestamp(last * 60, UTC)


def test_minutes_are_those_of_the_page(
    api: APIClient, base: str, connection: Connection, owner: Grant
) -> None:
    connection.capabilities["usage.read"] = {"ok": True, "reason": ""}
    connection.save()
    here = f"{base}connections/{connection.uid}/minutes/"
    empty = api.get(here).json()
    assert (empty["state"], empty["minutes"], empty["why_not"]) == ("", [], "")
    at = read_minutes(connection)
    told = api.get(here).json()
    assert told["minutes"] == [
        {
            "at": f"{at - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}",
            "input": 0,
            "cached": 0,
            "output": 0,
        },
        {"at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "input": 30, "cached": 10, "output": 7},
    ]
    (busiest,) = told["busiest"]
    assert (busiest["name"], busiest["model"]) == ("Lab", "claude-opus-4-6")
    assert (busiest["input"], busiest["input_with_cache"], busiest["output"]) == (30, 40, 7)
    assert any("Message batches" in one for one in told["not_included"])
    asked = api.post(here)
    assert (asked.status_code, asked.json()["state"]) == (202, "queued")
    assert asked.json()["asked_by"] == owner.user.email
    assert Entry.objects.get(verb="usage.read_minutes").source == "api"
    again = api.post(here)
    assert again.status_code == 409
    assert "being read just now" in again.json()["detail"]


def test_where_a_provider_tells_of_no_minutes_there_are_none(
    api: APIClient, base: str, owner: Grant
) -> None:
    cline = ConnectionFactory(organization=owner.organization, provider="cline")
    assert api.get(f"{base}connections/{cline.uid}/minutes/").status_code == 404
    strange = ConnectionFactory()
    assert api.post(f"{base}connections/{strange.uid}/minutes/").status_code == 404
    assert not MinuteReading.objects.exists()


# --- Single calls --------------------------------------------------------------------------------


def call(connection: Connection, account: str, minutes_ago: int, **more: Any) -> Call:
    """One that was read."""
    micros, femtos = split(more.pop("charged"))
    made: Call = Call.objects.create(
        connection=connection,
        account=account,
        remote_id=f"call_{minutes_ago}",
        at=timezone.now() - timedelta(minutes=minutes_ago),
        charged_micros=micros,
        charged_femtos=femtos,
        **more,
    )
    return made


@pytest.fixture
def member(owner: Grant) -> Member:
    """Bo is a member at Cline."""
    cline = ConnectionFactory(organization=owner.organization, provider="cline", name="Cline")
    cline.capabilities = {**cline.capabilities, "usage.calls": {"ok": True, "reason": ""}}
    cline.save()
    made: Member = MemberFactory(
        connection=cline, person=PersonFactory(organization=owner.organization)
    )
    return made


def test_calls_of_a_person_are_listed_narrowed_and_read(
    api: APIClient, base: str, member: Member
) -> None:
    here = f"{base}people/{member.person_id}/calls/"
    account = str(member.remote_id)
    call(member.connection, account, 5, model="a", prompt_tokens=3, charged=Decimal("0.0000001"))
    call(member.connection, account, 9, model="b", charged=Decimal("2.5"))
    call(member.connection, "somebody_else", 7, model="a", charged=Decimal(1))
    rows = api.get(here).json()["results"]
    assert [row["model"] for row in rows] == ["b", "a"]
    assert (rows[1]["charged"], rows[1]["prompt_tokens"]) == ("0.0000001", 3)
    assert rows[1]["completion_tokens"] is rows[1]["listed"] is None
    assert rows[0]["connection"] == str(member.connection.uid)
    (row,) = api.get(f"{here}?model=a").json()["results"]
    assert row["remote_id"] == "call_5"
    assert api.get(f"{here}?until=2000-01-01").json()["results"] == []
    assert api.get(f"{here}?modell=a").status_code == 400
    (ledger,) = api.get(f"{here}ledgers/").json()
    assert (ledger["account"], ledger["waiting"], ledger["read_at"]) == (account, False, None)
    first = (timezone.now() - timedelta(days=3)).date().isoformat()
    answer = api.post(here, {"first": first}, format="json")
    assert answer.status_code == 202, answer.content
    assert answer.json()[0]["waiting"]
    assert CallLedger.objects.get().account == account
    assert Entry.objects.get(verb="usage.read_calls").details["accounts"] == [account]
    Connection.objects.update(state=Connection.State.PAUSED)
    assert api.post(here, {"first": first}, format="json").status_code == 409


def test_nobody_reads_another_organizations_calls(base: str, member: Member) -> None:
    stranger = client_for(GrantFactory())
    assert stranger.get(f"{base}people/{member.person_id}/calls/").status_code == 404


# --- One's own account ---------------------------------------------------------------------------


@pytest.fixture
def desk() -> Organization:
    """Ada's own."""
    return own_desk()


@pytest.fixture
def own(desk: Organization) -> Connection:
    """Her account at Cline."""
    connection: Connection = with_account(ConnectionFactory(organization=desk))
    connection.save()
    AccountFactory(connection=connection)
    return connection


@pytest.fixture
def ada(desk: Organization) -> APIClient:
    """Her script."""
    return client_for(desk.grants.get())


def at(desk: Organization, own: Connection, rest: str) -> str:
    return f"/api/v1/organizations/{desk.slug}/accounts/{own.uid}/{rest}"


def test_own_use_allowance_and_calls(ada: APIClient, desk: Organization, own: Connection) -> None:
    now = timezone.now()
    Allowance.objects.create(
        connection=own,
        remote_id="five_hour",
        percent=Decimal("104.5"),
        first_seen_at=now,
        changed_at=now,
    )
    (allowance,) = ada.get(at(desk, own, "allowances/")).json()
    assert (allowance["window"], allowance["percent"]) == ("five_hour", "104.5")
    used = ada.get(at(desk, own, "usage/?group=model&by=day"))
    assert (used.status_code, used.json()["rows"]) == (200, [])
    assert ada.get(at(desk, own, "usage/?by=hour")).status_code == 400
    assert ada.get(at(desk, own, "usage/?group=workspace")).status_code == 400
    call(own, own.remote_organization_id, 5, model="a", charged=Decimal("0.5"))
    (row,) = ada.get(at(desk, own, "calls/")).json()["results"]
    assert row["charged"] == "0.5"
    first = now.date().isoformat()
    assert ada.post(at(desk, own, "calls/"), {"first": first}, format="json").status_code == 202
    (ledger,) = ada.get(at(desk, own, "calls/ledgers/")).json()
    assert ledger["waiting"]


def test_own_money_is_of_that_account_and_for_nobody_else(
    ada: APIClient, desk: Organization, own: Connection
) -> None:
    CreditFactory(connection=own)
    payment = PaymentFactory(connection=own)
    second = with_account(ConnectionFactory(organization=desk))
    second.save()
    other = PaymentFactory(connection=second)
    money = ada.get(at(desk, own, "money/")).json()
    assert money["credit"]["connection"] == str(own.uid)
    assert money["credit"]["amount"] is not None
    assert (money["top_up"], money["card"]) == (None, None)
    assert money["plan"]["subscription"] is None
    rows = ada.get(at(desk, own, "payments/")).json()["results"]
    assert len(rows) == 1
    assert ada.get(at(desk, own, f"payments/{payment.pk}/")).status_code == 200
    assert ada.get(at(desk, own, f"payments/{other.pk}/")).status_code == 404
    owner = GrantFactory(role=Role.OWNER)
    here = f"/api/v1/organizations/{owner.organization.slug}/accounts/{own.uid}/money/"
    assert client_for(owner).get(here).status_code == 404
    assert client_for(owner).get(at(desk, own, "money/")).status_code == 404
