"""What keys have to tell: those that end soon, by the week, and those whose maker has left."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.keys import findings
from apps.keys.models import Key
from apps.members.models import Member
from apps.notices.looking import News, watch
from apps.notices.topics import Topic
from apps.organizations.models import Connection
from apps.organizations.policy import ADMINS

BEFORE = timedelta(days=7)  # at least, and a week more at most
FEW = 5  # keys named in one notice

ENDING = Topic(
    "keys.ending",
    gettext_lazy("API keys expire soon"),
    ADMINS,
    "keys.read",
    gettext_lazy(
        "Keys that work today expire in one or two weeks; told once for each week and connection."
    ),
)
ORPHANED = Topic(
    "keys.orphaned",
    gettext_lazy("API keys of people who left"),
    ADMINS,
    "keys.read",
    gettext_lazy(
        "Keys still work although who made them is no longer a member; told once for those who left "
        "at the same time."
    ),
)


def register() -> None:
    """For ``AppConfig.ready()``."""
    watch(ENDING, _ending)
    watch(ORPHANED, _orphaned)


def _live() -> QuerySet[Key]:
    return Key.objects.filter(connection__state=Connection.State.ACTIVE).select_related(
        "connection__organization"
    )


def _grouped(rows: Iterable[Key], by: Callable[[Key], str]) -> Iterable[tuple[str, list[Key]]]:
    """Keys of one connection that have the same value, with it."""
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


def _monday(at: datetime) -> date:
    """The week of a time, by its first day (UTC)."""
    day = at.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def _ending(now: datetime) -> Iterable[News]:
    """Whole weeks at once, so that nothing joins one that was told already."""
    last = _monday(now + BEFORE) + timedelta(days=6)
    until = datetime.combine(last, time.max, UTC)

    def week(key: Key) -> str:
        assert key.expires_at is not None  # noqa: S101 - those without a date are not asked for
        return _monday(key.expires_at).isoformat()

    rows = _live().filter(findings.usable(), expires_at__lte=until)
    for monday, keys in _grouped(rows, week):
        connection, number = keys[0].connection, len(keys)
        sunday = date.fromisoformat(monday) + timedelta(days=6)
        words = ngettext(
            "%(connection)s: an API key expires by %(day)s",
            "%(connection)s: %(n)d API keys expire by %(day)s",
            number,
        )
        yield News(
            organization=connection.organization,
            cause=f"keys:{connection.pk}:{monday}",
            title=words
            % {"connection": connection, "n": number, "day": date_format(sunday, "j M")},
            text="\n".join([_("What uses them stops working then."), _named(keys)]),
            url=_page(keys, "expiring"),
        )


def _orphaned(now: datetime) -> Iterable[News]:
    """Those of whom one walk found that they had left, together; those who had before anybody looked, too."""

    def when(key: Key) -> str:
        at: datetime | None = key.left_at  # type: ignore[attr-defined]  # annotated
        # Of a maker whom no walk ever saw, nobody knows more than when their key was seen first.
        return at.isoformat(timespec="seconds") if at else key.first_seen_at.date().isoformat()

    makers = Member.objects.filter(connection=OuterRef("connection"), remote_id=OuterRef("creator"))
    rows = _live().annotate(left_at=Subquery(makers.values("gone_at")[:1]))
    for at, keys in _grouped(rows.filter(findings.creator_left()), when):
        connection, number = keys[0].connection, len(keys)
        words = ngettext(
            "%(connection)s: a key of somebody who left still works",
            "%(connection)s: %(n)d keys of people who left still work",
            number,
        )
        why = _("They may hold copies. Switch the keys off, or find out what uses them first.")
        yield News(
            organization=connection.organization,
            cause=f"orphaned:{connection.pk}:{at}",
            title=words % {"connection": connection, "n": number},
            text="\n".join([why, _named(keys)]),
            url=_page(keys, "creator_left"),
        )
