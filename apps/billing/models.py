"""What providers tell of money: the credit that is left, payments, plans and seats, promotions, the card.

Money is whole millionths of a dollar, ``…_micros`` (``money.py``). Card numbers never come here.
"""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from apps.billing.money import of_micros
from apps.organizations.models import Connection
from apps.sync.models import Command, Mirrored

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from apps.accounts.models import User


UNPAID = ("pending", "failed")  # states of a payment in which nothing has been bought


class Credit(Mirrored):
    """Prepaid credit that is left; below zero after an overspend. One row for each connection."""

    micros = models.BigIntegerField()

    class Meta(Mirrored.Meta):
        verbose_name = _("credit")
        verbose_name_plural = _("credits")

    def __str__(self) -> str:
        return f"{self.amount}"

    @property
    def amount(self) -> Decimal | None:
        """What is left, in dollars."""
        return of_micros(self.micros)


class CreditPointQuerySet(models.QuerySet["CreditPoint"]):
    """The past of balances as a reader may see it."""

    def visible_to(self, user: "User | AnonymousUser") -> "CreditPointQuerySet":
        """Those of the connections that ``user`` may see."""
        return self.filter(connection__in=Connection.objects.visible_to(user))


class CreditPoint(models.Model):
    """What was left from ``at`` on, until the next point: a row each time that a walk found it changed."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField()
    day = models.IntegerField()  # UTC, counted from 1970
    micros = models.BigIntegerField()

    objects = CreditPointQuerySet.as_manager()

    class Meta:
        verbose_name = _("credit at a time")
        verbose_name_plural = _("credit over time")
        indexes = [
            models.Index(fields=["connection", "at"], name="credit_by_time"),
            models.Index(fields=["connection", "day", "id"], name="credit_by_day"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {of_micros(self.micros)}"

    @property
    def amount(self) -> Decimal | None:
        """What was left, in dollars."""
        return of_micros(self.micros)


class Payment(Mirrored):
    """One purchase of credit.

    ``remote_id`` is NULL while the provider does not list it: a checkout that nobody has paid yet. Then
    ``awaited_id`` is what it is asked for by. Where a provider gives payments no id, ``remote_id`` is
    made of what tells them apart (``mirror.py``) and begins with "~": such a one cannot be asked for.
    ``status`` is the provider's own word; while it may change, ``poll_at`` says when it is asked again.
    """

    awaited_id = models.CharField(max_length=120, blank=True)
    at = models.DateTimeField(null=True, blank=True)  # paid, else begun
    creator = models.CharField(max_length=120, blank=True)  # the provider's id of who paid
    amount_micros = models.BigIntegerField(null=True, blank=True)  # charged to the card
    credits_micros = models.BigIntegerField(null=True, blank=True)  # bought
    status = models.CharField(_("status"), max_length=40, blank=True)
    # What is asked for one by one.
    poll_at = models.DateTimeField(null=True, blank=True)
    polls = models.PositiveIntegerField(default=0)
    polled_at = models.DateTimeField(null=True, blank=True)
    detailed_at = models.DateTimeField(null=True, blank=True)
    began_at = models.DateTimeField(null=True, blank=True)
    receipt_url = models.CharField(max_length=2000, blank=True)
    failure_reason = models.CharField(max_length=500, blank=True)
    processor = models.CharField(max_length=200, blank=True)
    processor_id = models.CharField(max_length=120, blank=True)
    processor_status = models.CharField(max_length=40, blank=True)
    # Our own change that made it; NULL: it was made elsewhere, or by the provider.
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta(Mirrored.Meta):
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        indexes = [
            models.Index(fields=["connection", "at"], name="payment_by_time"),
            models.Index(fields=["connection", "poll_at"], name="payment_to_ask"),
            models.Index(fields=["connection", "awaited_id"], name="payment_by_awaited"),
            models.Index(fields=["connection", "processor_id"], name="payment_by_processor"),
        ]

    def __str__(self) -> str:
        return self.known_as

    @property
    def known_as(self) -> str:
        """The provider's id; "" where it gave none."""
        name = self.remote_id or self.awaited_id
        return "" if name.startswith("~") else name

    @property
    def amount(self) -> Decimal | None:
        """What was charged, in dollars."""
        return of_micros(self.amount_micros)

    @property
    def credits(self) -> Decimal | None:
        """What was bought, in dollars; None while, or because, nothing was."""
        return None if self.status in UNPAID else of_micros(self.credits_micros)


class Plan(Mirrored):
    """A plan on offer; ``raw`` has what it includes."""

    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=40, blank=True)  # "teams", "individual"
    interval = models.CharField(max_length=40, blank=True)  # "Monthly"
    seat_micros = models.BigIntegerField(null=True, blank=True)  # a seat, for one interval
    fee_micros = models.BigIntegerField(null=True, blank=True)
    max_seats = models.BigIntegerField(null=True, blank=True)
    free_seats = models.BigIntegerField(null=True, blank=True)
    on_sale = models.BooleanField(null=True, blank=True)

    class Meta(Mirrored.Meta):
        verbose_name = _("plan on offer")
        verbose_name_plural = _("plans on offer")

    def __str__(self) -> str:
        return self.name

    @property
    def seat_price(self) -> Decimal | None:
        """What a seat costs for one interval, in dollars."""
        return of_micros(self.seat_micros)

    @property
    def fee(self) -> Decimal | None:
        """The provider's own fee, in dollars."""
        return of_micros(self.fee_micros)

    @property
    def description(self) -> str:
        """In the provider's words."""
        return str(self.raw.get("description") or "")

    @property
    def included(self) -> list[str]:
        """What the provider says is in it."""
        features = self.raw.get("features")
        listed = features.get("included") if isinstance(features, dict) else None
        return [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []


class Subscription(Mirrored):
    """The plan that an organization has. It runs until ``cancel_at`` once it was cancelled."""

    plan_id_there = models.CharField(max_length=120, blank=True)
    plan_name = models.CharField(max_length=200, blank=True)
    interval = models.CharField(max_length=40, blank=True)
    seat_micros = models.BigIntegerField(null=True, blank=True)
    max_seats = models.BigIntegerField(null=True, blank=True)
    seats = models.BigIntegerField(null=True, blank=True)  # paid for
    seats_used = models.BigIntegerField(null=True, blank=True)  # as the provider counts them
    invites_counted = models.BigIntegerField(null=True, blank=True)  # pending ones, likewise
    period_start = models.DateTimeField(null=True, blank=True)
    period_end = models.DateTimeField(null=True, blank=True)
    cancel_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta(Mirrored.Meta):
        verbose_name = _("plan of an organization")
        verbose_name_plural = _("plans of organizations")

    def __str__(self) -> str:
        return self.plan_name

    @property
    def seat_price(self) -> Decimal | None:
        """What a seat costs for one interval, in dollars."""
        return of_micros(self.seat_micros)


class PlanPeriod(Mirrored):
    """A time with one plan and one number of seats; ``ended_at`` is NULL while it lasts."""

    plan_name = models.CharField(max_length=200, blank=True)
    interval = models.CharField(max_length=40, blank=True)
    seat_micros = models.BigIntegerField(null=True, blank=True)
    seats = models.BigIntegerField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta(Mirrored.Meta):
        verbose_name = _("earlier plan")
        verbose_name_plural = _("earlier plans")

    def __str__(self) -> str:
        return self.plan_name

    @property
    def seat_price(self) -> Decimal | None:
        """What a seat cost for one interval, in dollars."""
        return of_micros(self.seat_micros)


class Promotion(Mirrored):
    """Credit that was given."""

    name = models.CharField(max_length=200)
    credits_micros = models.BigIntegerField(null=True, blank=True)
    remaining_micros = models.BigIntegerField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(null=True, blank=True)

    class Meta(Mirrored.Meta):
        verbose_name = _("promotion")
        verbose_name_plural = _("promotions")

    def __str__(self) -> str:
        return self.name

    @property
    def credits(self) -> Decimal | None:
        """What it is worth, in dollars."""
        return of_micros(self.credits_micros)

    @property
    def remaining(self) -> Decimal | None:
        """What is left of it, in dollars."""
        return of_micros(self.remaining_micros)


class TopUp(Mirrored):
    """Automatic purchases: ``amount`` each time that the credit falls below ``threshold``."""

    enabled = models.BooleanField(null=True, blank=True)  # NULL: the provider did not say
    threshold_micros = models.BigIntegerField(null=True, blank=True)
    amount_micros = models.BigIntegerField(null=True, blank=True)

    class Meta(Mirrored.Meta):
        verbose_name = _("automatic purchases")
        verbose_name_plural = _("automatic purchases")

    def __str__(self) -> str:
        return str(_("Automatic purchases"))

    @property
    def threshold(self) -> Decimal | None:
        """Below what is bought, in dollars."""
        return of_micros(self.threshold_micros)

    @property
    def amount(self) -> Decimal | None:
        """What is bought each time, in dollars."""
        return of_micros(self.amount_micros)


class Card(Mirrored):
    """How an organization pays: never more than the last four digits."""

    kind = models.CharField(max_length=40, blank=True)  # "card"
    brand = models.CharField(max_length=40, blank=True)
    last4 = models.CharField(max_length=4, blank=True)
    expires_month = models.PositiveSmallIntegerField(null=True, blank=True)  # 1 to 12
    expires_year = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta(Mirrored.Meta):
        verbose_name = _("payment method")
        verbose_name_plural = _("payment methods")

    def __str__(self) -> str:
        return f"{capfirst(self.brand)} •••• {self.last4}".strip()

    def expires_before(self, when: datetime) -> bool:
        """Whether its last month is over at ``when``; False where the provider tells no date."""
        if not self.expires_year or not self.expires_month:
            return False
        return (self.expires_year, self.expires_month) < (when.year, when.month)
