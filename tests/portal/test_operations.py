"""Each operation of the contracts has a method, an answer, and somebody who uses it, now or later."""

import json
from io import StringIO
from typing import cast

import pytest
from django.core.management import call_command

from apps.providers.protocol import Adapter, WorkspaceAdapter
from portal import operations
from portal.operations import EXERCISED, LATER, Row, called, method_of, read, rows
from tests import exercised
from tests.exercised import Ledger, exists

OF_THE_REFERENCES = {"anthropic": 27, "cline": 59}


@pytest.fixture(scope="module")
def table() -> list[Row]:
    return rows()


def ids(table: list[Row], wanted: str) -> set[str]:
    return {row.operation_id for row in table if getattr(row, wanted)}


def test_every_operation_has_an_adapter_method_and_an_answer_of_the_sandbox(
    table: list[Row],
) -> None:
    assert [row.operation_id for row in table if not (row.adapter and row.sandbox)] == []
    for contract, count in OF_THE_REFERENCES.items():
        assert sum(row.in_seed for row in table if row.contract == contract) == count
    assert sum(not row.in_seed for row in table) == 5
    for row in table:
        method = getattr(operations.SIDES[row.contract].adapter, row.adapter)
        assert row.operation_id in method.__doc__, "a method tells which operation it is"
    for side in operations.SIDES.values():
        known = {operation for operation, _in_seed in operations.operations_in(side.contract)}
        assert operations.answered(side.sandbox) == known


def test_every_operation_is_exercised_by_the_portal_or_waits_for_a_named_part(
    table: list[Row],
) -> None:
    assert exercised.EXERCISED == EXERCISED
    seen, later = ids(table, "exercised_by"), ids(table, "later")
    assert seen & later == set(), f"exercised by now: take them from {LATER.name}"
    known = {row.operation_id for row in table}
    assert known - seen - later == set(), f"run the tests, which write {EXERCISED.name}"
    assert set(operations.parts()) | set(read(EXERCISED)) == known
    listed = [one for part in read(LATER).values() for one in part]
    assert len(listed) == len(set(listed)), "each waits for one part"


def test_what_the_code_says_of_use_is_what_the_sandbox_saw(table: list[Row]) -> None:
    used, seen = ids(table, "used_by"), ids(table, "exercised_by")
    assert used - seen == set(), "somebody uses them, and no test shows it"
    assert seen - used == set(), "seen at the sandbox, and no mirror, Command or probe uses them"


def test_every_test_that_is_named_is_there() -> None:
    assert {test for test in read(EXERCISED).values() if not exists(test)} == set()


def test_use_is_read_from_the_code_that_is_handed_an_adapter(table: list[Row]) -> None:
    users = {row.operation_id: row.used_by for row in table}
    assert users["createInvite"] == ("command invites.invite", "command invites.resend")
    assert {"sync members", "probe members.read"} <= set(users["list_members"])
    assert "command members.remove" in users["getUser"]
    assert {"probe", "sync organization"} <= set(users["getCurrentOrganization"])
    assert "probe costs.read" in users["getCostReport"]
    assert users["createWorkspaceMember"] == ("command workspaces.add_member",)
    assert users["purchase_organization_credits"] == ("command billing.purchase",)
    assert users["purchase_user_credits"] == ("command billing.own_purchase",)
    assert users["get_organization_provider_payment"] == ("sync payment_states",)
    assert users["cancel_organization_plan"] == ("command billing.cancel_plan",)


def _hands_on(adapter: Adapter, other: Adapter) -> None:
    other.close()
    _takes(adapter)


def _takes(adapter: Adapter) -> object:
    return [adapter.members(cursor) for cursor in ("a", "b")]


def _narrowed(adapter: Adapter) -> WorkspaceAdapter:
    return cast("WorkspaceAdapter", adapter)


def _asks_for_more(adapter: Adapter) -> object:
    more = _narrowed(adapter)
    cast("WorkspaceAdapter", adapter).get_workspace("w")
    return more.workspaces(), _narrowed(adapter).workspace_members()


def test_an_adapter_that_can_do_more_is_the_adapter_still() -> None:
    assert called(_asks_for_more) == {"get_workspace", "workspace_members", "workspaces"}


def test_a_method_counts_where_it_is_called_on_the_adapter() -> None:
    assert called(_hands_on) == {"members"}
    assert method_of("getWorkspaceMember") == "get_workspace_member"
    assert method_of("get_user_plan") == "get_user_plan"


# --- What a run writes ----------------------------------------------------------------------------

HERE = "tests/portal/test_operations.py"
FIRST = f"{HERE}::test_every_test_that_is_named_is_there"
SECOND = f"{HERE}::test_use_is_read_from_the_code_that_is_handed_an_adapter"


def ledger(passed: set[str], **seen: set[str]) -> Ledger:
    one = Ledger()
    one.passed, one.seen = passed, seen
    return one


@pytest.mark.parametrize(
    ("run", "noted", "after"),
    [
        (ledger({FIRST}, a={FIRST}), {}, {"a": FIRST}),
        (ledger({FIRST, SECOND}, a={SECOND, FIRST}), {}, {"a": FIRST}),
        (ledger({FIRST, SECOND}, a={SECOND, FIRST}), {"a": SECOND}, {"a": SECOND}),
        (ledger({SECOND}, a={SECOND}), {"a": FIRST}, {"a": FIRST}),  # the other did not run
        (ledger({FIRST, SECOND}, a={SECOND}), {"a": FIRST}, {"a": SECOND}),
        (ledger({FIRST}), {"a": FIRST}, {}),
        (ledger(set(), a={FIRST}), {}, {}),  # it failed
        (ledger(set()), {"a": FIRST}, {"a": FIRST}),
        (ledger(set()), {"a": f"{HERE}::test_long_gone"}, {}),
    ],
    ids=["new", "first", "stays", "part of a run", "moved", "ended", "failed", "nothing", "gone"],
)
def test_a_run_changes_what_does_not_hold_and_nothing_else(
    run: Ledger, noted: dict[str, str], after: dict[str, str]
) -> None:
    assert run.outcome(noted) == after


# --- The command ----------------------------------------------------------------------------------


def test_the_command_prints_the_table_for_people_and_for_programs(table: list[Row]) -> None:
    out = StringIO()
    call_command("operations", json=True, stdout=out)
    listed = json.loads(out.getvalue())
    assert [one["operation_id"] for one in listed] == [row.operation_id for row in table]
    fields = {"operation_id", "contract", "in_seed", "adapter", "used_by", "exercised_by"}
    assert all(fields <= set(one) for one in listed)
    out = StringIO()
    call_command("operations", stdout=out)
    head, *lines = out.getvalue().splitlines()
    assert head.split() == [
        "operation_id",
        "contract",
        "in_seed",
        "adapter",
        "used_by",
        "exercised_by",
    ]
    assert len([line for line in lines if line]) == len(table) + 1
    assert lines[-1].startswith("Of 86 operations in the vendors' references 86 have")
