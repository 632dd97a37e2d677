"""What has come to a stand, over all organizations in reach: one page of Django admin."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apps.organizations.desk_views import page
from apps.organizations.diagnosis import act_page, admin_page
from apps.organizations.finding import why
from apps.organizations.health import health_of, with_freshness
from apps.organizations.models import Connection, ConnectionQuerySet
from apps.organizations.policy import support_may
from apps.sync.models import Command, CommandState, Resource, SyncRun
from apps.sync.outbox import support_resend, turns
from apps.sync.outbox.kinds import kind_of

S = CommandState
MOST = 50  # of each
GIVEN_UP_WITHIN = timedelta(days=30)
WAITING = [S.QUEUED, S.RETRY, S.CLAIMED]
LIVE = [Connection.State.ACTIVE, Connection.State.PAUSED]


@require_safe
def stuck(request: HttpRequest) -> HttpResponse:
    """Changes that wait for a word, queues that stand still, listings that fail. A fixed number of queries."""
    if not support_may(request.user, "activity.read"):
        raise PermissionDenied
    now = timezone.now()
    groups = [
        _changes(_("Needs a decision"), S.OPERATOR, request.user),
        _changes(_("Outcome unknown, being checked"), S.UNKNOWN, request.user),
        _changes(
            _("Given up in the last %(n)d days") % {"n": GIVEN_UP_WITHIN.days},
            S.DEAD,
            request.user,
            settled_at__gte=now - GIVEN_UP_WITHIN,
        ),
    ]
    queues, listings = _queues(), _listings()
    return page(
        request,
        "admin/stuck.html",
        _("What stands still"),
        groups=groups,
        queues=queues,
        listings=listings,
        nobody_works=turns.nobody_works(),
        nothing=not (queues or listings or any(group["rows"] for group in groups)),
    )


def _changes(title: str, state: CommandState, actor: Any, **narrowed: Any) -> dict[str, Any]:
    """The oldest first: they have waited longest."""
    rows = Command.objects.filter(state=state, organization__support_may_read=True, **narrowed)
    rows = rows.select_related("connection", "organization").order_by("created_at", "pk")
    found = list(support_resend.with_waiting(rows)[: MOST + 1])
    return {
        "title": title,
        "rows": [
            {
                "command": row,
                "what": kind_of(row).label,
                "url": admin_page(row),
                "why": why("change", row.pk),
                "asked": _asked(row, actor),
            }
            for row in found[:MOST]
        ],
        "all": f"{reverse('admin:sync_command_changelist')}?state__exact={state}",
        "more": len(found) > MOST,
    }


def _asked(row: Any, actor: Any) -> dict[str, Any] | None:
    """What support asks of it: that it be sent again."""
    if row.state != S.OPERATOR or not row.asked_to_resend:
        return None
    (request,) = row.asked_to_resend
    may_confirm = request.asked_by_id != actor.pk and support_may(actor, support_resend.CONFIRM)
    return {"request": request, "confirm": act_page(row, "confirm_resend") if may_confirm else ""}


def _in_reach() -> ConnectionQuerySet:
    return Connection.objects.filter(state__in=LIVE, organization__support_may_read=True)


def _queues() -> list[dict[str, Any]]:
    """Connections through which nothing goes now, with how many changes wait behind each."""
    still = (
        Q(frozen_at__isnull=False)
        | Q(state=Connection.State.PAUSED)
        | Q(breaker_open_until__isnull=False)
        | Q(organization__sending_stopped_at__isnull=False)
    )
    rows = list(
        with_freshness(_in_reach().filter(still).select_related("organization")).order_by(
            "organization__name", "name", "pk"
        )[:MOST]
    )
    counted = (
        Command.objects.filter(connection__in=[row.pk for row in rows], state__in=WAITING)
        .order_by()
        .values_list("connection")
        .annotate(n=Count("pk"))
    )
    waiting = dict(counted)
    return [_queue(row, waiting.get(row.pk, 0)) for row in rows]


def _queue(row: Connection, waiting: int) -> dict[str, Any]:
    health = health_of(row)
    words, act, label = health.headline, "", ""
    if row.organization.sending_stopped_at:
        words = _("Changes are stopped, because the database was put back from a backup.")
        act, label = act_page(row.organization, "resume_sending"), _("Let changes go on")
    elif row.state == Connection.State.PAUSED:
        act, label = act_page(row, "resume"), _("Resume")
    return {
        "connection": row,
        "words": words,
        "said": health.said,
        "waiting": waiting,
        "act": act,
        "label": label,
        "url": admin_page(row),
        "why": why("stale", row.organization_id, connection=str(row.pk)),
    }


def _listings() -> list[dict[str, Any]]:
    """Listings whose last walks failed, or that wait for a word on a sudden loss."""
    asking = SyncRun.objects.filter(state=SyncRun.State.ASKING).values("resource")
    rows = (
        Resource.objects.filter(Q(failures__gt=0) | Q(pk__in=asking))
        .filter(connection__in=_in_reach())
        .select_related("connection__organization")
        .order_by("-failures", "pk")
    )
    return [
        {
            "row": row,
            "url": admin_page(row),
            "why": why("stale", row.connection.organization_id, connection=str(row.connection_id)),
        }
        for row in rows[:MOST]
    ]


def front(request: HttpRequest) -> HttpResponse:
    """What support sees first: what stands still. Whoever may not know of that sees Django admin's own."""
    if support_may(request.user, "activity.read"):
        return stuck(request)
    return admin.site.index(request)


def addresses() -> list[URLPattern]:
    """Theirs, before Django admin's own."""
    return [
        path("", admin.site.admin_view(front), name="index"),
        path("stuck/", admin.site.admin_view(stuck), name="stuck"),
    ]
