"""What the support desk finds of people, over all organizations in reach."""

from django.db import connection as database
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy as _

from apps.members.models import Member, Person
from apps.members.search import IN_INDEX, SHORTEST, phrase
from apps.organizations.finding import MOST, Finder, Reach, add, by_remote_id, distinct, why
from apps.organizations.models import Organization


def _people(text: str, reach: Reach) -> list[Person]:
    """By a whole address, else by a part of name or address. Three queries, by indexes."""
    wanted = text.lower()
    open_ones = Organization.objects.filter(support_may_read=True).values("pk")
    exact = Person.objects.filter(organization__in=open_ones, email=wanted)
    parts = [_in_index(wanted), _outside_index(wanted)] if len(wanted) >= SHORTEST else []
    return distinct(
        exact.order_by()[: MOST + 1],
        *(
            rows.filter(organization__support_may_read=True).order_by()[: MOST + 1]
            for rows in parts
        ),
    )


def _in_index(wanted: str) -> QuerySet[Person]:
    if database.vendor == "sqlite":
        return Person.objects.filter(
            pk__in=RawSQL(IN_INDEX, [phrase(wanted)])  # noqa: S611 - a constant; the text is bound
        )
    return Person.objects.filter(search_text__contains=wanted)


def _outside_index(wanted: str) -> QuerySet[Person]:
    found = Q(email__contains=wanted) | Q(name__icontains=wanted)
    return Person.objects.filter(found, searchable=False)


def _members(text: str, reach: Reach) -> list[Member]:
    return by_remote_id(Member.objects, text, reach)


def register() -> None:
    """Make this shelf's known."""
    add(
        Finder(
            "people",
            _("People"),
            "people.read",
            _people,
            lambda row: row.email,
            lambda row: why("join", row.organization_id, email=row.email),
            "members_person",
            order=10,
        ),
        Finder(
            "members",
            _("Members"),
            "people.read",
            _members,
            lambda row: row.remote_id or "",
            lambda row: why("join", row.connection.organization_id, email=row.email.lower()),
            "members_member",
            order=20,
        ),
    )
