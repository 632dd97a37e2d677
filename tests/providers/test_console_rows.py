"""Rows of the Claude Console that differ from the contract, and what the adapter makes of them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.providers.anthropic import keys, limits, workspaces
from apps.providers.decoding import RowReader
from apps.providers.errors import Unclear
from apps.providers.records.keys import KeyRecord
from apps.providers.records.workspaces import (
    Limit,
    Residency,
    WorkspaceMemberRecord,
    WorkspaceRecord,
)
from tests.contract import openapi
from tests.providers.answers import anthropic_page
from tests.providers.test_reading import JSON

# kind -> reader, the contract's own example, what a row cannot do without
ROWS: dict[str, tuple[RowReader[Any], str, set[str]]] = {
    "workspace": (workspaces.WORKSPACES, "Workspace", {"id"}),
    "workspace member": (
        workspaces.WORKSPACE_MEMBERS,
        "WorkspaceMember",
        {"user_id", "workspace_id"},
    ),
    "key": (keys.KEYS, "APIKey", {"id"}),
    "rate limit": (limits.RATE_LIMITS, "OrganizationRateLimitList", {"limits"}),
    "override": (limits.RATE_LIMITS, "WorkspaceRateLimitList", {"limits"}),
}
EVERY_ROW = pytest.mark.parametrize("kind", sorted(ROWS))
STRANGE = [None, 12345, 1.5, True, {"a": [1]}, [1, None, "x"], "", "astronaut", "9999-99-99"]


def example(name: str) -> dict[str, Any]:
    """The contract's example; the first row of one that is a list."""
    shown = openapi.anthropic().document["components"]["examples"][name]["value"]
    row: dict[str, Any] = shown["data"][0] if name.endswith("LimitList") else shown
    return row


def read(kind: str, row: Any) -> tuple[list[Any], list[Any]]:
    return ROWS[kind][0].read([msgspec.Raw(json.dumps(row).encode())])


@EVERY_ROW
def test_a_row_of_the_contract_takes_the_fast_way_and_lacks_nothing(kind: str) -> None:
    reader, name, _ = ROWS[kind]
    row = example(name)
    reader._decode(json.dumps(row))  # raises if it does not fit
    (record,), unreadable = read(kind, row)
    assert (record.missing, unreadable) == ((), [])
    assert json.loads(record.raw) == row


@EVERY_ROW
def test_a_row_without_a_field_is_read_and_says_so(kind: str) -> None:
    _, name, needed = ROWS[kind]
    row = example(name)
    for gone in set(row) - {"type"}:
        records, unreadable = read(kind, {key: row[key] for key in row if key != gone})
        if gone in needed:
            assert (records, len(unreadable)) == ([], 1), gone
            assert gone in unreadable[0].reason
        else:
            assert [one.missing for one in records] == [(gone,)]


@EVERY_ROW
def test_a_row_with_a_field_of_another_type_is_read(kind: str) -> None:
    _, name, needed = ROWS[kind]
    row = example(name)
    for spoiled in set(row) - needed:
        for strange in STRANGE:
            records, unreadable = read(kind, {**row, spoiled: strange})
            assert (len(records), unreadable) == (1, []), (spoiled, strange)


@EVERY_ROW
def test_new_fields_are_kept_and_secrets_masked(kind: str) -> None:
    row = example(ROWS[kind][1])
    new = {"tags": {"team": "seen"}, "deep": [{"apiKey": "canary-2"}]}
    (record,), _ = read(kind, {**row, **new})
    assert b"canary" not in record.raw
    assert b"seen" in record.raw
    (plain,), _ = read(kind, row)
    assert msgspec.structs.replace(record, raw=b"") == msgspec.structs.replace(plain, raw=b"")


@EVERY_ROW
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_row_whatever_it_holds_makes_a_crash(kind: str, data: st.DataObject) -> None:
    row = dict(example(ROWS[kind][1]))
    for name in data.draw(st.sets(st.sampled_from(sorted(row)))):
        row[name] = data.draw(JSON)
    records, unreadable = ROWS[kind][0].read([msgspec.Raw(msgspec.json.encode(row))])
    assert len(records) + len(unreadable) == 1


# --- Workspaces -------------------------------------------------------------------------------------


def test_a_workspace_becomes_a_record() -> None:
    row = example("Workspace")
    (record,), _ = read("workspace", row)
    assert record == WorkspaceRecord(
        remote_id=row["id"],
        name="Checkout production",
        colour="#2F6FDE",
        created_at=datetime(2025, 2, 14, 16, 20, 8, 115930, tzinfo=UTC),
        archived_at=None,
        residency=Residency(("us",), "us", "us"),
        raw=record.raw,
    )
    (archived,), _ = read("workspace", example("WorkspaceArchived"))
    assert archived.archived_at == datetime(2026, 1, 30, 11, 2, 47, 530021, tzinfo=UTC)
    assert archived.residency == Residency(None, "global", "us")


@pytest.mark.parametrize(
    ("geos", "allowed"),
    [
        ("unrestricted", None),
        ("us", ("us",)),
        (["us", "mars"], ("us", "mars")),
        (["us", 5, None], ("us", "5")),
    ],
)
def test_geos_are_a_list_or_a_word(geos: Any, allowed: Any) -> None:
    row = example("Workspace")
    row = {**row, "data_residency": {**row["data_residency"], "allowed_inference_geos": geos}}
    (record,), _ = read("workspace", row)
    assert record.residency.allowed_geos == allowed


@pytest.mark.parametrize("geos", [None, [], {}, 5, [None]])
def test_where_nobody_says_which_geos_are_allowed_nothing_is_claimed(geos: Any) -> None:
    row = {**example("Workspace"), "data_residency": {"allowed_inference_geos": geos}}
    (record,), _ = read("workspace", row)
    assert (record.residency, record.missing) == (None, ("data_residency",))


def test_a_workspace_member_becomes_a_record() -> None:
    row = example("WorkspaceMember")
    (record,), _ = read("workspace member", row)
    assert record == WorkspaceMemberRecord(
        row["user_id"], row["workspace_id"], "workspace_developer", record.raw
    )


def test_a_members_page_goes_on_with_the_user_id(adapter_for: Callable[..., Any]) -> None:
    row = example("WorkspaceMember")
    asked: list[dict[str, str]] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(dict(request.url.params))
        number = len(asked)
        page = anthropic_page({**row, "user_id": f"user_{number}"}, more=number < 3)
        return httpx2.Response(200, json=page)

    adapter = adapter_for("anthropic", handler)
    cursor, found = None, []
    while True:
        page = adapter.list_workspace_members("wrkspc_1", after_id=cursor)
        found += [one.remote_id for one in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == ["user_1", "user_2", "user_3"]
    assert [one.get("after_id") for one in asked] == [None, "user_1", "user_2"]


def test_what_is_sent_to_change_workspaces(adapter_for: Callable[..., Any]) -> None:
    sent: list[tuple[str, str, Any]] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append((request.method, request.url.path, json.loads(request.content or b"null")))
        if "members" not in request.url.path:
            return httpx2.Response(200, json=example("Workspace"))
        name = "WorkspaceMemberDeleted" if request.method == "DELETE" else "WorkspaceMember"
        return httpx2.Response(200, json=example(name))

    adapter, gone = adapter_for("anthropic", handler), example("WorkspaceMemberDeleted")
    adapter.create_workspace("Ours")
    adapter.create_workspace("Ours", Residency(("us",), "us", "us"))
    adapter.update_workspace("w", "Theirs")
    adapter.update_workspace("w", "Theirs", Residency(None, "global", "us"))
    adapter.archive_workspace("w")
    adapter.create_workspace_member("w", "u", "workspace_user")
    adapter.update_workspace_member("w", "u", "workspace_admin")
    adapter.delete_workspace_member(gone["workspace_id"], gone["user_id"])
    with pytest.raises(Unclear):
        adapter.delete_workspace_member("another", gone["user_id"])
    base = "/v1/organizations/workspaces"
    pinned = {"allowed_inference_geos": ["us"], "default_inference_geo": "us"}
    opened = {"allowed_inference_geos": "unrestricted", "default_inference_geo": "global"}
    member = {"user_id": "u", "workspace_role": "workspace_user"}
    assert sent[:-1] == [
        ("POST", base, {"name": "Ours"}),
        ("POST", base, {"name": "Ours", "data_residency": {**pinned, "workspace_geo": "us"}}),
        ("POST", f"{base}/w", {"name": "Theirs"}),
        ("POST", f"{base}/w", {"name": "Theirs", "data_residency": opened}),
        ("POST", f"{base}/w/archive", None),
        ("POST", f"{base}/w/members", member),
        ("POST", f"{base}/w/members/u", {"workspace_role": "workspace_admin"}),
        ("DELETE", f"{base}/{gone['workspace_id']}/members/{gone['user_id']}", None),
    ]


# --- API keys ---------------------------------------------------------------------------------------


def test_a_key_becomes_a_record() -> None:
    row = example("APIKey")
    (record,), _ = read("key", row)
    assert record == KeyRecord(
        remote_id=row["id"],
        name="checkout-api",
        status="active",
        hint="sk-ant-api03-h7K...x2AA",
        workspace_id=row["workspace_id"],
        creator_id=row["created_by"]["id"],
        creator_kind="user",
        created_at=datetime(2025, 11, 3, 12, 31, 40, 664201, tzinfo=UTC),
        expires_at=datetime(2026, 11, 3, 12, 31, 40, 664201, tzinfo=UTC),
        raw=record.raw,
    )


def test_an_old_key_of_the_default_workspace_lacks_nothing() -> None:
    row = example("APIKeyList")["data"][1]
    (record,), _ = read("key", row)
    assert (record.workspace_id, record.creator_id, record.hint) == ("", "", "")
    assert (record.expires_at, record.missing) == (None, ())


@pytest.mark.parametrize(
    ("scope", "workspace", "missing"),
    [
        ({"type": "workspace", "workspace_id": "wrkspc_1"}, "wrkspc_1", ()),
        ({"type": "organization"}, "", ("workspace_id",)),
        (None, "", ("workspace_id",)),
    ],
)
def test_a_later_server_tells_the_workspace_by_scope(
    scope: Any, workspace: str, missing: tuple[str, ...]
) -> None:
    row = {**example("APIKey"), "scope": scope, "principal": None}
    del row["workspace_id"]
    (record,), _ = read("key", row)
    assert (record.workspace_id, record.missing) == (workspace, missing)


def test_what_is_sent_to_change_keys(adapter_for: Callable[..., Any]) -> None:
    sent: list[tuple[str, Any]] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append((request.url.path, json.loads(request.content or b"null")))
        return httpx2.Response(200, json=example("APIKey"))

    adapter = adapter_for("anthropic", handler)
    adapter.update_api_key("k")
    adapter.update_api_key("k", name="New")
    adapter.update_api_key("k", status="inactive")
    path = "/v1/organizations/api_keys/k"
    assert sent == [(path, {}), (path, {"name": "New"}), (path, {"status": "inactive"})]


# --- Rate limits ------------------------------------------------------------------------------------


def test_limits_stand_beside_those_of_the_organization() -> None:
    (record,), _ = read("override", example("WorkspaceRateLimitList"))
    assert (record.group, record.models) == ("model_group", ("claude-opus-4-5", "claude-opus-4-6"))
    assert record.remote_id == "model_group:claude-opus-4-5"
    assert record.limits == (
        Limit("requests_per_minute", 500, 4000),
        Limit("output_tokens_per_minute", 60000, None),
    )
    assert [one.effective for one in record.limits] == [500, 60000]
    assert Limit("requests_per_minute", 9000, 4000).effective == 4000


def test_a_later_servers_groups_and_ids_are_read() -> None:
    row = {**example("WorkspaceRateLimitList"), "rate_limit_id": "rl_1", "workspace_id": "w"}
    row["group"] = {"type": row.pop("group_type"), "id": "g", "display_name": "Opus"}
    row["limits"] = [{"type": "a", "value": "500", "source": {"type": "workspace"}}, {"type": "b"}]
    (record,), _ = read("override", row)
    assert (record.remote_id, record.group, record.missing) == ("rl_1", "model_group", ())
    assert record.limits == (Limit("a", 500),)


@pytest.mark.parametrize("broken", [None, "many", [{"type": "a", "value": "lots"}], [5]])
def test_limits_that_cannot_be_read_are_not_taken_for_none(broken: Any) -> None:
    records, unreadable = read("override", {**example("WorkspaceRateLimitList"), "limits": broken})
    assert (records, len(unreadable)) == ([], 1)


def test_limits_are_read_page_by_page(adapter_for: Callable[..., Any]) -> None:
    row = example("OrganizationRateLimitList")
    pages = {
        None: {"data": [row], "next_page": "page_2"},
        "page_2": {"data": [{**row, "models": ["claude-haiku-4-5"]}], "next_page": None},
    }
    adapter = adapter_for(
        "anthropic",
        lambda request: httpx2.Response(200, json=pages[request.url.params.get("page")]),
    )
    first = adapter.list_organization_rate_limits(group_type="model_group")
    second = adapter.list_organization_rate_limits(group_type="model_group", page=first.next_cursor)
    assert [one.remote_id for one in first.rows + second.rows] == [
        "model_group:claude-opus-4-5",
        "model_group:claude-haiku-4-5",
    ]
    assert second.next_cursor is None
