"""The last hours by the minute: the page, the wish to have them read, and how that goes on the page of limits."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.models import User
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection, Organization
from apps.ui import amounts
from apps.ui.charts import Chart, Series
from apps.usage import headroom, minutes, reads
from apps.usage.models import MinuteReading
from apps.usage.names import Names

MOST = 20  # models and workspaces in the table
LIMITS = "limits"  # where the wish may come from, besides the page itself


@dataclass(frozen=True, slots=True)
class Standing:
    """How one connection's reading is. ``locked``: why it cannot be asked for now."""

    connection: Connection
    reading: MinuteReading | None
    locked: str

    @property
    def is_under_way(self) -> bool:
        """Whether it is worth while to look again in a second."""
        return self.reading is not None and minutes.is_under_way(self.reading)

    @property
    def is_lost(self) -> bool:
        """Whether a worker began it and was never heard of again."""
        reading = self.reading
        return bool(reading and reading.state in minutes.UNDER_WAY and not self.is_under_way)

    @property
    def has_minutes(self) -> bool:
        """Whether there is something to show. What was read is forgotten after some hours."""
        return bool(self.reading and minutes.kept(self.reading))

    @property
    def first(self) -> datetime:
        """When the minutes begin."""
        return minutes.moment_of(minutes.kept(self.reading).start)  # type: ignore[arg-type]  # has_minutes

    @property
    def last(self) -> datetime:
        """When they end."""
        return minutes.moment_of(minutes.kept(self.reading).stop)  # type: ignore[arg-type]  # likewise

    @property
    def wanted(self) -> int:
        """How many minutes a reading brings."""
        return minutes.HOURS_READ * 60

    @property
    def left_out(self) -> list[str]:
        """What the figures do not hold, in words."""
        grouping = self.reading.grouping if self.reading else []
        told = [
            _("Requests are not counted: the report has tokens alone."),
            _("The newest minutes are not in it: use takes some five minutes to show."),
        ]
        if "service_tier" in grouping:
            told.append(_("Message batches are left out: they have limits of their own."))
        else:
            told.append(_("Message batches are counted in: the report could not tell them apart."))
        if "workspace_id" not in grouping:
            told.append(_("Workspaces are not told apart: the provider refused to."))
        if self.reading and self.reading.unreadable:
            told.append(
                _("%(n)s rows could not be read and are left out.")
                % {"n": amounts.count(self.reading.unreadable)}
            )
        return told


def standings_of(user: User, organization: Organization) -> list[Standing]:
    """Of each live connection that tells of minutes. Two queries."""
    found = [
        one
        for one in reads.connections_of(user, organization)
        if one.state != Connection.State.DISCONNECTED and minutes.is_told(one)
    ]
    readings = {
        one.connection_id: one
        for one in MinuteReading.objects.filter(connection__in=found).select_related("asked_by")
    }
    return [
        Standing(one, readings.get(one.pk), minutes.why_not(one, readings.get(one.pk)))
        for one in sorted(found, key=lambda one: (one.name, one.pk))
    ]


@require_safe
@desk_view("usage.read")
@never_cache
def by_minute(request: DeskRequest) -> HttpResponse:
    """The last hours of one connection (``?connection=``) by the minute, and the wish to read them anew."""
    standings = standings_of(request.user, request.organization)
    asked = request.GET.get("connection", "")
    chosen = next((one for one in standings if str(one.connection.uid) == asked), None)
    chosen = chosen or next(iter(standings), None)
    waiting = request.headers.get("HX-Target", "").startswith("minutes-state")
    if waiting and not (chosen and chosen.is_under_way):
        return HttpResponse(headers={"HX-Refresh": "true"})
    context: dict[str, Any] = {
        "title": _("The last hours by the minute"),
        "standings": standings,
        "standing": chosen,
        "may_read": request.may("sync.start"),
        "back": "",
    }
    if chosen and chosen.has_minutes and not waiting:
        context |= _figures(request, chosen)
    fragment = "#state" if waiting else ""
    return render(request, f"usage/minutes.html{fragment}", context)


def _figures(request: DeskRequest, standing: Standing) -> dict[str, Any]:
    reading = standing.reading
    assert reading is not None  # noqa: S101 - there are minutes of it
    rows = headroom.busiest(reading, MOST)
    names = Names(request.organization, [standing.connection]).of(
        "workspace", list({(one.workspace, reading.connection_id) for one in rows})
    )
    return {
        "chart": _chart(reading),
        "rows": [(one, names[one.workspace, reading.connection_id]) for one in rows],
        "most": MOST,
    }


def _chart(reading: MinuteReading) -> Chart:
    found = headroom.by_minute(reading)
    times = [timezone.localtime(moment) for moment, _used in found]
    kinds = (_("Input, not from the cache"), _("Input from the cache"), _("Output"))
    series = [
        Series(
            name=name,
            values=[used[at] for _moment, used in found],
            texts=[amounts.count(used[at]) for _moment, used in found],
        )
        for at, name in enumerate(kinds)
    ]
    return Chart(
        name="minutes-chart",
        title=_("Tokens by the minute"),
        labels=[f"{one:%H:%M}" for one in times],
        titles=[f"{one:%H:%M} {one.tzname()}" for one in times],
        series=series,
        totals=[amounts.count(sum(used)) for _moment, used in found],
        label_head=_("Minute"),
    )


@desk_view("usage.read", changes="sync.start")
@require_POST
def read(request: DeskRequest, uid: UUID) -> HttpResponse:
    """Have the last hours of one connection read; back to the page that the wish came from."""
    visible = Connection.objects.visible_to(request.user).live()
    connection = get_object_or_404(visible, uid=uid, organization=request.organization)
    try:
        minutes.ask(connection=connection, actor=request.user)
    except minutes.NotNow as refused:
        messages.error(request, str(refused))
    slug = request.organization.slug
    if request.POST.get("back") == LIMITS:
        return redirect("limits:list", slug=slug)
    return redirect(f"{reverse('usage:minutes', kwargs={'slug': slug})}?connection={uid}")


def on_limits(request: DeskRequest) -> SafeString | str:
    """Slot "limits:before": how old the highest minutes are, what they leave out, and the wish for newer."""
    if not request.may("usage.read"):
        return ""
    standings = standings_of(request.user, request.organization)
    if not standings:
        return ""
    context = {
        "standings": standings,
        "may_read": request.may("sync.start"),
        "organization": request.organization,
        "back": LIMITS,
    }
    return render_to_string("usage/_on_limits.html", context, request)
