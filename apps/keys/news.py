"""What keys have to tell: those that end soon, and those whose maker has left."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.keys import findings
from apps.keys.models import Key
from apps.notices.looking import News, watch
from apps.notices.models import Severity
from apps.notices.topics import Topic
from apps.organizations.models import Connection
from apps.organizations.policy import ADMINS

BEFORE = timedelta(days=14)
FEW = 5  # keys named in one notice

ENDING = Topic(
    "keys.ending",
    gettext_lazy("API keys expire soon"),
    ADMINS,
    "keys.read",
    gettext_lazy(
        "Keys that work today expire within two weeks; told once for each day and connection."
    ),
)
ORPHANED = Topic(
    "keys.orphaned",
    gettext_lazy("API keys of people who left"),
    ADMINS,
    "keys.read",
    gettext_lazy(
        "Keys still work although who made them is no longer a member; told once for each person."
    ),
)


def register() -> None:
    """For ``AppConfig.ready()``."""
    watch(ENDING, _ending)
    watch(ORPHANED, _orphaned)


def _grouped(which: Q, by: Callable[[Key], str]) -> Iterable[tuple[str, list[Key]]]:
    rows = Key.objects.filter(which, connection__state=Connection.State.ACTIVE).select_related(
        "connection__organization"
    )
    ordered = sorted(rows, key=lambda key: (key.connection_id, by(key), key.pk))
    for (_connection, value), some in groupby(
        ordered, key=lambda key: (key.connection_id, by(key))
    ):
        yield value, list(some)


def _named(keys: list[Key]) -> str:
    lines = [f"{key} · {key.hint}" if key.hint else str(key) for key in keys[:FEW]]
    if (more := len(keys) - FEW) > 0:
        lines.append(ngettext("and %(n)d more", "and %(n)d more", more) % {"n": more})
    return "\n".join(lines)


def _page(keys: list[Key], finding: str) -> str:
    connection = keys[0].connection
    return f"/o/{connection.organization.slug}/keys/?finding={finding}&connection={connection.pk}"


def _ending(now: datetime) -> Iterable[News]:
    soon = findings.usable() & Q(expires_at__lte=now + BEFORE)

    def day(key: Key) -> str:
        assert key.expires_at is not None  # noqa: S101 - the filter leaves none without a date
        return key.expires_at.astimezone(UTC).date().isoformat()

    for when, keys in _grouped(soon, day):
        connection, number = keys[0].connection, len(keys)
        words = ngettext(
            "%(connection)s: an API key expires on %(day)s",
            "%(connection)s: %(n)d API keys expire on %(day)s",
            number,
        )
        yield News(
            organization=connection.organization,
            cause=f"keys:{connection.pk}:{when}",
            title=words % {"connection": connection, "n": number, "day": when},
            text="\n".join([_("What uses them stops working then."), _named(keys)]),
            url=_page(keys, "expiring"),
        )


def _orphaned(now: datetime) -> Iterable[News]:
    for creator, keys in _grouped(findings.creator_left(), lambda key: key.creator):
        connection, number = keys[0].connection, len(keys)
        words = ngettext(
            "%(connection)s: a key of somebody who left still works",
            "%(connection)s: %(n)d keys of somebody who left still work",
            number,
        )
        why = _("They may hold a copy. Switch the keys off, or find out what uses them first.")
        yield News(
            organization=connection.organization,
            cause=f"orphaned:{connection.pk}:{creator}",
            title=words % {"connection": connection, "n": number},
            text="\n".join([why, _named(keys)]),
            url=_page(keys, "creator_left"),
            severity=Severity.WARNING,
        )
