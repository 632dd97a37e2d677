"""What is mirrored: one declaration for each listing, registered by its shelf in ``AppConfig.ready()``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models

from apps.organizations import health
from apps.organizations.models import Connection
from apps.providers.protocol import Adapter, Words
from apps.providers.records import Page
from apps.sync.models import Mirrored, RemoteChange

if TYPE_CHECKING:
    from apps.sync.walk import Errand, Fetcher


@dataclass(frozen=True, slots=True)
class Parent:
    """The row that must stand before a mirror row, shared by several: a member's person, say.

    It belongs to the connection's organization and is found there by ``key_column``. ``fill`` are
    columns of text that take the record's word whenever it has one; ``earliest`` are times that go
    back to the earliest that any record gave. The table has a ``created_at``.
    """

    model: type[models.Model]
    column: str  # of the mirror row: "person_id"
    key_column: str  # of the parent, unique within the organization: "email"
    values: Callable[[Any], tuple[Any, ...]]  # record → key, then ``fill``, then ``earliest``
    fill: tuple[str, ...] = ()
    earliest: tuple[str, ...] = ()

    def merge(self, one: Sequence[Any], later: Sequence[Any]) -> tuple[Any, ...]:
        """The ``values`` of two records that name the same parent as if one record had given them."""
        key, *pairs = zip(one, later, strict=True)
        texts, times = pairs[: len(self.fill)], pairs[len(self.fill) :]
        return (
            key[0],
            *(new or old for old, new in texts),
            *(min(filter(None, pair), default=None) for pair in times),
        )


Difference = dict[str, list[Any]]  # {"role": ["user", "developer"]}


def nothing_more(
    connection_id: int, remote_ids: Sequence[str], now: datetime
) -> dict[str, Difference]:
    """What a mirror does with its gone rows that need nothing but ``gone_at``."""
    return {}


def all_of_them(connection: Connection, changes: "list[RemoteChange]") -> "list[RemoteChange]":
    """What a mirror tells people of: every change, called what ``label_column`` says."""
    return changes


@dataclass(frozen=True, slots=True)
class Mirror:
    """One listing of a provider, and the rows that hold it here.

    ``values`` gives a record's own columns in the order of ``columns``, and asks no database: the
    thread that fetches calls it too. ``watched`` are those whose change at the remote people want
    to hear of. ``target_column`` is what a Command's target names after ``name``. ``ends`` and
    ``begins`` are the Command kinds that explain why a row went or came. ``on_gone(connection_id,
    remote_ids, now)`` runs in the transaction that marks rows gone, before it does, and says what
    that changed of each. ``news(connection, changes)`` gives those of the changes at the provider
    that people are told of, perhaps with a better label; they are not saved yet, and what was held
    before still stands in the table. ``version`` grows when ``values`` reads the same record
    differently, so that each row is written anew once.
    """

    name: str  # of the Resource: "members"
    label: Words
    capability: str
    model: type[Mirrored]
    fetch: Callable[[Adapter, str | None], Page[Any]]
    columns: tuple[str, ...]
    values: Callable[[Any, datetime], tuple[Any, ...]]
    label_column: str
    target_column: str
    watched: tuple[str, ...] = ()
    parent: Parent | None = None
    ends: frozenset[str] = frozenset()
    begins: frozenset[str] = frozenset()
    on_gone: Callable[[int, Sequence[str], datetime], dict[str, Difference]] = nothing_more
    news: "Callable[[Connection, list[RemoteChange]], list[RemoteChange]]" = all_of_them
    version: int = 1
    every_seconds: int | None = None  # None: SYNC_INTERVAL_SECONDS

    @property
    def every(self) -> float:
        """Seconds between two walks when nothing goes wrong."""
        return float(self.every_seconds or settings.SYNC_INTERVAL_SECONDS)

    def applies_to(self, connection: Connection) -> bool:
        """Whether ``connection`` can read it."""
        return connection.can(self.capability)

    def target(self, value: str) -> str:
        """What a Command on the row whose ``target_column`` is ``value`` has as target, lower case."""
        return f"{self.name}:{value}".lower()


@dataclass(frozen=True, slots=True)
class Series:
    """A report that grows with time: it is read by stretches of time and nothing in it is ever absent.

    ``read(errand, adapter, fetcher)`` reads what is due and writes it, each transaction confirming the
    errand's lease; ``errand.again_at`` has it go on sooner than ``every``. ``has(provider key)``: whether
    the provider has such a report at all, beyond ``capability``.
    """

    name: str  # of the Resource: "usage"
    label: Words
    capability: str
    read: "Callable[[Errand, Adapter, Fetcher], None]"
    method: str  # of the adapter, the one that is called
    has: Callable[[str], bool]
    every_seconds: int | None = None  # None: SYNC_INTERVAL_SECONDS
    also: tuple[str, ...] = ()  # further methods of the adapter that are called

    @property
    def every(self) -> float:
        """Seconds between two walks when nothing goes wrong."""
        return float(self.every_seconds or settings.SYNC_INTERVAL_SECONDS)

    def applies_to(self, connection: Connection) -> bool:
        """Whether ``connection`` can read it."""
        return connection.can(self.capability) and self.has(connection.provider)


Walkable = Mirror | Series
Listener = Callable[[Connection, datetime], None]


@dataclass(slots=True)
class _Registry:
    mirrors: dict[str, Walkable] = field(default_factory=dict)
    listeners: dict[str, list[Listener]] = field(default_factory=dict)


_registry = _Registry()


def register(mirror: Walkable) -> None:
    """Make ``mirror`` known. ValueError if another one has its name."""
    known = _registry.mirrors.setdefault(mirror.name, mirror)
    if known != mirror:
        raise ValueError(f"{mirror.name} is mirrored twice")
    health.LABELS[mirror.name] = mirror.label
    if isinstance(mirror, Series):
        health.SERIES.add(mirror.name)
    if mirror.every_seconds:
        health.SLOW_LISTINGS[mirror.name] = mirror.every


def after_complete(name: str, listener: Listener) -> None:
    """Call ``listener(connection, now)`` in the transaction that ends a complete walk of ``name``."""
    _registry.listeners.setdefault(name, []).append(listener)


def listeners(name: str) -> list[Listener]:
    """Who wants to hear of complete walks of ``name``."""
    return _registry.listeners.get(name, [])


def get(name: str) -> Walkable | None:
    """The mirror or series of that name, None where the shelf that had it is gone."""
    return _registry.mirrors.get(name)


def names() -> list[str]:
    """The names of all mirrors, without the series."""
    return [name for name, one in _registry.mirrors.items() if isinstance(one, Mirror)]


def all_series() -> list[Series]:
    """The series, in the order of their shelves."""
    return [one for one in _registry.mirrors.values() if isinstance(one, Series)]


def readable(connection: Connection) -> list[Walkable]:
    """The mirrors and series that ``connection`` can read, in the order of their shelves."""
    return [mirror for mirror in _registry.mirrors.values() if mirror.applies_to(connection)]
