"""Claude Code: who used it, what came of it, and its sums by month and by day.

Days and months are UTC days counted from 1970 (``days.py``); money is two integers (``money.py``).
"""

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.organizations.models import Connection
from apps.usage.connected import ConnectedQuerySet, owner
from apps.usage.days import date_of


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
    coder = models.ForeignKey(Coder, models.CASCADE, related_name="days", db_index=False)
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
        indexes = [models.Index(fields=["coder", "day"], name="coding_day_by_coder")]

    def __str__(self) -> str:
        return f"{self.coder} {date_of(self.day)}"


class CodingModel(models.Model):
    """Tokens of one model that one coder used in Claude Code on one UTC day, over all terminals.

    ``estimate``: the provider's own estimate of what they cost, never what is billed.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    day = models.IntegerField()
    coder = models.ForeignKey(Coder, models.CASCADE, related_name="models", db_index=False)
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
        indexes = [models.Index(fields=["coder", "day"], name="coding_model_by_coder")]

    def __str__(self) -> str:
        return f"{self.coder} {date_of(self.day)} {self.model}"


class CodingTool(models.Model):
    """How many of a tool's proposals one coder took and refused on one UTC day, over all terminals."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    day = models.IntegerField()
    coder = models.ForeignKey(Coder, models.CASCADE, related_name="tools", db_index=False)
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
        indexes = [models.Index(fields=["coder", "day"], name="coding_tool_by_coder")]

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
    connection = owner()
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
    connection = owner()
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


class CodingRoster(models.Model):
    """Who used it on one UTC day, or in one UTC month, as ``rosters.py`` packs them. ``first``: the day,
    or the first one of the month."""

    class Width(models.TextChoices):
        DAY = "day", _("day")
        MONTH = "month", _("month")

    pk = models.CompositePrimaryKey("connection_id", "width", "first")
    connection = owner()
    width = models.CharField(max_length=5, choices=Width.choices)
    first = models.IntegerField()
    coders = models.BinaryField()

    class Meta:
        verbose_name = _("users of Claude Code in a period")
        verbose_name_plural = _("users of Claude Code by period")

    def __str__(self) -> str:
        return f"{self.width} {date_of(self.first)}"
