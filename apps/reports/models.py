"""Views of pages that are sent by the day, week or month, and each time they were."""

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.notices.models import Endpoint
from apps.organizations.models import Organization
from apps.reports.calendar import DAILY, LAST_DAY, Rhythm
from apps.ui.models import SavedView

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from apps.accounts.models import User


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    """Schedules as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> "ScheduleQuerySet":
        """Those of the organizations that ``user`` holds a Grant on."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class Schedule(models.Model):
    """A saved view of one page, and when to send it to whom.

    It runs as ``owner``, with what they may see at that moment. ``url_name`` and ``url_kwargs`` (without
    the organization) name the page, ``view`` the filters. ``rhythm`` is "day", "week:0" (Mondays) to
    "week:6", "month:1" to "month:28", or "month:last"; ``hour`` is in the organization's time zone.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="schedules")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="schedules",
        verbose_name=_("made by"),
    )
    name = models.CharField(_("name"), max_length=120)
    url_name = models.CharField(max_length=80)
    url_kwargs = models.JSONField(default=dict, blank=True)
    view = models.ForeignKey(SavedView, models.SET_NULL, null=True, related_name="schedules")
    rhythm = models.CharField(_("when"), max_length=12, default="week:0")
    hour = models.PositiveSmallIntegerField(_("hour"), default=8)
    users = models.ManyToManyField(
        settings.AUTH_USER_MODEL, related_name="reports_received", verbose_name=_("receivers")
    )
    endpoints = models.ManyToManyField(Endpoint, related_name="schedules", blank=True)
    next_at = models.DateTimeField(_("next"))
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True)
    # It cannot go on: the reason stands here until somebody mends it and lets it go on.
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True)
    stopped_why = models.CharField(_("why"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        verbose_name = _("report")
        verbose_name_plural = _("reports")
        ordering = ["name", "pk"]
        indexes = [
            models.Index(
                fields=["next_at"],
                condition=Q(paused_at__isnull=True, stopped_at__isnull=True),
                name="schedules_due",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def when(self) -> Rhythm:
        """Its rhythm and hour, to reckon with."""
        kind, _colon, day = self.rhythm.partition(":")
        number = LAST_DAY if day == "last" else int(day or 0)
        return Rhythm(kind or DAILY, number, self.hour)


class Run(models.Model):
    """One time that a report was made. ``period`` is the local day that it was due ("2026-11-30"), or
    "now:…" where somebody asked: of a schedule there is one for each, whoever starts it how often."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        MAKING = "making", _("Being made")
        MADE = "made", _("Made")
        FAILED = "failed", _("Failed")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="runs")
    period = models.CharField(max_length=60)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(_("due"), auto_now_add=True)
    made_at = models.DateTimeField(_("made"), null=True)
    said = models.CharField(_("what was said"), max_length=500, blank=True)
    # {"headings": […], "rows": [[…]], "total": […], "more": 0, "notes": […], "range": "…"}
    digest = models.JSONField(default=dict)
    rows = models.PositiveIntegerField(null=True)
    csv = models.BinaryField(null=True)  # wiped after a while; NULL too where it was too large
    csv_name = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = _("run of a report")
        verbose_name_plural = _("runs of reports")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["schedule", "period"], name="report_once_per_period")
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(state__in=["waiting", "making"]),
                name="runs_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} · {self.period}"
