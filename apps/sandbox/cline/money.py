"""Credit of an organization or a person: balance, payments, checkout, purchase, top-up, card, promotions.

Where the contract is silent: one purchase is 5 to 100,000 dollars (422); a checkout stands for a day and
then its payment has failed; automatic purchases are looked at whenever the credit is.
"""

import re
from typing import Any, NamedTuple

import msgspec

from ..app import Answer, Call, Refusal, json_body, operation
from ..ids import digest, ulid
from ..world import Account, Change, Organization, Payment, Put, Session, Set, World, micros_stamp
from .access import malformed, success
from .ledger import DAY
from .past import CREDIT, Pasts
from .usage import Usage, founded, moment

LEAST, MOST = 500, 10_000_000  # cents
SESSION_SECONDS = 86_400.0
PROCESSOR = {"completed": "succeeded", "failed": "requires_payment_method", "pending": "processing"}
_WEB_ADDRESS = re.compile(r"https?://[!-~]+")


class Purse(NamedTuple):
    """Whose credit it is, and who asks."""

    owner: Organization
    account: Account


def in_force(owner: Organization, now: float) -> list[dict[str, Any]]:
    """Promotions that have not expired."""
    stamp = micros_stamp(now)
    return [
        one for one in owner.settings.get("promotions", ()) if (one["expiresAt"] or "Z") > stamp
    ]


def as_of(payment: Payment, now: float) -> Payment:
    """A payment that nobody completed within a day has failed."""
    if payment.status == "pending" and moment(payment.created_at) + SESSION_SECONDS <= now:
        return msgspec.structs.replace(payment, status="failed", reason="checkout expired")
    return payment


def listed(payment: Payment) -> dict[str, Any]:
    return {
        "id": payment.id,
        "paidAt": payment.paid_at,
        "creatorId": payment.creator,
        "amountCents": payment.cents,
        "credits": payment.cents * CREDIT,
        "status": payment.status,
    }


def whole(payment: Payment) -> dict[str, Any]:
    data = {**listed(payment), "createdAt": payment.created_at}
    if payment.status in ("completed", "refunded"):
        data["receiptUrl"] = f"https://pay.example/receipts/{payment.id}"
    if payment.reason:
        data["failureReason"] = payment.reason
    return data


def amount_in(body: dict[str, Any], name: str = "amountCents", least: int = LEAST) -> int:
    cents = body.get(name)
    if not isinstance(cents, int) or isinstance(cents, bool) or cents < min(1, least):
        raise malformed()
    if not least <= cents <= MOST:
        raise Refusal(422, f"{name} must be {least} to {MOST}")
    return cents


def redirect_in(body: dict[str, Any]) -> str:
    if "redirectUrl" not in body:
        return ""
    url = body["redirectUrl"]
    if not isinstance(url, str) or not _WEB_ADDRESS.fullmatch(url):
        raise malformed()
    return url


class Money(Usage):
    """One method for each operation of either owner; what they share comes first."""

    def __init__(self, fast_pages: int = 25) -> None:
        super().__init__(fast_pages)
        self.pasts = Pasts(self.books)

    def _organization_purse(self, call: Call, weakest: str = "owner", name: str = "orgId") -> Purse:
        organization, _ = self._enter(call, weakest, name)
        return Purse(organization, self._account(call))

    def _own_purse(self, call: Call) -> Purse:
        account = self._own(call)
        return Purse(call.state.world.owner(account.id), account)

    # --- What there is --------------------------------------------------------------------------

    def payments(self, world: World, owner: Organization) -> list[Payment]:
        """Every payment, newest first."""
        found = {one.id: one for one in self.pasts.of(world, owner).payments}
        found |= {one.id: one for one in owner.tables["payments"]}
        return sorted(found.values(), key=lambda one: one.created_at, reverse=True)

    def balance(self, world: World, owner: Organization, now: float) -> int:
        """Millionths of a dollar: what was paid and given, less what was used."""
        past = self.pasts.of(world, owner)
        paid = sum(one.cents for one in self.payments(world, owner) if one.status == "completed")
        given = past.given + sum(one["creditsRemaining"] for one in in_force(owner, now))
        days = range(founded(world), int(now // DAY) + 1)
        used = past.used + sum(self.books.charged(world, owner, day, now) for day in days)
        left: int = paid * CREDIT + given - used
        return left

    def settle(self, call: Call, owner: Organization) -> None:
        """Let the automatic purchase fire that is due."""
        wanted, card = owner.settings.get("auto_top_up"), owner.settings.get("card")
        if not wanted or not wanted["enabled"] or card is None:
            return
        tries = 0
        while tries < 40 and self._is_low(call, owner, wanted["thresholdCents"]):
            tries += 1
            status = "failed" if card["declines"] else "completed"
            payment = self._payment(call, owner.id, wanted["amountCents"], status)
            changes: list[Change] = [Put(owner.id, "payments", payment)]
            if card["declines"]:  # nobody goes on charging a card that is refused
                changes.append(Set(owner.id, "auto_top_up", {**wanted, "enabled": False}))
            call.state.enter(
                "_clock.auto_top_up",
                api=self.name,
                organization=owner.id,
                target=payment.id,
                status=200,
                changes=changes,
            )
            if card["declines"]:
                return

    def _is_low(self, call: Call, owner: Organization, threshold: int) -> bool:
        return self.balance(call.state.world, owner, call.now) < threshold * CREDIT

    def _payment(self, call: Call, creator: str, cents: int, status: str) -> Payment:
        ordinal = len(call.state.journal) + 1
        source = digest(call.state.seed, "new payment", ordinal, size=16)
        stamp = micros_stamp(call.now)
        reason = "card_declined" if status == "failed" else ""
        return Payment(
            ulid("pay", 1_000_000 + ordinal, source), creator, cents, status, stamp, stamp, reason
        )

    # --- What is answered -----------------------------------------------------------------------

    def _balance(self, call: Call, purse: Purse, name: str) -> Answer:
        self.settle(call, purse.owner)
        left = self.balance(call.state.world, purse.owner, call.now)
        return success({name: purse.owner.id, "balance": left})

    def _list_payments(self, call: Call, purse: Purse) -> Answer:
        self.settle(call, purse.owner)
        found = (as_of(one, call.now) for one in self.payments(call.state.world, purse.owner))
        rows = [listed(one) for one in found if one.status != "pending"]
        return success({"paymentTransactions": rows})

    def _find(self, call: Call, purse: Purse) -> Payment:
        wanted = call.params["paymentId"]
        for one in self.payments(call.state.world, purse.owner):
            if one.id == wanted:
                return as_of(one, call.now)
        raise Refusal(404, "payment not found")

    def _status(self, call: Call, purse: Purse) -> Answer:
        payment = self._find(call, purse)
        return success({"id": payment.id, "status": payment.status})

    def _provider(self, call: Call, purse: Purse) -> Answer:
        payment = self._find(call, purse)
        data = {
            "provider": "stripe",
            "providerPaymentId": f"pi_3Sandbox{payment.id[-20:]}",
            "paymentId": payment.id,
            "status": PROCESSOR.get(payment.status, payment.status),
            "amountCents": payment.cents,
            "currency": "usd",
        }
        return success(data)

    def _checkout(self, call: Call, purse: Purse) -> Answer:
        body = json_body(call, malformed)
        cents, redirect = amount_in(body), redirect_in(body)
        payment = self._payment(call, purse.account.id, cents, "pending")
        session = self._session(call, payment.id, redirect)
        data = {
            "url": self._page_of(call, session),
            "sessionId": session.id,
            "paymentId": payment.id,
        }
        changes: list[Change] = [
            Put(purse.owner.id, "payments", payment),
            Put(purse.owner.id, "sessions", session),
        ]
        return success(data, status=201, target=payment.id, changes=changes)

    def _session(self, call: Call, payment: str, redirect: str) -> Session:
        ordinal = len(call.state.journal) + 1
        spelled = digest(call.state.seed, "session", ordinal, size=14).hex()
        return Session(f"cs_test_{spelled}", payment, redirect, call.now + SESSION_SECONDS)

    def _page_of(self, call: Call, session: Session) -> str:
        host = call.request.headers.get("host", "127.0.0.1")
        return f"http://{host}/checkout/{session.id}"

    def _setup(self, call: Call, purse: Purse) -> Answer:
        body = json_body(call, malformed) if call.request.body else {}
        session = self._session(call, "", redirect_in(body))
        data = {"url": self._page_of(call, session), "sessionId": session.id}
        put: list[Change] = [Put(purse.owner.id, "sessions", session)]
        return success(data, status=201, target=session.id, changes=put)

    def _purchase(self, call: Call, purse: Purse) -> Answer:
        cents = amount_in(json_body(call, malformed))
        card = purse.owner.settings.get("card")
        if card is None:
            raise Refusal(402, "no payment method")
        if card["declines"]:
            raise Refusal(402, "payment required: your card was declined")
        payment = self._payment(call, purse.account.id, cents, "completed")
        put: list[Change] = [Put(purse.owner.id, "payments", payment)]
        return success(whole(payment), status=201, target=payment.id, changes=put)

    def _auto_top_up(self, purse: Purse) -> Answer:
        return success(purse.owner.settings.get("auto_top_up") or {"enabled": False})

    def _set_auto_top_up(self, call: Call, purse: Purse) -> Answer:
        body = json_body(call, malformed)
        enabled = body.get("enabled")
        if not isinstance(enabled, bool):
            raise malformed()
        wanted: dict[str, Any] = {"enabled": enabled}
        if enabled or "thresholdCents" in body:
            wanted["thresholdCents"] = amount_in(body, "thresholdCents", least=0)
        if enabled or "amountCents" in body:
            wanted["amountCents"] = amount_in(body)
        if enabled and purse.owner.settings.get("card") is None:
            raise Refusal(409, "store a payment method first")
        put: list[Change] = [Set(purse.owner.id, "auto_top_up", wanted)]
        return success(wanted, target=purse.owner.id, changes=put)

    def _card(self, purse: Purse) -> Answer:
        card = purse.owner.settings.get("card")
        return success(card and {name: one for name, one in card.items() if name != "declines"})

    def _promotions(self, call: Call, purse: Purse) -> Answer:
        return success({"items": in_force(purse.owner, call.now)})

    # --- The organization's ---------------------------------------------------------------------

    @operation("GET", "/api/v1/organizations/{orgId}/balance", "get_organization_balance")
    def get_organization_balance(self, call: Call) -> Answer:
        return self._balance(call, self._organization_purse(call, "member"), "organizationId")

    @operation("GET", "/api/v1/organizations/{orgId}/payments", "list_organization_payments")
    def list_organization_payments(self, call: Call) -> Answer:
        return self._list_payments(call, self._organization_purse(call))

    @operation(
        "GET", "/api/v1/organizations/{orgId}/payments/{paymentId}", "get_organization_payment"
    )
    def get_organization_payment(self, call: Call) -> Answer:
        return success(whole(self._find(call, self._organization_purse(call))))

    @operation(
        "GET",
        "/api/v1/organizations/{orgId}/payments/{paymentId}/status",
        "get_organization_payment_status",
    )
    def get_organization_payment_status(self, call: Call) -> Answer:
        return self._status(call, self._organization_purse(call))

    @operation(
        "GET",
        "/api/v1/organizations/{orgId}/payments/provider/{paymentId}",
        "get_organization_provider_payment",
    )
    def get_organization_provider_payment(self, call: Call) -> Answer:
        return self._provider(call, self._organization_purse(call))

    @operation(
        "POST",
        "/api/v1/organizations/{orgId}/credits/checkout",
        "create_organization_credit_checkout",
    )
    def create_organization_credit_checkout(self, call: Call) -> Answer:
        return self._checkout(call, self._organization_purse(call))

    @operation(
        "POST", "/api/v1/organizations/{orgId}/credits/purchase", "purchase_organization_credits"
    )
    def purchase_organization_credits(self, call: Call) -> Answer:
        return self._purchase(call, self._organization_purse(call))

    @operation("GET", "/api/v1/organizations/{orgId}/auto-top-up", "get_organization_auto_top_up")
    def get_organization_auto_top_up(self, call: Call) -> Answer:
        return self._auto_top_up(self._organization_purse(call))

    @operation("PUT", "/api/v1/organizations/{orgId}/auto-top-up", "set_organization_auto_top_up")
    def set_organization_auto_top_up(self, call: Call) -> Answer:
        return self._set_auto_top_up(call, self._organization_purse(call))

    @operation(
        "GET",
        "/api/v1/organizations/{orgId}/payment-method/default",
        "get_organization_default_payment_method",
    )
    def get_organization_default_payment_method(self, call: Call) -> Answer:
        return self._card(self._organization_purse(call))

    @operation(
        "POST",
        "/api/v1/organizations/{orgId}/payment-method/setup-session",
        "create_organization_payment_method_setup_session",
    )
    def create_organization_payment_method_setup_session(self, call: Call) -> Answer:
        return self._setup(call, self._organization_purse(call))

    @operation("GET", "/api/v1/organizations/{id}/promotions", "list_organization_promotions")
    def list_organization_promotions(self, call: Call) -> Answer:
        return self._promotions(call, self._organization_purse(call, name="id"))

    # --- The person's ---------------------------------------------------------------------------

    @operation("GET", "/api/v1/users/{id}/balance", "get_user_balance")
    def get_user_balance(self, call: Call) -> Answer:
        return self._balance(call, self._own_purse(call), "userId")

    @operation("GET", "/api/v1/users/{id}/payments", "list_user_payments")
    def list_user_payments(self, call: Call) -> Answer:
        return self._list_payments(call, self._own_purse(call))

    @operation("GET", "/api/v1/users/{id}/payments/{paymentId}", "get_user_payment")
    def get_user_payment(self, call: Call) -> Answer:
        return success(whole(self._find(call, self._own_purse(call))))

    @operation("GET", "/api/v1/users/{id}/payments/{paymentId}/status", "get_user_payment_status")
    def get_user_payment_status(self, call: Call) -> Answer:
        return self._status(call, self._own_purse(call))

    @operation(
        "GET", "/api/v1/users/{id}/payments/provider/{paymentId}", "get_user_provider_payment"
    )
    def get_user_provider_payment(self, call: Call) -> Answer:
        return self._provider(call, self._own_purse(call))

    @operation("POST", "/api/v1/users/credits/checkout", "create_user_credit_checkout")
    def create_user_credit_checkout(self, call: Call) -> Answer:
        account = self._account(call)
        return self._checkout(call, Purse(call.state.world.owner(account.id), account))

    @operation("POST", "/api/v1/users/{id}/credits/purchase", "purchase_user_credits")
    def purchase_user_credits(self, call: Call) -> Answer:
        return self._purchase(call, self._own_purse(call))

    @operation("GET", "/api/v1/users/{id}/auto-top-up", "get_user_auto_top_up")
    def get_user_auto_top_up(self, call: Call) -> Answer:
        return self._auto_top_up(self._own_purse(call))

    @operation("PUT", "/api/v1/users/{id}/auto-top-up", "set_user_auto_top_up")
    def set_user_auto_top_up(self, call: Call) -> Answer:
        return self._set_auto_top_up(call, self._own_purse(call))

    @operation(
        "GET", "/api/v1/users/{id}/payment-method/default", "get_user_default_payment_method"
    )
    def get_user_default_payment_method(self, call: Call) -> Answer:
        return self._card(self._own_purse(call))

    @operation(
        "POST",
        "/api/v1/users/{id}/payment-method/setup-session",
        "create_user_payment_method_setup_session",
    )
    def create_user_payment_method_setup_session(self, call: Call) -> Answer:
        return self._setup(call, self._own_purse(call))

    @operation("GET", "/api/v1/users/{id}/promotions", "list_user_promotions")
    def list_user_promotions(self, call: Call) -> Answer:
        return self._promotions(call, self._own_purse(call))
