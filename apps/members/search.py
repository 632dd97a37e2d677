"""Finding people by a part of their name or address.

Three letters and more are looked up in an index of trigrams; fewer, as the beginning of a name or
address. People who are not in the index yet (``Person.searchable``) are read through: a first walk
writes them without it, and ``index_people`` puts them in afterwards, a few at a time.
"""

from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from apps.members.models import Person
from apps.organizations.models import Organization
from apps.ui.filters import Hits

# A trigram index answers nothing shorter.
SHORTEST = 3
# The code point after every letter: text beginning with t lies between t and t + LAST.
LAST = "\U0010ffff"
IN_INDEX = "SELECT rowid FROM members_person_fts WHERE members_person_fts MATCH %s"
# People put into the index in one transaction: some 30 ms, so that nobody else waits long to write.
CHUNK = 1000
# Keep FTS5's table in step with people who are in the index. PostgreSQL's index follows the generated
# column ``search_text`` by itself.
TRIGGERS = (
    """
    CREATE TRIGGER IF NOT EXISTS members_person_fts_put
    AFTER UPDATE OF searchable, email, name ON members_person WHEN NEW.searchable BEGIN
        DELETE FROM members_person_fts WHERE rowid = OLD.id AND OLD.searchable;
        INSERT INTO members_person_fts (rowid, text) VALUES (NEW.id, NEW.email || ' ' || NEW.name);
    END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS members_person_fts_drop
    AFTER DELETE ON members_person WHEN OLD.searchable BEGIN
        DELETE FROM members_person_fts WHERE rowid = OLD.id;
    END
    """,
)


def containing(text: str, organization: Organization) -> Hits:
    """The people of ``organization`` whose name or address contains ``text``, any case."""
    wanted = text.lower()
    if len(wanted) < SHORTEST:
        return _beginning(wanted, organization)
    if connection.vendor == "sqlite":
        return Hits(
            ids=_in_index,
            walk=_with,
            values={"texts": [wanted], "phrases": [phrase(wanted)]},
            number=lambda cap: _number_in_index(wanted, cap),
            steady=True,
        )
    # Not steady: how PostgreSQL finds a text best depends on how rare it is.
    indexed = Person.objects.filter(search_text__contains=wanted).values("pk")
    return Hits(
        ids=lambda texts: indexed.union(_outside(texts), all=True),
        walk=_with,
        values={"texts": [wanted]},
        number=lambda cap: indexed[: cap + 1].count(),
    )


def _with(texts: Sequence[str], **values: Sequence[str]) -> Q:
    """Who has the one text of ``texts`` in the name or address."""
    (wanted,) = texts
    return Q(email__contains=wanted) | Q(name__icontains=wanted)


def _outside(texts: Sequence[str]) -> QuerySet[Person, Any]:
    """The ids of those among them who are not in the index. They are few, and read through; in the index are those
    of all organizations."""
    return Person.objects.filter(_with(texts), searchable=False).values("pk")


def _in_index(texts: Sequence[str], phrases: Sequence[str]) -> RawSQL:
    """The ids of all of them on SQLite. Not as a union of querysets: it would read the index into a table of its
    own first."""
    sql, params = _outside(texts).query.sql_with_params()
    return RawSQL(f"{IN_INDEX} UNION ALL {sql}", [*phrases, *params])  # noqa: S611 - constants and Django's own SQL; the texts are bound


def _beginning(wanted: str, organization: Organization) -> Hits:
    people = Person.objects.filter(organization=organization)
    if connection.vendor == "sqlite":
        email = Q(email__gte=wanted, email__lt=wanted + LAST)
        name = Q(sort_name__gte=wanted, sort_name__lt=wanted + LAST)
    else:
        email, name = Q(email__startswith=wanted), Q(sort_name__startswith=wanted)
    ids = people.filter(email).values("pk").union(people.filter(name).values("pk"))
    if connection.vendor == "postgresql":  # its indexes of beginnings hold the searchable alone
        indexed = people.filter(searchable=True)
        outside = people.filter(email | name, searchable=False)
        ids = indexed.filter(email).values("pk")
        ids = ids.union(indexed.filter(name).values("pk"), outside.values("pk"))
    return Hits(
        ids=lambda: ids,
        walk=lambda: email | name,
        number=lambda cap: ids[: cap + 1].count(),
        own=True,
    )


def _number_in_index(wanted: str, cap: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({IN_INDEX} LIMIT %s)", [phrase(wanted), cap + 1])  # noqa: S608 - a constant
        return int(cursor.fetchone()[0])


def phrase(wanted: str) -> str:
    """The text as FTS5 takes it literally."""
    return '"' + wanted.replace('"', '""') + '"'


def see_to_triggers(**kwargs: Any) -> None:
    """Make SQLite's triggers where they are missing. Django drops them whenever it remakes the table."""
    if (
        connection.vendor == "sqlite"
        and "members_person_fts" in connection.introspection.table_names()
    ):
        with connection.cursor() as cursor:
            for trigger in TRIGGERS:
                cursor.execute(trigger)


def index_people(*, chunk: int = CHUNK) -> int:
    """Put at most ``chunk`` people into the index, in a transaction of its own. How many it were."""
    with transaction.atomic(durable=True):
        waiting = Person.objects.filter(searchable=False).order_by("organization_id")
        ids = list(waiting.values_list("pk", flat=True)[:chunk])
        return Person.objects.filter(pk__in=ids).update(searchable=True)
