"""Keys of people who are removed: leave, deactivate or archive them along with the removal."""

from collections.abc import Iterator, Mapping

from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from apps.keys import findings, services
from apps.keys.models import Key
from apps.keys.standing import of_members
from apps.members.leaving import Offer
from apps.members.models import Member
from apps.organizations.models import Connection
from apps.sync.outbox.requests import Refusal, Wish

FIELD = "their_keys"
CHOICES = {"deactivate": "keys.deactivate", "archive": "keys.archive"}
NAMED = 5  # keys that the question names


def _keys(members: QuerySet[Member]) -> QuerySet[Key]:
    """The usable keys of these members, where a key can be switched off at all."""
    places = Connection.objects.filter(pk__in=members.order_by().values("connection"))
    able = [one for one in places if one.can("keys.change")]
    found = of_members(members).filter(findings.usable())
    return found.filter(connection__in=able, is_own=False)


def _draw(request: HttpRequest, members: QuerySet[Member]) -> SafeString | str:
    """The question; "" where they made no key that still works, or the reader may not change any."""
    may = request.may  # type: ignore[attr-defined]  # set by desk_view
    if not may("keys.change"):
        return ""
    keys = _keys(members)
    count = keys.count()
    if not count:
        return ""
    given = {
        "field": FIELD,
        "count": count,
        "named": list(services.whole(keys)[:NAMED]),
        "more": max(0, count - NAMED),
        "may_archive": may("keys.archive"),
    }
    return render_to_string("keys/_leaving.html", given, request)


def _wishes(members: QuerySet[Member], given: Mapping[str, str]) -> Iterator[Wish | Refusal]:
    kind = CHOICES.get(given.get(FIELD, ""))
    return services.wishes(kind, services.whole(_keys(members))) if kind else iter(())


THEIR_KEYS = Offer("keys", _draw, _wishes)
