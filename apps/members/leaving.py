"""What shelves above offer along with a removal: what is to become of what a person leaves behind."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.members.models import Member
from apps.sync.outbox.requests import Refusal, Wish


@dataclass(frozen=True, slots=True)
class Offer:
    """One question, asked on the pages that remove people.

    ``draw(request, members)`` gives its form fields, "" where these members leave nothing behind.
    ``wishes(members, given)`` are what is to be changed besides, as the POST in ``given`` chose.
    """

    name: str
    draw: Callable[[HttpRequest, QuerySet[Member]], SafeString | str]
    wishes: Callable[[QuerySet[Member], Mapping[str, str]], Iterable[Wish | Refusal]]


_offers: dict[str, Offer] = {}


def offer(one: Offer) -> None:
    """Have a question asked; for a shelf's ``ready()``."""
    _offers[one.name] = one


def questions(request: HttpRequest, members: QuerySet[Member]) -> list[SafeString | str]:
    """The fields of every question that these members raise."""
    drawn = (one.draw(request, members) for one in _offers.values())
    return [fields for fields in drawn if fields]


def wishes(members: QuerySet[Member], given: Mapping[str, str]) -> list[Wish | Refusal]:
    """All that was chosen besides the removals."""
    return [wish for one in _offers.values() for wish in one.wishes(members, given)]
