"""The last hours by the minute, which are read when somebody asks. In no sum of ours."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.organizations.models import Connection
from apps.usage.connected import ConnectedQuerySet


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
    workspace = models.CharField(max_length=200, blank=True)
    model = models.CharField(max_length=200, blank=True)
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
