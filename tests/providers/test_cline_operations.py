"""Every operation of the Cline contract as the adapter reads it: its examples, and what differs from them."""

import contextlib
import copy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.providers.cline import ClineAdapter
from apps.providers.errors import Forbidden, NotFound, ProviderError, Refused, Unclear
from apps.providers.http import Answer, failure_of
from apps.providers.records import Page
from apps.providers.records.billing import AutoTopUp
from apps.providers.records.reports import UsageRows
from tests.contract import openapi
from tests.contract.openapi import Operation
from tests.providers.cline_calls import CALLS, DAYS, PAYMENT, TOP_UP, USER
from tests.providers.test_reading import JSON

CONTRACT = openapi.cline()
pytestmark = pytest.mark.usefixtures("worker")
EVERY = pytest.mark.parametrize("operation_id", sorted(CALLS))
# Rows of these were read before; their records say what is missing by an empty value.
LISTS = {"items", "paymentTransactions", "limits"}
SAYS_NOTHING = {"list_members", "set_member_role", "list_invites", "create_invites"}


class Instant:
    """A channel that answers at once and keeps no socket."""

    def __init__(self, status: int, content: bytes) -> None:
        self.client = SimpleNamespace(headers={})
        self.response = httpx2.Response(status, content=content)

    def call(self, operation: str, send: Any, *, write: bool, read_words: Any) -> Answer:
        failure = failure_of(self.response, read_words)
        if failure is not None:
            raise failure
        return Answer(self.response.status_code, self.response.headers, self.response.content, "")


def answered(body: Any, status: int = 200) -> Any:
    """An adapter whose every call gets this answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    channel: Any = Instant(status, content)
    return ClineAdapter(channel, credential="sk_x", remote_organization_id="org-1")


def data(value: Any) -> Any:
    return {"data": value, "success": True}


def examples(operation: Operation) -> Iterator[tuple[int, Any]]:
    """Status and body of each success that the contract shows; None where it has no body."""
    for status, response in operation.responses.items():
        if not status.startswith("2"):
            continue
        content = response.get("content", {}).get("application/json", {})
        shown = [one["value"] for one in content.get("examples", {}).values()]
        for body in shown or [content.get("example")]:
            yield int(status), body


def main_example(operation_id: str) -> Any:
    """The first shown body, without its envelope."""
    bodies = [body for _, body in examples(CONTRACT.operations[operation_id]) if body]
    return copy.deepcopy(bodies[0]["data"]) if bodies else None


def records_of(result: Any) -> list[Any]:
    if isinstance(result, Page):
        return list(result.rows)
    return list(result) if isinstance(result, tuple) else [result]


# --- As the contract says ---------------------------------------------------------------------------


def test_there_is_a_method_for_every_operation_and_it_says_so() -> None:
    assert set(CALLS) == set(CONTRACT.operations)
    for operation_id in CALLS:
        assert operation_id in getattr(ClineAdapter, operation_id).__doc__


@EVERY
def test_the_examples_of_the_contract_are_read_whole(operation_id: str) -> None:
    for status, body in examples(CONTRACT.operations[operation_id]):
        result = CALLS[operation_id](answered(b"" if body is None else body, status))
        if isinstance(result, Page):
            assert len(result.rows) == len(next(iter(rows_in(body["data"]))))
            assert result.unreadable == []
        assert all(getattr(one, "missing", ()) == () for one in records_of(result))


@EVERY
def test_what_is_sent_is_what_the_contract_takes(
    adapter_for: Callable[..., Any], operation_id: str
) -> None:
    operation = CONTRACT.operations[operation_id]
    status, body = next(examples(operation))
    sent: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(status, json=body) if body else httpx2.Response(status)

    CALLS[operation_id](adapter_for("cline", handler))
    (request,) = sent
    parts = zip(operation.path.split("/"), request.url.path.split("/"), strict=True)
    assert all(wanted in (given, "") or wanted.startswith("{") for wanted, given in parts)
    assert request.method == operation.method
    CONTRACT.check_request(operation_id, request.url.query.decode(), request.content)
    assert ("authorization" in request.headers) is (operation_id != "refresh_account_token")


def test_money_is_exact_in_every_unit() -> None:
    balance = answered(data({"userId": USER, "balance": -123456789012345}))
    assert balance.get_user_balance(USER).amount_usd == Decimal("-123456789.012345")
    fraction = answered(b'{"data":{"userId":"u","balance":0.1},"success":true}')
    assert fraction.get_user_balance(USER).amount_usd == Decimal("0.0000001")
    (call,) = answered(data(main_example("list_member_usages"))).list_member_usages("m").rows
    assert call.charged_usd == Decimal("0.011745")
    assert call.list_cost_usd == Decimal("0.01174500")
    payment = answered(data(main_example("get_user_payment"))).get_user_payment(USER, PAYMENT)
    assert (payment.amount_usd, payment.credits_usd) == (Decimal(500), Decimal(500))
    (_, plan) = answered(data(main_example("list_plans"))).list_plans().rows
    assert (plan.seat_price_usd, plan.fee_usd) == (Decimal("9.99"), Decimal("0.61"))
    assert [(one.window, one.limit_usd) for one in plan.caps] == [
        ("last5Hours", Decimal(10)),
        ("last7days", Decimal(25)),
        ("last30days", Decimal(50)),
    ]


@pytest.mark.parametrize("amount", ["0.001", "NaN", "Infinity", "1.999"])
def test_an_amount_that_is_no_number_of_cents_is_not_sent(amount: str) -> None:
    with pytest.raises(Refused):
        answered({}).purchase_user_credits(USER, Decimal(amount))
    with pytest.raises(Refused):
        answered({}).set_user_auto_top_up(USER, AutoTopUp(True, Decimal(5), Decimal(amount)))


@pytest.mark.parametrize("digits", range(10))
def test_times_have_zero_to_nine_fraction_digits(digits: int) -> None:
    stamp = "2026-07-14T09:12:31" + ("." + "123456789"[:digits] if digits else "") + "Z"
    row = {**main_example("list_user_usages")["items"][0], "createdAt": stamp}
    document = {**main_example("get_user_payment"), "paidAt": stamp}
    (call,) = answered(data([row])).list_user_usages(USER).rows
    payment = answered(data(document)).get_user_payment(USER, PAYMENT)
    whole = datetime(2026, 7, 14, 9, 12, 31, tzinfo=UTC)
    for found in (call.at, payment.paid_at):
        assert found.replace(microsecond=0) == whole
        assert abs(found.microsecond - int("123456"[:digits].ljust(6, "0"))) <= 1


# --- What differs -----------------------------------------------------------------------------------

Path = tuple[str | int, ...]


def places(value: Any, here: Path = ()) -> Iterator[Path]:
    """Where every value of a document stands, fields and list entries alike."""
    pairs: Any = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        pairs = enumerate(value)
    for name, inner in pairs:
        yield (*here, name)
        yield from places(inner, (*here, name))


def changed(document: Any, path: Path, change: Callable[[Any, Any], None]) -> Any:
    """A copy of ``document`` in which ``change(holder, name)`` was done to one place."""
    copied = copy.deepcopy(document)
    holder = copied
    for step in path[:-1]:
        holder = holder[step]
    change(holder, path[-1])
    return copied


def put(value: Any) -> Callable[[Any, Any], None]:
    return lambda holder, name: holder.__setitem__(name, value)


def drop(holder: Any, name: Any) -> None:
    del holder[name]


STRANGE: list[Any] = [
    None,
    "astronaut",
    "",
    12345,
    -1,
    1.5,
    True,
    [],
    {},
    [None, {"a": [1]}],
    "x" * 5000,
]


def outcome(operation_id: str, document: Any) -> Any:
    """The result, or the one kind of error that an answer which cannot be read may raise."""
    try:
        return CALLS[operation_id](answered(data(document)))
    except Unclear as error:
        return error


def shapes() -> list[str]:
    """One read and one write of each shape of answer: those that mirror each other share their code."""
    found: dict[tuple[str, bool], str] = {}
    for operation_id in sorted(CALLS):
        document = main_example(operation_id)
        if not isinstance(document, dict | list):
            continue
        write = CONTRACT.operations[operation_id].method != "GET"
        found.setdefault((shape_of(document), write), operation_id)
    return sorted(found.values())


def shape_of(document: Any) -> str:
    if isinstance(document, dict):
        return str(sorted((name, shape_of(inner)) for name, inner in document.items()))
    return shape_of(document[0]) if isinstance(document, list) and document else ""


@pytest.mark.parametrize("operation_id", shapes())
def test_no_change_to_one_field_makes_a_crash(operation_id: str) -> None:
    row, listed = main_row(operation_id)
    document: Any = {"items": [row], "nextToken": "", "total": 1} if listed else row
    for path in places(document):
        outcome(operation_id, changed(document, path, drop))
        for value in STRANGE:
            outcome(operation_id, changed(document, path, put(value)))


@pytest.mark.parametrize("operation_id", shapes())
def test_a_changed_row_of_a_list_is_read_or_reported_and_the_others_are_read(
    operation_id: str,
) -> None:
    """Whatever one row holds, the walk goes on: each row of the page is accounted for."""
    row, listed = main_row(operation_id)
    whole = outcome(operation_id, [row])
    if not listed or not isinstance(whole, Page):
        return
    for path in places(row):
        for change in (drop, *map(put, STRANGE)):
            page = outcome(operation_id, [changed(row, path, change), row])
            assert len(page.rows) + len(page.unreadable) == 2, path
            assert without_raw(page.rows[-1]) == without_raw(whole.rows[0]), path


def rows_in(document: Any) -> Iterator[list[Any]]:
    if isinstance(document, list):
        yield document
    elif isinstance(document, dict):
        yield from (one for one in document.values() if isinstance(one, list))


def main_row(operation_id: str) -> tuple[dict[str, Any], bool]:
    """The first row of a list, or the one document; and which of the two it is."""
    document = main_example(operation_id)
    if isinstance(document, dict) and not LISTS & set(document):
        return document, False
    row = next(rows_in(document), [None])[0]
    return (row, True) if isinstance(row, dict) else ({}, True)


def required_of(operation_id: str, row: dict[str, Any]) -> set[str]:
    """The fields that the contract requires of a success's rows, or of its one document."""
    listed = CONTRACT.operations[operation_id].responses
    response = listed[next(status for status in listed if status.startswith("2"))]
    schema = response["content"]["application/json"]["schema"]
    found: set[str] = set()
    unread = [CONTRACT.resolve(schema)["properties"]["data"]]
    while unread:
        one = CONTRACT.resolve(unread.pop())
        unread += (
            one.get("allOf", []) + one.get("anyOf", []) + ([one["items"]] if "items" in one else [])
        )
        properties = one.get("properties", {})
        lists = [inner for inner in map(CONTRACT.resolve, properties.values()) if "items" in inner]
        if set(properties) & set(row):
            found |= set(one.get("required", []))
        elif len(lists) == 1:
            unread += lists
    return found & set(row)


@pytest.mark.parametrize("operation_id", shapes())
def test_a_required_field_that_is_not_there_is_named_or_the_row_set_aside(
    operation_id: str,
) -> None:
    row, listed = main_row(operation_id)
    if operation_id in SAYS_NOTHING | AS_WANTED:
        return
    for name in required_of(operation_id, row):
        if MADE_UP_FOR.get(name) in row:
            continue
        left = {key: value for key, value in row.items() if key != name}
        result = outcome(operation_id, [left] if listed else left)
        if isinstance(result, Unclear) or result is None:
            continue
        unreadable = result.unreadable if isinstance(result, Page) else []
        told = [missing for one in records_of(result) for missing in getattr(one, "missing", ())]
        assert unreadable or name in told, name


# A required field that another one of the same row makes up for.
MADE_UP_FOR = {"displayName": "name"}
# A change that is carried out gives back what was wanted where its answer does not say.
AS_WANTED = {"set_user_auto_top_up", "set_organization_auto_top_up"}


@pytest.mark.parametrize("operation_id", shapes())
def test_numbers_as_texts_are_the_same_numbers(operation_id: str) -> None:
    document = main_example(operation_id)
    spelled = copy.deepcopy(document)
    for path in places(document):
        holder = spelled
        for step in path[:-1]:
            holder = holder[step]
        if type(holder[path[-1]]) in (int, float):
            holder[path[-1]] = str(holder[path[-1]])
    found, wanted = (records_of(outcome(operation_id, one)) for one in (spelled, document))
    assert [without_raw(one) for one in found] == [without_raw(one) for one in wanted]


def without_raw(record: Any) -> Any:
    """What a record says, its plan within it included; the provider's spelling stays out."""
    if isinstance(record, bytes):
        return b""
    if isinstance(record, tuple | UsageRows):
        return tuple(map(without_raw, record))
    names = getattr(record, "__struct_fields__", None) or getattr(record, "__slots__", None)
    if names is None or isinstance(record, Decimal | datetime):
        return record
    return {name: without_raw(getattr(record, name)) for name in names}


@pytest.mark.parametrize("operation_id", shapes())
def test_new_fields_change_nothing_and_stay_in_raw(operation_id: str) -> None:
    row, listed = main_row(operation_id)
    more = {**row, "shinyNewField": {"nested": {"deep": True}}}
    found, plain = (
        records_of(outcome(operation_id, [one] if listed else one)) for one in (more, row)
    )
    assert [without_raw(one) for one in found] == [without_raw(one) for one in plain]
    raw = getattr(found[0], "raw", b"{}") if found else b"{}"
    assert raw == b"{}" or b"shinyNewField" in raw


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=JSON | st.builds(data, JSON))
def test_no_answer_whatever_it_holds_makes_a_crash(body: Any) -> None:
    content = msgspec.json.encode(body)
    for call in CALLS.values():
        with contextlib.suppress(ProviderError):
            call(answered(content))


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"{}", b"[]", b"<html>", b'{"data":', b"7", b'{"data":1e999}', b"9" * 5000],
)
def test_an_answer_without_what_was_asked_for_is_unclear_or_says_nothing(body: bytes) -> None:
    for operation_id, call in CALLS.items():
        with contextlib.suppress(Unclear):
            told = [getattr(one, "remote_id", "") for one in records_of(call(answered(body)))]
            assert not any(told), operation_id


# --- Refusals ---------------------------------------------------------------------------------------


def test_every_refusal_is_told_in_the_providers_words() -> None:
    forbidden = {"success": False, "error": "this needs the role owner"}
    for call in CALLS.values():
        with pytest.raises(Forbidden, match="this needs the role owner"):
            call(answered(forbidden, 403))


@pytest.mark.parametrize("operation_id", ["get_organization_plan", "get_current_user_plan"])
def test_no_plan_is_an_answer(operation_id: str) -> None:
    none = {"success": False, "error": "no plan history found for user"}
    assert CALLS[operation_id](answered(none, 404)) is None
    assert CALLS[operation_id](answered(data(None))) is None
    with pytest.raises(Unclear):
        CALLS[operation_id](answered({"error": "Not Found"}, 404))  # the route is not there


@pytest.mark.parametrize("status", [402, 404])
def test_no_plan_means_no_limits(status: int) -> None:
    none = answered({"success": False, "error": "no"}, status)
    assert none.get_current_user_plan_usage_limits() == ()
    with pytest.raises(Forbidden):
        answered({"success": False, "error": "no"}, 403).get_current_user_plan_usage_limits()


@pytest.mark.parametrize("operation_id", ["get_organization_payment", "get_user_payment"])
def test_a_payment_that_is_not_there_is_not_found(operation_id: str) -> None:
    with pytest.raises(NotFound):
        CALLS[operation_id](answered({"success": False, "error": "payment not found"}, 404))


@pytest.mark.parametrize("unsafe", ["", ".", ".."])
def test_an_id_that_would_lead_to_another_operation_is_not_sent(unsafe: str) -> None:
    adapter = answered({})
    for call in (adapter.revoke_invite, adapter.delete_api_key, adapter.cancel_organization_plan):
        with pytest.raises(Refused):
            call(unsafe)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "//evil.example", "ftp://x.example/", "x", 5]
)
def test_an_address_that_is_no_web_address_is_behind_no_link(url: Any) -> None:
    with pytest.raises(Unclear):
        answered(data({"url": url, "sessionId": "cs_1"})).create_user_credit_checkout(Decimal(10))
    payment = {**main_example("get_user_payment"), "receiptUrl": url}
    assert answered(data(payment)).get_user_payment(USER, PAYMENT).receipt_url == ""


# --- Lists ------------------------------------------------------------------------------------------


def test_a_ledger_is_walked_with_its_token_as_cursor(adapter_for: Callable[..., Any]) -> None:
    row = main_example("list_user_usages")["items"][0]
    pages = {
        None: {"items": [{**row, "id": "usg-1"}], "nextToken": "two", "total": 2},
        "two": {"items": [{**row, "id": "usg-2"}], "nextToken": "", "total": 2},
    }
    asked: list[dict[str, str]] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(dict(request.url.params))
        return httpx2.Response(200, json=data(pages[request.url.params.get("cursor")]))

    adapter = adapter_for("cline", handler)
    first = adapter.list_user_usages(USER)
    second = adapter.list_user_usages(USER, cursor=first.next_cursor)
    assert [one.remote_id for one in (*first.rows, *second.rows)] == ["usg-1", "usg-2"]
    assert (first.total, second.next_cursor) == (2, None)
    assert asked == [{"limit": "200"}, {"limit": "200", "cursor": "two"}]


def test_sums_that_look_alike_on_two_pages_are_no_circle_but_the_same_page_is() -> None:
    row = main_example("get_organization_usage")["items"][0]
    adapter = answered({})

    def ask(member: str, cursor: str | None, token: str) -> None:
        page = {"items": [{**row, "memberId": member}], "nextToken": token}
        adapter._channel = Instant(200, json.dumps(data(page)).encode())
        adapter.get_organization_usage(cursor=cursor)

    ask("mbr-1", None, "two")
    ask("mbr-2", "two", "three")
    with pytest.raises(Unclear):
        ask("mbr-2", "three", "four")


@pytest.mark.parametrize("wrapper", ["items", "paymentTransactions", "payments", None])
def test_payments_are_read_in_every_wrapper(wrapper: str | None) -> None:
    (row,) = main_example("list_user_payments")["paymentTransactions"]
    body = data([row] if wrapper is None else {wrapper: [row]})
    assert [one.amount_usd for one in answered(body).list_user_payments(USER).rows] == [500]


def test_a_payment_without_an_id_says_that_it_has_none() -> None:
    (row,) = main_example("list_user_payments")["paymentTransactions"]
    del row["id"], row["status"]
    (payment,) = answered(data([row])).list_organization_payments().rows
    assert (payment.remote_id, payment.missing) == ("", ("id", "status"))
    assert payment.credits_usd == 500


def test_the_vendors_own_test_double_with_fractions_of_units_is_read() -> None:
    row = {**main_example("list_user_usages")["items"][0], "costUsd": 0.25, "creditsUsed": "1.5"}
    content = json.dumps(data([row])).encode()
    (call,) = answered(content).list_user_usages(USER).rows
    assert (call.list_cost_usd, call.charged_usd) == (Decimal("0.0000000025"), Decimal("0.0000015"))


@pytest.mark.parametrize("body", [b"", data({}), data({"enabled": None}), data([])])
def test_a_change_that_is_carried_out_counts_even_if_the_answer_says_nothing(body: Any) -> None:
    for operation_id in AS_WANTED:
        assert CALLS[operation_id](answered(body)) == TOP_UP
    for operation_id in ("update_organization", "accept_terms", "set_organization_plan_seats"):
        assert CALLS[operation_id](answered(b"")) is None


def test_an_unknown_state_of_a_payment_counts_as_pending() -> None:
    for word, settled in {"completed": True, "refunded": True, "astronaut": False}.items():
        status = answered(data({"id": PAYMENT, "status": word})).get_user_payment_status("u", "p")
        assert (status.status, status.settled) == (word, settled)


def test_the_active_account_is_told_apart_from_the_personal_one_and_from_silence() -> None:
    account = main_example("get_current_user")
    assert (
        answered(data(account)).get_current_user().active_organization_id
        == (account["organizations"][0]["organizationId"])
    )
    for one in account["organizations"]:
        one["active"] = False
    assert answered(data(account)).get_current_user().active_organization_id == ""
    for one in account["organizations"]:
        del one["active"]
    assert answered(data(account)).get_current_user().active_organization_id is None
    sample = {"id": "usr-1", "email": "a@b.example", "name": "Ada", "active_account_id": "org-1"}
    read = answered(sample).get_current_user()  # the reference page's own, without an envelope
    assert (read.name, read.active_organization_id) == ("Ada", "org-1")


def test_days_and_their_range_are_utc_days() -> None:
    row = {
        **main_example("list_user_daily_usages")["items"][0],
        "date": "2026-07-14T23:30:00-05:00",
    }
    (day,) = answered(data([row])).list_user_daily_usages(USER, *DAYS).rows
    assert day.day.isoformat() == "2026-07-15"


@pytest.mark.parametrize("count", [-1, 1.5, "²", 10**30, "9" * 5_000, None, True])
def test_a_count_of_invites_that_is_none_is_unclear(count: Any) -> None:
    assert answered(data({"count": "7"})).count_invites() == 7
    with pytest.raises(Unclear, match="has no count"):
        answered(data({"count": count})).count_invites()
