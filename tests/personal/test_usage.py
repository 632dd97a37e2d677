"""What a person used on their own account: by day, of the allowance, call by call; and asking for more."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.audit.models import Entry
from apps.organizations.credentials import seal_for
from apps.organizations.models import Connection
from apps.organizations.sealing import Secret
from apps.personal.models import Account, Allowance
from apps.providers.guard import worker_scope
from apps.sync.models import Command, CommandState, Resource, SyncRun
from apps.sync.walk import walk
from apps.usage import reads
from apps.usage.models import Call
from tests.factories import ConnectionFactory, own_desk, with_account
from tests.sandbox_server import SandboxServer

At = Callable[..., str]
DAYS = 4


def back(days: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=days)


def read(connection: Connection, *names: str) -> None:
    """Walk these once; each must come to its end."""
    for name in names:
        resource, _made = Resource.objects.get_or_create(connection=connection, name=name)
        with worker_scope():
            run = walk(resource.pk)
        assert run is not None
        assert run.state == SyncRun.State.COMPLETE, run.error


@pytest.fixture
def own(
    person: object, sandbox: SandboxServer, settings: Settings, transactional_db: None
) -> Connection:
    """Ada's account as the sandbox has it, with a past."""
    settings.SANDBOX_URL = sandbox.base_url
    settings.USAGE_BACKFILL_DAYS = DAYS
    key = sandbox.cline_key("owner")
    me = sandbox.cline("GET", "/users/me", role="owner")[2]["data"]
    made = with_account(
        ConnectionFactory.build(
            organization=own_desk(person),  # type: ignore[arg-type]  # a fixture's
            name="Mine",
            base_url=sandbox.base_url,
            remote_organization_id=me["id"],
            requests_per_minute=1_000_000,
        )
    )
    made.credential = seal_for(made, "credential", Secret(key))
    made.save()
    return made


@pytest.mark.django_db(transaction=True)
def test_own_usage_is_the_providers_to_the_last_token_and_charges_come_from_the_calls(
    own: Connection, ada: Client, sandbox: SandboxServer
) -> None:
    read(own, "account", "usage", "allowances")
    # Yesterday's last calls may come in until some minutes after midnight.
    first, last = back(DAYS), back(2)
    path = f"/users/{own.remote_organization_id}/usages"
    days = f"{path}/daily?startDate={first}&endDate={last}"
    told = sandbox.cline("GET", days, role="owner")[2]["data"]["items"]
    rows = reads.sums([own], first, last, ["day", "model"])
    found = {(row.group["day"].isoformat(), row.group["model"]): row for row in rows}
    assert told
    assert sum(row.input for row in rows) == sum(one["promptTokens"] for one in told)
    assert sum(row.output for row in rows) == sum(one["completionTokens"] for one in told)
    for one in told:
        row = found[one["date"], one["aiModelName"]]
        assert row.cost == 0, "what was charged is not told by the day"
    listed = sum(row.listed or Decimal(0) for row in rows)
    assert listed * 10**8 == sum(one["costUsd"] for one in told)

    url = f"/o/{own.organization.slug}/account/{own.uid}/"
    page = ada.get(f"{url}usage/?from={first}&to={last}").text
    assert "of what you used, not what you paid" in page
    assert "told call by call: read them" in page
    ada.post(f"{url}calls/read/", {"first": first.isoformat()})
    read(own, "calls")
    calls = Call.objects.filter(at__date__range=(first, last))
    assert sum(one.prompt_tokens or 0 for one in calls) == sum(one["promptTokens"] for one in told)
    listing = ada.get(f"{url}calls/?day_from={first}&day_to={last}").text
    assert "add up to what the provider's report by day says" in listing
    page = ada.get(f"{url}usage/?from={first}&to={last}").text
    count = calls.count()
    words = "1 call that was" if count == 1 else f"{count} calls that were"  # of a quiet few days
    assert f"for the {words} read" in page
    assert Entry.objects.filter(verb="usage.read_calls").count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_allowance_is_read_and_shown_and_goes_when_the_plan_does(
    own: Connection, ada: Client, sandbox: SandboxServer
) -> None:
    read(own, "account", "allowances")
    limits = "/users/me/plan/usage-limits"
    status, _, answer = sandbox.cline("GET", limits, role="owner")
    held = {row.remote_id: row for row in Allowance.objects.present()}
    assert status == 200
    assert held.keys() == {one["type"] for one in answer["data"]["limits"]}
    url = f"/o/{own.organization.slug}/account/{own.uid}/usage/"
    assert "Five hours" in ada.get(url).text
    sandbox.control.fault("get_current_user_plan_usage_limits", "404")
    read(own, "allowances")
    assert not Allowance.objects.present().exists()
    assert "The provider tells of no limits" in ada.get(url).text


# --- Without the sandbox -------------------------------------------------------------------------


@pytest.mark.django_db
def test_windows_of_the_plan_are_bars(account: Account, ada: Client, at: At) -> None:
    now = timezone.now()
    for window, percent in (("monthly", 0), ("five_hour", 81), ("weekly", 130), ("yearly", None)):
        Allowance.objects.create(
            connection=account.connection,
            remote_id=window,
            percent=percent,
            resets_at=now if percent else None,
            first_seen_at=now,
            changed_at=now,
        )
    page = ada.get(at("usage/")).text
    places = [page.index(name) for name in ("Five hours", ">Week<", ">Month<", "yearly")]
    assert places == sorted(places)
    assert 'tone-warning" max="100" value="81.0' in page
    assert 'tone-danger" max="100" value="100.0' in page
    assert "130%" in page
    assert "not told" in page


@pytest.mark.django_db
def test_a_higher_cap_is_asked_for_once_of_whoever_is_billed(
    account: Account, ada: Client, at: At
) -> None:
    asked = ada.get(at("usage/budget/")).text
    assert "The admins of Northwind Lab get your request." in asked
    ada.post(at("usage/budget/"), {"nonce": "one"})
    command = Command.objects.get(kind="personal.request_budget")
    assert command.arguments["name"] == "Northwind Lab"
    again = ada.post(at("usage/budget/"), {"nonce": "two"})
    assert again.status_code == 422
    Command.objects.update(state=CommandState.SUCCEEDED, settled_at=timezone.now())
    soon = ada.post(at("usage/budget/"), {"nonce": "three"})
    assert soon.status_code == 422
    assert "within the last five minutes" in soon.content.decode()
    assert "within the last five minutes" in ada.get(at("usage/")).text
    later = timezone.now() - timedelta(minutes=6)
    Command.objects.update(settled_at=later)
    ada.post(at("usage/budget/"), {"nonce": "four"})
    assert Command.objects.filter(kind="personal.request_budget").count() == 2


@pytest.mark.django_db
def test_nobody_is_asked_where_use_is_billed_to_oneself(
    account: Account, ada: Client, at: At
) -> None:
    Account.objects.update(active_organization_id="")
    assert "no organization has set you a cap" in ada.get(at("usage/")).text
    refused = ada.post(at("usage/budget/"), {"nonce": "one"})
    assert refused.status_code == 422
    assert "no organization has set you a cap" in refused.content.decode()
    assert not Command.objects.filter(kind="personal.request_budget").exists()


@pytest.mark.django_db
def test_what_the_key_may_not_read_is_said(account: Account, ada: Client, at: At) -> None:
    connection = account.connection
    for name in ("usage.read", "usage.limits", "usage.calls"):
        connection.capabilities[name] = {"ok": False, "reason": f"No {name} for you."}
    connection.save()
    page = ada.get(at("usage/")).text
    assert "No usage.read for you." in page
    assert "No usage.limits for you." in page
    assert "No usage.calls for you." in ada.get(at("calls/")).text
