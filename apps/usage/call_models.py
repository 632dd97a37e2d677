"""What a provider tells beside its sums by day: its own summary, and the ledgers of single calls.

Neither is in any sum of ``Rollup``: a summary is what those sums are held against, and a ledger is the
rows beneath them. Tokens are plain counts; money is two integers (``money.py``), NULL where the provider
does not say. Times are UTC.
"""

from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.organizations.models import Connection
from apps.usage import money
from apps.usage.connected import ConnectedQuerySet
from apps.usage.days import date_of


def _amount(micros: int | None, femtos: int | None) -> Decimal | None:
    return None if micros is None else money.joined(micros, femtos)


class _Priced(models.Model):
    """Money of a row: what was charged, and the list price of the same."""

    charged_micros = models.BigIntegerField(null=True, default=None)
    charged_femtos = models.BigIntegerField(null=True, default=None)
    listed_micros = models.BigIntegerField(null=True, default=None)
    listed_femtos = models.BigIntegerField(null=True, default=None)

    class Meta:
        abstract = True

    @property
    def charged(self) -> Decimal | None:
        """What went off the balance, in dollars; None where the provider does not say."""
        return _amount(self.charged_micros, self.charged_femtos)

    @property
    def listed(self) -> Decimal | None:
        """The list price, in dollars; None where the provider does not say."""
        return _amount(self.listed_micros, self.listed_femtos)


def priced(charged: Decimal | None, listed: Decimal | None) -> dict[str, int | None]:
    """Both amounts as the columns of ``_Priced``."""
    found: dict[str, int | None] = {}
    for name, amount in (("charged", charged), ("listed", listed)):
        pair = (None, None) if amount is None else money.split(amount)
        found |= {f"{name}_micros": pair[0], f"{name}_femtos": pair[1]}
    return found


class Summary(_Priced):
    """What a provider's own summary says of one UTC day, or of one UTC month as far as it had come.

    NULL: it does not say. ``settled``: read after the late window, so it is not read any more.
    """

    class Width(models.TextChoices):
        DAY = "day", _("Day")
        MONTH = "month", _("Month")

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    width = models.CharField(max_length=5, choices=Width)
    first = models.IntegerField(_("first day"))
    last = models.IntegerField(_("last day"))  # included
    read_at = models.DateTimeField(_("read at"))
    settled = models.BooleanField(_("settled"), default=False)
    members = models.BigIntegerField(_("members"), null=True, default=None)
    active = models.BigIntegerField(_("active members"), null=True, default=None)
    requests = models.BigIntegerField(_("requests"), null=True, default=None)
    prompt_tokens = models.BigIntegerField(null=True, default=None)
    completion_tokens = models.BigIntegerField(null=True, default=None)
    total_tokens = models.BigIntegerField(null=True, default=None)

    objects = ConnectedQuerySet["Summary"].as_manager()

    class Meta:
        verbose_name = _("summary by the provider")
        verbose_name_plural = _("summaries by the provider")
        constraints = [
            models.UniqueConstraint(fields=["connection", "width", "first"], name="summary_once")
        ]

    def __str__(self) -> str:
        return f"{self.get_width_display()} {date_of(self.first)}"


class CallLedger(models.Model):
    """How far the ledger of one account has been read: the single calls of a member, or of a person.

    It is read because somebody asked, newest first, down to ``wanted_from``. All calls from
    ``reached`` to ``read_at`` are here, as far as they are kept. ``cursor`` is where a reading that is
    under way goes on; ``ended``: there is nothing older.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    account = models.CharField(max_length=200)  # as Dimension.account
    asked_at = models.DateTimeField(_("asked at"))
    wanted_from = models.DateTimeField(_("wanted from"))
    due = models.BooleanField(_("waiting"), default=True)
    read_at = models.DateTimeField(_("read at"), null=True, blank=True)
    reached = models.DateTimeField(_("read back to"), null=True, blank=True)
    ended = models.BooleanField(_("read to its end"), default=False)
    began_at = models.DateTimeField(null=True, blank=True)  # of the reading under way
    so_far = models.DateTimeField(null=True, blank=True)  # how far back that one has come
    cursor = models.CharField(max_length=2000, blank=True)
    unreadable = models.PositiveIntegerField(_("unreadable rows"), default=0)
    error = models.CharField(_("error"), max_length=500, blank=True)

    objects = ConnectedQuerySet["CallLedger"].as_manager()

    class Meta:
        verbose_name = _("ledger of calls")
        verbose_name_plural = _("ledgers of calls")
        constraints = [
            models.UniqueConstraint(fields=["connection", "account"], name="call_ledger_once")
        ]

    def __str__(self) -> str:
        return self.account


class Call(_Priced):
    """One billable call. ``prompt_tokens`` include ``cached_tokens``. NULL: the provider does not say."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    account = models.CharField(max_length=200)
    remote_id = models.CharField(_("id at the provider"), max_length=120)
    at = models.DateTimeField(_("at"))
    operation = models.CharField(_("operation"), max_length=200, blank=True)
    model = models.CharField(_("model"), max_length=200, blank=True)
    model_family = models.CharField(max_length=200, blank=True)
    inference_provider = models.CharField(_("served by"), max_length=200, blank=True)
    generation_id = models.CharField(max_length=120, blank=True)
    prompt_tokens = models.BigIntegerField(null=True, default=None)
    completion_tokens = models.BigIntegerField(null=True, default=None)
    total_tokens = models.BigIntegerField(null=True, default=None)
    cached_tokens = models.BigIntegerField(null=True, default=None)
    own_key = models.BooleanField(null=True, default=None)  # the customer's own provider key

    objects = ConnectedQuerySet["Call"].as_manager()

    class Meta:
        verbose_name = _("call")
        verbose_name_plural = _("calls")
        constraints = [
            models.UniqueConstraint(fields=["connection", "remote_id"], name="call_once")
        ]
        indexes = [
            models.Index(fields=["connection", "account", "at"], name="call_by_account"),
            models.Index(fields=["at"], name="call_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.at:%Y-%m-%d %H:%M}"
