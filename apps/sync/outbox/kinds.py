"""What a change consists of: its steps, and for each how its outcome can be read back.

Shelves register their kinds in ``AppConfig.ready()``. A kind whose steps lack a read-back rule
cannot be registered: without one a lost answer could not be told from a lost request.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apps.organizations.policy import POLICY
from apps.organizations.sealing import Secret
from apps.providers.masking import MASK
from apps.providers.protocol import Adapter, Words
from apps.sync.models import Command, CommandState

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """It has happened; ``result`` is what it brought, as the answer would have said."""

    result: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotDone:
    """It has not happened and may be sent again."""


@dataclass(frozen=True, slots=True)
class Moot:
    """It cannot happen any more; ``reason`` says why, in plain words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """A person must look; ``candidates`` are [{"id", "label"}] of what it may have made."""

    reason: str
    candidates: list[Json] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Lost:
    """It has happened, but what its answer alone could tell (a secret) is lost with the answer.

    What it made, ``remote_id``, is removed by the step's ``remove``; then it is sent again.
    """

    remote_id: str
    reason: str


Verdict = Done | NotDone | Moot | Undecided | Lost


@dataclass(frozen=True, slots=True)
class Brought:
    """What an answer brought that has a secret in it: ``secret`` goes its own way (``secrets.py``)."""

    result: Json
    secret: Secret


def nothing_yet(command: Command) -> Json:
    """The baseline of a step that makes nothing new."""
    return {}


def still_possible(command: Command) -> str:
    """The check of a kind that depends on nothing local."""
    return ""


def no_local_rows(commands: list[Command]) -> None:
    """What a kind does that shows nothing of its own while in flight."""


@dataclass(frozen=True, slots=True)
class Step:
    """One remote call.

    ``send`` returns what the answer brought, as JSON, or raises a ProviderError. ``read_back`` looks
    at the remote after an unknown outcome. ``baseline`` is noted before sending, from the mirror;
    ``look`` adds to it what the remote itself shows at that moment, where the mirror's word is too old.
    ``gone_is_done``: 404 means that somebody was faster, so it is done. ``remove`` takes back what a
    read-back found ``Lost``.
    """

    name: str
    send: Callable[[Adapter, Command], Json | Brought]
    read_back: Callable[[Adapter, Command], Verdict]
    baseline: Callable[[Command], Json] = nothing_yet
    look: Callable[[Adapter, Command], Json] | None = None
    remove: Callable[[Adapter, str], None] | None = None
    gone_is_done: bool = False
    words: Words = ""  # what has happened once this step is done


@dataclass(frozen=True, slots=True)
class Kind:
    """A change that people can ask for.

    ``begin`` shows it in flight on local rows, ``step_done`` and ``settle`` write what the remote has
    become, ``undo`` takes the flight back with the reason; all run inside the writer's transaction.
    ``check`` says, just before sending, why it can no longer be done ("" if it can). ``capability``
    is probed again after a 403. ``resource`` is the mirror it changes. ``final``: it cannot be taken
    back by anybody, so whoever asks for it types something first. ``is_money``: its outcome is never sent
    again by a machine, and its arguments say as ``cents`` what it costs, None where nobody knows. ``ends_key``: the connection's own key
    dies of it, so that it is read back even where the key is refused. ``private``: fields of its results
    that are for whoever may ask for it alone, so neither the audit nor support sees them. ``alone``: money
    that is asked for where nobody else is, so that one person may decide to send it again; it says what
    they must have before them first ("" if they have it). None: two persons.
    """

    name: str
    label: Words
    action: str  # of the policy table
    capability: str
    resource: str
    steps: tuple[Step, ...]
    describe: Callable[[Command], str]
    settle: Callable[[Command], None]
    undo: Callable[[list[Command]], None] = no_local_rows
    begin: Callable[[list[Command]], None] = no_local_rows
    step_done: Callable[[Command, Step, Json], None] | None = None
    check: Callable[[Command], str] = still_possible
    is_money: bool = False
    final: bool = False
    ends_key: bool = False
    private: frozenset[str] = frozenset()
    alone: Callable[[Command], str] | None = None


KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Make ``kind`` known. ValueError if it lacks steps or a read-back rule, or is known already."""
    if not kind.steps or not all(callable(step.read_back) for step in kind.steps):
        raise ValueError(f"{kind.name} has no read-back rule")
    if kind.action not in POLICY:
        raise ValueError(f"{kind.name} names no action of the policy")
    if kind.name in KINDS and KINDS[kind.name] != kind:
        raise ValueError(f"{kind.name} is registered twice")
    KINDS[kind.name] = kind


def kind_of(command: Command) -> Kind:
    """The kind of a Command."""
    return KINDS[command.kind]


def page_opened_by(command: Command) -> str:
    """The address of the provider's page that a change has opened; "" if it has not. Whoever has it may pay
    there, or store a card."""
    if "url" not in kind_of(command).private or command.state != CommandState.SUCCEEDED:
        return ""
    return str(command.results[-1].get("url") or "") if command.results else ""


def told_results(command: Command) -> list[Json]:
    """What its steps have brought, as the audit and support may see it."""
    hidden = kind_of(command).private
    return [
        {name: MASK if name in hidden else value for name, value in result.items()}
        for result in command.results
    ]
