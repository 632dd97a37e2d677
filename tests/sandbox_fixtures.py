"""Fixtures of the sandbox; ``tests/conftest.py`` passes them on."""

from collections.abc import Iterator

import pytest

from apps.sandbox.app import Request, Response
from tests import exercised
from tests.contract.openapi import contract_of
from tests.sandbox_server import SandboxServer


@pytest.fixture(scope="session")
def sandbox_of_session() -> Iterator[SandboxServer]:
    """One small sandbox for the whole run: take ``sandbox`` instead."""
    with SandboxServer() as server:
        yield server


@pytest.fixture
def sandbox(
    sandbox_of_session: SandboxServer, request: pytest.FixtureRequest
) -> Iterator[SandboxServer]:
    """A small sandbox with its world as founded, no faults, an empty journal and no limits."""
    sandbox_of_session.control.reset()
    with exercised.watching(sandbox_of_session.app, request.node):
        yield sandbox_of_session


@pytest.fixture
def contract_watch(sandbox: SandboxServer) -> Iterator[list[str]]:
    """Hold every call of this test, request and answer, against the contracts.

    Calls that a fault touched are left out. The list fills with the operationIds that were called.
    """
    called: list[str] = []
    broken: list[str] = []

    def watch(operation_id: str, request: Request, response: Response) -> None:
        called.append(operation_id)
        contract = contract_of(operation_id)
        headers = {"Content-Type": "application/json", **dict(response.headers)}
        try:
            contract.check_request(operation_id, request.query, request.body)
            contract.check_answer(operation_id, response.status, headers, response.body)
        except (AssertionError, ValueError) as error:
            broken.append(str(error))

    sandbox.app.watchers.append(watch)
    yield called
    sandbox.app.watchers.remove(watch)
    assert not broken, "\n".join(broken)
