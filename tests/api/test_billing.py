"""Money over the API: exact strings, nothing of anybody else's, and paying for who is there alone."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from apps.billing.models import CreditPoint, Payment, Plan, PlanPeriod, Promotion
from apps.organizations.models import Connection, Grant, Role
from apps.sync.models import Command
from apps.usage.days import day_of, midnight
from tests.api.conftest import client_for
from tests.browsing import at_desk
from tests.factories import (
    CardFactory,
    ConnectionFactory,
    CreditFactory,
    GrantFactory,
    MemberFactory,
    PaymentFactory,
    SubscriptionFactory,
    TopUpFactory,
    with_billing,
)
from tests.usage.rolled import read, report, used

pytestmark = pytest.mark.django_db


def today() -> date:
    return datetime.now(UTC).date()


@pytest.fixture
def account(owner: Grant) -> Connection:
    """Olga's account at Cline: 70 days are read, each cost a dollar."""
    made = with_billing(
        ConnectionFactory(organization=owner.organization, provider="cline", name="Cline")
    )
    made.save()
    days = [today() - timedelta(days=at) for at in range(70)]
    report(made, days[-1], hourly=False)
    read(made, *days)
    for day in days[:3]:
        used(made, day, cost="1.000001")
    return made


def ask(api: APIClient, address: str) -> Any:
    answer = api.get(address)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_credit_is_told_with_how_long_it_lasts_and_what_it_was(
    api: APIClient, base: str, account: Connection
) -> None:
    (told,) = ask(api, f"{base}credit/")
    assert (told["amount"], told["why"]) == (None, "Not read yet.")
    CreditFactory(connection=account, micros=7_000_001)
    for back, micros in ((2, -5), (1, 7_000_001)):
        moment = timezone.now() - timedelta(days=back)
        CreditPoint.objects.create(connection=account, at=moment, day=day_of(moment), micros=micros)
    (told,) = ask(api, f"{base}credit/?connection={account.uid}")
    assert told["amount"] == "7.000001"
    assert told["connection"] == str(account.uid)
    assert told["runway"]["days"] == 48
    points = ask(api, f"{base}connections/{account.uid}/credit/history/")["results"]
    assert [one["amount"] for one in points] == ["7.000001", "-0.000005"]


def test_payments_are_narrowed_and_one_tells_its_way(
    api: APIClient, base: str, account: Connection, owner: Grant
) -> None:
    PaymentFactory(connection=account, credits_micros=12_345_678)
    failed = PaymentFactory(connection=account, status="failed", failure_reason="expired_card")
    PaymentFactory(connection=account, status="odd", at=timezone.now() - timedelta(days=9))
    rows = ask(api, f"{base}payments/?status=completed")["results"]
    assert [(one["credits"], one["currency"]) for one in rows] == [("12.345678", "USD")]
    assert len(ask(api, f"{base}payments/?status=other")["results"]) == 1
    since = (timezone.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(ask(api, f"{base}payments/?since={since}")["results"]) == 2
    assert api.get(f"{base}payments/?state=failed").status_code == 400
    one = ask(api, f"{base}payments/{failed.pk}/")
    assert one["credits"] is None
    assert "last month is over" in one["failure"]["means"]
    assert [line["what"] for line in one["timeline"]] == ["Failed"]
    assert one["page"] == ""


def test_a_payment_page_is_for_whoever_may_buy(
    base: str, account: Connection, owner: Grant
) -> None:
    from tests.factories import CommandFactory

    command = CommandFactory(
        connection=account,
        kind="billing.checkout",
        state="succeeded",
        results=[{"url": "https://pay.example/c/1"}],
    )
    waits = PaymentFactory(connection=account, status="pending", command=command)
    for role, page in ((Role.BILLING, "https://pay.example/c/1"), (Role.VIEWER, "")):
        api = client_for(GrantFactory(organization=owner.organization, role=role))
        assert ask(api, f"{base}payments/{waits.pk}/")["page"] == page
        assert "pay.example" not in api.get(f"{base}payments/").content.decode()


def test_promotions_plans_seats_and_the_card_are_told(
    api: APIClient, base: str, account: Connection
) -> None:
    seen: dict[str, Any] = {
        "connection": account,
        "first_seen_at": timezone.now(),
        "changed_at": timezone.now(),
    }
    Promotion.objects.create(remote_id="p", name="Launch", credits_micros=25_000_000, **seen)
    Plan.objects.create(remote_id="pln", name="Teams", seat_micros=20_000_000, **seen)
    PlanPeriod.objects.create(remote_id="was", plan_name="Starter", seats=3, **seen)
    SubscriptionFactory(connection=account)
    CardFactory(connection=account, brand="visa", last4="4242")
    (promotion,) = ask(api, f"{base}promotions/")["results"]
    assert (promotion["credits"], promotion["remaining"]) == ("25", None)
    (held,) = ask(api, f"{base}plans/")
    assert (held["price"], held["subscription"]["seats"]) == ("200", 10)
    assert held["plans"][0]["seat_price"] == "20"
    assert held["periods"][0]["seats"] == 3
    (seats,) = ask(api, f"{base}seats/")
    assert (seats["paid"], seats["used"], seats["free"]) == (10, 0, 10)
    (card,) = ask(api, f"{base}cards/")
    assert card["last4"] == "4242"


def test_spend_and_reconciliation_say_what_their_pages_say(
    api: APIClient, base: str, account: Connection
) -> None:
    ConnectionFactory(organization=account.organization, provider="anthropic", name="Claude")
    told = ask(api, f"{base}spend/")
    lines = {one["provider"]: one for one in told["connections"]}
    months = sum(
        day.month == today().month for day in (today() - timedelta(days=at) for at in range(3))
    )
    assert float(lines["cline"]["this_month"]) == pytest.approx(months * 1.000001)
    assert lines["cline"]["prepaid"]
    assert lines["anthropic"]["this_month"] is None
    (total,) = told["totals"]
    assert total["this_month"] == total["prepaid"]["this_month"]
    begin = midnight(day_of(today() - timedelta(days=2)))
    for moment, micros in ((begin, 10_000_000), (begin + timedelta(hours=9), 7_999_998)):
        CreditPoint.objects.create(connection=account, at=moment, day=day_of(moment), micros=micros)
    first, last = today() - timedelta(days=2), today() - timedelta(days=1)
    found = ask(api, f"{base}spend/reconciliation/?from={first}&to={last}&connection={account.uid}")
    (statement,) = found["credit"]
    assert statement["charged"] == "2.000002"
    assert (statement["difference"], statement["verdict"]) == ("0", "even")
    assert found["metered"] == []
    for wrong in ("from=x&to=y", "days=3", "range=30d&connection=abc"):
        assert api.get(f"{base}spend/reconciliation/?{wrong}").status_code == 400


def test_who_holds_seats_is_told_with_their_last_use(
    api: APIClient, base: str, account: Connection
) -> None:
    MemberFactory(
        connection=account, email="ada@x.example", remote_id="u1", joined_at=timezone.now()
    )
    long_ago = timezone.now() - timedelta(days=200)
    idle = MemberFactory(
        connection=account, email="bo@x.example", remote_id="u2", joined_at=long_ago
    )
    MemberFactory(connection=account, email="cy@x.example", gone_at=timezone.now())
    used(account, today(), account="u1", counts={"output": 1})
    address = f"{base}seats/members/"
    rows = ask(api, address)["results"]
    assert [(one["email"], one["last_used"]) for one in rows] == [
        ("ada@x.example", today().isoformat()),
        ("bo@x.example", None),
    ]
    assert [one["id"] for one in ask(api, f"{address}?idle_days=30")["results"]] == [idle.pk]
    assert api.get(f"{address}?idle_days=31").status_code == 400


def test_money_is_not_moved_by_token(api: APIClient, base: str, account: Connection) -> None:
    TopUpFactory(connection=account)
    SubscriptionFactory(connection=account)
    one = f"{base}connections/{account.uid}/"
    for answer in (
        api.post(f"{one}credit/purchase/", {"amount": "25.00"}, format="json"),
        api.post(f"{one}credit/checkout/", {"amount": "25.00"}, format="json"),
        api.put(f"{one}top-up/", {"enabled": False}, format="json"),
        api.post(f"{one}card/"),
        api.post(f"{one}plan/", {"plan": "pln", "seats": 3}, format="json"),
        api.patch(f"{one}plan/", {"seats": 3}, format="json"),
        api.delete(f"{one}plan/"),
    ):
        assert answer.status_code == 403
        assert "sign-in of the last five minutes" in answer.json()["detail"]
    assert not Command.objects.exists()
    assert ask(api, f"{one}top-up/")["threshold"] == "20"


def test_whoever_is_there_buys_once_and_is_told_where_to_look(
    base: str, account: Connection, owner: Grant
) -> None:
    row = TopUpFactory(connection=account)
    fine = {"enabled": True, "threshold": "15", "amount": "40.25"}
    bea = at_desk(GrantFactory(organization=owner.organization, role=Role.BILLING).user)
    one = f"{base}connections/{account.uid}/"

    def send(method: str, path: str, sent: dict[str, Any], key: str = "") -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        call = getattr(bea, method)
        return call(one + path, sent, content_type="application/json", headers=headers)

    for _ in range(2):
        bought = send("post", "credit/purchase/", {"amount": "25.50"}, "k")
        assert bought.status_code == 202, bought.content
    command = Command.objects.get()
    assert (command.kind, command.arguments["cents"]) == ("billing.purchase", 2_550)
    assert bought["Location"].endswith(f"/changes/{command.uid}/")
    assert send("post", "credit/purchase/", {"amount": "9.00"}, "k").status_code == 422
    for amount in ("0", "-1", "1.001", "1000000.01", "NaN", "x", None):
        refused = send("post", "credit/checkout/", {"amount": amount})
        assert refused.status_code == 400, amount
        assert refused.json()["errors"][0]["pointer"] == "#/amount"
    opened = send("post", "credit/checkout/", {"amount": 30})
    assert opened.status_code == 202
    assert (
        Command.objects.get(kind="billing.checkout").arguments["back"].endswith("/billing/begun/")
    )
    for odd in ({"threshold": "0.0000001"}, {"amount": "1E+30"}, {"amount": "1E-9"}):
        assert send("put", "top-up/", fine | odd).status_code == 409, odd
    changed = send("put", "top-up/", fine)
    assert changed.status_code == 202, changed.content
    asked = Command.objects.get(kind="billing.top_up")
    assert asked.before["threshold_micros"] == row.threshold_micros
    assert asked.arguments["amount_micros"] == 40_250_000
    assert send("put", "top-up/", {"enabled": True}).status_code == 409


def test_whoever_is_there_changes_card_and_plan(
    base: str, account: Connection, owner: Grant
) -> None:
    seen: dict[str, Any] = {
        "connection": account,
        "first_seen_at": timezone.now(),
        "changed_at": timezone.now(),
    }
    Plan.objects.create(remote_id="pln", name="Teams", seat_micros=20_000_000, **seen)
    bea = at_desk(GrantFactory(organization=owner.organization, role=Role.BILLING).user)
    one = f"{base}connections/{account.uid}/"

    def send(method: str, path: str, sent: Any = None, key: str = "") -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        call = getattr(bea, method)
        return call(one + path, sent, content_type="application/json", headers=headers)

    assert send("patch", "plan/", {"seats": 3}).status_code == 404, "none is held"
    wrong = send("post", "plan/", {"plan": "x", "seats": 3})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "#/plan")
    for _twice in range(2):
        bought = send("post", "plan/", {"plan": "pln", "seats": 3}, "k")
        assert bought.status_code == 202, bought.content
    command = Command.objects.get()
    assert (command.kind, command.arguments["cents"]) == ("billing.subscribe", 6_000)
    command.state, command.settled_at = "succeeded", timezone.now()
    command.save()
    SubscriptionFactory(connection=account)
    assert send("post", "plan/", {"plan": "pln", "seats": 4}).status_code == 409, "one is held"
    assert send("patch", "plan/", {"seats": 0}).status_code == 400
    assert send("patch", "plan/", {"seats": 12}).status_code == 202
    Command.objects.update(state="succeeded", settled_at=timezone.now())
    assert send("delete", "plan/").status_code == 202
    assert send("post", "card/").status_code == 202
    kinds = set(Command.objects.values_list("kind", flat=True))
    assert kinds >= {"billing.set_seats", "billing.cancel_plan", "billing.card_page"}


def test_lists_take_the_same_queries_however_many_there_are(
    api: APIClient, base: str, account: Connection
) -> None:
    paths = ("credit/", "payments/", "promotions/", "plans/", "seats/", "cards/")
    counts: list[dict[str, int]] = []
    for number in (2, 30):
        seen: dict[str, Any] = {
            "connection": account,
            "first_seen_at": timezone.now(),
            "changed_at": timezone.now(),
        }
        for model in (Promotion, Plan):
            model.objects.bulk_create(
                model(remote_id=f"{number}-{at}", name="n", **seen) for at in range(number)
            )
        Payment.objects.bulk_create(
            PaymentFactory.build(connection=account, remote_id=f"{number}-{at}")
            for at in range(number)
        )
        ask(api, f"{base}credit/")
        counts.append({})
        for path in paths:
            with CaptureQueriesContext(database) as captured:
                ask(api, base + path)
            counts[-1][path] = len(captured)
    assert counts[0] == counts[1]
