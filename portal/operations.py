"""Every operation of the two contracts: its adapter method, who uses it, which test exercised it.

Made from the code: the contracts, the adapters, the registered mirrors and Command kinds, what a probe
reads. Two files beside the contracts say the rest: ``exercised.json`` is written by the test run
(``tests/exercised.py``), ``later.json`` names what a later part will use and only ever shrinks.
"""

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml  # drf-spectacular brings it
from django.conf import settings

from apps.organizations.policy import is_of_one
from apps.providers.anthropic import AnthropicAdapter
from apps.providers.cline import ClineAdapter, PersonalClineAdapter
from apps.sandbox.anthropic.api import Anthropic
from apps.sandbox.app import operations_of
from apps.sandbox.cline.api import Cline
from apps.sync import mirrors
from apps.sync.outbox.kinds import KINDS

CONTRACTS: Path = settings.BASE_DIR / "contracts"
EXERCISED = CONTRACTS / "exercised.json"
LATER = CONTRACTS / "later.json"
METHODS = ("get", "post", "put", "patch", "delete")


class Side(NamedTuple):
    """One provider: its contract, and who speaks it. ``personal`` is the adapter of a person's account."""

    contract: Path
    adapter: type[Any]
    sandbox: type[Any]
    personal: type[Any] | None = None

    @property
    def adapters(self) -> tuple[type[Any], ...]:
        """All of the portal's."""
        return (self.adapter, self.personal) if self.personal else (self.adapter,)


SIDES = {
    "anthropic": Side(CONTRACTS / "anthropic-admin.openapi.yaml", AnthropicAdapter, Anthropic),
    "cline": Side(
        CONTRACTS / "cline-enterprise.openapi.yaml", ClineAdapter, Cline, PersonalClineAdapter
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One operation. ``adapter`` is "" without a method; ``used_by`` are "sync members", "command
    invites.invite", "probe" or "probe members.read"; ``exercised_by`` is the test that saw the
    portal itself call it, ``later`` the part that will use it, "" for none."""

    operation_id: str
    contract: str
    in_seed: bool
    adapter: str
    sandbox: bool
    used_by: tuple[str, ...]
    exercised_by: str
    later: str


def rows() -> list[Row]:
    """The table, in the contracts' order."""
    exercised, later = read(EXERCISED), parts()
    users = used_by()
    return [
        Row(
            operation_id,
            provider,
            in_seed,
            method if hasattr(side.adapter, method) else "",
            operation_id in answered(side.sandbox),
            tuple(sorted(users.get(operation_id, ()))),
            exercised.get(operation_id, ""),
            later.get(operation_id, ""),
        )
        for provider, side in SIDES.items()
        for operation_id, in_seed in operations_in(side.contract)
        for method in [method_of(operation_id)]
    ]


def read(path: Path) -> dict[str, Any]:
    """A file beside the contracts; empty where there is none."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def parts() -> dict[str, str]:
    """By operationId the later part that will use it."""
    return {operation: part for part, listed in read(LATER).items() for operation in listed}


def operations_in(contract: Path) -> Iterator[tuple[str, bool]]:
    """Each operationId of a contract, and whether the vendor's own reference page has it."""
    document = yaml.load(contract.read_text("utf-8"), yaml.CSafeLoader)
    for item in document["paths"].values():
        for method, operation in item.items():
            if method in METHODS:
                yield operation["operationId"], operation.get("x-in-seed", True)


def answered(sandbox: type[Any]) -> set[str]:
    """The operationIds that one side of the sandbox answers."""
    return {one.operation_id for one in operations_of(sandbox())}


def method_of(operation_id: str) -> str:
    """What the adapter calls an operation: its id in snake case."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation_id).lower()


# --- Who uses what --------------------------------------------------------------------------------


def used_by() -> dict[str, set[str]]:
    """By operationId who has it called, at either provider."""
    users: dict[str, set[str]] = {}
    spoken = [(side, adapter) for side in SIDES.values() for adapter in side.adapters]
    for side, adapter in spoken:
        known = {method_of(one): one for one, _in_seed in operations_in(side.contract)}
        for user, methods, of_one in _users():
            if of_one is not None and of_one != (adapter is side.personal):
                continue
            for method in methods:
                for operation in behind(adapter, method, known):
                    users.setdefault(operation, set()).add(user)
        for capability, operations in adapter.NEEDS.items():
            for operation in operations:
                users.setdefault(operation, set()).add(f"probe {capability}")
    return users


def _users() -> Iterator[tuple[str, frozenset[str], bool | None]]:
    """Everybody who is handed an adapter, with the methods of it that they call, and whether it is that of
    a person's own account; None: either."""
    yield "probe", frozenset({"probe"}), None
    for name in mirrors.names():
        if isinstance(mirror := mirrors.get(name), mirrors.Mirror):
            yield f"sync {name}", called(mirror.fetch), None
    for series in mirrors.all_series():
        yield f"sync {series.name}", frozenset({series.method, *series.also}), None
    for kind in KINDS.values():
        for step in kind.steps:
            parts = filter(None, (step.send, step.read_back, step.look, step.remove))
            methods = frozenset().union(*map(called, parts))
            yield f"command {kind.name}", methods, is_of_one(kind.action)


def behind(adapter: type[Any], method: str, known: dict[str, str]) -> set[str]:
    """The operations that a method of an adapter comes down to; ``known`` are those by method."""
    if method in known:
        return {known[method]}
    function = getattr(adapter, method, None)
    if not inspect.isfunction(function):
        return set()
    return {one for inner in called(function) for one in behind(adapter, inner, known)}


@cache
def called(function: Callable[..., Any]) -> frozenset[str]:
    """The attributes that ``function`` takes of its first parameter, and those that functions beside
    it take, to which it passes that parameter on. Such a function has a name: a lambda has no source
    of its own. What only narrows the parameter's type is the parameter still."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    adapter = _Adapter(next(iter(inspect.signature(function).parameters)), function.__globals__)
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and adapter.is_it(node.value):
            adapter.names |= {one.id for one in node.targets if isinstance(one, ast.Name)}
        elif isinstance(node, ast.Attribute) and adapter.is_it(node.value):
            found.add(node.attr)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            beside = function.__globals__.get(node.func.id)
            if inspect.isfunction(beside) and node.args and adapter.is_it(node.args[0]):
                found |= called(beside)
    return frozenset(found)


class _Adapter:
    """What stands for the adapter within one function: its parameter, and other names for it."""

    def __init__(self, parameter: str, beside: dict[str, Any]) -> None:
        self.names = {parameter}
        self._beside = beside

    def is_it(self, node: ast.expr) -> bool:
        """Whether ``node`` is the adapter, perhaps as one that can do more than every adapter."""
        if isinstance(node, ast.Name):
            return node.id in self.names
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
            return False
        if node.func.id == "cast":
            return self.is_it(node.args[-1])
        narrowing = self._beside.get(node.func.id)
        gives = getattr(narrowing, "__annotations__", {}).get("return")
        return str(getattr(gives, "__name__", gives)).endswith("Adapter") and self.is_it(
            node.args[0]
        )
