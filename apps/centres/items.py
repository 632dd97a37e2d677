"""Lists of keys, people and workspaces: as people type them and as rules keep them."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from apps.centres.models import Subject
from apps.centres.rules import item
from apps.keys.models import Key
from apps.members.models import Person
from apps.organizations.models import Connection, Organization
from apps.usage.tuples import NONE
from apps.workspaces.models import Workspace

CHUNK = 500


def default_workspace() -> str:
    """What the workspace is called that has no row."""
    return _("Default workspace")


class Items:
    """Of one organization and one subject."""

    def __init__(
        self, organization: Organization, connections: Sequence[Connection], subject: str
    ) -> None:
        self.organization, self.subject = organization, subject
        self.ids = [one.pk for one in connections]

    def read(self, text: str) -> tuple[list[str], list[str]]:
        """What is meant by lines of names, ids or addresses; and the lines that nobody is called by.

        A name that several have means all of them. Two queries for some 500 lines.
        """
        lines = [line.strip()[:200] for line in text.replace("\x00", "").splitlines()]
        wanted = list(dict.fromkeys(filter(None, lines)))
        known: dict[str, list[str]] = {}
        for at in range(0, len(wanted), CHUNK):
            some = wanted[at : at + CHUNK]
            for name, one in self._people(some) if self._is_people else self._things(some):
                known.setdefault(name, []).append(one)
        items: list[str] = []
        unknown = []
        for line in wanted:
            if found := known.get(line.lower()) or self._as_kept(line):
                items += found
            else:
                unknown.append(line)
        return list(dict.fromkeys(items)), unknown

    def write(self, items: Sequence[str]) -> list[str]:
        """Lines that ``read`` takes for just these items, by name where a name is enough."""
        names = self.names(items)
        read, _unknown = self.read("\n".join(names.values()))
        if set(read) == set(items):
            return list(names.values())
        # Two are called the same, or one is gone: the ids tell them apart.
        return [names[one] if self._is_people else one for one in items]

    def names(self, items: Sequence[str]) -> dict[str, str]:
        """What each item is called; people by address. The item itself where nobody knows."""
        found: dict[str, str] = {one: one for one in items}
        if self._is_people:
            for at in range(0, len(items), CHUNK):
                ids = [int(one) for one in items[at : at + CHUNK] if one.isdecimal()]
                rows = Person.objects.filter(organization=self.organization, pk__in=ids)
                found |= {str(pk): email for pk, email in rows.values_list("pk", "email")}
            return found
        remote = [one.partition("/")[2] for one in items]
        for at in range(0, len(remote), CHUNK):
            rows = self._rows().filter(remote_id__in=remote[at : at + CHUNK])
            for owner, value, name in rows.values_list("connection_id", "remote_id", "name"):
                if item(owner, value) in found:
                    found[item(owner, value)] = name or value
        for one in items:
            if self.subject == Subject.WORKSPACE and one.endswith(f"/{NONE}"):
                found[one] = default_workspace()
        return found

    @property
    def _is_people(self) -> bool:
        return self.subject == Subject.PERSON

    def _rows(self) -> Any:
        model: Any = Key if self.subject == Subject.KEY else Workspace
        return model.objects.filter(connection__in=self.ids, remote_id__isnull=False).order_by("pk")

    def _people(self, lines: Iterable[str]) -> Iterable[tuple[str, str]]:
        rows = Person.objects.filter(organization=self.organization)
        lower = [one.lower() for one in lines]
        for pk, email in rows.filter(email__in=lower).values_list("pk", "email"):
            yield email.lower(), str(pk)
        for pk, name in rows.filter(sort_name__in=lower).values_list("pk", "sort_name"):
            yield name.lower(), str(pk)

    def _things(self, lines: Sequence[str]) -> Iterable[tuple[str, str]]:
        rows = self._rows()
        lower = [one.lower() for one in lines]
        # SQLite makes small letters of ASCII alone.
        called = rows.annotate(lower=Lower("name")).filter(Q(lower__in=lower) | Q(name__in=lines))
        for owner, value, name in called.values_list("connection_id", "remote_id", "name"):
            yield name.lower(), item(owner, value)
        known = rows.filter(remote_id__in=lines)
        for owner, value in known.values_list("connection_id", "remote_id"):
            yield value.lower(), item(owner, value)
        if self.subject == Subject.WORKSPACE:
            for owner in self.ids:
                yield default_workspace().lower(), item(owner, NONE)

    def _as_kept(self, line: str) -> list[str]:
        """The spelling that rules keep: for what is gone, or has no name of its own."""
        owner, _slash, value = line.partition("/")
        mine = owner.isdecimal() and int(owner) in self.ids and bool(value)
        return [line] if mine and not self._is_people else []


def is_item(
    organization: Organization, connections: Sequence[Connection], subject: str, one: str
) -> bool:
    """Whether this is the spelling of something of the organization's."""
    if subject == Subject.PERSON:
        mine = Person.objects.filter(organization=organization)
        return one.isdecimal() and len(one) < 18 and mine.filter(pk=int(one)).exists()
    if subject not in (Subject.KEY, Subject.WORKSPACE):
        return False
    owner, _slash, value = one.partition("/")
    return bool(value) and owner in {str(other.pk) for other in connections} and len(value) <= 200
