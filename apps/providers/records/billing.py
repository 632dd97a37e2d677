"""Money and plans: what was paid, what is left, what is subscribed to.

Amounts are exact USD whatever unit the provider writes; None where it did not say. Times are aware and
UTC. States are the provider's own words. ``missing`` names what the provider should have said and did
not, in the contract's spelling. ``raw`` is the provider's JSON, masked.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from apps.providers.records import Record

SETTLED = frozenset({"completed", "failed", "refunded"})


@dataclass(frozen=True, slots=True)
class Balance:
    """Prepaid credit that is left; negative after an overspend."""

    owner_id: str  # of the organization or user
    amount_usd: Decimal | None
    missing: tuple[str, ...] = ()


class PaymentRecord(Record, frozen=True, gc=False):
    """One purchase of credit. ``remote_id`` is "" where the provider gives payments no id."""

    paid_at: datetime | None
    creator_id: str  # the remote user who paid
    amount_usd: Decimal | None  # charged to the card
    credits_usd: Decimal | None  # bought
    status: str  # "" if unsaid
    created_at: datetime | None = None
    receipt_url: str = ""
    failure_reason: str = ""
    raw: bytes = b"{}"
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """How far one payment has come."""

    remote_id: str
    status: str
    missing: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen by itself; a word that is not known counts as pending."""
        return self.status in SETTLED


@dataclass(frozen=True, slots=True)
class ProcessorPayment:
    """A payment as the card processor sees it."""

    processor: str
    processor_id: str
    payment_id: str
    status: str
    amount_usd: Decimal | None
    currency: str
    receipt_url: str = ""
    raw: bytes = b"{}"
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostedSession:
    """A page of the card processor's, to be opened in the person's browser."""

    url: str
    session_id: str
    payment_id: str = ""  # of a checkout, for asking how far it has come
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AutoTopUp:
    """Automatic purchases: ``amount_usd`` each time the balance falls below ``threshold_usd``."""

    enabled: bool | None
    threshold_usd: Decimal | None = None
    amount_usd: Decimal | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """The stored card, without its number. Month 1 to 12."""

    remote_id: str
    kind: str
    brand: str
    last4: str
    expires_month: int | None
    expires_year: int | None
    raw: bytes = b"{}"
    missing: tuple[str, ...] = ()


class Promotion(Record, frozen=True, gc=False):
    """Credit that was given."""

    name: str
    credits_usd: Decimal | None
    remaining_usd: Decimal | None
    expires_at: datetime | None
    created_at: datetime | None
    raw: bytes = b"{}"
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cap:
    """What one person may use within a window ("last5Hours", …), at list cost."""

    window: str
    limit_usd: Decimal


class Plan(Record, frozen=True, gc=False):
    """A plan on offer. ``interval``: billing period in the provider's word ("Monthly")."""

    name: str  # to show
    internal_name: str
    description: str
    kind: str  # "individual", "teams"
    interval: str
    seat_price_usd: Decimal | None  # for one interval
    price_id: str  # the card processor's
    max_seats: int | None
    free_seats: int | None
    fee_usd: Decimal | None
    included: tuple[str, ...]
    caps: tuple[Cap, ...]
    on_sale: bool | None
    created_at: datetime | None
    updated_at: datetime | None
    raw: bytes = b"{}"
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subscription:
    """The plan that an organization or user has. It runs until ``cancel_at`` once cancelled.

    ``seats`` are paid for, ``seats_used`` are members and pending invites; None for a personal plan.
    ``checkout_url``: where the first payment must still be made.
    """

    owner_id: str
    plan: Plan | None
    history_id: str
    subscription_id: str
    period_start: datetime | None
    period_end: datetime | None
    cancel_at: datetime | None
    cancelled_at: datetime | None
    seats: int | None = None
    seats_used: int | None = None
    checkout_url: str = ""
    raw: bytes = b"{}"
    missing: tuple[str, ...] = ()


class PlanPeriod(Record, frozen=True, gc=False):
    """A time with one plan and one number of seats; ``ended_at`` is None while it lasts."""

    plan: Plan | None
    seats: int | None
    started_at: datetime | None
    ended_at: datetime | None
    cancelled_at: datetime | None
    raw: bytes = b"{}"
    missing: tuple[str, ...] = ()


class Allowance(Record, frozen=True, gc=False):
    """How much of one window of a personal plan is used; ``percent`` may pass 100.

    ``remote_id`` is the window: "five_hour", "weekly", "monthly".
    """

    percent: Decimal | None
    resets_at: datetime | None  # None while nothing is used
    raw: bytes
    missing: tuple[str, ...] = ()
