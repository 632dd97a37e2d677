"""Same seed, same world; and what there is to see in it."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from apps.sandbox.people import SIZES, found_world
from apps.sandbox.state import State
from apps.sandbox.world import Table, User, World, loose

EPOCH = 1_790_000_000


def rows(world: World) -> bytes:
    return msgspec.json.encode(
        {
            one.id: {k: list(t) for k, t in one.tables.items()}
            for one in world.organizations.values()
        }
    )


@pytest.mark.parametrize("size", ["small", "medium"])
def test_the_same_seed_makes_the_same_world(size: str) -> None:
    first, second = found_world(size, "a", EPOCH), found_world(size, "a", EPOCH)
    assert rows(first) == rows(second)
    assert first.first_keys == second.first_keys
    assert rows(first) != rows(found_world(size, "b", EPOCH))


def test_another_beginning_moves_the_dates_and_nothing_else() -> None:
    early, late = found_world("small", "a", EPOCH), found_world("small", "a", EPOCH + 86_400)
    assert early.first_keys == late.first_keys
    for organization in early.organizations.values():
        other = late.organizations[organization.id]
        for name, table in organization.tables.items():
            assert [table.id_of(row) for row in table] == [
                table.id_of(row) for row in other.tables[name]
            ]
            if "email" in table.row_type.__struct_fields__:
                assert [row.email for row in table] == [row.email for row in other.tables[name]]


@pytest.mark.parametrize("size", ["small", "medium"])
def test_the_world_has_something_of_everything(size: str) -> None:
    world = found_world(size, "orgdesk", EPOCH)
    console, team = world.of("anthropic")[0], world.of("cline")[0]
    users, members = list(console.tables["users"]), list(team.tables["members"])
    assert len(users) == SIZES[size]
    roles = Counter(user.role for user in users)
    assert set(roles) == {"admin", "billing", "developer", "user", "claude_code_user"}
    assert roles["admin"] < roles["developer"]
    assert {role for member in members for role in member.roles} == {"owner", "admin", "member"}
    here = {loose(user.email) for user in users}
    there = {loose(member.email) for member in members}
    assert here & there
    assert here - there
    assert there - here
    assert len(here) == len(users)
    assert len({user.id for user in users}) == len(users)
    statuses = Counter(invite.status for invite in console.tables["invites"])
    assert {"pending", "accepted"} <= set(statuses)
    assert all(user.email.endswith(".example") for user in users)
    assert [user.added_at for user in users] == sorted(user.added_at for user in users)


def test_accepted_invites_belong_to_members_and_pending_ones_to_nobody() -> None:
    world = found_world("medium", "orgdesk", EPOCH)
    console = world.of("anthropic")[0]
    for invite in console.tables["invites"]:
        joined = console.tables["users"].with_email(invite.email)
        assert bool(joined) is (invite.status == "accepted")
        if joined:
            assert invite.invited_at < joined[0].added_at < invite.expires_at


def test_the_beginning_is_remembered(tmp_path: Path) -> None:
    first = State("small", "x", tmp_path)
    first.close()
    second = State("small", "x", tmp_path)
    second.close()
    assert first.world.epoch == second.world.epoch
    assert rows(first.world) == rows(second.world)


def user(number: int, email: str = "") -> User:
    return User(f"user_{number}", "", email or f"u{number}@x.example", "", "user")


def test_a_table_pages_both_ways_around_removed_rows() -> None:
    table: Table[User] = Table(User)
    for number in range(10):
        table.put(user(number))
    table.drop("user_5")
    table.drop("user_5")
    older, more = table.older("user_5", 2)
    assert ([row.id for row in older], more) == (["user_4", "user_3"], True)
    newer, more = table.newer("user_5", 9)
    assert ([row.id for row in newer], more) == (["user_9", "user_8", "user_7", "user_6"], False)
    assert [row.id for row in table.after("user_5", 1)[0]] == ["user_6"]
    table.put(user(5))
    assert [row.id for row in table] == [f"user_{number}" for number in range(10)]


def test_a_table_finds_addresses_as_they_change() -> None:
    table: Table[User] = Table(User)
    table.put(user(1, "Ann@x.example"))
    table.put(user(2, "ann+two@x.example"))
    assert [row.id for row in table.in_mailbox("ANN+three@x.example")] == ["user_2", "user_1"]
    assert [row.id for row in table.with_email("ann@X.example")] == ["user_1"]
    table.put(user(1, "bea@x.example"))
    assert [row.id for row in table.in_mailbox("ann@x.example")] == ["user_2"]
    table.drop("user_2")
    assert table.in_mailbox("ann@x.example") == []
