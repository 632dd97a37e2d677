"""Plans, the organization's subscription and its seats, and the owner's personal plan.

``Plan`` and the personal subscription were recorded; the organization's is that shape with seats, which
is inferred. Prices arrive as cents, fees as dollars, caps as 1e-8 dollars.
"""

from decimal import Decimal
from typing import Any

from apps.providers.cline.answers import data_of, read
from apps.providers.cline.client import ORGANIZATION, Client
from apps.providers.decoding import LONGEST_STATUS
from apps.providers.errors import NotFound, Refused
from apps.providers.http import Answer
from apps.providers.money import CENTS, HUNDRED_MILLIONTHS, UNITS
from apps.providers.reading import DocumentReader, Reading
from apps.providers.records import Page
from apps.providers.records.billing import Allowance, Cap, Plan, PlanPeriod, Subscription

CAP_PREFIX, CAP_SUFFIX = "last", "UsageCostUSDPerUser"
HIGHEST_PERCENT = Decimal(10) ** 6


def _caps(reading: Reading) -> tuple[Cap, ...]:
    entitlements = reading.inner("entitlements")
    allowance = entitlements.inner("cline_pass") if entitlements else None
    thresholds = allowance.inner("inferenceCapThreshold") if allowance else None
    if thresholds is None:
        return ()
    found = []
    for name in thresholds.fields:
        limit = thresholds.usd(name, unit=HUNDRED_MILLIONTHS)
        if name.startswith(CAP_PREFIX) and limit is not None:
            found.append(Cap(name.removesuffix(CAP_SUFFIX)[:LONGEST_STATUS], limit))
    return tuple(found)


def _plan(reading: Reading, raw: bytes) -> Plan:
    features = reading.inner("features") or Reading({})
    return Plan(
        reading.id("id", needed=True),
        reading.text("displayName", "name", needed=True),
        reading.text("name"),
        reading.text("description", longest=2_000),
        reading.text("type", longest=LONGEST_STATUS),
        reading.text("interval", longest=LONGEST_STATUS),
        reading.usd("pricePerSeatCents", unit=CENTS),
        reading.id("priceId"),
        reading.count("maxSeats"),
        features.count("free_seats"),
        features.usd("fee_dollars", unit=UNITS),
        features.texts("included"),
        _caps(reading),
        reading.flag("isActive"),
        reading.moment("createdAt"),
        reading.moment("updatedAt"),
        raw,
        reading.missing,
    )


PLANS = DocumentReader(_plan)


def _inner_plan(reading: Reading) -> Plan | None:
    # Null is an answer too; not to speak of it leaves something out.
    inner = reading.inner("plan", needed=reading.fields.get("plan", "") is not None)
    return _plan(inner, b"{}") if inner else None


def _subscription(reading: Reading, raw: bytes, *, owner: str, seated: bool) -> Subscription:
    return Subscription(
        reading.id(owner, needed=True),
        _inner_plan(reading),
        reading.id("planHistoryId"),
        reading.id("subscriptionId"),
        reading.moment("currentPeriodStart"),
        reading.moment("currentPeriodEnd"),
        reading.moment("cancelAt"),
        reading.moment("canceledAt"),
        reading.count("seats", needed=seated),
        reading.count("seatsUsed", needed=seated),
        reading.web_address("checkoutUrl"),
        raw,
        reading.missing,
    )


def _period(reading: Reading, raw: bytes) -> PlanPeriod:
    return PlanPeriod(
        reading.id("planHistoryId", "id", needed=True),
        _inner_plan(reading),
        reading.count("seats", needed=True),
        reading.moment("startedAt", needed=True),
        reading.moment("endedAt"),
        reading.moment("canceledAt"),
        raw,
        reading.missing,
    )


def _allowance(reading: Reading, raw: bytes) -> Allowance:
    window = reading.text("type", longest=LONGEST_STATUS, needed=True)
    percent = reading.decimal("percentUsed", needed=True)
    if percent is not None and abs(percent) >= HIGHEST_PERCENT:
        percent = None
    return Allowance(window, percent, reading.moment("resetsAt"), raw, reading.missing)


OF_ORGANIZATION = DocumentReader(
    lambda reading, raw: _subscription(reading, raw, owner="organizationId", seated=True)
)
OF_USER = DocumentReader(
    lambda reading, raw: _subscription(reading, raw, owner="userId", seated=False)
)
PERIODS = DocumentReader(_period, ("planHistoryId",))
ALLOWANCES = DocumentReader(_allowance, ("type",))


class Plans(Client):
    """What is subscribed to."""

    def list_plans(self, kind: str = "", *, cursor: str | None = None) -> Page[Plan]:
        """list_plans: those on offer; of one ``kind`` ("individual", "teams") if given."""
        query: dict[str, Any] = {"type": kind} if kind else {}
        return self._page(PLANS, "/api/v1/plans", query=query, cursor=cursor)

    def get_organization_plan(self) -> Subscription | None:
        """get_organization_plan: None if there never was one."""
        return _unless_none(lambda: self._call("GET", f"{ORGANIZATION}/plan"), OF_ORGANIZATION)

    def subscribe_organization_plan(self, plan_id: str, seats: int) -> Subscription:
        """subscribe_organization_plan. Refused with 402 where the card is declined, with 409 where a
        plan is in force already, with 422 above the plan's seats."""
        body = {"planId": plan_id, "seats": seats}
        return read(OF_ORGANIZATION, self._call("POST", f"{ORGANIZATION}/plan", body=body))

    def list_organization_plan_history(self, *, cursor: str | None = None) -> Page[PlanPeriod]:
        """list_organization_plan_history: newest first. Not known to page."""
        return self._page(PERIODS, f"{ORGANIZATION}/plan/history", cursor=cursor)

    def get_organization_plan_details(self, plan_id: str) -> Plan:
        """get_organization_plan_details. NotFound if there is no such plan."""
        return read(PLANS, self._call("GET", f"{ORGANIZATION}/plan/{{planId}}", planId=plan_id))

    def cancel_organization_plan(self, plan_id: str) -> Subscription | None:
        """cancel_organization_plan: it runs on until ``cancel_at``. Refused with 409 once cancelled.
        The subscription if the answer has it."""
        answer = self._call("DELETE", f"{ORGANIZATION}/plan/{{planId}}", planId=plan_id)
        return _told(answer)

    def set_organization_plan_seats(self, seats: int) -> Subscription | None:
        """set_organization_plan_seats: the new total. Refused with 409 below the seats in use, with
        422 above the plan's, with 402 where the card is declined. The subscription if the answer has
        it."""
        return _told(self._call("PUT", f"{ORGANIZATION}/plan/seats", body={"seats": seats}))

    def get_current_user_plan(self) -> Subscription | None:
        """get_current_user_plan: the personal one; None if there never was one."""
        return _unless_none(lambda: self._call("GET", "/api/v1/users/me/plan"), OF_USER)

    def get_current_user_plan_usage_limits(self) -> tuple[Allowance, ...]:
        """get_current_user_plan_usage_limits: none without a subscription (404) or with an unpaid one
        (402), as the vendor's own dashboard reads it."""
        try:
            page = self._page(ALLOWANCES, "/api/v1/users/me/plan/usage-limits")
        except Refused as error:
            if error.status not in (402, 404):
                raise
            return ()
        return tuple(page.rows)


def _unless_none(ask: Any, reader: DocumentReader[Subscription]) -> Subscription | None:
    """The subscription; None where the provider itself says, by 404 or null, that there is none."""
    try:
        answer: Answer = ask()
    except NotFound:
        return None
    return None if data_of(answer) is None else read(reader, answer)


def _told(answer: Answer) -> Subscription | None:
    found = OF_ORGANIZATION.attempt(data_of(answer) or b"null")
    return found if isinstance(found, Subscription) else None
