"""Budgets: an amount for what is spent in a period, how far each period has come, and what was passed in it."""

from decimal import Decimal
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from apps.billing.money import of_micros
from apps.centres.models import CostCentre
from apps.organizations.models import Connection, Organization
from apps.usage import money
from apps.usage.days import date_of

if TYPE_CHECKING:
    from datetime import date

    from django.contrib.auth.models import AnonymousUser

    from apps.accounts.models import User

FORECAST = 0  # in the place of a threshold: what the period should come to is more than the amount
NEAR, WHOLE = 80, 100  # percent: from here on pages warn


class Scope(models.TextChoices):
    """Whose spend is counted."""

    ORGANIZATION = "organization", _("Whole organization")
    CONNECTION = "connection", _("Connection")
    WORKSPACE = "workspace", _("Workspace")
    CENTRE = "centre", _("Cost centre")


class Period(models.TextChoices):
    """How long an amount has to last; each begins at midnight UTC."""

    MONTH = "month", _("Month")
    QUARTER = "quarter", _("Quarter")
    YEAR = "year", _("Year")


class BudgetQuerySet(models.QuerySet["Budget"]):
    """Budgets as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> "BudgetQuerySet":
        """Those of the organizations that ``user`` holds a Grant on."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class Budget(models.Model):
    """An amount of ``currency`` for each ``period`` of a ``scope``.

    ``workspace`` is the provider's id, or a mark of ``usage.tuples`` for the default one. ``thresholds``
    are whole percents, rising. ``revision`` counts the changes, so that a look that was begun before one
    writes nothing after it. Scope, period and currency stay as they are: others are another budget.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="budgets")
    name = models.CharField(_("name"), max_length=80)
    scope = models.CharField(_("for"), max_length=12, choices=Scope)
    connection = models.ForeignKey(
        Connection, models.CASCADE, null=True, blank=True, related_name="budgets"
    )
    workspace = models.CharField(_("workspace"), max_length=200, blank=True)
    centre = models.ForeignKey(
        CostCentre,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="budgets",
        verbose_name=_("cost centre"),
    )
    currency = models.CharField(_("currency"), max_length=10)
    amount_micros = models.BigIntegerField(_("amount"))
    period = models.CharField(_("period"), max_length=7, choices=Period, default=Period.MONTH)
    thresholds = models.JSONField(_("told at, in percent"), default=list)
    tell_forecast = models.BooleanField(_("told when the forecast is over"), default=True)
    revision = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = BudgetQuerySet.as_manager()

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(F("organization"), Lower("name"), name="budget_named_once"),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="budget_of_something"),
            models.CheckConstraint(
                condition=Q(scope="organization", connection__isnull=True, centre__isnull=True)
                | Q(
                    scope__in=["connection", "workspace"],
                    connection__isnull=False,
                    centre__isnull=True,
                )
                | Q(scope="centre", connection__isnull=True, centre__isnull=False),
                name="budget_is_for_what_its_scope_says",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def amount(self) -> Decimal:
        """In ``currency``."""
        return of_micros(self.amount_micros) or Decimal(0)


class Standing(models.Model):
    """How far one period of a budget has come, as the last look found it.

    ``first`` to ``last`` are UTC days from 1970, both included. While the period lasts, the amount and the
    thresholds are those of the budget; afterwards they stay what they were. ``spent_…`` as
    ``usage.money`` has them; ``percent`` is rounded down; ``unread``: days so far that are not (wholly) in
    the sum; ``others``: what was spent in other currencies, in no sum here.
    """

    budget = models.ForeignKey(Budget, models.CASCADE, related_name="standings")
    first = models.IntegerField()
    last = models.IntegerField()
    amount_micros = models.BigIntegerField(_("amount"))
    thresholds = models.JSONField(default=list)
    tell_forecast = models.BooleanField(default=True)
    spent_micros = models.BigIntegerField(default=0)
    spent_femtos = models.BigIntegerField(default=0)
    percent = models.BigIntegerField(default=0)
    is_estimate = models.BooleanField(default=False)
    others = models.JSONField(default=dict)
    unread = models.PositiveIntegerField(default=0)
    read_to = models.DateTimeField(_("read up to"), null=True, blank=True)  # NULL: nothing is read
    # NULL where too little is read to say, and once the period is over.
    forecast_micros = models.BigIntegerField(null=True, blank=True)
    low_micros = models.BigIntegerField(null=True, blank=True)
    high_micros = models.BigIntegerField(null=True, blank=True)
    looked_at = models.DateTimeField(_("looked at"))

    class Meta:
        verbose_name = _("period of a budget")
        verbose_name_plural = _("periods of budgets")
        ordering = ["-first", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["budget", "first"], name="standing_once_per_period")
        ]

    def __str__(self) -> str:
        return f"{self.budget} {self.first_date.isoformat()}"

    @property
    def first_date(self) -> "date":
        """Its first UTC day."""
        return date_of(self.first)

    @property
    def last_date(self) -> "date":
        """Its last UTC day."""
        return date_of(self.last)

    @property
    def amount(self) -> Decimal:
        """What there was to spend."""
        return of_micros(self.amount_micros) or Decimal(0)

    @property
    def spent(self) -> Decimal:
        """What was spent, exactly, as far as it is read."""
        return money.joined(self.spent_micros, self.spent_femtos)

    @property
    def left(self) -> Decimal:
        """What is left; below zero once it is exceeded."""
        return self.amount - self.spent

    @property
    def forecast(self) -> Decimal | None:
        """What the period should come to."""
        return of_micros(self.forecast_micros)

    @property
    def low(self) -> Decimal | None:
        """The lower end of the forecast's band."""
        return of_micros(self.low_micros)

    @property
    def high(self) -> Decimal | None:
        """The upper end of the forecast's band."""
        return of_micros(self.high_micros)

    @property
    def is_forecast_over(self) -> bool:
        """Whether the period should come to more than there is."""
        return self.forecast_micros is not None and self.forecast_micros > self.amount_micros


class Crossing(models.Model):
    """That a threshold was passed in a period; ``settled_at`` once it is not any more.

    ``threshold`` is in percent, or FORECAST. ``number`` counts how often it was passed in the period.
    ``amount_micros`` is what there was to spend when it was last found to hold. ``told`` is False where a notice of the same moment
    said more.
    """

    standing = models.ForeignKey(Standing, models.CASCADE, related_name="crossings")
    threshold = models.PositiveIntegerField()
    number = models.PositiveIntegerField(default=1)
    amount_micros = models.BigIntegerField()
    told = models.BooleanField(default=True)
    passed_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("passed threshold")
        verbose_name_plural = _("passed thresholds")
        ordering = ["passed_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["standing", "threshold", "number"], name="crossing_numbered"
            ),
            models.UniqueConstraint(
                fields=["standing", "threshold"],
                condition=Q(settled_at__isnull=True),
                name="crossing_once_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.standing_id} {self.threshold}/{self.number}"
