"""What sync has to tell: changes that wait for a person, connections that do not answer."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.notices import topics
from apps.notices.looking import News, watch
from apps.notices.models import Severity
from apps.notices.topics import Topic
from apps.organizations.health import BREAKER_THRESHOLD, health_of, with_freshness
from apps.organizations.models import Connection, ConnectionQuerySet
from apps.organizations.policy import ADMINS, SELF, SPENDERS
from apps.sync import mirrors
from apps.sync.models import Command, CommandState, Resource, SyncRun
from apps.sync.outbox import support_resend
from apps.sync.outbox.kinds import KINDS

S = CommandState
GIVEN_UP = timedelta(days=7)  # a change that was given up is news for so long
PATIENCE = timedelta(minutes=15)  # before it is told that a provider does not answer
FAILED_WALKS = 5  # in a row, before it is told of one listing
FEW = 5  # changes named in one notice

APPROVAL = Topic(
    "changes.approval",
    gettext_lazy("A change waits for a second person"),
    ADMINS | SPENDERS,
    "commands.approve",
    gettext_lazy("Somebody has asked for a change that another person must approve."),
)
STUCK = Topic(
    "changes.stuck",
    gettext_lazy("A change needs a decision"),
    ADMINS | SPENDERS | SELF,
    "commands.decide",
    gettext_lazy(
        "Nobody can tell whether a change has happened, or it was given up after its last try."
    ),
)
CONNECTION = Topic(
    "connections.failing",
    gettext_lazy("A connection fails"),
    ADMINS | SELF,
    "connections.read",
    gettext_lazy(
        "A provider refuses the key or has not answered for a quarter of an hour, a listing could not "
        "be read five times in a row, or suddenly lacks many rows."
    ),
)


def register() -> None:
    """For ``AppConfig.ready()``."""
    watch(APPROVAL, _approvals)
    watch(STUCK, _stuck)
    watch(CONNECTION, _failing)
    topics.register(support_resend.TOPIC)


def _together(which: Q) -> Iterator[list[Command]]:
    """The Commands that were asked for in one go are one piece of news."""
    rows = Command.objects.filter(which).select_related(
        "organization", "connection", "batch", "actor"
    )
    for _key, some in groupby(
        rows.order_by("batch", "pk"), key=lambda one: one.batch_id or f"alone:{one.pk}"
    ):
        yield list(some)


def _page_of(commands: Sequence[Command]) -> str:
    first = commands[0]
    below = f"/o/{first.organization.slug}/activity/"
    return f"{below}batches/{first.batch.uid}/" if first.batch else f"{below}{first.uid}/"


def _cause_of(commands: Sequence[Command]) -> str:
    # A change that was sent again and is stuck anew is news; of a batch the first time is told.
    first = commands[0]
    return f"batch:{first.batch.uid}" if first.batch else f"{first.uid}:{first.attempts}"


def _titled(title: str, commands: Sequence[Command]) -> str:
    """With what it is about, where that is one: of several alike nobody could tell which is which."""
    first = commands[0]
    return title % {"n": len(commands), "what": f"{KINDS[first.kind].label}, {first.label}"}


def _named(commands: Sequence[Command]) -> str:
    lines = [f"{KINDS[one.kind].label}: {one.label} ({one.connection})" for one in commands[:FEW]]
    if (more := len(commands) - FEW) > 0:
        lines.append(ngettext("and %(n)d more", "and %(n)d more", more) % {"n": more})
    return _lines(*lines)


def _approvals(now: datetime) -> Iterable[News]:
    for commands in _together(Q(state=S.AWAITING_APPROVAL)):
        first = commands[0]
        who = first.asked_by or _("Somebody")
        title = ngettext(
            "A change waits for a second person: %(what)s",
            "%(n)d changes wait for a second person",
            len(commands),
        )
        yield News(
            organization=first.organization,
            cause=_cause_of(commands),
            title=_titled(title, commands),
            text=_(
                "%(who)s has asked for this. Anybody else who may approve it can let it go, or refuse it."
            )
            % {"who": who}
            + f"\n{_named(commands)}",
            url=_page_of(commands),
        )


def _stuck(now: datetime) -> Iterable[News]:
    given_up = Q(state=S.DEAD, settled_at__gt=now - GIVEN_UP)
    for commands in _together(Q(state=S.OPERATOR) | given_up):
        first = commands[0]
        money = any(one.is_money for one in commands)
        undecided = any(one.state == S.OPERATOR for one in commands)
        if undecided:
            title = ngettext(
                "A change needs a decision: %(what)s",
                "%(n)d changes need a decision",
                len(commands),
            )
            text = _("The provider could not say whether this has happened. Look, and decide.")
        else:
            title = ngettext(
                "A change was given up: %(what)s", "%(n)d changes were given up", len(commands)
            )
            text = _("It was tried as often as it may be. It can be asked for again.")
        yield News(
            organization=first.organization,
            cause=_cause_of(commands),
            title=_titled(title, commands),
            text=f"{text}\n{_named(commands)}",
            url=_page_of(commands),
            severity=Severity.URGENT if money and undecided else Severity.WARNING,
        )


def _failing(now: datetime) -> Iterable[News]:
    active = Connection.objects.filter(state=Connection.State.ACTIVE)
    ill = list(_ill(active, now))
    yield from (news for _pk, news in ill)
    told = [pk for pk, _news in ill]
    yield from _unreadable(active.exclude(pk__in=told))
    yield from _asking(active)


def _ill(active: ConnectionQuerySet, now: datetime) -> Iterator[tuple[int, News]]:
    """Those whose key is refused, and those that have not answered for a while and still do not."""
    since = now - PATIENCE
    silent = Q(failures__gte=BREAKER_THRESHOLD, last_ok_at__lt=since, last_error_at__gte=since)
    ill = active.filter(Q(frozen_at__isnull=False) | silent).select_related("organization")
    for connection in with_freshness(ill):
        health = health_of(connection)
        began = connection.frozen_at or connection.last_ok_at
        yield (
            connection.pk,
            News(
                organization=connection.organization,
                cause=f"connection:{connection.pk}:{began:%Y-%m-%dT%H:%M:%S}",
                title=f"{connection}: {health.headline}",
                text=_lines(health.way_out, _quoted(health.said)),
                url=_connection_page(connection),
                severity=Severity.URGENT if connection.frozen_at else Severity.WARNING,
            ),
        )


def _unreadable(connections: ConnectionQuerySet) -> Iterator[News]:
    failing = Resource.objects.filter(failures__gte=FAILED_WALKS, connection__in=connections)
    for one in failing.select_related("connection__organization"):
        began = one.completed_at or one.connection.created_at
        tried = _("It was tried %(n)d times. What you see of it is as it was before.")
        yield News(
            organization=one.connection.organization,
            cause=f"listing:{one.pk}:{began:%Y-%m-%dT%H:%M:%S}",
            title=_("%(connection)s: “%(listing)s” cannot be read")
            % {"connection": one.connection, "listing": _listing(one)},
            text=_lines(tried % {"n": one.failures}, _quoted(one.error)),
            url=_connection_page(one.connection),
        )


def _asking(connections: ConnectionQuerySet) -> Iterator[News]:
    asking = SyncRun.objects.filter(
        state=SyncRun.State.ASKING, resource__connection__in=connections
    )
    for run in asking.select_related("resource__connection__organization"):
        connection = run.resource.connection
        yield News(
            organization=connection.organization,
            cause=f"loss:{run.pk}",
            title=_("%(connection)s: suddenly %(n)d rows of “%(listing)s” are missing")
            % {"connection": connection, "n": run.would_remove, "listing": _listing(run.resource)},
            text=_("They are kept until somebody says whether they are gone."),
            url=_connection_page(connection),
        )


def _listing(resource: Resource) -> str:
    what = mirrors.get(resource.name)
    return str(what.label) if what else resource.name


def _lines(*lines: str) -> str:
    return "\n".join(filter(None, lines))


def _quoted(said: str) -> str:
    return _("It was said: “%(words)s”") % {"words": said} if said else ""


def _connection_page(connection: Connection) -> str:
    return f"/o/{connection.organization.slug}/connections/{connection.uid}/"
