"""What the adapters make of answers: those of the contracts, and those that differ from them."""

import contextlib
import json
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.providers.anthropic import AnthropicAdapter
from apps.providers.anthropic import people as anthropic_people
from apps.providers.anthropic import reports as anthropic_reports
from apps.providers.catalogue import PROVIDERS
from apps.providers.cline import people as cline_people
from apps.providers.decoding import RowReader
from apps.providers.errors import (
    Busy,
    NotFound,
    ProviderError,
    RateLimited,
    Refused,
    Unauthorized,
    Unclear,
)
from apps.providers.guard import worker_scope
from apps.providers.records import InviteRecord, MemberRecord
from apps.providers.records.reports import CostQuery, UsageQuery
from apps.providers.records.workspaces import Residency
from tests.providers.answers import (
    CLINE_INVITE,
    CLINE_MEMBER,
    INVITE,
    USER,
    anthropic_page,
    cline_page,
    numbered,
)
from tests.providers.conftest import over_memory

RECORDED = Path(__file__).parents[2] / "contracts" / "recorded" / "cline-account-api.json"
READERS: dict[str, tuple[RowReader[Any], dict[str, Any]]] = {
    "anthropic user": (anthropic_people.USERS, USER),
    "anthropic invite": (anthropic_people.INVITES, INVITE),
    "cline member": (cline_people.MEMBERS, CLINE_MEMBER),
    "cline invite": (cline_people.INVITES, CLINE_INVITE),
}
EVERY_ROW = pytest.mark.parametrize("kind", sorted(READERS))
# What a row cannot do without, and what we read of the rest.
NEEDED = {"id", "memberId", "email"}


def read(kind: str, row: Any) -> tuple[list[Any], list[Any]]:
    return READERS[kind][0].read([msgspec.Raw(json.dumps(row).encode())])


def answering(*bodies: Any) -> Callable[[httpx2.Request], httpx2.Response]:
    """Answers with the bodies in turn, the last one for ever."""
    left = list(bodies)

    def handler(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json=left.pop(0) if len(left) > 1 else left[0])

    return handler


# --- Rows as the contracts say ----------------------------------------------------------------------


def test_an_anthropic_user_becomes_a_member() -> None:
    (member,), _ = read("anthropic user", USER)
    assert json.loads(member.raw) == USER
    assert member == MemberRecord(
        remote_id=USER["id"],
        email="Priya.Nair@northgate.example",
        name="Priya Nair",
        role="developer",
        roles=("developer",),
        remote_user_id="",
        joined_at=datetime(2026, 1, 9, 13, 20, 11, tzinfo=UTC),
        raw=member.raw,
    )


def test_a_cline_member_becomes_a_member() -> None:
    (member,), _ = read("cline member", {**CLINE_MEMBER, "roles": ["member", "owner", "admin"]})
    assert member == MemberRecord(
        remote_id=CLINE_MEMBER["memberId"],
        email="Bo@northwind.example",
        name="Bo Lind",
        role="owner",
        roles=("member", "owner", "admin"),
        remote_user_id=CLINE_MEMBER["userId"],
        joined_at=datetime(2026, 1, 9, 13, 20, 11, 300218, tzinfo=UTC),
        raw=member.raw,
    )


@pytest.mark.parametrize("kind", ["anthropic invite", "cline invite"])
def test_an_invite_of_either_provider_becomes_an_invite(kind: str) -> None:
    row = READERS[kind][1]
    (invite,), _ = read(kind, row)
    assert isinstance(invite, InviteRecord)
    assert (invite.remote_id, invite.email, invite.role, invite.status) == (
        row["id"],
        row["email"],
        row["role"],
        "pending",
    )
    assert invite.invited_at is not None
    assert invite.expires_at is not None
    assert (invite.expires_at - invite.invited_at).days in (7, 21)


@EVERY_ROW
def test_a_row_of_the_contract_takes_the_fast_way(kind: str) -> None:
    reader, row = READERS[kind]
    reader._decode(json.dumps(row))  # raises if it does not fit


# --- Rows that differ -------------------------------------------------------------------------------


@EVERY_ROW
def test_a_row_without_an_optional_field_is_read(kind: str) -> None:
    row = READERS[kind][1]
    for name in set(row) - NEEDED:
        records, unreadable = read(kind, {key: row[key] for key in row if key != name})
        assert (len(records), unreadable) == (1, []), name


@EVERY_ROW
def test_a_row_with_a_null_field_is_read(kind: str) -> None:
    row = READERS[kind][1]
    for name in set(row) - NEEDED:
        records, unreadable = read(kind, {**row, name: None})
        assert (len(records), unreadable) == (1, []), name


@EVERY_ROW
@pytest.mark.parametrize("strange", [12345, 1.5, True, {"a": [1]}, [1, None], "", "astronaut"])
def test_a_row_with_a_field_of_another_type_is_read(kind: str, strange: Any) -> None:
    row = READERS[kind][1]
    for name in set(row) - NEEDED:
        records, unreadable = read(kind, {**row, name: strange})
        assert (len(records), unreadable) == (1, []), name


@EVERY_ROW
def test_a_new_field_is_kept_in_raw(kind: str) -> None:
    row = {**READERS[kind][1], "shiny_new_field": {"nested": [1, {"deep": True}]}}
    (record,), _ = read(kind, row)
    assert json.loads(record.raw) == row
    (plain,), _ = read(kind, READERS[kind][1])
    assert {**as_fields(record), "raw": b""} == {**as_fields(plain), "raw": b""}


def as_fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


@EVERY_ROW
def test_an_unknown_role_is_kept_as_it_is(kind: str) -> None:
    name = "roles" if kind == "cline member" else "role"
    value = ["astronaut"] if name == "roles" else "astronaut"
    (record,), _ = read(kind, {**READERS[kind][1], name: value})
    assert record.role == "astronaut"


@EVERY_ROW
def test_an_id_that_is_a_number_is_read_as_text(kind: str) -> None:
    name = "memberId" if kind == "cline member" else "id"
    (record,), _ = read(kind, {**READERS[kind][1], name: 4711})
    assert record.remote_id == "4711"


@EVERY_ROW
@pytest.mark.parametrize("broken", [None, "", 12345, {"a": 1}, ["x"]])
def test_a_row_without_an_address_is_set_aside_by_its_id(kind: str, broken: Any) -> None:
    row = {**READERS[kind][1], "email": broken}
    records, (unreadable,) = read(kind, row)
    assert records == []
    assert unreadable.remote_id == row.get("memberId", row.get("id"))
    assert "email" in unreadable.reason
    assert json.loads(unreadable.raw) == row


@EVERY_ROW
@pytest.mark.parametrize("levels", [400, 100_000])
def test_a_row_that_is_nested_too_deep_harms_no_other(kind: str, levels: int) -> None:
    reader, row = READERS[kind]
    good = json.dumps(row).encode()
    deep = good[:-1] + b',"more":' + b"[" * levels + b"]" * levels + b"}"
    records, unreadable = reader.read([msgspec.Raw(good), msgspec.Raw(deep)])
    assert len(records) + len(unreadable) == 2
    assert records
    assert all(len(one.raw) < 2 * levels for one in unreadable), "nothing so deep is kept"


@EVERY_ROW
@pytest.mark.parametrize("row", [None, 5, "text", [], {}, [{"id": "x"}]])
def test_what_is_no_row_is_set_aside(kind: str, row: Any) -> None:
    records, (unreadable,) = read(kind, row)
    assert records == []
    assert unreadable.remote_id == ""
    assert unreadable.reason


@EVERY_ROW
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-09T13:20:11Z", datetime(2026, 1, 9, 13, 20, 11, tzinfo=UTC)),
        ("2026-01-09T13:20:11.5Z", datetime(2026, 1, 9, 13, 20, 11, 500000, tzinfo=UTC)),
        ("2026-01-09T13:20:11.123456Z", datetime(2026, 1, 9, 13, 20, 11, 123456, tzinfo=UTC)),
        ("2026-01-09T15:20:11+02:00", datetime(2026, 1, 9, 13, 20, 11, tzinfo=UTC)),
        ("2026-01-09T13:20:11", datetime(2026, 1, 9, 13, 20, 11, tzinfo=UTC)),
        ("2026-01-09", datetime(2026, 1, 9, tzinfo=UTC)),
        ("", None),
        ("soon", None),
        ("9999-99-99T00:00:00Z", None),
    ],
)
def test_times_are_read_in_utc_or_not_at_all(
    kind: str, text: str, expected: datetime | None
) -> None:
    row = READERS[kind][1]
    name = next(one for one in ("added_at", "invited_at", "createdAt") if one in row)
    (record,), _ = read(kind, {**row, name: text})
    found = record.joined_at if isinstance(record, MemberRecord) else record.invited_at
    assert found == expected
    assert found is None or found.utcoffset() == datetime.now(UTC).utcoffset()


@EVERY_ROW
@pytest.mark.parametrize("digits", range(10))
def test_times_have_zero_to_nine_fraction_digits(kind: str, digits: int) -> None:
    row = READERS[kind][1]
    name = next(one for one in ("added_at", "invited_at", "createdAt") if one in row)
    fraction = "." + "1" * digits if digits else ""
    (record,), _ = read(kind, {**row, name: f"2026-01-09T13:20:11{fraction}Z"})
    found = record.joined_at if isinstance(record, MemberRecord) else record.invited_at
    assert found is not None
    assert abs(found.timestamp() - datetime(2026, 1, 9, 13, 20, 11, tzinfo=UTC).timestamp()) < 0.2


@EVERY_ROW
def test_texts_fit_what_the_mirrors_keep(kind: str) -> None:
    row = READERS[kind][1]
    ids = ("id", "memberId", "userId")
    long: dict[str, Any] = {
        name: "x" * 5000 if isinstance(value, str) else ["x" * 5000]
        for name, value in row.items()
        if name not in ("email", "id", "memberId")
    }
    (record,), _ = read(kind, {**row, **long})
    for name, longest in (("name", 200), ("role", 60), ("status", 40), ("remote_user_id", 120)):
        assert len(getattr(record, name, "")) <= longest
    for name in (set(ids) & set(row) | {"email"}) - {"userId"}:
        records, (unreadable,) = read(kind, {**row, name: "x" * 5000})
        assert records == []
        assert len(unreadable.remote_id) <= 120
        assert "too long" in unreadable.reason


@EVERY_ROW
def test_nul_characters_do_not_reach_the_database(
    adapter_for: Callable[..., Any], kind: str
) -> None:
    provider = kind.split()[0]
    row = READERS[kind][1]
    page = anthropic_page if provider == "anthropic" else cline_page
    for changed in ({"role": "a\0b"}, {"email": "a\0b@c.example"}, {"new": {"x\0": ["\0"]}}):
        adapter = adapter_for(provider, answering(page({**row, **changed})))
        (record,) = (adapter.invites if "invite" in kind else adapter.members)().rows
        shown = repr(as_fields(record))
        assert "\\x00" not in shown
        assert "u0000" not in shown


@EVERY_ROW
def test_a_time_before_all_times_is_no_time(kind: str) -> None:
    row = READERS[kind][1]
    name = next(one for one in ("added_at", "invited_at", "createdAt") if one in row)
    (record,), _ = read(kind, {**row, name: "0001-01-01T00:00:00+14:00"})
    assert (record.joined_at if isinstance(record, MemberRecord) else record.invited_at) is None


@EVERY_ROW
def test_secrets_in_a_row_are_masked(kind: str) -> None:
    secrets = {"inviteToken": "canary-1", "deep": [{"apiKey": "canary-2", "fine": "seen"}]}
    row = {**READERS[kind][1], **secrets}
    (record,), _ = read(kind, row)
    assert b"canary" not in record.raw
    assert b"seen" in record.raw
    _, (unreadable,) = read(kind, {**row, "email": None})
    assert b"canary" not in unreadable.raw


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@EVERY_ROW
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_row_whatever_it_holds_makes_a_crash(kind: str, data: st.DataObject) -> None:
    row = dict(READERS[kind][1])
    for name in data.draw(st.sets(st.sampled_from(sorted(row)))):
        row[name] = data.draw(JSON)
    raw = msgspec.json.encode(row)
    records, unreadable = READERS[kind][0].read([msgspec.Raw(raw)])
    assert len(records) + len(unreadable) == 1


@pytest.mark.parametrize("provider", ["anthropic", "cline"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=JSON)
def test_no_answer_whatever_it_holds_makes_a_crash(provider: str, body: Any) -> None:
    content = msgspec.json.encode(body)
    with worker_scope():
        adapter = over_memory(provider, lambda _: httpx2.Response(200, content=content))
        for call in calls_for_people(adapter):
            try:
                call()
            except ProviderError:
                continue
        adapter.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=JSON, chosen=st.integers(0, 1000))
def test_no_answer_of_the_console_whatever_it_holds_makes_a_crash(body: Any, chosen: int) -> None:
    content = msgspec.json.encode(body)
    with worker_scope():
        adapter = over_memory("anthropic", lambda _: httpx2.Response(200, content=content))
        calls = list(calls_for_the_console(adapter))
        with contextlib.suppress(ProviderError):
            calls[chosen % len(calls)]()
        adapter.close()


def every_call(adapter: Any) -> Iterator[Callable[[], object]]:
    yield from calls_for_people(adapter)
    if isinstance(adapter, AnthropicAdapter):
        yield from calls_for_the_console(adapter)


def calls_for_people(adapter: Any) -> Iterator[Callable[[], object]]:
    yield adapter.probe
    yield adapter.members
    yield adapter.invites
    yield lambda: adapter.member("m-1")
    yield lambda: adapter.members_by_email("a@b.example")
    yield lambda: adapter.pending_invites("a@b.example")
    yield lambda: adapter.change_role("m-1", "user")
    yield lambda: adapter.remove_member("m-1")
    yield lambda: adapter.invite("a@b.example", "user")
    yield lambda: adapter.withdraw_invite("i-1")


def calls_for_the_console(adapter: Any) -> Iterator[Callable[[], object]]:
    yield adapter.list_workspaces
    yield lambda: adapter.get_workspace("w-1")
    yield lambda: adapter.create_workspace("Ours", Residency(("us",), "us"))
    yield lambda: adapter.update_workspace("w-1", "Ours", Residency())
    yield lambda: adapter.archive_workspace("w-1")
    yield lambda: adapter.list_workspace_members("w-1")
    yield lambda: adapter.get_workspace_member("w-1", "u-1")
    yield lambda: adapter.create_workspace_member("w-1", "u-1", "workspace_user")
    yield lambda: adapter.update_workspace_member("w-1", "u-1", "workspace_admin")
    yield lambda: adapter.delete_workspace_member("w-1", "u-1")
    yield adapter.list_api_keys
    yield lambda: adapter.get_api_key("k-1")
    yield lambda: adapter.update_api_key("k-1", name="Ours", status="inactive")
    yield adapter.list_organization_rate_limits
    yield lambda: adapter.list_workspace_rate_limits("w-1")
    day = datetime(2026, 5, 1, tzinfo=UTC)
    yield lambda: adapter.get_messages_usage_report(UsageQuery(day, speeds=("fast",)))
    yield lambda: adapter.get_cost_report(CostQuery(day))
    yield lambda: adapter.get_claude_code_usage_report(day.date())


# --- Walks ------------------------------------------------------------------------------------------


def walked(adapter: Any) -> list[str]:
    rows: list[str] = []
    cursor: str | None = None
    for _ in range(20):
        page = adapter.members(cursor)
        rows += [row.remote_id for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            return rows
    raise AssertionError("the walk does not end")


def test_a_walk_goes_on_with_the_cursor_that_came(adapter_for: Callable[..., Any]) -> None:
    people = [numbered(USER, number) for number in range(5)]
    asked: list[dict[str, str]] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(dict(request.url.params))
        after = request.url.params.get("after_id")
        start = 0 if after is None else [one["id"] for one in people].index(after) + 1
        body = anthropic_page(*people[start : start + 2], more=start + 2 < len(people))
        return httpx2.Response(200, json=body)

    assert walked(adapter_for("anthropic", handler)) == [one["id"] for one in people]
    assert asked == [
        {"limit": "1000"},
        {"limit": "1000", "after_id": people[1]["id"]},
        {"limit": "1000", "after_id": people[3]["id"]},
    ]


def test_a_cline_walk_sends_next_token_back_as_cursor(adapter_for: Callable[..., Any]) -> None:
    pages = {
        None: cline_page(numbered(CLINE_MEMBER, 1), token="two"),
        "two": cline_page(numbered(CLINE_MEMBER, 2), token="three"),
        "three": cline_page(numbered(CLINE_MEMBER, 3)),
    }
    adapter = adapter_for(
        "cline",
        lambda request: httpx2.Response(200, json=pages[request.url.params.get("cursor")]),
    )
    assert len(walked(adapter)) == 3


ENDLESS: dict[str, tuple[str, list[Any]]] = {
    "a cursor that is ignored": (
        "anthropic",
        [anthropic_page(numbered(USER, 1), more=True)],
    ),
    "an empty page that has more": ("anthropic", [anthropic_page(more=True)]),
    "more, but nobody says where": (
        "anthropic",
        [{"data": [{"name": "x"}], "has_more": True, "last_id": None}],
    ),
    "a list that does not say whether there is more": ("anthropic", [{"data": [USER]}]),
    "a token that comes back": ("cline", [cline_page(numbered(CLINE_MEMBER, 1), token="same")]),
    "a page that comes back under other tokens": (
        "cline",
        [cline_page(numbered(CLINE_MEMBER, 1), token=f"token-{n}") for n in range(30)],
    ),
    "rows that come back under other names and tokens": (
        "cline",
        [
            cline_page(numbered(CLINE_MEMBER, 1) | {"name": f"Person {n}"}, token=f"token-{n}")
            for n in range(30)
        ],
    ),
    "tokens in a circle": (
        "cline",
        list(
            chain.from_iterable(
                (
                    cline_page(numbered(CLINE_MEMBER, n), token="odd"),
                    cline_page(numbered(CLINE_MEMBER, n + 1), token="even"),
                )
                for n in range(0, 40, 2)
            )
        ),
    ),
    "empty pages for ever": ("cline", [cline_page(token=f"token-{n}") for n in range(30)]),
    "a total that was not reached": ("cline", [cline_page(CLINE_MEMBER, total=400)]),
}


@pytest.mark.parametrize("how", sorted(ENDLESS))
def test_a_walk_that_cannot_be_complete_is_unclear(
    adapter_for: Callable[..., Any], how: str
) -> None:
    provider, bodies = ENDLESS[how]
    with pytest.raises(Unclear):
        walked(adapter_for(provider, answering(*bodies)))


def test_asking_for_a_page_again_is_no_circle(adapter_for: Callable[..., Any]) -> None:
    pages = {
        None: cline_page(numbered(CLINE_MEMBER, 1), token="two", total=3),
        "two": cline_page(numbered(CLINE_MEMBER, 2), token="three", total=3),
        "three": cline_page(numbered(CLINE_MEMBER, 3), total=3),
    }
    adapter = adapter_for(
        "cline",
        lambda request: httpx2.Response(200, json=pages[request.url.params.get("cursor")]),
    )
    for cursor in (None, "two", "two", "three", "two", "three", None, "two", "three"):
        page = adapter.members(cursor)
    assert page.next_cursor is None
    assert page.total == 3


def test_a_walk_taken_up_in_its_middle_by_another_worker_goes_on(
    adapter_for: Callable[..., Any],
) -> None:
    adapter = adapter_for("cline", answering(cline_page(numbered(CLINE_MEMBER, 9), total=900)))
    assert adapter.members("from-before").next_cursor is None


@pytest.mark.parametrize(
    "body",
    [
        cline_page(CLINE_MEMBER),
        {"data": {"items": [CLINE_MEMBER]}, "success": True},
        {"data": {"items": [CLINE_MEMBER], "nextToken": None}, "success": True},
        {"data": [CLINE_MEMBER], "success": True},
        {"data": {"members": [CLINE_MEMBER]}, "success": True},
        {"data": {"members": [CLINE_MEMBER], "count": 1, "nextToken": ""}, "success": True},
        {"items": [CLINE_MEMBER]},
        {"members": [CLINE_MEMBER]},
        [CLINE_MEMBER],
    ],
)
def test_cline_lists_are_read_in_every_wrapper(adapter_for: Callable[..., Any], body: Any) -> None:
    page = adapter_for("cline", answering(body)).members()
    assert [row.remote_id for row in page.rows] == [CLINE_MEMBER["memberId"]]
    assert page.next_cursor is None


@pytest.mark.parametrize("provider", ["anthropic", "cline"])
def test_an_unreadable_row_leaves_the_rest_of_its_page(
    adapter_for: Callable[..., Any], provider: str
) -> None:
    row = USER if provider == "anthropic" else CLINE_MEMBER
    rows = [numbered(row, 1), {**numbered(row, 2), "email": 5}, numbered(row, 3)]
    body = anthropic_page(*rows) if provider == "anthropic" else cline_page(*rows)
    page = adapter_for(provider, answering(body)).members()
    assert [one.email for one in page.rows] == ["person1@north.example", "person3@north.example"]
    assert [one.remote_id for one in page.unreadable] == [
        rows[1].get("memberId", rows[1].get("id"))
    ]


# --- Looking for one --------------------------------------------------------------------------------


def test_anthropic_addresses_that_only_resemble_are_not_taken(
    adapter_for: Callable[..., Any],
) -> None:
    plus = {**numbered(USER, 1), "email": "priya.nair+test@northgate.example"}
    adapter = adapter_for("anthropic", answering(anthropic_page(plus, USER)))
    found = adapter.members_by_email("PRIYA.nair@northgate.example")
    assert [one.remote_id for one in found] == [USER["id"]]


def test_a_cline_member_is_looked_for_until_found(adapter_for: Callable[..., Any]) -> None:
    asked: list[str | None] = []
    pages = {
        None: cline_page(numbered(CLINE_MEMBER, 1), token="two"),
        "two": cline_page(CLINE_MEMBER, token="three"),
    }

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.params.get("cursor"))
        return httpx2.Response(200, json=pages[asked[-1]])

    assert adapter_for("cline", handler).member(CLINE_MEMBER["memberId"]).name == "Bo Lind"
    assert asked == [None, "two"]


def test_a_cline_member_that_is_not_listed_is_not_found(adapter_for: Callable[..., Any]) -> None:
    with pytest.raises(NotFound):
        adapter_for("cline", answering(cline_page(numbered(CLINE_MEMBER, 1)))).member("mbr-x")


def test_a_list_that_is_not_there_does_not_mean_that_the_member_is_gone(
    adapter_for: Callable[..., Any],
) -> None:
    answer = httpx2.Response(404, json={"success": False, "error": "organization not found"})
    with pytest.raises(Refused) as caught:
        adapter_for("cline", lambda _: answer).member("mbr-x")
    assert caught.value.status == 404


def test_one_who_may_hide_in_an_unreadable_row_is_not_called_absent(
    adapter_for: Callable[..., Any],
) -> None:
    nameless = {**CLINE_MEMBER, "email": None}
    adapter = adapter_for("cline", answering(cline_page(nameless)))
    with pytest.raises(Unclear):
        adapter.member(CLINE_MEMBER["memberId"])
    with pytest.raises(Unclear):
        adapter.members_by_email("bo@northwind.example")
    with pytest.raises(NotFound):
        adapter.member("mbr-somebody-else")


def test_an_unreadable_row_of_somebody_else_hides_nobody(adapter_for: Callable[..., Any]) -> None:
    body = cline_page({**CLINE_INVITE, "id": None})
    adapter = adapter_for("cline", answering(body))
    assert adapter.pending_invites("other@northwind.example") == []
    with pytest.raises(Unclear):
        adapter.pending_invites("dee@northwind.example")


@pytest.mark.parametrize("provider", ["anthropic", "cline"])
def test_only_pending_invites_to_exactly_that_address_are_given_back(
    adapter_for: Callable[..., Any], provider: str
) -> None:
    row = INVITE if provider == "anthropic" else CLINE_INVITE
    rows = [
        numbered(row, 1),
        {**numbered(row, 2), "email": row["email"], "status": "expired"},
        {**row, "email": row["email"].upper()},
    ]
    body = anthropic_page(*rows) if provider == "anthropic" else cline_page(*rows)
    found = adapter_for(provider, answering(body)).pending_invites(row["email"])
    assert [one.remote_id for one in found] == [row["id"]]


# --- Writes -----------------------------------------------------------------------------------------


def test_what_anthropic_is_sent(adapter_for: Callable[..., Any]) -> None:
    sent: list[tuple[str, str, Any]] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append((request.method, request.url.path, json.loads(request.content or b"null")))
        body: dict[str, Any] = {
            "/v1/organizations/users/user_1": USER,
            "/v1/organizations/invites": INVITE,
        }.get(request.url.path, {})
        if request.method == "DELETE":
            body = {"id": request.url.path.rsplit("/")[-1], "type": "deleted"}
        return httpx2.Response(200, json=body)

    adapter = adapter_for("anthropic", handler)
    assert (
        adapter.change_role("user_1", "billing").role == "developer"
    )  # what came, not what was asked
    assert adapter.invite("a@b.example", "developer").remote_id == INVITE["id"]
    adapter.remove_member("user_1")
    adapter.withdraw_invite("invite_1")
    assert sent == [
        ("POST", "/v1/organizations/users/user_1", {"role": "billing"}),
        ("POST", "/v1/organizations/invites", {"email": "a@b.example", "role": "developer"}),
        ("DELETE", "/v1/organizations/users/user_1", None),
        ("DELETE", "/v1/organizations/invites/invite_1", None),
    ]


def test_what_cline_is_sent(adapter_for: Callable[..., Any]) -> None:
    sent: list[tuple[str, str, Any]] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append((request.method, request.url.path, json.loads(request.content or b"null")))
        if request.method == "DELETE":
            return httpx2.Response(204)
        if request.method == "POST":
            return httpx2.Response(201, json=cline_page(CLINE_INVITE))
        return httpx2.Response(200, json={"data": CLINE_MEMBER, "success": True})

    adapter = adapter_for("cline", handler)
    assert adapter.change_role("mbr-1", "admin").role == "member"
    assert adapter.invite("dee@northwind.example", "member").remote_id == CLINE_INVITE["id"]
    adapter.remove_member("mbr-1")
    adapter.withdraw_invite("inv-1/../x")
    base = "/api/v1/organizations/org-1"
    assert sent == [
        ("PUT", f"{base}/members/mbr-1/role", {"role": "admin"}),
        (
            "POST",
            f"{base}/invites",
            {"invites": [{"email": "dee@northwind.example", "role": "member"}]},
        ),
        ("DELETE", f"{base}/members", {"memberIds": ["mbr-1"]}),
        ("DELETE", f"{base}/invites/inv-1/../x", None),
    ]


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_2xx_of_cline_is_a_success_even_without_a_body(
    adapter_for: Callable[..., Any], status: int
) -> None:
    adapter = adapter_for("cline", lambda _: httpx2.Response(status))
    adapter.remove_member("mbr-1")
    adapter.withdraw_invite("inv-1")
    assert adapter.change_role("mbr-1", "admin") is None


@pytest.mark.parametrize(
    "body",
    [
        cline_page(CLINE_INVITE),
        {"data": [CLINE_INVITE], "success": True},
        {"data": CLINE_INVITE, "success": True},
        {"data": {"invites": [CLINE_INVITE], "failed": 0}, "success": True},
        {"data": {**CLINE_INVITE, "groups": []}, "success": True},
        CLINE_INVITE,
    ],
)
def test_the_new_cline_invite_is_found_in_every_wrapper(
    adapter_for: Callable[..., Any], body: Any
) -> None:
    adapter = adapter_for("cline", lambda _: httpx2.Response(201, json=body))
    assert adapter.invite("DEE@northwind.example", "member").remote_id == CLINE_INVITE["id"]


@pytest.mark.parametrize(
    "body", [cline_page(), cline_page(numbered(CLINE_INVITE, 1)), {"success": True, "data": None}]
)
def test_an_answer_that_does_not_name_the_new_invite_is_unclear(
    adapter_for: Callable[..., Any], body: Any
) -> None:
    adapter = adapter_for("cline", lambda _: httpx2.Response(201, json=body))
    with pytest.raises(Unclear):
        adapter.invite("dee@northwind.example", "member")


@pytest.mark.parametrize("body", [b"<<not json>>", b'{"data":'])
def test_garbage_after_a_cline_write_is_unclear(
    adapter_for: Callable[..., Any], body: bytes
) -> None:
    adapter = adapter_for("cline", lambda _: httpx2.Response(200, content=body))
    for write in (
        lambda: adapter.remove_member("mbr-1"),
        lambda: adapter.withdraw_invite("inv-1"),
        lambda: adapter.change_role("mbr-1", "admin"),
    ):
        with pytest.raises(Unclear):
            write()


def test_a_deletion_that_does_not_name_what_it_deleted_is_unclear(
    adapter_for: Callable[..., Any],
) -> None:
    adapter = adapter_for("anthropic", answering({"id": "user_other", "type": "user_deleted"}))
    with pytest.raises(Unclear):
        adapter.remove_member("user_1")


# --- The providers' words ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "message", "code"),
    [
        (200, {"success": False, "error": "no seats available"}, "no seats available", ""),
        (200, {"success": False}, "The provider refused without saying why.", ""),
        (400, {"error": "Invalid request format"}, "Invalid request format", ""),
        (400, {"error": {"code": 400, "message": "bad id"}}, "bad id", "400"),
        (409, {"success": False, "error": "no seats available"}, "no seats available", ""),
        (
            402,
            {"success": False, "error": '{"code": "no_card", "message": "Pay"}'},
            "Pay",
            "no_card",
        ),
        (
            429,
            {"error": {"code": "SPEND_LIMIT_EXCEEDED", "message": "Daily cap reached."}},
            "Daily cap reached.",
            "SPEND_LIMIT_EXCEEDED",
        ),
        (400, "plain words", "plain words", ""),
        (400, "<html>long page</html>", "The provider answered 400 without saying why.", ""),
    ],
)
def test_cline_refusals_are_told_in_its_own_words(
    adapter_for: Callable[..., Any], status: int, body: Any, message: str, code: str
) -> None:
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    adapter = adapter_for("cline", lambda _: httpx2.Response(status, content=content))
    with pytest.raises(Refused) as caught:
        adapter.invite("a@b.example", "member")
    assert (caught.value.message, caught.value.code) == (message, code)


def anthropic_error(code: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": kind, "message": "No.", **details}}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, anthropic_error("already_member"), "already_member"),
        (400, anthropic_error(""), "invalid_request_error"),
        (200, anthropic_error("already_member"), "already_member"),
        (409, anthropic_error("something_else", "conflict_error"), "something_else"),
    ],
)
def test_anthropic_refusals_carry_their_code(
    adapter_for: Callable[..., Any], status: int, body: Any, code: str
) -> None:
    adapter = adapter_for("anthropic", lambda _: httpx2.Response(status, json=body))
    with pytest.raises(Refused) as caught:
        adapter.invite("a@b.example", "user")
    assert (caught.value.message, caught.value.code) == ("No.", code)


def test_two_membership_changes_that_met_are_to_be_tried_again(
    adapter_for: Callable[..., Any],
) -> None:
    paused: list[float | None] = []
    body = anthropic_error("concurrent_membership_change", "conflict_error")
    adapter = adapter_for(
        "anthropic", lambda _: httpx2.Response(409, json=body), on_rate_limited=paused.append
    )
    with pytest.raises(Busy) as caught:
        adapter.remove_member("user_1")
    assert isinstance(caught.value, RateLimited)
    assert caught.value.retry_after == 1.0
    assert paused == []  # nobody else has to wait for it


# --- Probing ----------------------------------------------------------------------------------------

CALLER = {
    "id": "usr-1",
    "email": "ada@northwind.example",
    "organizations": [
        {
            "memberId": "m",
            "organizationId": "org-1",
            "name": "North",
            "roles": ["admin"],
            "active": True,
        },
        {
            "memberId": "n",
            "organizationId": "org-2",
            "name": "Lab",
            "roles": ["member"],
            "active": False,
        },
    ],
}


CLINE_LISTS = ("api-keys", "usages", "payments", "promotions", "plans", "history")
CLINE_DOCUMENTS = ("remote-config", "metrics", "balance", "default", "auto-top-up", "plan")


def cline_remote(
    asked: list[str] | None = None, **changed: tuple[int, Any]
) -> Callable[[httpx2.Request], httpx2.Response]:
    """``asked`` fills with the last part of each address; ``changed`` are answers by that part."""
    asked = [] if asked is None else asked
    answers: dict[str, tuple[int, Any]] = {
        "me": (200, {"data": CALLER, "success": True}),
        "org-1": (200, {"data": {"id": "org-1", "name": "Northwind Robotics"}, "success": True}),
        "org-2": (200, {"data": {"id": "org-2", "name": "Lab"}, "success": True}),
        "members": (200, cline_page(CLINE_MEMBER, token="more")),
        "available-roles": (200, {"data": ["admin", "member"], "success": True}),
        "invites": (200, cline_page(CLINE_INVITE)),
        **dict.fromkeys(CLINE_LISTS, (200, cline_page())),
        **dict.fromkeys(CLINE_DOCUMENTS, (200, {"data": {}, "success": True})),
        **{name.replace("_", "-"): answer for name, answer in changed.items()},
    }

    def handler(request: httpx2.Request) -> httpx2.Response:
        assert request.method == "GET", "a probe changes nothing"
        name = request.url.path.rsplit("/")[-1]
        assert int(request.url.params.get("limit", 1)) <= 2, "a probe reads as little as it can"
        asked.append(name)
        status, body = answers[name]
        return httpx2.Response(status, json=body)

    return handler


def test_a_cline_probe_without_an_organization_offers_those_to_choose_from(
    adapter_for: Callable[..., Any],
) -> None:
    found = adapter_for("cline", cline_remote(), remote_organization_id="").probe()
    assert found.account == "ada@northwind.example"
    assert [(one.remote_id, one.name, one.roles) for one in found.organizations] == [
        ("org-1", "North", ("admin",)),
        ("org-2", "Lab", ("member",)),
    ]
    assert found.abilities == {}


def test_a_cline_probe_of_a_chosen_organization_tells_what_can_be_done(
    adapter_for: Callable[..., Any],
) -> None:
    found = adapter_for("cline", cline_remote()).probe()
    assert [one.name for one in found.organizations] == ["Northwind Robotics"]
    assert found.assignable_roles == ("admin", "member")
    assert {name for name, one in found.abilities.items() if one.ok} == CLINE_CAPABILITIES


def test_a_cline_probe_asks_once_for_each_thing(adapter_for: Callable[..., Any]) -> None:
    asked: list[str] = []
    adapter_for("cline", cline_remote(asked)).probe()
    # The organization's shared keys and the person's own end alike, sums and calls do too.
    assert sorted(asked) == sorted(
        [
            "me",
            "org-1",
            "members",
            "available-roles",
            "invites",
            "api-keys",
            "usages",
            *CLINE_LISTS,
            *CLINE_DOCUMENTS,
        ]
    )


def test_the_calls_of_somebody_else_are_asked_for(adapter_for: Callable[..., Any]) -> None:
    paths: list[str] = []
    answer = cline_remote(
        members=(200, cline_page({**CLINE_MEMBER, "memberId": "m"}, CLINE_MEMBER))
    )

    def remote(request: httpx2.Request) -> httpx2.Response:
        paths.append(request.url.path)
        return answer(request)

    adapter_for("cline", remote).probe()
    assert f"/api/v1/organizations/org-1/members/{CLINE_MEMBER['memberId']}/usages" in paths


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((403, {"success": False, "error": "owners only"}), "owners only"),
        ((404, {"success": False, "error": "no billing"}), "no billing"),
        ((404, {"error": "Not Found"}), "Not Found"),
        ((402, {"success": False, "error": "pay first"}), "pay first"),
        ((200, {"success": False, "error": "not enrolled"}), "not enrolled"),
        ((200, {"data": None, "success": True}), "no list"),
    ],
    ids=str,
)
def test_what_a_read_is_refused_is_off_and_the_rest_stays_on(
    adapter_for: Callable[..., Any], answer: tuple[int, Any], reason: str
) -> None:
    asked: list[str] = []
    found = adapter_for("cline", cline_remote(asked, payments=answer)).probe()
    off = {name: one.reason for name, one in found.abilities.items() if not one.ok}
    assert set(off) == {"payments.read", "credit.buy", *CLINE_NEVER}
    assert all(reason in off[name] for name in set(off) - CLINE_NEVER)
    assert asked.count("payments") == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Unauthorized), (429, RateLimited), (500, Unclear)]
)
def test_what_says_nothing_of_a_capability_ends_the_probe(
    adapter_for: Callable[..., Any], status: int, kind: type[Exception]
) -> None:
    answer = (status, {"success": False, "error": "not now"})
    with pytest.raises(kind):
        adapter_for("cline", cline_remote(payments=answer)).probe()


# The key of these tests is an admin's.
CLINE_NEVER = {*PROVIDERS["cline"].cannot, "organization.delete"}
CLINE_ADMIN_ONLY = {"settings.change", "config.change"}
CLINE_OTHERS = {
    "organization.create",
    "keys.read",
    "keys.create",
    "keys.delete",
    "settings.read",
    "config.read",
    "shared_keys.read",
    "usage.read",
    "usage.summary",
    "usage.calls",
    "costs.read",
    "credit.read",
    "credit.buy",
    "payments.read",
    "card.read",
    "card.change",
    "top_up.read",
    "top_up.change",
    "promotions.read",
    "plans.read",
    "plan.read",
    "plan.history",
    "plan.change",
}
CAPABILITIES = {
    "members.read",
    "members.change_role",
    "members.remove",
    "invites.read",
    "invites.create",
    "invites.withdraw",
}
CLINE_CAPABILITIES = CAPABILITIES | CLINE_ADMIN_ONLY | CLINE_OTHERS


def test_a_key_that_may_not_see_the_members_can_do_nothing_to_them(
    adapter_for: Callable[..., Any],
) -> None:
    refusal = (403, {"success": False, "error": "admins only"})
    found = adapter_for("cline", cline_remote(members=refusal, available_roles=refusal)).probe()
    off = CAPABILITIES - {"invites.read"} | {"usage.calls"} | CLINE_NEVER
    assert {name for name, one in found.abilities.items() if not one.ok} == off
    assert found.abilities["members.read"].reason == "admins only"
    assert found.abilities["invites.create"].reason == "admins only"


def test_a_plain_members_key_reads_at_best(adapter_for: Callable[..., Any]) -> None:
    found = adapter_for("cline", cline_remote(), remote_organization_id="org-2").probe()
    off = CAPABILITIES - {"members.read", "invites.read"} | CLINE_ADMIN_ONLY | CLINE_NEVER
    assert {name for name, one in found.abilities.items() if not one.ok} == off
    assert "owners and admins" in found.abilities["members.remove"].reason


def test_a_cline_route_that_is_not_there_turns_its_capability_off(
    adapter_for: Callable[..., Any],
) -> None:
    found = adapter_for("cline", cline_remote(invites=(404, {"error": "Not Found"}))).probe()
    assert found.abilities["invites.read"].ok is False
    assert found.abilities["members.read"].ok is True


def test_an_organization_that_the_caller_has_left_is_not_found(
    adapter_for: Callable[..., Any],
) -> None:
    with pytest.raises(NotFound):
        adapter_for("cline", cline_remote(), remote_organization_id="org-9").probe()


CONSOLE_LISTS = (
    "workspaces",
    "api_keys",
    "rate_limits",
    "messages",
    "cost_report",
    "claude_code",
)
CONSOLE_CAPABILITIES = CAPABILITIES | {
    "workspaces.read",
    "workspaces.change",
    "keys.read",
    "keys.change",
    "settings.read",
    "limits.read",
    "usage.read",
    "costs.read",
    "coding.read",
}


def anthropic_remote(**changed: tuple[int, Any]) -> Callable[[httpx2.Request], httpx2.Response]:
    answers: dict[str, tuple[int, Any]] = {
        "me": (200, {"id": "7c1f4a52", "name": "Northgate", "type": "organization"}),
        "users": (200, anthropic_page(USER, more=True)),
        **dict.fromkeys(("invites", *CONSOLE_LISTS), (200, anthropic_page())),
        **changed,
    }

    def handler(request: httpx2.Request) -> httpx2.Response:
        name = request.url.path.rsplit("/")[-1]
        assert name in ("me", "rate_limits") or request.url.params["limit"] == "1"
        status, body = answers[name]
        return httpx2.Response(status, json=body)

    return handler


def test_an_anthropic_probe_names_the_organization_and_what_can_be_done(
    adapter_for: Callable[..., Any],
) -> None:
    found = adapter_for("anthropic", anthropic_remote()).probe()
    assert [(one.remote_id, one.name) for one in found.organizations] == [("7c1f4a52", "Northgate")]
    assert {name for name, one in found.abilities.items() if one.ok} == CONSOLE_CAPABILITIES


def test_an_anthropic_capability_that_is_refused_is_off_with_the_reason(
    adapter_for: Callable[..., Any],
) -> None:
    refusal = (403, anthropic_error("", "permission_error"))
    found = adapter_for("anthropic", anthropic_remote(invites=refusal)).probe()
    assert {name for name, one in found.abilities.items() if not one.ok} == {
        "invites.read",
        "invites.create",
        "invites.withdraw",
        "keys.create",
        "keys.delete",
        "shared_keys.read",
        "settings.change",
        "organization.create",
        "organization.delete",
        "config.read",
        "config.change",
        "credit.read",
    }
    assert found.abilities["invites.create"].reason == "No."
    assert "Claude Console" in found.abilities["keys.create"].reason


# --- Recorded ---------------------------------------------------------------------------------------


def recorded(path: str) -> Any:
    rows = json.loads(RECORDED.read_text())
    return next(row["response"] for row in rows if row["path"].endswith(path))


def test_the_recorded_cline_account_is_read(adapter_for: Callable[..., Any]) -> None:
    adapter = adapter_for("cline", answering(recorded("/users/me")), remote_organization_id="")
    found = adapter.probe()
    assert [(one.name, one.roles) for one in found.organizations] == [
        ("Cline Bot Inc", ("admin",)),
        ("Cline Internal Testing Org", ("member",)),
    ]


def test_every_recorded_answer_is_read_by_its_operation(adapter_for: Callable[..., Any]) -> None:
    account = adapter_for("cline", answering(recorded("/users/me"))).get_current_user()
    assert account.missing == ()
    assert account.active_organization_id == "REDACTED"
    assert account.created_at == datetime(2025, 12, 1, 22, 34, 35, 355099, tzinfo=UTC)
    balance = adapter_for("cline", answering(recorded("/balance"))).get_organization_balance()
    assert balance.missing == ("balance",)  # the recording blacks the figure out
    adapter = adapter_for("cline", answering(recorded("/remote-config")))
    config = adapter.get_organization_remote_config()
    assert (config.enabled, config.missing) == (True, ())
    store = config.document["enterpriseTelemetry"]["promptUploading"]["s3AccessSettings"]
    assert (store["bucket"], store["secretAccessKey"]) == ("cline-tasks", "•••")
    assert len(json.loads(RECORDED.read_text())) == 3


def test_the_recorded_account_may_lose_any_field(adapter_for: Callable[..., Any]) -> None:
    whole = recorded("/users/me")["data"]
    for name in whole:
        for changed in (
            {key: whole[key] for key in whole if key != name},
            {**whole, name: None},
            {**whole, name: 5},
            {**whole, name: [None, 5, {}, {"organizationId": 7}]},
        ):
            adapter = adapter_for(
                "cline", answering({"data": changed, "success": True}), remote_organization_id=""
            )
            adapter.probe()


def test_a_report_is_read_without_holding_the_answer_several_times() -> None:
    row = dict.fromkeys(anthropic_reports.USAGE_DIMENSIONS) | {
        "uncached_input_tokens": 1,
        "cache_read_input_tokens": 2,
        "cache_creation": {"ephemeral_1h_input_tokens": 3, "ephemeral_5m_input_tokens": 4},
        "output_tokens": 5,
        "server_tool_use": {"web_search_requests": 6},
    }
    bucket = {
        "starting_at": "2026-11-01T00:00:00Z",
        "ending_at": "2026-11-01T01:00:00Z",
        "results": [row] * 300,
    }
    body = json.dumps([bucket] * 24).encode()
    rows = msgspec.json.decode(body, type=list[msgspec.Raw])
    tracemalloc.start()
    try:
        records, unreadable = anthropic_reports.USAGE_BUCKETS.read(rows)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [len(one.rows) for one in records] == [300] * 24
    assert not unreadable
    assert most - kept < len(body) / 4, "what it took beside the records that it made"
