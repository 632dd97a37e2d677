"""Usage and cost: narrow facts, rollups by day, the ledger of what was read.

Days and hours are UTC, as integers from 1970 (``days.py``). Tokens, searches, requests are plain counts.
Money is two integers, ``…_micros`` and ``…_femtos`` (``money.py``). docs/decisions/usage.md tells why.
"""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.organizations.models import Connection
from apps.usage.call_models import Call, CallLedger, Summary
from apps.usage.coding_models import (
    Coder,
    CoderMonth,
    CodingDay,
    CodingModel,
    CodingRoster,
    CodingSum,
    CodingTool,
    CodingTotal,
)
from apps.usage.connected import ConnectedQuerySet, owner
from apps.usage.days import date_of
from apps.usage.minute_models import MinuteReading, MinuteUse
from apps.usage.tuples import ACCOUNT_GRAIN, KEY_GRAIN

__all__ = [
    "Block",
    "BlockRollup",
    "Call",
    "CallLedger",
    "Coder",
    "CoderMonth",
    "CodingDay",
    "CodingModel",
    "CodingRoster",
    "CodingSum",
    "CodingTool",
    "CodingTotal",
    "Correction",
    "Cost",
    "Dimension",
    "Fact",
    "HourRollup",
    "MinuteReading",
    "MinuteUse",
    "ReadDay",
    "Report",
    "ReportName",
    "Rollup",
    "Summary",
]


class ReportName(models.TextChoices):
    USAGE = "usage", _("Tokens")
    COSTS = "costs", _("Costs")
    CODING = "coding", _("Claude Code")
    SUMMARY = "summary", _("Summary")


class Report(models.Model):
    """One report of one connection: how it is asked for, and how far back it is to be read.

    ``grouping``: the names of ``tuples.COLUMNS`` that the provider groups by; ``dropped`` those that it
    refused, with its words in ``refusal``. Backfill goes from yesterday back to ``backfill_to``.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="usage_reports")
    name = models.CharField(_("report"), max_length=10, choices=ReportName)
    hourly = models.BooleanField(default=False)  # buckets are hours; else whole days
    grouping = models.JSONField(default=list, blank=True)
    dropped = models.JSONField(default=list, blank=True)
    refusal = models.CharField(max_length=500, blank=True)
    grouping_tried_at = models.DateTimeField(null=True, blank=True)
    backfill_to = models.IntegerField()  # the earliest day wanted
    paused_at = models.DateTimeField(_("backfill paused"), null=True, blank=True)
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    backfilled_at = models.DateTimeField(null=True, blank=True)  # when nothing was left to read

    objects = ConnectedQuerySet["Report"].as_manager()

    class Meta:
        verbose_name = _("usage report")
        verbose_name_plural = _("usage reports")
        constraints = [models.UniqueConstraint(fields=["connection", "name"], name="report_once")]

    def __str__(self) -> str:
        return f"{self.connection}: {self.get_name_display()}"


class ReadDay(models.Model):
    """The ledger: one UTC day of one report, and how far it has been read. No row: never read.

    ``through``: the hour up to which the day is in the facts (exclusive); the day's last hour is
    ``(day + 1) * 24``. ``settled``: read again after the late window, so it is not read any more.
    ``replacing``: facts of it are being exchanged in several transactions; the rollups are still the
    ones before, and whoever finds it so after a crash reads the day again.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    report = models.CharField(_("report"), max_length=10, choices=ReportName)
    day = models.IntegerField(_("day"))
    through = models.IntegerField()
    read_at = models.DateTimeField(_("read at"))
    settled = models.BooleanField(_("settled"), default=False)
    replacing = models.BooleanField(default=False)
    rows = models.PositiveIntegerField(_("rows"), default=0)
    unreadable = models.PositiveIntegerField(
        _("unreadable rows"), default=0
    )  # left out of the sums
    dropped = models.CharField(max_length=200, blank=True)  # dimensions refused when it was read

    objects = ConnectedQuerySet["ReadDay"].as_manager()

    class Meta:
        verbose_name = _("day read")
        verbose_name_plural = _("days read")
        constraints = [
            models.UniqueConstraint(fields=["connection", "report", "day"], name="day_read_once")
        ]

    def __str__(self) -> str:
        return f"{self.get_report_display()} {date_of(self.day)}"


class Correction(models.Model):
    """A day that had been told whole and was told otherwise later: sums before and after.

    ``before``, ``after``: {"output": 12, …} for counts that differ, {"billed": "1.25 USD"} for money.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+")
    report = models.CharField(_("report"), max_length=10, choices=ReportName)
    day = models.IntegerField(_("day"))
    noted_at = models.DateTimeField(_("noted at"))
    rows = models.PositiveIntegerField(_("rows that differ"))
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)

    objects = ConnectedQuerySet["Correction"].as_manager()

    class Meta:
        verbose_name = _("correction by the provider")
        verbose_name_plural = _("corrections by the provider")
        ordering = ["-noted_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.get_report_display()} {date_of(self.day)}"


def _told(longest: int = 200) -> "models.CharField[str, str]":
    return models.CharField(max_length=longest, blank=True)


class Dimension(models.Model):
    """One distinct tuple of what rows are told apart by, as one integer.

    Values as the provider spells them, or a mark of ``tuples.py`` for what is not there. ``grain``:
    which columns it holds (``tuples.GRAINS``); the others are ALL.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    grain = models.PositiveSmallIntegerField()
    digest = models.CharField(max_length=32, editable=False)
    workspace = _told()
    key = _told()
    account = _told()
    service_account = _told()
    model = _told()
    service_tier = _told()
    context_window = _told()
    geo = _told()
    speed = _told()
    operation = _told()
    cost_type = _told()
    token_type = _told()
    description = _told()
    currency = _told()

    objects = ConnectedQuerySet["Dimension"].as_manager()

    class Meta:
        verbose_name = _("dimension")
        verbose_name_plural = _("dimensions")
        constraints = [
            models.UniqueConstraint(fields=["connection", "grain", "digest"], name="dimension_once")
        ]
        indexes = [
            models.Index(fields=["connection", "grain", "key"], name="dimension_by_key"),
            models.Index(fields=["connection", "grain", "account"], name="dimension_by_account"),
            models.Index(
                fields=["connection", "grain", "workspace"], name="dimension_by_workspace"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}"


class _Counted(models.Model):
    """The counts of a row."""

    uncached_input = models.BigIntegerField(default=0)
    cache_write_5m = models.BigIntegerField(default=0)
    cache_write_1h = models.BigIntegerField(default=0)
    cache_read = models.BigIntegerField(default=0)
    unsplit_input = models.BigIntegerField(default=0)
    output = models.BigIntegerField(default=0)
    web_searches = models.BigIntegerField(default=0)
    requests = models.BigIntegerField(null=True, default=None)  # NULL: the provider does not say

    class Meta:
        abstract = True


class Fact(_Counted):
    """What one dimension used in one bucket: an hour, or a UTC day where the provider tells no hours
    (then ``hour`` is the day's first, ``Report.hourly`` False)."""

    pk = models.CompositePrimaryKey("connection_id", "hour", "dimension_id")
    connection = owner()
    hour = models.IntegerField()
    dimension = models.ForeignKey(
        Dimension, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )

    class Meta:
        verbose_name = _("usage in a bucket")
        verbose_name_plural = _("usage in buckets")

    def __str__(self) -> str:
        return str(self.pk)


class HourRollup(models.Model):
    """A UTC day's hours of one dimension of one cube (``hours.py``): what dashboards read of hours. Made from
    Fact in the transaction that closes the day.

    ``counts``: those of all 24 hours, 32 bits each, or 64 in a row that has a larger one; ``told``: which, as
    bits by their place in ``tuples.COUNTS``. The others are 0, or NULL for requests.
    """

    pk = models.CompositePrimaryKey("connection_id", "grain", "day", "dimension_id")
    connection = owner()
    grain = models.PositiveSmallIntegerField()
    day = models.IntegerField()
    dimension = models.ForeignKey(
        Dimension, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    told = models.PositiveSmallIntegerField()
    counts = models.BinaryField()

    class Meta:
        verbose_name = _("hours of a day")
        verbose_name_plural = _("hours of days")

    def __str__(self) -> str:
        return str(self.pk)


class Cost(models.Model):
    """What the provider says one dimension cost on one UTC day, in the dimension's currency.

    ``billed``: charged by the provider (discounts off), may be negative. ``listed``: list price, NULL
    where the provider does not tell it.
    """

    pk = models.CompositePrimaryKey("connection_id", "day", "dimension_id")
    connection = owner()
    day = models.IntegerField()
    dimension = models.ForeignKey(
        Dimension, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    billed_micros = models.BigIntegerField(default=0)
    billed_femtos = models.BigIntegerField(default=0)
    listed_micros = models.BigIntegerField(null=True, default=None)
    listed_femtos = models.BigIntegerField(null=True, default=None)

    class Meta:
        verbose_name = _("cost of a day")
        verbose_name_plural = _("costs of days")

    def __str__(self) -> str:
        return str(self.pk)


class _Summed(_Counted):
    """Counts and money.

    ``billed``: what the provider says, at the dimensions it says it for. ``shared``: the same money
    shared out by tokens to what the provider does not bill by (key, person, speed); over a day and
    workspace and model it sums up to ``billed`` exactly, and where the two differ it is an estimate.
    """

    billed_micros = models.BigIntegerField(default=0)
    billed_femtos = models.BigIntegerField(default=0)
    shared_micros = models.BigIntegerField(default=0)
    shared_femtos = models.BigIntegerField(default=0)
    listed_micros = models.BigIntegerField(null=True, default=None)
    listed_femtos = models.BigIntegerField(null=True, default=None)

    class Meta:
        abstract = True


class Rollup(_Summed):
    """A UTC day's sums of one dimension of one grain: what dashboards read. Made from Fact and Cost in
    the transaction that closes the day."""

    pk = models.CompositePrimaryKey("connection_id", "grain", "day", "dimension_id")
    connection = owner()
    grain = models.PositiveSmallIntegerField()
    day = models.IntegerField()
    dimension = models.ForeignKey(
        Dimension, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )

    class Meta:
        verbose_name = _("usage of a day")
        verbose_name_plural = _("usage of days")
        # When a key or a person last used anything. All else is looked up day by day.
        indexes = [
            models.Index(
                fields=["dimension", "day"],
                name="rollup_of_key",
                condition=models.Q(grain=KEY_GRAIN),
            ),
            models.Index(
                fields=["dimension", "day"],
                name="rollup_of_account",
                condition=models.Q(grain=ACCOUNT_GRAIN),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Block(models.Model):
    """A whole week (from Monday) or month of one connection, whose days are summed up once more.

    ``made``: its BlockRollups are the sums of its days. Whatever writes a rollup of one of the days takes
    that back in the same transaction (``blocks.unmake``) and raises ``version``, so that whoever is
    summing up meanwhile begins anew.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    first = models.IntegerField()
    last = models.IntegerField()  # included
    version = models.IntegerField(default=0)
    made = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("week or month of usage")
        verbose_name_plural = _("weeks and months of usage")
        constraints = [
            models.UniqueConstraint(fields=["connection", "first", "last"], name="block_once")
        ]

    def __str__(self) -> str:
        return f"{date_of(self.first)} – {date_of(self.last)}"


class BlockRollup(_Summed):
    """The sums of one dimension of one grain over a block."""

    pk = models.CompositePrimaryKey("block_id", "grain", "dimension_id")
    block = models.ForeignKey(
        Block, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    grain = models.PositiveSmallIntegerField()
    dimension = models.ForeignKey(
        Dimension, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )

    class Meta:
        verbose_name = _("usage of a week or month")
        verbose_name_plural = _("usage of weeks and months")

    def __str__(self) -> str:
        return str(self.pk)
