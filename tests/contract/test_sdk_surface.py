"""Every method that the vendor's SDK has for an operation of the contract is called against the sandbox.

The methods are found by looking: one that a later SDK brings fails here until it stands in CALLS.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import Anthropic
from anthropic._resource import SyncAPIResource

from tests.contract import openapi
from tests.sandbox_server import SandboxServer

OF_THE_REPORTS = {"getMessagesUsageReport", "getClaudeCodeUsageReport", "getCostReport"}


def methods_of(resource: Any, path: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    """Name and method, as ``workspaces.members.list``, of a resource of the SDK and those below it."""
    for name in dir(type(resource)):
        if name.startswith(("_", "with_")):
            continue
        found = getattr(resource, name)
        if isinstance(found, SyncAPIResource):
            yield from methods_of(found, f"{path}{name}.")
        elif inspect.ismethod(found):
            yield f"{path}{name}", found


def operation_at(method: str, path: str) -> str | None:
    """The contract's operation that answers such a request; a literal path before one with an id."""
    found = [
        (one.path.count("{"), one.operation_id)
        for one in openapi.anthropic().operations.values()
        if one.method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one.path), path)
    ]
    return min(found)[1] if found else None


def sdk_methods() -> dict[str, str]:
    """Each method of ``client.organization`` that asks for an operation of the contract, and which."""
    asked: list[tuple[str, str]] = []

    def note(request: httpx2.Request) -> httpx2.Response:
        asked.append((request.method, request.url.path))
        return httpx2.Response(404, json={})

    found: dict[str, str] = {}
    transport = httpx2.MockTransport(note)
    with (
        httpx2.Client(transport=transport) as http,
        Anthropic(api_key="x", max_retries=0, http_client=http) as client,
    ):
        for name, method in methods_of(client.organization):
            needed = {
                one.name: "x"
                for one in inspect.signature(method).parameters.values()
                if one.default is one.empty and one.kind is not one.VAR_KEYWORD
            }
            with pytest.raises(anthropic.NotFoundError):
                method(**needed)
            operation = operation_at(*asked.pop())
            if operation is not None:
                found[name] = operation
    return found


class Made:
    """Ids of what the calls before have made or found."""

    user = invite = workspace = key = ""


CALLS: dict[str, Callable[[Any, Made], object]] = {
    "retrieve": lambda desk, made: desk.retrieve(),
    "invites.create": lambda desk, made: desk.invites.create(
        email="sdk@northgate.example", role="user"
    ),
    "invites.list": lambda desk, made: desk.invites.list(limit=5),
    "invites.retrieve": lambda desk, made: desk.invites.retrieve(made.invite),
    "invites.delete": lambda desk, made: desk.invites.delete(made.invite),
    "users.list": lambda desk, made: desk.users.list(limit=5),
    "users.retrieve": lambda desk, made: desk.users.retrieve(made.user),
    "users.update": lambda desk, made: desk.users.update(made.user, role="user"),
    "workspaces.create": lambda desk, made: desk.workspaces.create(name="Ours"),
    "workspaces.list": lambda desk, made: desk.workspaces.list(limit=5),
    "workspaces.retrieve": lambda desk, made: desk.workspaces.retrieve(made.workspace),
    "workspaces.update": lambda desk, made: desk.workspaces.update(made.workspace, name="Theirs"),
    "workspaces.members.add": lambda desk, made: desk.workspaces.members.add(
        made.workspace, user_id=made.user, workspace_role="workspace_user"
    ),
    "workspaces.members.list": lambda desk, made: desk.workspaces.members.list(made.workspace),
    "workspaces.members.retrieve": lambda desk, made: desk.workspaces.members.retrieve(
        made.user, workspace_id=made.workspace
    ),
    "workspaces.members.update": lambda desk, made: desk.workspaces.members.update(
        made.user, workspace_id=made.workspace, workspace_role="workspace_admin"
    ),
    "workspaces.members.remove": lambda desk, made: desk.workspaces.members.remove(
        made.user, workspace_id=made.workspace
    ),
    "workspaces.rate_limits.list": lambda desk, made: desk.workspaces.rate_limits.list(
        made.workspace
    ),
    "workspaces.archive": lambda desk, made: desk.workspaces.archive(made.workspace),
    "users.remove": lambda desk, made: desk.users.remove(made.user),
    "api_keys.list": lambda desk, made: desk.api_keys.list(limit=5),
    "api_keys.retrieve": lambda desk, made: desk.api_keys.retrieve(made.key),
    "api_keys.update": lambda desk, made: desk.api_keys.update(made.key, name="Renamed"),
    "rate_limits.list": lambda desk, made: desk.rate_limits.list(),
}


def test_every_method_of_the_sdk_for_this_contract_is_called_below() -> None:
    methods = sdk_methods()
    assert set(methods) == set(CALLS)
    # All of the contract but the reports, which the SDK's bare client has to be asked for.
    assert set(methods.values()) == set(openapi.anthropic().operations) - OF_THE_REPORTS


def test_every_method_is_answered(sandbox: SandboxServer, contract_watch: list[str]) -> None:
    made = Made()
    with Anthropic(
        api_key=sandbox.anthropic_key,
        base_url=sandbox.base_url,
        max_retries=0,
        # What the SDK sends by itself is a later version, whose answers have further fields.
        default_headers={"anthropic-version": "2023-06-01"},
    ) as client:
        desk = client.organization
        made.user = next(one.id for one in desk.users.list(limit=100) if one.role == "developer")
        made.key = next(one.id for one in desk.api_keys.list(status="active"))
        for name, call in CALLS.items():
            answer: Any = call(desk, made)
            if name == "invites.create":
                made.invite = answer.id
            elif name == "workspaces.create":
                made.workspace = answer.id
    assert set(contract_watch) == set(openapi.anthropic().operations) - OF_THE_REPORTS
