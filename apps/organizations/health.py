"""How a connection is doing: what workers note of their calls, and what pages say about it.

Workers call ``breaker_allows`` before a call and ``note_success``, ``note_failure`` or ``freeze``
after it. Everything is a compare-and-swap update of one row, so any number of workers may do it at
once, on both databases, with no transaction open.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Min, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.audit.record import record
from apps.kicks import kick_after_commit
from apps.organizations.models import Connection, ConnectionQuerySet
from apps.providers.errors import NotSent, ProviderError, Unclear
from apps.providers.protocol import Words
from apps.ui.prepared import Prepared

BREAKER_THRESHOLD = 5  # failures in a row
TRIAL_SECONDS = (
    10  # on top of a call's own deadline: whoever tries has died if it is not back by then
)
NOTE_AGAIN_SECONDS = 30  # a success is written down at most this often
STALE_INTERVALS = 4  # sync intervals without a complete walk
# Listings that are walked more seldom than the others, with the seconds between two walks.
SLOW_LISTINGS: dict[str, float] = {}  # sync fills it
# What is walked and is no listing: reports that grow with time.
SERIES: set[str] = set()  # likewise
# What a listing is called, by its name.
LABELS: dict[str, Words] = {}  # likewise


# --- Circuit breaker -----------------------------------------------------------------------------


_breakers = Prepared(
    lambda ids: Connection.objects.filter(pk__in=ids).values_list("breaker_open_until")
)


def breaker_allows(connection: Connection) -> float | None:
    """None: call away. Otherwise the seconds to wait before asking again.

    After the rest, exactly one caller is let through to try; the others wait for its outcome.
    """
    found = _breakers(ids=[connection.pk])
    open_until = found[0][0] if found else None
    if open_until is None:
        return None
    now = timezone.now()
    if open_until > now:
        return (open_until - now).total_seconds()
    trial_ends = now + timedelta(seconds=settings.PROVIDER_CALL_DEADLINE + TRIAL_SECONDS)
    mine = Connection.objects.filter(pk=connection.pk, breaker_open_until=open_until).update(
        breaker_open_until=trial_ends, breaker_trial=True
    )
    connection.breaker_trial = bool(mine)
    return None if mine else 1.0


def leave_trial(connection: Connection) -> None:
    """Whoever was let through to try has not called after all: let the next one try, at once.

    ``connection`` must be what was given to ``breaker_allows``.
    """
    if connection.breaker_trial:
        Connection.objects.filter(pk=connection.pk, breaker_trial=True).update(
            breaker_open_until=timezone.now(), breaker_trial=False
        )
        connection.breaker_trial = False


def is_resting(connection: Connection) -> bool:
    """Whether the breaker is open: the provider does not answer anybody."""
    return Connection.objects.filter(pk=connection.pk, breaker_open_until__isnull=False).exists()


def note_success(connection: Connection) -> None:
    """The provider answered: the breaker closes, the last error is forgotten."""
    now = timezone.now()
    stale = now - timedelta(seconds=NOTE_AGAIN_SECONDS)
    worth_noting = (
        Q(failures__gt=0)
        | Q(breaker_open_until__isnull=False)
        | ~Q(last_error="")
        | Q(last_ok_at__isnull=True)
        | Q(last_ok_at__lt=stale)
    )
    row = Connection.objects.filter(worth_noting, pk=connection.pk)
    # Looking first costs no write lock, and a walk of many pages seldom has anything to note.
    if row.exists():
        row.update(
            failures=0,
            breaker_open_until=None,
            breaker_trial=False,
            last_error="",
            last_ok_at=now,
        )


def note_failure(connection: Connection, error: ProviderError) -> None:
    """A call failed. NotSent and Unclear count towards the breaker; other errors are only noted."""
    now = timezone.now()
    said = {"last_error": error.message[:500], "last_error_at": now}
    this = Connection.objects.filter(pk=connection.pk)
    if not isinstance(error, NotSent | Unclear):
        this.update(**said)
    elif this.filter(breaker_open_until__isnull=True).update(failures=F("failures") + 1, **said):
        this.filter(breaker_open_until__isnull=True, failures__gte=BREAKER_THRESHOLD).update(
            breaker_open_until=now + timedelta(seconds=_rest(BREAKER_THRESHOLD))
        )
    elif not _trial_failed(this, now, said):
        this.update(**said)  # it had set out before the breaker opened, and adds nothing


def _trial_failed(this: ConnectionQuerySet, now: datetime, said: dict[str, object]) -> bool:
    failures = this.filter(breaker_trial=True).values_list("failures", flat=True).first()
    if failures is None:
        return False
    rest = timedelta(seconds=_rest(failures + 1))
    return bool(
        this.filter(breaker_trial=True, failures=failures).update(
            failures=failures + 1, breaker_trial=False, breaker_open_until=now + rest, **said
        )
    )


def _rest(failures: int) -> float:
    """Seconds of rest after so many failures in a row."""
    doublings = min(failures - BREAKER_THRESHOLD, 20)
    return float(min(settings.BREAKER_CAP_SECONDS, settings.BREAKER_SECONDS * 2**doublings))


# --- Freezing and asking again -------------------------------------------------------------------


def freeze(connection: Connection, error: ProviderError) -> None:
    """The provider refuses the key (401): nothing is sent until it is replaced or accepted again.

    ``connection`` must be as it was when the call was made: if its key was replaced since, the
    refusal is not the new key's, and nothing happens.
    """
    now = timezone.now()
    reason = error.message[:500]
    with transaction.atomic(durable=True):
        newly = Connection.objects.filter(
            pk=connection.pk, credential=connection.credential, frozen_at__isnull=True
        ).update(frozen_at=now, frozen_reason=reason, last_error=reason, last_error_at=now)
        if newly:
            record(
                organization=connection.organization_id,
                actor=None,
                verb="connections.freeze",
                target=connection,
                details={"reason": reason, "request_id": error.request_id},
                connection=connection,
            )


def ask_for_probe(connection: Connection) -> None:
    """Have a worker find out anew what the connection can do; where that is under way, do nothing."""
    with transaction.atomic(durable=True):
        asked = (
            Connection.objects.filter(pk=connection.pk)
            .exclude(probe__in=[Connection.Probe.WAITING, Connection.Probe.RUNNING])
            .update(probe=Connection.Probe.WAITING, probe_asked_at=timezone.now())
        )
        if asked:
            kick_probe(connection.pk)


def kick_probe(connection_id: int) -> None:
    """Wake a worker for a waiting probe once the transaction at hand has committed; the tidying task finds
    a lost kick."""
    kick_after_commit("actions.probe_connection", connection_id)


# --- What pages say ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Health:
    """One connection's condition in words. ``level``: "ok", "info", "warning" or "danger".

    ``headline`` says what is wrong, ``way_out`` what to do about it, ``said`` the provider's own
    words; ``needs_key`` whether replacing the key is the way out.
    """

    connection: Connection
    level: str
    headline: str
    way_out: str = ""
    said: str = ""
    needs_key: bool = False

    @property
    def is_well(self) -> bool:
        """Whether there is nothing to tell."""
        return self.level == "ok"


def with_freshness(connections: ConnectionQuerySet) -> ConnectionQuerySet:
    """Add to each connection, in the same query:

    - ``synced_at``, the oldest of its listings' last complete walks; ``usual_synced_at`` and
      ``slow_synced_at``, the same of those that are walked at the usual pace, and of the others;
    - ``next_at``: none while nothing is walked, because it is paused or the key is refused;
    - ``unsynced``: listings never walked whole; ``unread``: reports of which the latest days have never been read.
    """
    slow = Q(resources__name__in=list(SLOW_LISTINGS))
    walked = Q(state=Connection.State.ACTIVE, frozen_at__isnull=True)
    series, new = Q(resources__name__in=list(SERIES)), Q(resources__completed_at__isnull=True)
    return connections.annotate(
        synced_at=Min("resources__completed_at"),
        usual_synced_at=Min("resources__completed_at", filter=~slow),
        slow_synced_at=Min("resources__completed_at", filter=slow),
        next_at=Min("resources__due_at", filter=walked),
        unsynced=Count("resources", filter=new & ~series),
        unread=Count("resources", filter=new & series),
    )


def health_of(connection: Connection) -> Health:
    """The condition of a connection that came through ``with_freshness``. No query."""
    now = timezone.now()
    if connection.state == Connection.State.DISCONNECTED:
        return Health(
            connection,
            "info",
            _(
                "Disconnected: what was mirrored until then stays; nothing is synced or sent any more."
            ),
            _("Connect the account anew if it should go on."),
        )
    if connection.frozen_at:
        return Health(
            connection,
            "danger",
            _("The provider refuses the key. Nothing is synced or sent until it is replaced."),
            _("Replace the key, or have it checked again if the provider has accepted it since."),
            connection.frozen_reason,
            needs_key=True,
        )
    if connection.state == Connection.State.PAUSED:
        return Health(
            connection,
            "info",
            _("Paused: nothing is synced, and changes wait."),
            _("Resume it when it should go on."),
        )
    if connection.breaker_open_until:
        return Health(
            connection,
            "warning",
            _("The provider cannot be reached. Changes wait and are tried again by themselves."),
            _("Nothing is lost. If it lasts, see the provider's status page and this network."),
            connection.last_error,
        )
    if connection.failures:
        return Health(
            connection,
            "warning",
            _("The last calls to the provider failed. They are tried again by themselves."),
            said=connection.last_error,
        )
    return _health_of_mirror(connection, now)


def _health_of_mirror(connection: Connection, now: datetime) -> Health:
    synced_at: datetime | None = getattr(connection, "synced_at", None)
    if synced_at is None or getattr(connection, "unsynced", False):
        return Health(connection, "info", _("The first sync has not finished yet."))
    if getattr(connection, "unread", False):
        return Health(
            connection,
            "info",
            _("Usage is being read for the first time: its figures are not whole yet."),
        )
    if _is_late(connection, now):
        return Health(
            connection,
            "warning",
            _("What you see may be out of date: the last complete sync is long ago."),
            _("Start a sync. If that does not help, see whether the workers are running."),
            connection.last_error,
        )
    return Health(connection, "ok", _("Up to date."))


def _is_late(connection: Connection, now: datetime) -> bool:
    """Whether a listing has not been walked whole for several times its pace."""
    paces = {
        "usual_synced_at": float(settings.SYNC_INTERVAL_SECONDS),
        "slow_synced_at": max(SLOW_LISTINGS.values(), default=0.0),
    }
    for name, pace in paces.items():
        at: datetime | None = getattr(connection, name, None)
        if at is not None and now - at > timedelta(seconds=pace * STALE_INTERVALS):
            return True
    return False


def ailing(connections: Iterable[Connection]) -> list[Health]:
    """The conditions that a page should tell of, the worst first."""
    order = {"danger": 0, "warning": 1, "info": 2}
    told = [health for health in map(health_of, connections) if not health.is_well]
    return sorted(told, key=lambda health: order[health.level])
