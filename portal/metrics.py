"""``/metrics`` for Prometheus: figures of the whole portal, whichever of its processes is asked.

Gauges come from the database and Redis at the moment of asking, totals from ``tally``: no process
keeps figures of its own, so it does not matter which worker of the web server answers. Labels name
kinds, states and numbers of connections; never a person, an address or a key.
"""

import hmac
import ipaddress
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import redis
import structlog
from django.conf import settings
from django.db import Error
from django.db.models import Count, Min, Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.notices import sending
from apps.notices.models import Channel, Delivery
from apps.organizations import tally
from apps.organizations.adapters import budget_of
from apps.organizations.models import Connection, Organization
from apps.providers.budget import rooms
from apps.sync import mirrors
from apps.sync.models import OPEN_STATES, Command, Resource
from apps.sync.outbox import turns
from apps.sync.outbox.word import client
from portal.version import VERSION

if TYPE_CHECKING:
    from prometheus_client.core import Metric

log = structlog.get_logger(__name__)
# Whatever came through a proxy has one of these. Then the address is the proxy's and says nothing of
# who asks: a proxy on this machine would make everybody a neighbour.
BY_PROXY = (
    "HTTP_FORWARDED",
    "HTTP_VIA",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
)
QUEUES = ("actions", "walks")
# Totals: what ``tally`` counts → its labels, and what it is in words.
TOTALS: dict[str, tuple[tuple[str, ...], str]] = {
    "changes": (("state",), "Changes that came to this end, or to a person's decision"),
    "remote_calls": (("provider", "outcome"), "Requests to a provider by outcome"),
    "deliveries": (("channel", "outcome"), "Attempts to send a mail or a webhook by outcome"),
    "errors": (("process",), "Errors of the portal's own, by kind of process"),
}
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


# --- Who may read them ----------------------------------------------------------------------------


@lru_cache(maxsize=4)
def networks(listed: tuple[str, ...]) -> list[Network]:
    """METRICS_NETWORKS as networks. ValueError where one of them is none."""
    return [ipaddress.ip_network(one.strip()) for one in listed]


def may_read(request: HttpRequest) -> bool:
    """Whether the request brings METRICS_TOKEN, or comes straight from one of METRICS_NETWORKS."""
    return _has_token(request) or _is_near(request)


def _has_token(request: HttpRequest) -> bool:
    brought = request.META.get("HTTP_AUTHORIZATION", "").encode()
    wanted = f"Bearer {settings.METRICS_TOKEN}".encode()
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(brought, wanted)


def _is_near(request: HttpRequest) -> bool:
    if any(name in request.META for name in BY_PROXY):
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False  # a unix socket has none
    near = getattr(address, "ipv4_mapped", None) or address
    return any(near in network for network in networks(tuple(settings.METRICS_NETWORKS)))


def metrics(request: HttpRequest) -> HttpResponse:
    """The figures; 404 where neither a token nor a network is set, 403 for whoever has neither."""
    if not settings.METRICS_TOKEN and not settings.METRICS_NETWORKS:
        return HttpResponse("Not found\n", status=404, content_type="text/plain; charset=utf-8")
    return _figures(request)


@require_safe
@never_cache
def _figures(request: HttpRequest) -> HttpResponse:
    if not may_read(request):
        words = "Wants the token of METRICS_TOKEN, or an address of METRICS_NETWORKS.\n"
        return HttpResponse(words, status=403, content_type="text/plain; charset=utf-8")
    # Imported by the first who asks: most processes are never asked.
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    registry = CollectorRegistry()
    registry.register(Figures())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


# --- The figures ----------------------------------------------------------------------------------


class Figures:
    """Everything, part by part: a part that cannot be read is missing, and ``orgdesk_read`` says so."""

    def collect(self) -> "Iterator[Metric]":
        """What prometheus_client asks for."""
        from prometheus_client.core import GaugeMetricFamily

        read = GaugeMetricFamily(
            "orgdesk_read", "Whether this part of the figures could be read", labels=["part"]
        )
        for part, look in PARTS.items():
            try:
                yield from list(look(timezone.now()))
                read.add_metric([part], 1)
            except (Error, redis.RedisError, OSError) as error:
                log.warning("metrics_not_read", part=part, error=str(error))
                read.add_metric([part], 0)
        yield read
        yield _gauge("orgdesk_build_info", "The release", {(VERSION,): 1}, "version")


def _gauge(name: str, words: str, values: dict[tuple[str, ...], float], *labels: str) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, words, labels=labels)
    for value_labels, value in values.items():
        family.add_metric(value_labels, value)
    return family


def _age(now: datetime, since: datetime | None) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def _changes(now: datetime) -> "Iterator[Metric]":
    by_state = Command.objects.open().order_by().values("state")
    found = {row["state"]: row for row in by_state.annotate(n=Count("pk"), since=Min("created_at"))}
    none: dict[str, Any] = {"n": 0, "since": None}
    rows: dict[tuple[str, ...], Any] = {
        (str(state),): found.get(state, none) for state in OPEN_STATES
    }
    yield _gauge(
        "orgdesk_changes_open",
        "Changes that have not come to their end",
        {labels: row["n"] for labels, row in rows.items()},
        "state",
    )
    yield _gauge(
        "orgdesk_changes_oldest_seconds",
        "How long ago the oldest open change was asked for",
        {labels: _age(now, row["since"]) for labels, row in rows.items()},
        "state",
    )
    late = Command.objects.filter(turns.overdue()).aggregate(n=Count("pk"), due=Min("due_at"))
    yield _gauge(
        "orgdesk_changes_overdue", "Changes that a worker should have taken up", {(): late["n"]}
    )
    yield _gauge(
        "orgdesk_changes_overdue_seconds",
        "How long the oldest of them has been waiting for a worker",
        {(): _age(now, late["due"])},
    )
    stopped = Organization.objects.filter(sending_stopped_at__isnull=False).count()
    yield _gauge(
        "orgdesk_organizations_stopped",
        "Organizations of which nothing is sent since a restore from backup",
        {(): stopped},
    )


def _listings(now: datetime) -> "Iterator[Metric]":
    unread = Q(completed_at__isnull=True)
    known = [*mirrors.names(), *(one.name for one in mirrors.all_series())]
    rows = (
        Resource.objects.filter(connection__state=Connection.State.ACTIVE, name__in=known)
        .order_by()
        .values_list("connection__provider", "name")
        .annotate(
            read=Min("completed_at"),
            # One that was never walked whole has been lagging since its account was connected.
            born=Min("connection__created_at", filter=unread),
            failing=Count("pk", filter=Q(failures__gt=0)),
        )
    )
    lags: dict[tuple[str, ...], float] = {}
    failing: dict[tuple[str, ...], float] = {}
    for provider, name, read, born, failures in rows:
        since = min(filter(None, (read, born)), default=None)
        lags[provider, name] = _age(now, since)
        failing[provider, name] = failures
    labels = ("provider", "listing")
    yield _gauge(
        "orgdesk_sync_lag_seconds",
        "How long ago the listing that lags most was read to its end",
        lags,
        *labels,
    )
    yield _gauge(
        "orgdesk_sync_failing", "Listings whose last walk did not reach its end", failing, *labels
    )


def _connections(now: datetime) -> "Iterator[Metric]":
    rows = list(
        Connection.objects.live()
        .filter(organization__personal_of__isnull=True)
        .order_by("pk")
        .only(
            "uid",
            "provider",
            "base_url",
            "state",
            "remote_organization_id",
            "requests_per_minute",
            "frozen_at",
            "breaker_open_until",
        )
    )
    counts: dict[tuple[str, ...], float] = {}
    for row in rows:
        labels = (row.provider, _condition(row))
        counts[labels] = counts.get(labels, 0) + 1
    yield _gauge(
        "orgdesk_connections",
        "Connected accounts by condition",
        counts,
        "provider",
        "condition",
    )
    left = rooms(settings.REDIS_URL, [budget_of(row) for row in rows])
    yield _gauge(
        "orgdesk_rate_budget_left",
        "Requests that may be sent at once now, of the provider's limit a minute",
        {(row.provider, str(row.pk)): room.requests for row, room in zip(rows, left, strict=True)},
        "provider",
        "connection",
    )


def _condition(connection: Connection) -> str:
    if connection.frozen_at:
        return "key_refused"
    if connection.state == Connection.State.PAUSED:
        return "paused"
    return "unreachable" if connection.breaker_open_until else "active"


def _deliveries(now: datetime) -> "Iterator[Metric]":
    waits = [Delivery.State.WAITING, Delivery.State.SENDING]
    rows = (
        Delivery.objects.filter(state__in=waits)
        .order_by()
        .values("channel")
        .annotate(n=Count("pk"))
    )
    late = (
        Delivery.objects.filter(sending.due(now))
        .order_by()
        .values("channel")
        .annotate(due=Min("due_at"))
    )
    waiting = {row["channel"]: row["n"] for row in rows}
    due = {row["channel"]: row["due"] for row in late}
    yield _gauge(
        "orgdesk_deliveries_open",
        "Mails and webhooks that have not left yet",
        {(str(channel),): waiting.get(channel, 0) for channel in Channel},
        "channel",
    )
    yield _gauge(
        "orgdesk_deliveries_overdue_seconds",
        "How long the oldest that may leave has been waiting for a worker",
        {(str(channel),): _age(now, due.get(channel)) for channel in Channel},
        "channel",
    )


def _queues(now: datetime) -> "Iterator[Metric]":
    with client().pipeline(transaction=False) as together:
        for queue in QUEUES:
            together.llen(queue)
        lengths = together.execute()
    yield _gauge(
        "orgdesk_queue_tasks",
        "Tasks that wait in Redis for a worker",
        {(queue,): n for queue, n in zip(QUEUES, lengths, strict=True)},
        "queue",
    )
    yield _gauge(
        "orgdesk_workers_alive",
        "Whether a worker for changes has been heard of within the last 45 seconds",
        {(): int(not turns.nobody_works())},
    )


def _totals(now: datetime) -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily

    counted = tally.read()
    for what, (labels, words) in TOTALS.items():
        family = CounterMetricFamily(f"orgdesk_{what}", words, labels=labels)
        for (name, *values), n in sorted(counted.items()):
            if name == what and len(values) == len(labels):
                family.add_metric(values, n)
        yield family


PARTS: "dict[str, Callable[[datetime], Iterator[Metric]]]" = {
    "changes": _changes,
    "listings": _listings,
    "connections": _connections,
    "deliveries": _deliveries,
    "queues": _queues,
    "totals": _totals,
}
