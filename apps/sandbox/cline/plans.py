"""Plans on offer, the organization's subscription and its seats, the caller's personal plan.

Where the contract is silent: a plan is billed to the stored card, so without one, or with one that is
declined, nothing is subscribed and no seat is added (402); a cancelled plan takes no further seats (409);
an organization whose plan has run out keeps its members and takes no more.
"""

from datetime import UTC, datetime
from typing import Any

from ..app import Answer, Call, Refusal, json_body, operation
from ..ids import digest
from ..world import Change, Organization, Set, micros_stamp, seconds_stamp
from .access import Access, malformed, pending_invites, plan_in_force, success
from .catalogue import CATALOGUE, history_id

MONTHS = {"Monthly": 1, "Yearly": 12}
WINDOWS = {"five_hour": 5 * 3600, "weekly": 7 * 86_400, "monthly": 30 * 86_400}


def later(moment: float, months: int) -> float:
    """So many months on; the 29th and later count as the 28th."""
    at = datetime.fromtimestamp(moment, UTC)
    years, month = divmod(at.month - 1 + months, 12)
    return at.replace(year=at.year + years, month=month + 1, day=min(at.day, 28)).timestamp()


def period(held: dict[str, Any], now: float) -> tuple[float, float]:
    """The billing period that runs now."""
    step = MONTHS[CATALOGUE[held["plan"]]["interval"]]
    passed = 0
    while later(held["started"], passed + step) <= now:
        passed += step
    return later(held["started"], passed), later(held["started"], passed + step)


def subscription(held: dict[str, Any], now: float) -> dict[str, Any]:
    """What organizations and people share of a subscription."""
    begin, end = period(held, held["cancel_at"] - 1 if held["cancel_at"] else now)
    data = {
        "planHistoryId": held["id"],
        "plan": CATALOGUE[held["plan"]],
        "subscriptionId": f"sub_1Sandbox{held['id'][-16:]}",
        "currentPeriodStart": seconds_stamp(begin),
        "currentPeriodEnd": seconds_stamp(end),
    }
    if held["canceled_at"]:
        data["canceledAt"] = seconds_stamp(held["canceled_at"])
        data["cancelAt"] = seconds_stamp(held["cancel_at"])
    return data


def used(organization: Organization, now: float) -> int:
    """Members of every role, and pending invites."""
    return len(organization.tables["members"]) + len(pending_invites(organization, now))


def shown(organization: Organization, held: dict[str, Any], now: float) -> dict[str, Any]:
    return {
        **subscription(held, now),
        "organizationId": organization.id,
        "seats": held["seats"],
        "seatsUsed": used(organization, now),
    }


def entry(held: dict[str, Any], until: float | None) -> dict[str, Any]:
    data = {
        "planHistoryId": held["id"],
        "plan": CATALOGUE[held["plan"]],
        "seats": held["seats"],
        "startedAt": seconds_stamp(held["since"]),
        "endedAt": None if until is None else seconds_stamp(until),
    }
    if held["canceled_at"]:
        data["canceledAt"] = seconds_stamp(held["canceled_at"])
    return data


def seats_in(body: dict[str, Any]) -> int:
    seats = body.get("seats")
    if not isinstance(seats, int) or isinstance(seats, bool) or seats < 1:
        raise malformed()
    return seats


def pays(organization: Organization) -> None:
    """402 unless the stored card can be charged."""
    card = organization.settings.get("card")
    if card is None:
        raise Refusal(402, "no payment method")
    if card["declines"]:
        raise Refusal(402, "payment required: your card was declined")


class Plans(Access):
    """What is subscribed to."""

    @operation("GET", "/api/v1/plans", "list_plans")
    def list_plans(self, call: Call) -> Answer:
        kind = call.query.get("type")
        if kind not in (None, "individual", "teams"):
            raise malformed()
        on_sale = [one for one in CATALOGUE.values() if one["isActive"]]
        return success([one for one in on_sale if kind in (None, one["type"])])

    def _subscribed(self, organization: Organization, now: float) -> dict[str, Any]:
        held = plan_in_force(organization, now)
        if held is None:
            raise Refusal(404, "no plan history found for organization")
        return held

    @operation("GET", "/api/v1/organizations/{orgId}/plan", "get_organization_plan")
    def get_organization_plan(self, call: Call) -> Answer:
        organization, _ = self._enter(call, "owner")
        return success(shown(organization, self._subscribed(organization, call.now), call.now))

    @operation("POST", "/api/v1/organizations/{orgId}/plan", "subscribe_organization_plan")
    def subscribe_organization_plan(self, call: Call) -> Answer:
        organization, _ = self._enter(call, "owner")
        body = json_body(call, malformed)
        seats, plan_id = seats_in(body), body.get("planId")
        if not isinstance(plan_id, str):
            raise malformed()
        plan = CATALOGUE.get(plan_id)
        if plan is None or plan["type"] != "teams" or not plan["isActive"]:
            raise Refusal(404, "plan not found")
        if plan_in_force(organization, call.now):
            raise Refusal(409, "a plan is in force")
        self._room(organization, plan, seats, call.now)
        pays(organization)
        held = {
            "id": history_id(call.state.seed, organization.id, len(call.state.journal) + 10),
            "plan": plan_id,
            "seats": seats,
            "started": call.now,
            "since": call.now,
            "canceled_at": 0.0,
            "cancel_at": 0.0,
        }
        return self._replace(call, organization, held, 201)

    def _room(
        self, organization: Organization, plan: dict[str, Any], seats: int, now: float
    ) -> None:
        if seats > plan["maxSeats"]:
            raise Refusal(422, f"this plan has {plan['maxSeats']} seats at most")
        if seats < used(organization, now):
            raise Refusal(409, f"{used(organization, now)} seats are in use")

    def _replace(
        self, call: Call, organization: Organization, held: dict[str, Any], status: int = 200
    ) -> Answer:
        """Another plan or another number of seats from now on: what ran before goes into the history."""
        before, history = (
            organization.settings.get("plan"),
            [*organization.settings["plan_history"]],
        )
        if before:
            until = min(call.now, before["cancel_at"] or call.now)
            history.append({**before, "until": until})
        changes: list[Change] = [
            Set(organization.id, "plan", held),
            Set(organization.id, "plan_history", history),
            Set(organization.id, "seats", held["seats"]),
        ]
        return success(
            shown(organization, held, call.now), status=status, target=held["id"], changes=changes
        )

    @operation(
        "GET", "/api/v1/organizations/{orgId}/plan/history", "list_organization_plan_history"
    )
    def list_organization_plan_history(self, call: Call) -> Answer:
        organization, _ = self._enter(call, "owner")
        rows = [entry(one, one["until"]) for one in organization.settings["plan_history"]]
        if held := organization.settings.get("plan"):
            over = held["cancel_at"] if 0 < held["cancel_at"] <= call.now else None
            rows.append(entry(held, over))
        return success({"items": rows[::-1]})

    @operation(
        "GET", "/api/v1/organizations/{orgId}/plan/{planId}", "get_organization_plan_details"
    )
    def get_organization_plan_details(self, call: Call) -> Answer:
        self._enter(call, "owner")
        plan = CATALOGUE.get(call.params["planId"])
        if plan is None:
            raise Refusal(404, "plan not found")
        return success(plan)

    @operation("DELETE", "/api/v1/organizations/{orgId}/plan/{planId}", "cancel_organization_plan")
    def cancel_organization_plan(self, call: Call) -> Answer:
        organization, _ = self._enter(call, "owner")
        held = self._subscribed(organization, call.now)
        if held["plan"] != call.params["planId"]:
            raise Refusal(404, "plan not found")
        if held["canceled_at"]:
            raise Refusal(409, "the plan is cancelled already")
        _, end = period(held, call.now)
        cancelled = {**held, "canceled_at": call.now, "cancel_at": end}
        return success(
            shown(organization, cancelled, call.now),
            target=held["id"],
            changes=[Set(organization.id, "plan", cancelled)],
        )

    @operation("PUT", "/api/v1/organizations/{orgId}/plan/seats", "set_organization_plan_seats")
    def set_organization_plan_seats(self, call: Call) -> Answer:
        organization, _ = self._enter(call, "owner")
        seats = seats_in(json_body(call, malformed))
        held = self._subscribed(organization, call.now)
        self._room(organization, CATALOGUE[held["plan"]], seats, call.now)
        if seats > held["seats"]:
            if held["canceled_at"]:
                raise Refusal(409, "the plan is cancelled")
            pays(organization)
        if seats == held["seats"]:
            return success(shown(organization, held, call.now), target=held["id"])
        ordinal = len(call.state.journal) + 10
        fresh = history_id(call.state.seed, organization.id, ordinal)
        return self._replace(
            call, organization, {**held, "id": fresh, "seats": seats, "since": call.now}
        )

    @operation("GET", "/api/v1/users/me/plan", "get_current_user_plan")
    def get_current_user_plan(self, call: Call) -> Answer:
        account = self._account(call)
        held = plan_in_force(call.state.world.owner(account.id), call.now)
        if held is None:
            raise Refusal(404, "no plan history found for user")
        return success({**subscription(held, call.now), "userId": account.id})

    @operation("GET", "/api/v1/users/me/plan/usage-limits", "get_current_user_plan_usage_limits")
    def get_current_user_plan_usage_limits(self, call: Call) -> Answer:
        account = self._account(call)
        if plan_in_force(call.state.world.owner(account.id), call.now) is None:
            raise Refusal(404, "no plan history found for user")
        limits = []
        for window, seconds in WINDOWS.items():
            ordinal = int(call.now // seconds)
            level = (
                digest(call.state.seed, "allowance", account.id, window, ordinal, size=1)[0] % 120
            )
            percent = round(level * (call.now % seconds) / seconds)
            resets = micros_stamp((ordinal + 1) * seconds) if percent else ""
            limits.append({"type": window, "percentUsed": percent, "resetsAt": resets})
        return success({"limits": limits})
