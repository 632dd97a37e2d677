"""News that stands for as long as something is so: looked for every half minute, told once, settled when
it is so no more.

A shelf that can say what is so now needs no hook at every place where it begins or ends, and nothing is
missed while no worker runs. What begins anew names a cause of its own, by when it began.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.utils import timezone

from apps.notices import topics
from apps.notices.models import Notice, Severity
from apps.notices.services import tell
from apps.notices.topics import Topic
from apps.organizations.models import Organization

log = structlog.get_logger(__name__)
AT_ONCE = 500  # causes asked for in one query


@dataclass(frozen=True, slots=True)
class News:
    """What is so at an organization now, as ``services.tell`` takes it."""

    organization: Organization
    cause: str
    title: str
    text: str
    url: str
    severity: Severity = Severity.WARNING


Look = Callable[[datetime], Iterable[News]]
LOOKS: dict[str, Look] = {}


def watch(topic: Topic, look: Look) -> None:
    """Make ``topic`` known; ``look(now)`` says what of it is so now, over all organizations."""
    topics.register(topic)
    LOOKS[topic.name] = look


def look_around() -> None:
    """Look for everything once. What fails of one topic keeps no other from being told."""
    for name, look in LOOKS.items():
        try:
            look_for(name, look, timezone.now())
        except Exception:  # the others are told all the same
            log.exception("look_failed", topic=name)


def look_for(name: str, look: Look, now: datetime) -> None:
    """Tell what is new of one topic, settle what is over. Two queries where nothing has changed.

    What was over and is so again stands again, in silence: it was told.
    """
    found = {(one.organization.pk, one.cause): one for one in look(now)}
    told = _told(name, list(found))
    standing = Notice.objects.filter(topic=name, settled_at__isnull=True)
    over = [
        pk
        for pk, organization, cause in standing.values_list("pk", "organization_id", "cause")
        if (organization, cause) not in found
    ]
    for begin in range(0, len(over), AT_ONCE):
        some = Notice.objects.filter(pk__in=over[begin : begin + AT_ONCE], settled_at__isnull=True)
        some.update(settled_at=now)
    again = [pk for key in found if (pk := told.get(key))]
    for begin in range(0, len(again), AT_ONCE):
        Notice.objects.filter(pk__in=again[begin : begin + AT_ONCE]).update(settled_at=None)
    for key, news in found.items():
        if key not in told:
            tell(
                topic=name,
                organization=news.organization,
                cause=news.cause,
                title=news.title,
                text=news.text,
                url=news.url,
                severity=news.severity,
            )


def _told(name: str, keys: list[tuple[int, str]]) -> dict[tuple[int, str], int | None]:
    """Those that were told already, each with the number of its notice where that says it is over."""
    told: dict[tuple[int, str], int | None] = {}
    for begin in range(0, len(keys), AT_ONCE):
        some = keys[begin : begin + AT_ONCE]
        rows = Notice.objects.filter(
            topic=name,
            organization__in={organization for organization, _cause in some},
            cause__in={cause for _organization, cause in some},
        )
        for one in rows.only("organization_id", "cause", "settled_at"):
            told[one.organization_id, one.cause] = one.pk if one.settled_at else None
    return told
