"""What was used: single calls, days, and sums.

``charged_usd`` went off the balance; ``list_cost_usd`` is the inference provider's list cost, not zero
even for calls that cost nothing here. Both are exact USD. Days are UTC. None where the provider did not
say. ``missing`` names what it should have said and did not, in the contract's spelling; ``raw`` is its
JSON, masked.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from apps.providers.records import Record


class UsageRecord(Record, frozen=True, gc=False):
    """One billable call. ``prompt_tokens`` include ``cached_tokens``."""

    at: datetime
    user_id: str
    organization_id: str  # "" for personal use
    generation_id: str
    operation: str
    inference_provider: str
    model: str
    model_family: str
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    cached_tokens: int | None
    charged_usd: Decimal | None
    list_cost_usd: Decimal | None
    own_key: bool | None  # served with the customer's own provider key
    member_email: str
    member_name: str
    raw: bytes
    missing: tuple[str, ...] = ()


class UsageDay(Record, frozen=True, gc=False):
    """One day of one member (or account), operation and model: they name it, ``remote_id`` is ""."""

    day: date
    member_id: str  # "" for an account's own use
    member_email: str
    member_name: str
    operation: str
    model: str
    model_family: str
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    charged_usd: Decimal | None
    list_cost_usd: Decimal | None
    raw: bytes
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UsageSummary:
    """An organization's use over a range of days, both ends included."""

    organization_id: str
    first_day: date | None
    last_day: date | None
    members: int | None
    active_members: int | None  # with at least one call in the range
    requests: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    charged_usd: Decimal | None
    list_cost_usd: Decimal | None
    raw: bytes = b"{}"
    missing: tuple[str, ...] = ()
