"""Incidents: a key, a person, a workspace or a whole connection that is far off its own history."""

from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.usage.connected import ConnectedQuerySet
from apps.usage.days import date_of
from apps.usage.models import ReportName

if TYPE_CHECKING:
    from datetime import date


class State(models.TextChoices):
    """What people have made of it."""

    OPEN = "open", _("Open")
    ACKNOWLEDGED = "acknowledged", _("Being looked into")
    MUTED = "muted", _("Muted")
    RESOLVED = "resolved", _("Resolved")


ONGOING = (State.OPEN, State.ACKNOWLEDGED, State.MUTED)
WANTING = (State.OPEN, State.ACKNOWLEDGED)  # somebody has to do something


class Kind(models.TextChoices):
    """What is far off: too much, or of a whole connection too little as well (QUIET)."""

    KEY = "key", _("API key")
    PERSON = "person", _("Person")
    WORKSPACE = "workspace", _("Workspace")
    CONNECTION = "connection", _("Connection")
    QUIET = "quiet", _("Quiet connection")


class Severity(models.TextChoices):
    """How much it presses: by what the worst day was too much, against a usual day of the connection."""

    HIGH = "high", _("High")
    MEDIUM = "medium", _("Medium")
    LOW = "low", _("Low")


class Unit(models.TextChoices):
    """What the amounts count: millionths of ``currency``, or tokens."""

    MONEY = "money", _("Cost")
    TOKENS = "tokens", _("Tokens")


class Ended(models.TextChoices):
    """How it was resolved."""

    PERSON = "person", _("by a person")
    CORRECTION = "correction", _("by a correction of the provider's")
    FINER = "finer", _("by what explains it: another incident")
    CALM = "calm", _("by itself: the time it was muted for is over, and it is quiet")
    HISTORY = "history", _("by more history: it lies within what is usual")


class Incident(models.Model):
    """One subject, far off from ``since`` to ``last`` (UTC days from 1970, both included).

    ``daily``: {day: [observed, expected, limit]} of each far-off day, in ``unit``; money is rounded down to
    the millionth, the exact sums are the rollups'. ``observed``, ``expected`` and ``excess`` are its
    sums; ``excess`` is below zero for too little. ``workspace``: the provider's id of where a key or a person is at home, "" if nobody tells.
    ``causes`` as ``causes.py`` makes them. ``opened`` counts how often it was opened.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="incidents")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    value = models.CharField(_("the provider's id"), max_length=200, blank=True)
    workspace = models.CharField(max_length=200, blank=True)
    label = models.CharField(_("name"), max_length=254, blank=True)  # as it was when it was opened
    unit = models.CharField(_("what is counted"), max_length=6, choices=Unit)
    currency = models.CharField(max_length=10, blank=True)
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.OPEN)
    severity = models.CharField(_("severity"), max_length=6, choices=Severity)
    rank = models.PositiveSmallIntegerField(default=0)  # 3: high, to sort by
    since = models.IntegerField(_("since"))
    last = models.IntegerField(_("last"))
    daily = models.JSONField(default=dict)
    observed = models.BigIntegerField(_("observed"))
    expected = models.BigIntegerField(_("usually"))
    excess = models.BigIntegerField(_("too much"))
    causes = models.JSONField(default=list)
    opened = models.PositiveIntegerField(_("times opened"), default=1)
    opened_at = models.DateTimeField(_("opened"))
    looked_at = models.DateTimeField(_("last looked at"))
    settled_at = models.DateTimeField(_("resolved or muted"), null=True, blank=True)
    settled_day = models.IntegerField(null=True, blank=True)  # days after it would open it again
    acted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    ended = models.CharField(_("resolved how"), max_length=10, choices=Ended, blank=True)
    muted_until = models.IntegerField(null=True, blank=True)  # the last such day; NULL: for good

    state_read = ""  # the state as it was read from the database

    objects = ConnectedQuerySet["Incident"].as_manager()

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "kind", "value"],
                condition=Q(state__in=["open", "acknowledged", "muted"]),
                name="incident_once_per_subject",
            )
        ]
        indexes = [
            models.Index(fields=["connection", "state"], name="incident_by_state"),
            models.Index(fields=["connection", "kind", "value"], name="incident_by_subject"),
        ]

    def __str__(self) -> str:
        return self.label or self.value or str(self.connection)

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        """The row, which remembers its state: whoever writes it later sees whether it changed meanwhile."""
        found = super().from_db(*args, **kwargs)
        found.state_read = found.state
        return found

    @property
    def since_date(self) -> "date":
        """The first far-off day."""
        return date_of(self.since)

    @property
    def last_date(self) -> "date":
        """The last far-off day so far."""
        return date_of(self.last)

    @property
    def is_estimate(self) -> bool:
        """Whether nobody bills by what it is about, so that its amounts are shared out by tokens: keys and
        people where the provider tells its costs apart from use."""
        if self.unit != Unit.MONEY or self.kind not in (Kind.KEY, Kind.PERSON):
            return False
        provider = PROVIDERS.get(self.connection.provider)
        return provider is None or ReportName.COSTS in provider.reports

    @property
    def worst(self) -> tuple[int, int, int, int]:
        """The day that is farthest off: day, observed, expected, limit."""
        day = max(self.daily, key=lambda one: (abs(self.daily[one][0] - self.daily[one][1]), one))
        observed, expected, limit = self.daily[day]
        return int(day), observed, expected, limit

    def take(self, daily: dict[int, Any]) -> None:
        """Have these far-off days, and the sums of them."""
        self.daily = {str(day): list(daily[day]) for day in sorted(daily)}
        self.since, self.last = min(daily), max(daily)
        self.observed = sum(row[0] for row in daily.values())
        self.expected = sum(row[1] for row in daily.values())
        self.excess = self.observed - self.expected


class Watch(models.Model):
    """When a connection was last looked at, and whether the past was once."""

    connection = models.OneToOneField(
        Connection, models.CASCADE, related_name="+", primary_key=True
    )
    looked_at = models.DateTimeField(null=True, blank=True)
    past_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.connection_id}"
