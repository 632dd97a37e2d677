"""When a key was last used: by the provider's own word, or by what a higher shelf has read.

The later of both counts. A provider tells the moment; reports of usage tell the UTC day alone, which
stands as its first moment where the two are compared or sorted by.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from html import escape
from typing import Any

from django.db.models import Case, DateTimeField, ExpressionWrapper, F, QuerySet, When
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.keys.models import Key
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.ui.times import Clock

# Providers that say themselves when a key was last used.
TELLERS = [key for key, one in PROVIDERS.items() if "last_use" in one.key_facts]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a higher shelf has seen used.

    ``start``: gives an expression over keys, the first moment of the last UTC day on which one was
    used, NULL for none. ``days``: the same of rows at hand, by primary key, in one query. ``tells``:
    whether anything is known of any key of these connections.
    """

    start: Callable[[], Any]
    days: Callable[[Sequence[Key]], Mapping[int, date]]
    tells: Callable[[Sequence[Connection]], bool]


_seen: list[Seen] = []


def tell(seen: Seen) -> None:
    """Have pages tell last use by what ``seen`` knows too; for a shelf's ``ready()``."""
    _seen[:] = [seen]


def is_told(connections: Sequence[Connection]) -> bool:
    """Whether a provider or a report tells of use at any of ``connections``. At most one query."""
    if any(one.provider in TELLERS for one in connections):
        return True
    return any(one.tells(connections) for one in _seen)


def with_last_use(keys: QuerySet[Key]) -> QuerySet[Key]:
    """``keys`` with ``last_use``: when each was last used by anybody's word, NULL where nobody knows."""
    told: Any = F("last_used_at")
    for one in _seen:
        # Not all databases pass over NULL when they compare; and each way asks the reports once.
        told = Case(
            When(last_used_at__isnull=True, then=one.start()),
            default=Greatest(told, Coalesce(one.start(), told)),
        )
    return keys.annotate(last_use=ExpressionWrapper(told, output_field=DateTimeField()))


@dataclass(frozen=True, slots=True)
class LastUse:
    """One key's last use. ``moment`` by the provider called ``provider``; ``day`` (UTC) by its reports.

    At most one of the two is there. ``tells``: the provider says so itself, so that none means never.
    """

    provider: str
    moment: datetime | None = None
    day: date | None = None
    tells: bool = False

    @property
    def is_known(self) -> bool:
        """Whether there was any use that somebody knows of."""
        return self.moment is not None or self.day is not None

    @property
    def exact(self) -> datetime | str | None:
        """For a file: the moment, or the day as ISO text."""
        return self.moment or (self.day.isoformat() if self.day else None)

    @property
    def source(self) -> str:
        """Whose word it is; "" where nobody knows of any use."""
        if self.moment:
            return _("%(provider)s's list of keys") % {"provider": self.provider}
        if self.day:
            return _("%(provider)s's usage report, by UTC day") % {"provider": self.provider}
        return ""

    def html(self, clock: Clock) -> SafeString:
        """Words for the eye; on hover the exact time and whose word it is."""
        if self.moment:
            return _time(
                clock.relative(self.moment), clock.exact(self.moment), self.moment, self.source
            )
        if self.day:
            days = (timezone.now().astimezone(UTC).date() - self.day).days
            words = _("today") if days < 1 else clock.relative(_start_of(self.day))
            return _time(words, date_format(self.day), self.day, self.source)
        if self.tells:
            return _grey(_("never"), _("%(provider)s says so.") % {"provider": self.provider})
        return _grey("–", _("No usage report that was read shows any use of it."))


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _time(words: str, exact: str, value: date, source: str) -> SafeString:
    title = escape(f"{exact} ({source})")
    return SafeString(
        f'<time datetime="{value.isoformat()}" title="{title}">{escape(words)}</time>'
    )


def _grey(words: str, why: str) -> SafeString:
    return SafeString(f'<span class="text-secondary" title="{escape(why)}">{escape(words)}</span>')


def prepare(keys: Sequence[Key]) -> None:
    """Give each of ``keys``, whose connection is at hand, its ``used``. At most one query."""
    days: dict[int, date] = {}
    for one in _seen:
        days |= one.days(keys)
    for key in keys:
        key.used = _of(key, days.get(key.pk))  # type: ignore[attr-defined]  # read by cells and pages


def _of(key: Key, day: date | None) -> LastUse:
    provider = PROVIDERS[key.connection.provider]
    moment, tells = key.last_used_at, key.connection.provider in TELLERS
    label = str(provider.label)
    if day is not None and (moment is None or moment < _start_of(day)):
        return LastUse(label, day=day, tells=tells)
    return LastUse(label, moment=moment, tells=tells)
