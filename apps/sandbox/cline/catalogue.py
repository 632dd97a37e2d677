"""Plans, and what the seeded world begins with of money."""

from typing import Any

from ..ids import digest, ulid

UNLIMITED = 1_000_000


def offer(
    plan_id: str, name: str, kind: str, interval: str, cents: int, seats: int
) -> dict[str, Any]:
    return {
        "id": plan_id,
        "name": f"{name} ({interval})",
        "displayName": f"{name} ({interval})",
        "description": "Shared credits and seats for a team." if kind == "teams" else "",
        "type": kind,
        "interval": interval,
        "pricePerSeatCents": cents,
        "priceId": f"price_1Sandbox{plan_id[-12:]}",
        "maxSeats": seats,
        "features": {"free_seats": 0, "included": ["Central billing", "Remote configuration"]},
        "entitlements": {},
        "isActive": True,
        "createdAt": "2026-02-10T09:00:00.000000Z",
        "updatedAt": "2026-05-04T16:30:12.114203Z",
    }


TEAMS = offer("pln-01KBXERXZ26XM0DT8JJDBPE879", "Teams", "teams", "Monthly", 2000, 500)
TEAMS_YEARLY = offer("pln-01KBXERXZ26XM0DT8JJDBPE880", "Teams", "teams", "Yearly", 20_400, 500)
ENTERPRISE = offer(
    "pln-01KBXERXZ26XM0DT8JJDBPE881", "Enterprise", "teams", "Yearly", 36_000, UNLIMITED
) | {"isActive": False}
PASS = offer(
    "pln-01KBTSFB5HS68M0J9D10MJ6GZ2", "Cline Pass", "individual", "Monthly", 999, UNLIMITED
) | {
    "features": {
        "fee_dollars": 0.61,
        "free_seats": 0,
        "included": ["Open models at a flat price"],
    },
    "entitlements": {
        "cline_pass": {
            "enabled": True,
            "inferenceCapThreshold": {
                "last5HoursUsageCostUSDPerUser": 1_000_000_000,
                "last7daysUsageCostUSDPerUser": 2_500_000_000,
                "last30daysUsageCostUSDPerUser": 5_000_000_000,
            },
        }
    },
}
CATALOGUE = {one["id"]: one for one in (TEAMS, TEAMS_YEARLY, ENTERPRISE, PASS)}


def founding_plan(
    seed: str, organization: str, size: str, epoch: int, seats: int
) -> dict[str, Any]:
    """What an organization of the seeded world is subscribed to, and has been."""
    plan = TEAMS if size == "small" else ENTERPRISE
    started, grown = epoch - 400 * 86_400.0, epoch - 130 * 86_400.0
    held = {"plan": plan["id"], "canceled_at": 0.0, "cancel_at": 0.0, "started": started}
    first = {**held, "id": history_id(seed, organization, 0), "seats": max(5, seats // 3)}
    current = {**held, "id": history_id(seed, organization, 1), "seats": seats, "since": grown}
    return {
        "plan": current,
        "plan_history": [{**first, "since": started, "until": grown}],
    }


def history_id(seed: str, owner: str, ordinal: int) -> str:
    return ulid("oph", ordinal, digest(seed, "plan", owner, ordinal, size=16))


CARD: dict[str, Any] = {
    "id": "pm_1SandboxVisa0000000000001",
    "type": "card",
    "brand": "visa",
    "last4": "4242",
    "expMonth": 11,
    "expYear": 2031,
    "declines": False,
}
# Automatic purchases of the seeded world, as its use asks for: about one in ten days at its end.
TOP_UPS = {
    "small": {"thresholdCents": 5_000, "amountCents": 20_000},
    "medium": {"thresholdCents": 250_000, "amountCents": 1_000_000},
    "large": {"thresholdCents": 10_000_000, "amountCents": 10_000_000},
}
