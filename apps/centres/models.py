"""Cost centres: who pays for what at the providers, by rules; and the months that are closed.

Days are UTC, whole numbers from 1970 (``usage.days``); a month is its first day. Money is two integers,
``…_micros`` and ``…_femtos`` (``usage.money``). docs/decisions/centres.md tells why.
"""

from datetime import date
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from apps.organizations.models import Connection, Organization
from apps.usage.days import date_of
from apps.usage.models import Dimension

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from apps.accounts.models import User


class CentreQuerySet(models.QuerySet["CostCentre"]):
    """Cost centres as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those of the organizations that ``user`` holds a Grant on."""
        return self.filter(organization__in=Organization.objects.visible_to(user))

    def current(self) -> Self:
        """Those that were not removed."""
        return self.filter(removed_at__isnull=True)


class CostCentre(models.Model):
    """A part of the organization that costs are told to. ``position``: the centres' order, which decides
    where two would take the same. A removed one takes nothing more; closed months keep it."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="cost_centres")
    name = models.CharField(_("name"), max_length=120)
    code = models.CharField(_("code"), max_length=40, blank=True)
    position = models.PositiveIntegerField(_("place"), default=0)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    removed_at = models.DateTimeField(_("removed"), null=True, blank=True)

    objects = CentreQuerySet.as_manager()

    class Meta:
        verbose_name = _("cost centre")
        verbose_name_plural = _("cost centres")
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(
                "organization",
                Lower("name"),
                condition=Q(removed_at__isnull=True),
                name="cost_centre_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})" if self.code else self.name


class Subject(models.TextChoices):
    """What a rule looks at, in the order in which the subjects decide: the nearest first."""

    KEY = "key", _("API key")
    PERSON = "person", _("Person")
    WORKSPACE = "workspace", _("Workspace")


class RuleKind(models.TextChoices):
    """How a rule tells."""

    DOMAIN = "domain", _("address ends with the domain")
    BEGINS = "begins", _("name begins with")
    CONTAINS = "contains", _("name contains")
    TAG = "tag", _("has the tag")
    LIST = "list", _("is one of")


class Rule(models.Model):
    """What a centre takes. ``text``: the domain, the part of a name, or the tag ("team" or "team=ml"), lower case. ``items``: of a list, as
    ``rules.item`` spells them: "12/apikey_1" (connection and the provider's id; "-": the default
    workspace), a person by number."""

    centre = models.ForeignKey(CostCentre, models.CASCADE, related_name="rules")
    position = models.PositiveIntegerField(_("place"), default=0)
    subject = models.CharField(_("what"), max_length=10, choices=Subject)
    kind = models.CharField(_("how"), max_length=10, choices=RuleKind)
    text = models.CharField(_("text"), max_length=200, blank=True)
    items = models.JSONField(_("which"), default=list, blank=True)

    class Meta:
        verbose_name = _("rule of a cost centre")
        verbose_name_plural = _("rules of cost centres")
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        told = f"“{self.text}”" if self.text else str(len(self.items))
        return f"{self.get_subject_display()}: {self.get_kind_display()} {told}"


class Ruleset(models.Model):
    """How an organization's places stand. ``version`` rises with every change of a rule, so that whoever
    sorts meanwhile begins anew, and of a place that there was; ``sorted_to`` is the last Dimension that has
    been looked at."""

    organization = models.OneToOneField(
        Organization, models.CASCADE, related_name="+", primary_key=True
    )
    version = models.PositiveIntegerField(default=0)
    sorted_to = models.BigIntegerField(default=0)
    sorted_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.organization_id}"


class Place(models.Model):
    """Which centre a Dimension of usage belongs to; what belongs to none has no row."""

    dimension = models.OneToOneField(
        Dimension, models.DO_NOTHING, primary_key=True, related_name="+", db_constraint=False
    )
    centre = models.ForeignKey(CostCentre, models.CASCADE, related_name="places")

    def __str__(self) -> str:
        return f"{self.pk}"


class SummedDay(models.Model):
    """One connection's UTC day summed up by centre (``sums.py``). ``parts``: as ``usage.groupings.Part`` has
    them; they hold as long as ``stamp`` is what it would be now."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    day = models.IntegerField()
    stamp = models.CharField(max_length=100)
    parts = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "day"], name="centres_day_summed_once")
        ]

    def __str__(self) -> str:
        return f"{date_of(self.day)}"


# --- Closed months -------------------------------------------------------------------------------


class ClosingQuerySet(models.QuerySet["Closing"]):
    """Closed months as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those of the organizations that ``user`` holds a Grant on."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class Closing(models.Model):
    """A month that was closed: its Lines do not change any more. There is no opening it again.

    ``rules``: what decided, as ``rules.Ruling`` spells it. ``seen``: {connection id: version of its month's
    Block} as of the last look for corrections.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="closed_months")
    month = models.IntegerField(_("month"))
    closed_at = models.DateTimeField(_("closed"))
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    rules = models.JSONField(default=list)
    seen = models.JSONField(default=dict)

    objects = ClosingQuerySet.as_manager()

    class Meta:
        verbose_name = _("closed month")
        verbose_name_plural = _("closed months")
        ordering = ["-month"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "month"], name="month_closed_once")
        ]

    def __str__(self) -> str:
        return date_format(self.date, "F Y")

    @property
    def date(self) -> date:
        """The month's first day."""
        return date_of(self.month)


class Line(models.Model):
    """Money of one month, workspace, key, person and model, as a closing found it; names as of then.

    ``month``: the month the money is of. It differs from that of ``closing`` in corrections, which stand in
    the statement of a later month; without a closing they wait for the next one. ``shared`` is what
    statements show, ``billed`` what the provider put on exactly this. ``centre`` NULL: unallocated.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    closing = models.ForeignKey(
        Closing, models.CASCADE, null=True, blank=True, related_name="lines"
    )
    month = models.IntegerField()
    centre = models.ForeignKey(CostCentre, models.RESTRICT, null=True, blank=True, related_name="+")
    centre_name = models.CharField(max_length=200, blank=True)
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+")
    connection_name = models.CharField(max_length=80)
    workspace = models.CharField(max_length=200, blank=True)
    workspace_name = models.CharField(max_length=300, blank=True)
    key = models.CharField(max_length=200, blank=True)
    key_name = models.CharField(max_length=300, blank=True)
    account = models.CharField(max_length=200, blank=True)
    person_name = models.CharField(max_length=500, blank=True)
    model = models.CharField(max_length=200, blank=True)
    currency = models.CharField(max_length=10)
    billed_micros = models.BigIntegerField(default=0)
    billed_femtos = models.BigIntegerField(default=0)
    shared_micros = models.BigIntegerField(default=0)
    shared_femtos = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("line of a statement")
        verbose_name_plural = _("lines of statements")
        indexes = [
            models.Index(fields=["organization", "month"], name="statement_line_by_month"),
        ]

    def __str__(self) -> str:
        return f"{self.pk}"
