"""Every operation of the Cline adapter against the sandbox, request and answer held against the contract."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest

from apps.providers import errors
from apps.providers.adapters import open_adapter
from apps.providers.guard import worker_scope
from apps.providers.records import Page
from tests.contract import openapi
from tests.providers import cline_calls
from tests.sandbox_server import SandboxServer

NEWCOMER = "new.person@northgate.example"

# These end what the others need, or need somebody else: each has its own test below.
ELSEWHERE = {
    "accept_terms",
    "accept_invite",
    "cancel_organization_plan",
    "delete_current_user",
    "delete_organization",
    "refresh_account_token",
    "subscribe_organization_plan",
}


@pytest.fixture
def opened(sandbox: SandboxServer, contract_watch: list[str]) -> Iterator[Callable[..., Any]]:
    """Opens adapters of a credential and an organization; every call is held against the contract."""
    with worker_scope(), ExitStack() as stack:

        def open_one(credential: str, organization: str = "") -> Any:
            one = open_adapter(
                "cline",
                base_url=sandbox.base_url,
                credential=credential,
                remote_organization_id=organization or sandbox.cline_organization,
                deadline=30.0,
                answer_limit=8 << 20,
            )
            stack.callback(one.close)
            return one

        yield open_one


@pytest.fixture
def adapter(sandbox: SandboxServer, opened: Callable[..., Any]) -> Any:
    return opened(sandbox.cline_key())


@pytest.fixture
def newcomer(sandbox: SandboxServer, opened: Callable[..., Any]) -> Any:
    """Somebody who belongs to no organization and has agreed to nothing yet."""
    return opened(sandbox.control.new_key(email=NEWCOMER)["api_key"])


def refusal(call: Callable[[], object]) -> tuple[type[errors.ProviderError], int | None]:
    with pytest.raises(errors.ProviderError) as caught:
        call()
    return type(caught.value), caught.value.status


def test_every_operation_is_answered_and_says_all_it_should(
    adapter: Any, sandbox: SandboxServer, contract_watch: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cline_calls, "USER", adapter.get_current_user().remote_id)
    monkeypatch.setattr(
        cline_calls, "PAYMENT", adapter.list_organization_payments().rows[0].remote_id
    )
    monkeypatch.setattr(cline_calls, "PLAN", adapter.get_organization_plan().plan.remote_id)
    members = [one for one in adapter.list_members().rows if one.role == "member"]
    member, leaver = members[-2:]
    own_payment = adapter.list_user_payments(cline_calls.USER).rows[0].remote_id
    invite = adapter.create_invites("dee@northgate.example", "member")
    key = adapter.create_api_key("a key to delete")
    given: dict[str, Any] = {
        "get_user_payment": lambda: adapter.get_user_payment(cline_calls.USER, own_payment),
        "get_user_payment_status": lambda: adapter.get_user_payment_status(
            cline_calls.USER, own_payment
        ),
        "get_user_provider_payment": lambda: adapter.get_user_provider_payment(
            cline_calls.USER, own_payment
        ),
        "set_active_account": lambda: adapter.set_active_account(sandbox.cline_organization),
        "set_member_role": lambda: adapter.set_member_role(member.remote_id, "admin"),
        "list_member_usages": lambda: adapter.list_member_usages(member.remote_id),
        "remove_members": lambda: adapter.remove_members(leaver.remote_id),
        "create_invites": lambda: adapter.create_invites("eva@northgate.example", "member"),
        "revoke_invite": lambda: adapter.revoke_invite(invite.remote_id),
        "delete_api_key": lambda: adapter.delete_api_key(key.key.remote_id),
        "set_organization_plan_seats": lambda: adapter.set_organization_plan_seats(300),
    }
    left = [one for one in cline_calls.CALLS if one not in ELSEWHERE]
    for operation_id in left:
        call = given.get(operation_id) or (
            lambda name=operation_id: cline_calls.CALLS[name](adapter)
        )
        result = call()
        rows = result.rows if isinstance(result, Page) else [result]
        assert all(getattr(row, "missing", ()) == () for row in rows), operation_id
        assert not getattr(result, "unreadable", None), operation_id
    assert set(left) <= set(contract_watch) <= set(openapi.cline().operations)


def test_a_purchase_is_the_newest_payment_in_exact_dollars(adapter: Any) -> None:
    made = adapter.purchase_organization_credits(Decimal("20.50"))
    (newest, *_) = adapter.list_organization_payments().rows
    assert (newest.remote_id, newest.amount_usd, newest.credits_usd) == (
        made.remote_id,
        Decimal("20.50"),
        Decimal("20.50"),
    )


def test_terms_are_accepted_once(newcomer: Any) -> None:
    assert newcomer.get_current_user().terms_accepted_at is None
    accepted = newcomer.accept_terms()
    assert accepted.missing == ()
    assert accepted.terms_accepted_at is not None
    assert newcomer.get_current_user().terms_accepted_at == accepted.terms_accepted_at
    assert refusal(newcomer.accept_terms) == (errors.Refused, 409)


def test_an_invite_is_accepted_by_whom_it_was_sent_to(
    adapter: Any, newcomer: Any, sandbox: SandboxServer
) -> None:
    invite = adapter.create_invites(NEWCOMER, "member")
    token = sandbox.control.invite_token(invite.remote_id)
    assert refusal(lambda: adapter.accept_invite(token)) == (errors.Forbidden, 403)
    joined = newcomer.accept_invite(token)
    assert (joined.organization_id, joined.roles, joined.missing) == (
        sandbox.cline_organization,
        ("member",),
        (),
    )
    (member,) = [one for one in adapter.list_members().rows if one.email == NEWCOMER]
    assert member.remote_id == joined.member_id
    assert invite.remote_id not in {one.remote_id for one in adapter.list_invites().rows}
    assert refusal(lambda: newcomer.accept_invite(token)) == (errors.Refused, 409)


def test_an_account_token_is_renewed_by_a_refresh_token_that_works_once(
    opened: Callable[..., Any], sandbox: SandboxServer
) -> None:
    first = sandbox.control.new_key(email=NEWCOMER)
    bearer = opened(first["account_token"])
    made = bearer.refresh_account_token(first["refresh_token"])
    assert made.missing == ()
    fresh = opened(f"workos:{made.access_token}")
    assert fresh.get_current_user().remote_id == first["user_id"]
    kind, status = refusal(lambda: bearer.refresh_account_token(first["refresh_token"]))
    assert (kind, status) == (errors.Unauthorized, 401)
    sandbox.control.shift_clock(3_601)
    assert refusal(fresh.get_current_user) == (errors.Unauthorized, 401)
    again = fresh.refresh_account_token(made.refresh_token)
    assert opened(f"workos:{again.access_token}").get_current_user().email == NEWCOMER


def test_a_plan_is_cancelled_runs_out_and_is_subscribed_to_again(
    adapter: Any, sandbox: SandboxServer
) -> None:
    plan = adapter.get_organization_plan().plan.remote_id
    assert refusal(lambda: adapter.subscribe_organization_plan(plan, 300)) == (errors.Refused, 409)
    cancelled = adapter.cancel_organization_plan(plan)
    assert cancelled.missing == ()
    assert cancelled.cancel_at > cancelled.cancelled_at
    assert adapter.get_organization_plan().plan.remote_id == plan  # until the period ends
    sandbox.control.shift_clock((cancelled.cancel_at - cancelled.cancelled_at).total_seconds() + 1)
    assert adapter.get_organization_plan() is None
    made = adapter.subscribe_organization_plan(plan, 300)
    assert (made.plan.remote_id, made.seats, made.cancelled_at, made.missing) == (
        plan,
        300,
        None,
        (),
    )
    periods = adapter.list_organization_plan_history().rows
    assert [one.ended_at is None for one in periods] == [True, *[False] * (len(periods) - 1)]


def test_a_new_organization_is_closed_for_good(
    adapter: Any, opened: Callable[..., Any], sandbox: SandboxServer
) -> None:
    made = adapter.create_organization("Northwind")
    own = opened(sandbox.cline_key(), made.remote_id)
    assert own.get_organization().name == "Northwind"
    own.delete_organization()
    for call in (own.get_organization, own.delete_organization):
        assert refusal(call) == (errors.NotFound, 404)
    assert made.remote_id not in {
        one.organization_id for one in adapter.get_current_user().memberships
    }


def test_an_account_is_deleted_with_its_memberships_and_keys(
    adapter: Any, newcomer: Any, sandbox: SandboxServer
) -> None:
    sandbox.control.member(sandbox.cline_organization, NEWCOMER)
    assert NEWCOMER in {one.email for one in adapter.list_members().rows}
    newcomer.delete_current_user()
    assert refusal(newcomer.get_current_user) == (errors.Unauthorized, 401)
    assert NEWCOMER not in {one.email for one in adapter.list_members().rows}
    assert refusal(adapter.delete_current_user) == (errors.Refused, 409)  # an only owner
