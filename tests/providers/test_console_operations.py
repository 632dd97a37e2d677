"""Every operation of the Anthropic contract as the adapter reads it, one change to its answer at a time."""

import copy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import msgspec
import pytest

from apps.providers.anthropic import AnthropicAdapter
from apps.providers.anthropic.reports import COST_BUCKETS, FEW, USAGE_BUCKETS
from apps.providers.decoding import RowReader
from apps.providers.errors import Refused, Unclear
from apps.providers.http import Answer, failure_of
from apps.providers.records import Page
from apps.providers.records.reports import CostQuery, UsageQuery
from apps.providers.records.workspaces import Residency
from tests.contract import openapi
from tests.providers.test_cline_operations import (
    STRANGE,
    changed,
    drop,
    places,
    put,
    without_raw,
)

CONTRACT = openapi.anthropic()
DAY = datetime(2026, 5, 1, tzinfo=UTC)
pytestmark = [pytest.mark.usefixtures("worker"), pytest.mark.databaseless]

# The ids are those of the contract's own examples: a deletion must name what was deleted.
USER, INVITE = "user_01Hs5cNwEp9LkUa7TjVrGb3mFz", "invite_01Ls4jGxWd8CfBn6KvRtYq2mHp"
WORKSPACE = "wrkspc_01Ny8dRmXc4ZtKv6PwJhFq2sBg"
CALLS: dict[str, Callable[[Any], object]] = {
    "getCurrentOrganization": lambda a: a.get_current_organization(),
    "createInvite": lambda a: a.create_invite("lena.fischer@northgate.example", "developer"),
    "listInvites": lambda a: a.list_invites(),
    "getInvite": lambda a: a.get_invite(INVITE),
    "deleteInvite": lambda a: a.delete_invite(INVITE),
    "listUsers": lambda a: a.list_users(),
    "getUser": lambda a: a.get_user(USER),
    "updateUser": lambda a: a.update_user(USER, "developer"),
    "removeUser": lambda a: a.remove_user(USER),
    "createWorkspace": lambda a: a.create_workspace("Ours", Residency(("us",), "us")),
    "listWorkspaces": lambda a: a.list_workspaces(),
    "getWorkspace": lambda a: a.get_workspace(WORKSPACE),
    "updateWorkspace": lambda a: a.update_workspace(WORKSPACE, "Ours"),
    "archiveWorkspace": lambda a: a.archive_workspace(WORKSPACE),
    "createWorkspaceMember": lambda a: a.create_workspace_member(WORKSPACE, USER, "workspace_user"),
    "listWorkspaceMembers": lambda a: a.list_workspace_members(WORKSPACE),
    "getWorkspaceMember": lambda a: a.get_workspace_member(WORKSPACE, USER),
    "updateWorkspaceMember": lambda a: a.update_workspace_member(WORKSPACE, USER, "workspace_user"),
    "deleteWorkspaceMember": lambda a: a.delete_workspace_member(WORKSPACE, USER),
    "listWorkspaceRateLimits": lambda a: a.list_workspace_rate_limits(WORKSPACE),
    "listApiKeys": lambda a: a.list_api_keys(),
    "getApiKey": lambda a: a.get_api_key("apikey_1"),
    "updateApiKey": lambda a: a.update_api_key("apikey_1", name="Ours"),
    "getMessagesUsageReport": lambda a: a.get_messages_usage_report(UsageQuery(DAY)),
    "getClaudeCodeUsageReport": lambda a: a.get_claude_code_usage_report(DAY.date()),
    "getCostReport": lambda a: a.get_cost_report(CostQuery(DAY)),
    "listOrganizationRateLimits": lambda a: a.list_organization_rate_limits(),
}
EVERY = pytest.mark.parametrize("operation_id", sorted(CALLS))


class Remote:
    """A channel that answers every call with ``document`` and sends nothing, and its adapter."""

    def __init__(self) -> None:
        self.client = httpx2.Client()
        self.document: Any = None
        self.adapter = AnthropicAdapter(
            self,  # type: ignore[arg-type]  # as much of a channel as the adapter uses
            base_url="https://remote.example",
            credential="sk-ant-admin01-x",
        )

    def call(self, operation: str, send: Any, *, write: bool, read_words: Any) -> Answer:
        response = httpx2.Response(200, content=json.dumps(self.document).encode())
        failure = failure_of(response, read_words)
        if failure is not None:
            raise failure
        return Answer(200, response.headers, response.content, "")

    def outcome(self, operation_id: str, document: Any) -> Any:
        """The result, or the one kind of error that an answer which cannot be read may raise."""
        self.document = document
        self.adapter._walks.clear()
        try:
            return CALLS[operation_id](self.adapter)
        except (Unclear, Refused) as error:
            return error


@pytest.fixture
def remote() -> Iterator[Remote]:
    made = Remote()
    yield made
    made.client.close()


def examples(operation_id: str) -> list[Any]:
    """The successes that the contract shows; references among them resolved."""
    shown = CONTRACT.operations[operation_id].responses["200"]["content"]["application/json"]
    found = [CONTRACT.resolve(one)["value"] for one in shown["examples"].values()]
    return [copy.deepcopy(one) for one in found]


def records_of(result: Any) -> list[Any]:
    return list(result.rows) if isinstance(result, Page) else [result]


def scalars(document: Any, wanted: tuple[type, ...]) -> Iterator[tuple[Any, Any]]:
    """Where the document holds a value of a type, and the value."""
    for path in places(document):
        value = document
        for step in path:
            value = value[step]
        if type(value) in wanted:
            yield path, value


def test_there_is_a_call_for_every_operation() -> None:
    assert set(CALLS) == set(CONTRACT.operations)


@EVERY
def test_the_examples_of_the_contract_are_read_whole(remote: Remote, operation_id: str) -> None:
    for document in examples(operation_id):
        result = remote.outcome(operation_id, document)
        assert not isinstance(result, Exception)
        if isinstance(result, Page):
            assert (len(result.rows), result.unreadable) == (len(document["data"]), [])
        assert all(getattr(one, "missing", ()) == () for one in records_of(result))


@EVERY
def test_no_change_to_one_field_makes_a_crash(remote: Remote, operation_id: str) -> None:
    for document in examples(operation_id):
        for path in places(document):
            remote.outcome(operation_id, changed(document, path, drop))
            for value in STRANGE:
                remote.outcome(operation_id, changed(document, path, put(value)))


LISTS = [name for name in sorted(CALLS) if "data" in examples(name)[0]]


@pytest.mark.parametrize("operation_id", LISTS)
def test_a_changed_row_of_a_list_is_read_or_reported_and_the_others_are_read(
    remote: Remote, operation_id: str
) -> None:
    """Whatever one row holds, the walk goes on: each row of the page is accounted for."""
    (document, *_) = examples(operation_id)
    whole = records_of(remote.outcome(operation_id, document))
    for path in places(document["data"][0]):
        for change in (drop, *map(put, STRANGE)):
            spoiled = changed(document, ("data", 0, *path), change)
            page = remote.outcome(operation_id, spoiled)
            assert len(page.rows) + len(page.unreadable) == len(whole), path
            assert len(whole) == 1 or page.rows[-1] == whole[-1], path


@pytest.mark.parametrize(
    ("operation_id", "reader"),
    [("getMessagesUsageReport", USAGE_BUCKETS), ("getCostReport", COST_BUCKETS)],
)
def test_a_report_that_is_read_at_once_says_what_its_buckets_say_one_by_one(
    remote: Remote, operation_id: str, reader: RowReader[Any]
) -> None:
    """Whatever else this client has read before: it remembers texts that it has met."""
    for document in examples(operation_id):
        for path in places(document["data"][0]):
            for change in (drop, *map(put, (*STRANGE, "never met before"))):
                spoiled = changed(document, ("data", 0, *path), change)
                page = remote.outcome(operation_id, spoiled)
                rows = [msgspec.Raw(json.dumps(one).encode()) for one in spoiled["data"]]
                assert (page.rows, page.unreadable) == reader.read(rows), (path, change)


def test_usage_of_few_models_gives_the_texts_that_it_has_met_again(remote: Remote) -> None:
    (document, *_) = examples("getMessagesUsageReport")
    row = document["data"][0]["results"][0]

    def read(**columns: list[str | None]) -> list[Any]:
        rows = [
            {**row, **dict(zip(columns, one, strict=True))}
            for one in zip(*columns.values(), strict=True)
        ]
        spoken = {**document, "data": [{**document["data"][0], "results": rows}]}
        (bucket,) = remote.outcome("getMessagesUsageReport", spoken).rows
        for name, texts in columns.items():
            assert [getattr(one, name) for one in bucket.rows] == texts
        return list(bucket.rows)

    many: list[str | None] = [f"key {number}" for number in range(2 * FEW)]
    known: list[str | None] = ["opus", None, "", "\u00e9té", "new"]
    models = known * (2 * len(many) // len(known))
    read(model=models[1 : len(many)], api_key_id=many[1:])
    first, second = (read(model=models[: len(many)], api_key_id=many) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.model is other.model
        assert one.api_key_id is not other.api_key_id, "too many to be known"
    read(model=["never met"], api_key_id=["key"])
    (one,), (other,) = (read(model=["never met"], api_key_id=["key"]) for _ in range(2))
    assert one.model is other.model


@EVERY
def test_unknown_words_are_read_on(remote: Remote, operation_id: str) -> None:
    """Every enumeration of the contract may grow: no text but an id, a time or an amount is needed."""
    for document in examples(operation_id):
        for path, _ in scalars(document, (str,)):
            if path[-1] in ("role", "status", "workspace_role", "group_type", "type", "model"):
                result = remote.outcome(
                    operation_id, changed(document, path, put("astronaut_of_2031"))
                )
                assert not isinstance(result, Exception), path
                assert getattr(result, "unreadable", []) == [], path


@EVERY
def test_numbers_as_texts_are_the_same_numbers(remote: Remote, operation_id: str) -> None:
    for document in examples(operation_id):
        spelled = document
        for path, value in scalars(document, (int, float)):
            spelled = changed(spelled, path, put(str(value)))
        found, wanted = (
            records_of(remote.outcome(operation_id, one)) for one in (spelled, document)
        )
        assert [without_raw(one) for one in found] == [without_raw(one) for one in wanted]


@EVERY
def test_new_fields_change_nothing(remote: Remote, operation_id: str) -> None:
    new = {"nested": [1, {"deep": True}]}
    for document in examples(operation_id):
        more = {**document, "shiny_new_field": new}
        if "data" in more:
            more["data"] = [{**row, "shiny_new_field": new} for row in more["data"]]
        found, plain = (records_of(remote.outcome(operation_id, one)) for one in (more, document))
        assert [without_raw(one) for one in found] == [without_raw(one) for one in plain]
