"""What the vendor's own staff does to a customer's credit: payments given back, promotions granted."""

from typing import Any

import msgspec

from ..app import Refusal
from ..ids import digest, ulid
from ..world import Organization, Payment, World, micros_stamp, seconds_stamp
from .money import MOST, Money
from .past import CREDIT

PROMOTION_DAYS = 90.0
DAY = 86_400.0


def owners(world: World) -> list[Organization]:
    """Everybody who has credit: organizations, and people with an account of their own."""
    return [*world.of("cline"), *(world.owner(account.id) for account in world.accounts)]


def owner_in(world: World, body: dict[str, Any]) -> Organization:
    """Whose credit a control request is about."""
    for one in owners(world):
        if one.id == body.get("owner"):
            return one
    raise Refusal(404, "owner: an organization of Cline, or a person who has a key")


def given_back(api: Money, world: World, body: dict[str, Any]) -> tuple[Organization, Payment]:
    """The payment that a control request names, given back, and whose credit is gone with it."""
    for owner in owners(world):
        for payment in api.payments(world, owner):
            if payment.id != body.get("payment_id"):
                continue
            if payment.status != "completed":
                raise Refusal(409, f"that payment is {payment.status}")
            return owner, msgspec.structs.replace(payment, status="refunded")
    raise Refusal(404, "payment_id: no such payment")


def promotion(seed: str, ordinal: int, body: dict[str, Any], now: float) -> dict[str, Any]:
    """The promotion that a control request asks for. ValueError for what is none."""
    cents, days = body.get("credits_cents"), body.get("days", PROMOTION_DAYS)
    name = body.get("name", "Goodwill")
    if not isinstance(cents, int) or isinstance(cents, bool) or not 0 < cents <= MOST:
        raise ValueError(f"credits_cents: 1 to {MOST}")
    if not isinstance(days, int | float) or not 0 < days <= 3_650:
        raise ValueError("days: more than 0, at most 3650")
    if not isinstance(name, str) or not name:
        raise ValueError("name: a text")
    return {
        "id": ulid("prm", ordinal, digest(seed, "granted promotion", ordinal, size=16)),
        "name": name,
        "credits": cents * CREDIT,
        "creditsRemaining": cents * CREDIT,
        "expiresAt": seconds_stamp(now + days * DAY),
        "createdAt": micros_stamp(now),
    }
