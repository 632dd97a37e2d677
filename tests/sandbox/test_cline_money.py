"""Credit at Cline: what a schema cannot say."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.sandbox_server import SandboxServer, call

ORG = "/organizations/{org}"


def balance(sandbox: SandboxServer) -> int:
    left: int = sandbox.cline("GET", f"{ORG}/balance")[2]["data"]["balance"]
    return left


def payments(sandbox: SandboxServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sandbox.cline("GET", f"{ORG}/payments")[2]["data"][
        "paymentTransactions"
    ]
    return found


def choose(sandbox: SandboxServer, url: str, outcome: str) -> tuple[int, dict[str, str]]:
    path = urlsplit(url).path
    assert call(sandbox.base_url, "GET", path)[0] == 200
    status, headers, _ = call(sandbox.base_url, "POST", path, f"outcome={outcome}".encode())
    assert call(sandbox.base_url, "GET", path)[0] == 410
    return status, headers


def checkout(sandbox: SandboxServer, cents: int = 5000) -> dict[str, Any]:
    body = {"amountCents": cents, "redirectUrl": "https://portal.example/back"}
    made: dict[str, Any] = sandbox.cline("POST", f"{ORG}/credits/checkout", body)[2]["data"]
    return made


def state(sandbox: SandboxServer, payment: str) -> str:
    found: str = sandbox.cline("GET", f"{ORG}/payments/{payment}/status")[2]["data"]["status"]
    return found


def test_a_checkout_is_paid_declined_cancelled_or_left(sandbox: SandboxServer) -> None:
    sandbox.cline("PUT", f"{ORG}/auto-top-up", {"enabled": False})
    before = balance(sandbox)
    for outcome, came in (("pay", "completed"), ("decline", "failed"), ("cancel", "failed")):
        made = checkout(sandbox)
        assert state(sandbox, made["paymentId"]) == "pending"
        assert made["paymentId"] not in {one["id"] for one in payments(sandbox)}
        status, headers = choose(sandbox, made["url"], outcome)
        assert (status, headers["location"]) == (303, "https://portal.example/back")
        assert state(sandbox, made["paymentId"]) == came
    assert abs(balance(sandbox) - before - 50_000_000) < 5_000_000  # people go on using it
    left = checkout(sandbox)
    sandbox.control.shift_clock(86_401)
    assert state(sandbox, left["paymentId"]) == "failed"


def test_a_card_that_is_declined_buys_nothing(sandbox: SandboxServer) -> None:
    made = sandbox.cline("POST", f"{ORG}/payment-method/setup-session", {})[2]["data"]
    assert choose(sandbox, made["url"], "decline")[0] == 200
    card = sandbox.cline("GET", f"{ORG}/payment-method/default")[2]["data"]
    assert (card["last4"], "declines" in card) == ("0341", False)
    before = len(payments(sandbox))
    assert sandbox.cline("POST", f"{ORG}/credits/purchase", {"amountCents": 2000})[0] == 402
    assert len(payments(sandbox)) == before
    made = sandbox.cline("POST", f"{ORG}/payment-method/setup-session", {})[2]["data"]
    choose(sandbox, made["url"], "pay")
    assert sandbox.cline("POST", f"{ORG}/credits/purchase", {"amountCents": 2000})[0] == 201
    assert payments(sandbox)[0]["credits"] == 20_000_000


def test_auto_top_up_fires_when_the_balance_is_below_its_threshold(sandbox: SandboxServer) -> None:
    cents = balance(sandbox) // 10_000
    wanted = {"enabled": True, "thresholdCents": cents + 1_000, "amountCents": 20_000}
    known = {one["id"] for one in payments(sandbox)}
    assert sandbox.cline("PUT", f"{ORG}/auto-top-up", wanted)[0] == 200
    assert balance(sandbox) >= wanted["thresholdCents"] * 10_000
    (fresh,) = [one for one in payments(sandbox) if one["id"] not in known]
    assert (fresh["amountCents"], fresh["status"]) == (20_000, "completed")
    # At some times of a day the world begins below its own threshold: then the first call has topped it up.
    fired = [one["target"] for one in sandbox.control.journal("_clock.auto_top_up", effect=True)]
    assert [one for one in fired if one not in known] == [fresh["id"]]


def test_thirteen_months_of_payments_succeed_fail_and_refund(sandbox: SandboxServer) -> None:
    rows = payments(sandbox)
    assert {one["status"] for one in rows} == {"completed", "failed", "refunded"}
    assert [one["paidAt"] for one in rows] == sorted((one["paidAt"] for one in rows), reverse=True)
    assert all(one["credits"] == one["amountCents"] * 10_000 for one in rows)


def test_what_was_paid_and_given_less_what_was_used_is_the_balance(sandbox: SandboxServer) -> None:
    sandbox.cline("PUT", f"{ORG}/auto-top-up", {"enabled": False})
    me = f"/users/{sandbox.cline('GET', '/users/me')[2]['data']['id']}"
    for owner, used in (
        (ORG, lambda: charged(sandbox, f"{ORG}/metrics")),
        (me, lambda: ledger(sandbox, f"{me}/usages")),
    ):
        before = used()
        left = sandbox.cline("GET", f"{owner}/balance")[2]["data"]["balance"]
        rows = sandbox.cline("GET", f"{owner}/payments")[2]["data"]["paymentTransactions"]
        paid = sum(one["credits"] for one in rows if one["status"] == "completed")
        promotions = sandbox.cline("GET", f"{owner}/promotions")[2]["data"]["items"]
        given = sum(one["credits"] for one in promotions)
        # Equal but for a call that came between two requests of this test.
        assert 0 < before <= paid + given - left <= used()


def charged(sandbox: SandboxServer, path: str) -> int:
    today = datetime.fromisoformat(sandbox.control.clock()["now"]).date()
    first = today - timedelta(days=398)
    query = f"startDate={first}&endDate={today}"
    used: int = sandbox.cline("GET", f"{path}?{query}")[2]["data"]["creditsUsed"]
    return used


def ledger(sandbox: SandboxServer, path: str) -> int:
    used, cursor = 0, ""
    while True:
        page = sandbox.cline("GET", f"{path}?cursor={cursor}")[2]["data"]
        used += sum(one["creditsUsed"] for one in page["items"])
        cursor = page["nextToken"]
        if not cursor:
            return used


def test_a_payment_is_given_back_once_and_its_credit_is_gone(sandbox: SandboxServer) -> None:
    sandbox.cline("PUT", f"{ORG}/auto-top-up", {"enabled": False})
    fresh = sandbox.cline("POST", f"{ORG}/credits/purchase", {"amountCents": 2000})[2]["data"]
    old = next(one for one in payments(sandbox)[3:] if one["status"] == "completed")
    for payment in (fresh, old):
        before = balance(sandbox)
        assert sandbox.control.refund(payment["id"])["status"] == "refunded"
        assert state(sandbox, payment["id"]) == "refunded"
        assert abs(before - balance(sandbox) - payment["credits"]) < 1_000_000
        with pytest.raises(AssertionError, match="that payment is refunded"):
            sandbox.control.refund(payment["id"])
    with pytest.raises(AssertionError, match="404"):
        sandbox.control.refund("pay-none")
    assert len(sandbox.control.journal("_control.refunds", effect=True)) == 2


def test_a_promotion_is_granted_and_ends(sandbox: SandboxServer) -> None:
    sandbox.cline("PUT", f"{ORG}/auto-top-up", {"enabled": False})
    me = sandbox.cline("GET", "/users/me")[2]["data"]["id"]
    for owner, where in ((sandbox.cline_organization, ORG), (me, f"/users/{me}")):
        held = len(sandbox.cline("GET", f"{where}/promotions")[2]["data"]["items"])
        before = sandbox.cline("GET", f"{where}/balance")[2]["data"]["balance"]
        granted = sandbox.control.promotion(owner, 2_500, name="Sorry", days=2)
        assert granted["creditsRemaining"] == 25_000_000
        listed = sandbox.cline("GET", f"{where}/promotions")[2]["data"]["items"]
        assert (len(listed), listed[-1]) == (held + 1, granted)
        after = sandbox.cline("GET", f"{where}/balance")[2]["data"]["balance"]
        assert abs(after - before - 25_000_000) < 1_000_000
    sandbox.control.shift_clock(2 * 86_400 + 1)
    assert granted not in sandbox.cline("GET", f"/users/{me}/promotions")[2]["data"]["items"]
    for wrong in ({"credits_cents": 0}, {"credits_cents": 5, "days": 0}, {"credits_cents": True}):
        with pytest.raises(AssertionError, match="400"):
            sandbox.control.promotion(me, **wrong)
    with pytest.raises(AssertionError, match="404"):
        sandbox.control.promotion("org-none", 500)


def test_storing_a_card_changes_nothing_of_the_past(sandbox: SandboxServer) -> None:
    lab = next(one for one in sandbox.control.world()["organizations"] if "Lab" in one["name"])
    path = f"/organizations/{lab['id']}"
    owner = {"role": "admin"}
    made = sandbox.cline("POST", f"{path}/payment-method/setup-session", {}, **owner)[2]["data"]
    choose(sandbox, made["url"], "pay")
    assert sandbox.cline("GET", f"{path}/payment-method/default", **owner)[2]["data"]["last4"]
    assert sandbox.cline("GET", f"{path}/payments", **owner)[2]["data"]["paymentTransactions"] == []
    assert sandbox.cline("GET", f"{path}/balance", **owner)[2]["data"]["balance"] < 0


def test_an_organization_without_a_card_may_owe_and_a_new_one_has_nothing(
    sandbox: SandboxServer,
) -> None:
    lab = next(one for one in sandbox.control.world()["organizations"] if "Lab" in one["name"])
    path = f"/organizations/{lab['id']}"
    assert sandbox.cline("GET", f"{path}/balance", role="admin")[2]["data"]["balance"] < 0
    made = sandbox.cline("POST", "/organizations", {"name": "Fresh"})[2]["data"]["id"]
    path = f"/organizations/{made}"
    assert sandbox.cline("GET", f"{path}/balance")[2]["data"]["balance"] == 0
    assert sandbox.cline("GET", f"{path}/payments")[2]["data"]["paymentTransactions"] == []
