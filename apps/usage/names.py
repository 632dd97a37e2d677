"""What dimensions are called: a provider's ids and marks in words, with the page of what they name."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.keys.models import Key
from apps.members.models import Person
from apps.organizations.models import Connection, Organization
from apps.usage.groupings import is_number
from apps.usage.people import ACCOUNT
from apps.usage.question import SCOPED
from apps.usage.tuples import NONE, NOT_ASKED, UNTOLD
from apps.workspaces.models import Workspace

Words = str | Promise
# A group's value; the connection's id beside it, where the value means something there alone.
Value = tuple[Any, int]

_NONE: dict[str, Words] = {
    "workspace": gettext_lazy("Default workspace"),
    "key": gettext_lazy("Without an API key"),
    "person": gettext_lazy("By API keys, no person"),
    "model": gettext_lazy("No model"),
}
_UNTOLD: dict[str, Words] = {
    "workspace": gettext_lazy("No workspaces at this provider"),
    "key": gettext_lazy("Keys are not told by this provider"),
    "person": gettext_lazy("People are not told by this provider"),
}
TOKEN_KINDS: dict[str, Words] = {
    "uncached_input": gettext_lazy("Input, not cached"),
    "cache_write_5m": gettext_lazy("Cache write, 5 minutes"),
    "cache_write_1h": gettext_lazy("Cache write, 1 hour"),
    "cache_read": gettext_lazy("Cache read"),
    "unsplit_input": gettext_lazy("Input, cache not told"),
    "output": gettext_lazy("Output"),
}
_SPELLED: dict[str, dict[str, Words]] = {
    "token_type": TOKEN_KINDS,
    "cost_type": {
        "tokens": gettext_lazy("Tokens"),
        "web_search": gettext_lazy("Web searches"),
        "code_execution": gettext_lazy("Code execution"),
        "session_usage": gettext_lazy("Sessions"),
    },
}
# Groupings that a shelf adds (``added.py``).
Namer = Callable[[Organization, Sequence[Value]], Mapping[Value, "Name"]]
_NAMERS: dict[str, Namer] = {}
# Spelled with underscores by their providers, and no names of anything.
_PLAIN = frozenset({"service_tier", "geo", "speed", "operation", "cost_type", "token_type"})


@dataclass(slots=True)
class Name:
    """``text`` to read, ``note`` to tell it from its like, ``url`` of its own page; ``known`` is False for
    marks and for ids that no walk has seen."""

    text: str
    note: str = ""
    url: str = ""
    known: bool = True

    @property
    def page_label(self) -> str:
        """What the link to its page is called."""
        return _("The page of %(name)s") % {"name": self.text}

    def __str__(self) -> str:
        return f"{self.text} · {self.note}" if self.note else self.text


def add_names(group: str, namer: Namer, *, none: Words) -> None:
    """Have the values of an added grouping named, and what belongs to none of them."""
    _NAMERS[group], _NONE[group] = namer, none


class Names:
    """Names within one organization. ``of`` takes at most two queries, whatever the number of values."""

    def __init__(self, organization: Organization, connections: Iterable[Connection]) -> None:
        self.organization = organization
        self.connections = {one.pk: one for one in connections}

    def of(self, group: str, values: Sequence[Value]) -> dict[Value, Name]:
        """A name for each value, made to differ from the others."""
        found = {value: self._mark(group, value[0]) for value in values}
        rest = [value for value in values if found[value] is None]
        looked_up = {
            "workspace": self._workspaces,
            "key": self._keys,
            "person": self._people,
            "connection": self._connections,
        }.get(group)
        known: Mapping[Value, Name] = looked_up(rest) if looked_up else {}
        if group in _NAMERS and rest:
            known = _NAMERS[group](self.organization, rest)
        names = {
            value: found[value] or known.get(value) or self._spelled(group, str(value[0]))
            for value in values
        }
        if group in SCOPED and len(self.connections) > 1:
            self._tell_apart(names)
        return names

    def _mark(self, group: str, value: Any) -> Name | None:
        if value == NONE:
            return Name(str(_NONE.get(group, _("None"))), known=False)
        if value == NOT_ASKED:
            return Name(_("Not told apart"), known=False)
        if value == UNTOLD:
            return Name(str(_UNTOLD.get(group, _("Not told by this provider"))), known=False)
        return None

    def _spelled(self, group: str, value: str) -> Name:
        if group == "model":
            return Name(value.strip(), url=self._url("usage:model", model=value))
        if text := _SPELLED.get(group, {}).get(value):
            return Name(str(text))
        if group in _PLAIN:
            return Name(value.replace("_", " ").strip().capitalize())
        return Name(
            value.removeprefix(ACCOUNT).strip(), known=group not in SCOPED and group != "person"
        )

    def _tell_apart(self, names: dict[Value, Name]) -> None:
        """Two of one name, or one mark at two connections: say whose."""
        often = Counter(name.text for name in names.values())
        for (_value, connection), name in names.items():
            if often[name.text] > 1 and connection in self.connections and not name.note:
                name.note = self.connections[connection].name

    def _url(self, view: str, **kwargs: Any) -> str:
        return reverse(view, kwargs={"slug": self.organization.slug, **kwargs})

    def _workspaces(self, values: Sequence[Value]) -> dict[Value, Name]:
        rows = Workspace.objects.filter(
            connection__in=self.connections, remote_id__in={value for value, _ in values}
        ).only("name", "remote_id", "connection_id", "state")
        return {
            (row.remote_id, row.connection_id): Name(
                row.name,
                _("archived") if row.state == Workspace.State.ARCHIVED else "",
                self._url("workspaces:one", pk=row.pk),
            )
            for row in rows
        }

    def _keys(self, values: Sequence[Value]) -> dict[Value, Name]:
        rows = Key.objects.filter(
            connection__in=self.connections, remote_id__in={value for value, _ in values}
        ).only("name", "remote_id", "connection_id", "gone_at", "hint")
        return {
            (row.remote_id, row.connection_id): Name(
                str(row), row.hint, self._url("keys:key", pk=row.pk)
            )
            for row in rows
        }

    def _people(self, values: Sequence[Value]) -> dict[Value, Name]:
        ids = [int(value) for value, _ in values if is_number(str(value))]
        rows = Person.objects.filter(organization=self.organization, pk__in=ids)
        people = {
            str(row.pk): Name(
                str(row), row.email if row.name else "", self._url("members:person", pk=row.pk)
            )
            for row in rows.only("name", "email")
        }
        return {value: people[str(value[0])] for value in values if str(value[0]) in people}

    def _connections(self, values: Sequence[Value]) -> dict[Value, Name]:
        return {
            value: Name(
                one.name,
                "",
                reverse("organizations:connection", args=[self.organization.slug, one.uid]),
            )
            for value in values
            if (one := self.connections.get(int(value[0])))
        }
