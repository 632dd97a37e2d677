"""Usage and cost: narrow facts, rollups by day, the ledger of what was read, Claude Code's days.

Days and hours are UTC, as integers from 1970 (``days.py``). Tokens, searches, requests are plain counts.
Money is two integers, ``…_micros`` and ``…_femtos`` (``money.py``). docs/decisions/usage.md tells why.
"""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.organizations.models import Connection
from apps.usage.call_models import Call, CallLedger, Summary
from apps.usage.connected import ConnectedQuerySet
from apps.usage.days import date_of
from apps.usage.tuples import ACCOUNT_GRAIN, KEY_GRAIN

__all__ = [
    "Call",
    "CallLedger",
    "Coder",
    "CodingDay",
    "CodingModel",
    "CodingTool",
    "CodingTotal",
    "Correction",
    "Cost",
    "Dimension",
    "Fact",
    "HourRollup",
    "ReadDay",
    "Report",
    "ReportName",
    "Rollup",
    "Summary",
]


def _owner() -> "models.ForeignKey[Connection, Connection]":
    """The connection, without an index or a check of its own: the primary key begins with it."""
    return models.ForeignKey(
        Connection, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )


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
    connection = _owner()
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

    ``counts``: those of all 24 hours, 64 bits each; ``told``: which, as bits by their place in
    ``tuples.COUNTS``. The others are 0, or NULL for requests.
    """

    pk = models.CompositePrimaryKey("connection_id", "grain", "day", "dimension_id")
    connection = _owner()
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
    connection = _owner()
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
    connection = _owner()
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


# --- The last hours by the minute ----------------------------------------------------------------


class MinuteReading(models.Model):
    """That the last hours of one connection were asked for by the minute, and how that went.

    ``first``, ``last``: the minutes that are kept, both included, from 1970; NULL before a first reading.
    ``grouping``: fields of UsageRow that they are told apart by. ``heartbeat_at`` of one that is under way
    grows old when its worker has died.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("About to begin")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    connection = models.OneToOneField(Connection, models.CASCADE, related_name="+")
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    asked_at = models.DateTimeField(_("asked for"))
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    fence = models.PositiveIntegerField(default=0)
    heartbeat_at = models.DateTimeField()
    read_at = models.DateTimeField(_("read"), null=True, blank=True)
    first = models.IntegerField(null=True, blank=True)
    last = models.IntegerField(null=True, blank=True)
    grouping = models.JSONField(default=list, blank=True)
    done = models.PositiveIntegerField(default=0)  # minutes that have come, of the one under way
    unreadable = models.PositiveIntegerField(_("unreadable rows"), default=0)
    error = models.CharField(max_length=500, blank=True)

    objects = ConnectedQuerySet["MinuteReading"].as_manager()

    class Meta:
        verbose_name = _("reading by the minute")
        verbose_name_plural = _("readings by the minute")

    def __str__(self) -> str:
        return str(self.connection)


class MinuteUse(models.Model):
    """Tokens of one model in one workspace in one minute, counted from 1970. Kept for a few hours.

    ``workspace`` and ``model`` as in Dimension. ``fresh``: input that did not come from the cache, writes
    into it included; ``cached``: input that did.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    minute = models.IntegerField()
    workspace = _told()
    model = _told()
    fresh = models.BigIntegerField(default=0)
    cached = models.BigIntegerField(default=0)
    output = models.BigIntegerField(default=0)

    objects = ConnectedQuerySet["MinuteUse"].as_manager()

    class Meta:
        verbose_name = _("usage in a minute")
        verbose_name_plural = _("usage in minutes")
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "minute", "workspace", "model"], name="minute_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.minute} {self.workspace} {self.model}"


# --- Claude Code ---------------------------------------------------------------------------------


class Coder(models.Model):
    """Whoever uses Claude Code: a person by address, or a key by its name (the report has no ids)."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    email = models.CharField(_("email address"), max_length=254, blank=True)  # lower case
    key_name = models.CharField(_("API key"), max_length=200, blank=True)

    objects = ConnectedQuerySet["Coder"].as_manager()

    class Meta:
        verbose_name = _("user of Claude Code")
        verbose_name_plural = _("users of Claude Code")
        constraints = [
            models.UniqueConstraint(fields=["connection", "email", "key_name"], name="coder_once")
        ]

    def __str__(self) -> str:
        return self.email or self.key_name


class CodingDay(models.Model):
    """What one coder did on one UTC day from one kind of terminal as one kind of customer."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    day = models.IntegerField()
    coder = models.ForeignKey(Coder, models.CASCADE, related_name="days")
    terminal = models.CharField(max_length=200, blank=True)
    customer_type = models.CharField(max_length=200, blank=True)  # "api", "subscription"
    subscription_type = models.CharField(max_length=200, blank=True)  # "team", "enterprise"
    sessions = models.PositiveIntegerField(default=0)
    lines_added = models.BigIntegerField(default=0)
    lines_removed = models.BigIntegerField(default=0)
    commits = models.PositiveIntegerField(default=0)
    pull_requests = models.PositiveIntegerField(default=0)

    objects = ConnectedQuerySet["CodingDay"].as_manager()

    class Meta:
        verbose_name = _("day of Claude Code")
        verbose_name_plural = _("days of Claude Code")
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "day", "coder", "terminal", "customer_type"],
                name="coding_day_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.coder} {date_of(self.day)}"


class CodingModel(models.Model):
    """Tokens of one model that one coder used in Claude Code on one UTC day, over all terminals.

    ``estimate``: the provider's own estimate of what they cost, never what is billed.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    day = models.IntegerField()
    coder = models.ForeignKey(Coder, models.CASCADE, related_name="models")
    model = models.CharField(max_length=200)
    currency = models.CharField(max_length=10, default="USD")
    uncached_input = models.BigIntegerField(default=0)
    cache_write = models.BigIntegerField(default=0)
    cache_read = models.BigIntegerField(default=0)
    output = models.BigIntegerField(default=0)
    estimate_micros = models.BigIntegerField(default=0)
    estimate_femtos = models.BigIntegerField(default=0)

    objects = ConnectedQuerySet["CodingModel"].as_manager()

    class Meta:
        verbose_name = _("model in Claude Code")
        verbose_name_plural = _("models in Claude Code")
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "day", "coder", "model", "currency"], name="coding_model_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.coder} {date_of(self.day)} {self.model}"


class CodingTool(models.Model):
    """How many of a tool's proposals one coder took and refused on one UTC day, over all terminals."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    day = models.IntegerField()
    coder = models.ForeignKey(Coder, models.CASCADE, related_name="tools")
    tool = models.CharField(max_length=200)
    accepted = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)

    objects = ConnectedQuerySet["CodingTool"].as_manager()

    class Meta:
        verbose_name = _("tool in Claude Code")
        verbose_name_plural = _("tools in Claude Code")
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "day", "coder", "tool"], name="coding_tool_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.coder} {date_of(self.day)} {self.tool}"


class CodingTotal(models.Model):
    """A UTC day of Claude Code in one connection: sums over everybody, and how many people there were."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    day = models.IntegerField()
    people = models.PositiveIntegerField(default=0)  # distinct persons; keys are not among them
    keys = models.PositiveIntegerField(default=0)
    sessions = models.PositiveIntegerField(default=0)
    lines_added = models.BigIntegerField(default=0)
    lines_removed = models.BigIntegerField(default=0)
    commits = models.PositiveIntegerField(default=0)
    pull_requests = models.PositiveIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    estimate_micros = models.BigIntegerField(default=0)
    estimate_femtos = models.BigIntegerField(default=0)

    objects = ConnectedQuerySet["CodingTotal"].as_manager()

    class Meta:
        verbose_name = _("total of Claude Code")
        verbose_name_plural = _("totals of Claude Code")
        constraints = [
            models.UniqueConstraint(fields=["connection", "day"], name="coding_total_once")
        ]

    def __str__(self) -> str:
        return f"{date_of(self.day)}"


class _Coded(models.Model):
    """What was done in Claude Code, and the provider's estimate of it."""

    sessions = models.BigIntegerField(default=0)
    lines_added = models.BigIntegerField(default=0)
    lines_removed = models.BigIntegerField(default=0)
    commits = models.BigIntegerField(default=0)
    pull_requests = models.BigIntegerField(default=0)
    accepted = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    estimate_micros = models.BigIntegerField(default=0)
    estimate_femtos = models.BigIntegerField(default=0)

    class Meta:
        abstract = True


class CodingSum(_Coded):
    """Sums over everybody on one UTC day, of one ``value`` of one ``kind``: of a terminal or a kind of
    customer ("terminal", "customer_type"), of a tool's proposals ("tool"), of a model's estimate ("model")."""

    pk = models.CompositePrimaryKey("connection_id", "kind", "day", "value")
    connection = _owner()
    kind = models.CharField(max_length=20)
    day = models.IntegerField()
    value = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = _("sum of Claude Code")
        verbose_name_plural = _("sums of Claude Code")

    def __str__(self) -> str:
        return f"{self.value} {date_of(self.day)}"


class CoderMonth(_Coded):
    """One coder's UTC month. ``days``: which days it was used on, the first of the month as the lowest
    bit; ``first``, ``last`` and ``used`` are what that comes to."""

    pk = models.CompositePrimaryKey("connection_id", "month", "coder_id")
    connection = _owner()
    month = models.IntegerField()  # its first day
    coder = models.ForeignKey(
        Coder, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    days = models.BigIntegerField()
    first = models.IntegerField()
    last = models.IntegerField()
    used = models.IntegerField()

    class Meta:
        verbose_name = _("month of Claude Code")
        verbose_name_plural = _("months of Claude Code")

    def __str__(self) -> str:
        return f"{self.coder} {date_of(self.month)}"
