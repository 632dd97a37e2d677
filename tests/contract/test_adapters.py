"""Every call of the adapters against the sandbox, each request and answer held against the contracts."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from apps.providers import errors
from apps.providers.adapters import open_adapter
from apps.providers.catalogue import PROVIDERS
from apps.providers.guard import worker_scope
from apps.providers.records import Page
from tests.sandbox_server import SandboxServer

NEW = "new.person@northgate.example"
BOTH = pytest.mark.parametrize("provider", ["anthropic", "cline"])
LIST_OF_MEMBERS = {"anthropic": "listUsers", "cline": "list_members"}
REMOVAL = {"anthropic": "removeUser", "cline": "remove_members"}
INVITATION = {"anthropic": "createInvite", "cline": "create_invites"}
ROLE_CHANGE = {"anthropic": "updateUser", "cline": "set_member_role"}
WITHDRAWAL = {"anthropic": "deleteInvite", "cline": "revoke_invite"}


class Remote:
    """One provider in the sandbox, seen through its adapter."""

    def __init__(self, sandbox: SandboxServer, provider: str) -> None:
        self.sandbox, self.provider, self.control = sandbox, provider, sandbox.control
        self.opened: list[Any] = []
        self.adapter = self.open()
        self.plain_role = "developer" if provider == "anthropic" else "member"
        self.other_role = "billing" if provider == "anthropic" else "admin"

    def open(self, credential: str = "", **options: Any) -> Any:
        sandbox = self.sandbox
        anthropic = self.provider == "anthropic"
        chosen: dict[str, Any] = {
            "remote_organization_id": "" if anthropic else sandbox.cline_organization,
            "deadline": 10.0,
            "answer_limit": 8 << 20,
            **options,
        }
        known = sandbox.anthropic_key if anthropic else sandbox.cline_key()
        adapter = open_adapter(
            self.provider, base_url=sandbox.base_url, credential=credential or known, **chosen
        )
        self.opened.append(adapter)
        return adapter

    @property
    def organization(self) -> str:
        anthropic = self.provider == "anthropic"
        return self.sandbox.anthropic_organization if anthropic else self.sandbox.cline_organization

    def someone(self) -> Any:
        """A member who may be changed and removed."""
        return next(one for one in everyone(self.adapter) if one.role == self.plain_role)


@pytest.fixture
def remote(unwatched: Remote, contract_watch: list[str]) -> Remote:
    """Its requests and answers are held against the contract."""
    return unwatched


@pytest.fixture
def unwatched(sandbox: SandboxServer, provider: str) -> Iterator[Remote]:
    """For requests that break the contract on purpose."""
    with worker_scope():
        one = Remote(sandbox, provider)
        yield one
        for adapter in one.opened:
            adapter.close()


def pages(read: Callable[[str | None], Page[Any]]) -> Iterator[Page[Any]]:
    cursor: str | None = None
    while True:
        page = read(cursor)
        yield page
        cursor = page.next_cursor
        if cursor is None:
            return


def everyone(adapter: Any) -> list[Any]:
    return [row for page in pages(adapter.members) for row in page.rows]


def failure(call: Callable[[], object]) -> errors.ProviderError:
    with pytest.raises(errors.ProviderError) as caught:
        call()
    return caught.value


# --- What succeeds ----------------------------------------------------------------------------------


@BOTH
def test_a_probe_finds_the_organization_and_that_all_can_be_done(remote: Remote) -> None:
    found = remote.adapter.probe()
    assert [one.remote_id for one in found.organizations] == [remote.organization]
    assert found.account
    impossible = PROVIDERS[remote.provider].cannot
    assert {name for name, one in found.abilities.items() if not one.ok} == set(impossible)
    if remote.provider == "cline":
        assert set(found.assignable_roles) == {"owner", "admin", "member"}


@pytest.mark.parametrize("provider", ["cline"])
def test_a_cline_probe_lists_organizations_to_choose_from(remote: Remote) -> None:
    found = remote.open(remote_organization_id="").probe()
    assert remote.organization in {one.remote_id for one in found.organizations}
    assert found.abilities == {}


@pytest.mark.parametrize("provider", ["cline"])
def test_weaker_cline_keys_can_do_what_their_reads_allow(remote: Remote) -> None:
    able = {
        role: {name for name, one in abilities.items() if one.ok}
        for role in ("owner", "admin", "member")
        for abilities in [remote.open(remote.sandbox.cline_key(role)).probe().abilities]
    }
    assert able["member"] < able["admin"] < able["owner"]
    assert able["owner"] - able["admin"] == {
        *("credit.buy", "payments.read", "card.read", "card.change"),
        *("top_up.read", "top_up.change", "promotions.read"),
        *("plan.read", "plan.history", "plan.change"),
        "organization.delete",
    }
    assert able["member"] == {
        *("settings.read", "config.read", "shared_keys.read", "credit.read", "plans.read"),
        *("keys.read", "keys.create", "keys.delete", "organization.create"),
    }


@BOTH
def test_what_a_key_cannot_do_is_told_with_the_reason(remote: Remote) -> None:
    operation = {"anthropic": "getCostReport", "cline": "get_organization_usage"}[remote.provider]
    remote.control.fault(operation, "403", count=None)
    found = remote.adapter.probe()
    off = {name: one.reason for name, one in found.abilities.items() if not one.ok}
    assert off.pop("costs.read") == "This credential may not do this."
    assert set(off) <= {"usage.read", *PROVIDERS[remote.provider].cannot}
    counted = remote.control.counters()
    assert set(counted.values()) == {1}
    asked = {one for needed in remote.adapter.NEEDS.values() for one in needed}
    assert asked <= set(counted)


@BOTH
def test_a_walk_reads_every_member_once(remote: Remote) -> None:
    members = everyone(remote.adapter)
    counted = str(remote.control.world())
    assert len({one.remote_id for one in members}) == len(members) > 0
    assert all(one.email and one.role and one.joined_at for one in members)
    assert str(len(members)) in counted


@BOTH
def test_a_walk_uses_the_fewest_requests(remote: Remote) -> None:
    remote.control.clear()
    members = everyone(remote.adapter)
    most = 1000 if remote.provider == "anthropic" else 200
    asked = remote.control.counters()[LIST_OF_MEMBERS[remote.provider]]
    assert asked == max(1, -(-len(members) // most))


@BOTH
def test_a_walk_of_several_pages_comes_to_its_end(tmp_path: Any, provider: str) -> None:
    with SandboxServer(size="medium") as sandbox, worker_scope():
        remote = Remote(sandbox, provider)
        walked = list(pages(remote.adapter.members))
        ids = [row.remote_id for page in walked for row in page.rows]
        remote.adapter.close()
    assert len(walked) > 1
    assert len(ids) == len(set(ids))


@BOTH
def test_an_invite_is_made_found_and_withdrawn(remote: Remote) -> None:
    adapter, email = remote.adapter, NEW
    made = adapter.invite(email, remote.plain_role)
    assert (made.email, made.role, made.status) == (email, remote.plain_role, "pending")
    days = PROVIDERS[remote.provider].invite_days
    assert days is None or (made.expires_at - made.invited_at).days == days
    assert [one.remote_id for one in adapter.pending_invites(email.upper())] == [made.remote_id]
    assert made.remote_id in {one.remote_id for page in pages(adapter.invites) for one in page.rows}
    now = adapter.invite_now(made.remote_id, email.upper())
    assert now is not None
    assert (now.remote_id, now.status) == (made.remote_id, "pending")
    adapter.withdraw_invite(made.remote_id)
    assert adapter.pending_invites(email) == []
    gone = adapter.invite_now(made.remote_id, email)
    assert gone is None or gone.status == "deleted"
    assert adapter.invite_now("invite-that-never-was", email) is None


@BOTH
def test_an_accepted_invite_becomes_a_member(remote: Remote) -> None:
    email = NEW
    made = remote.adapter.invite(email, remote.plain_role)
    remote.control.accept_invite(made.remote_id)
    now = remote.adapter.invite_now(made.remote_id, email)
    assert now is None or now.status == "accepted"
    assert remote.adapter.pending_invites(email) == []
    (member,) = remote.adapter.members_by_email(email.upper())
    assert member.role == remote.plain_role
    assert remote.adapter.member(member.remote_id) == member


@BOTH
def test_a_role_is_changed_and_read_back(remote: Remote) -> None:
    someone = remote.someone()
    changed = remote.adapter.change_role(someone.remote_id, remote.other_role)
    assert (changed.remote_id, changed.role) == (someone.remote_id, remote.other_role)
    assert remote.adapter.member(someone.remote_id).role == remote.other_role


@BOTH
def test_a_member_is_removed_and_then_gone(remote: Remote) -> None:
    someone = remote.someone()
    remote.adapter.remove_member(someone.remote_id)
    assert type(failure(lambda: remote.adapter.member(someone.remote_id))) is errors.NotFound
    assert remote.adapter.members_by_email(someone.email) == []
    again = failure(lambda: remote.adapter.remove_member(someone.remote_id))
    assert type(again) is errors.NotFound


@pytest.mark.parametrize("provider", ["cline"])
def test_pending_invites_are_counted(remote: Remote) -> None:
    before = remote.adapter.count_invites()
    remote.adapter.invite(NEW, "member")
    assert remote.adapter.count_invites() == before + 1


@pytest.mark.parametrize("provider", ["anthropic"])
def test_a_withdrawn_anthropic_invite_can_still_be_read(remote: Remote) -> None:
    made = remote.adapter.invite(NEW, "user")
    remote.adapter.withdraw_invite(made.remote_id)
    assert remote.adapter.get_invite(made.remote_id).status == "deleted"


# --- What is refused --------------------------------------------------------------------------------


@BOTH
def test_a_second_invite_to_an_address_is_refused_in_the_providers_words(remote: Remote) -> None:
    remote.adapter.invite(NEW, remote.plain_role)
    error = failure(lambda: remote.adapter.invite(NEW, remote.plain_role))
    assert type(error) is errors.Refused
    assert error.message
    assert error.request_id


@BOTH
def test_a_member_cannot_be_invited(remote: Remote) -> None:
    email = remote.someone().email
    error = failure(lambda: remote.adapter.invite(email, remote.plain_role))
    assert type(error) is errors.Refused


@BOTH
def test_what_is_not_there_is_not_found(remote: Remote) -> None:
    missing = "user_missing" if remote.provider == "anthropic" else "mbr-missing"
    for call in (
        lambda: remote.adapter.member(missing),
        lambda: remote.adapter.change_role(missing, remote.plain_role),
        lambda: remote.adapter.remove_member(missing),
        lambda: remote.adapter.withdraw_invite(missing),
    ):
        assert type(failure(call)) is errors.NotFound


@pytest.mark.parametrize("provider", ["anthropic"])
def test_anthropic_admins_can_be_neither_invited_changed_nor_removed(unwatched: Remote) -> None:
    admin = next(one for one in everyone(unwatched.adapter) if one.role == "admin")
    assert "admin" in PROVIDERS["anthropic"].locked_roles
    for call in (
        lambda: unwatched.adapter.invite(NEW, "admin"),
        lambda: unwatched.adapter.change_role(admin.remote_id, "user"),
        lambda: unwatched.adapter.remove_member(admin.remote_id),
        lambda: unwatched.adapter.change_role(unwatched.someone().remote_id, "admin"),
    ):
        assert type(failure(call)) is errors.Refused


@pytest.mark.parametrize("provider", ["cline"])
def test_a_weaker_cline_key_is_forbidden_what_only_owners_may(remote: Remote) -> None:
    owner = next(one for one in everyone(remote.adapter) if one.role == "owner")
    admin = remote.open(remote.sandbox.cline_key("admin"))
    assert type(failure(lambda: admin.remove_member(owner.remote_id))) is errors.Forbidden


@BOTH
def test_a_revoked_key_is_unauthorized_for_every_call(remote: Remote) -> None:
    wanted = (
        {"organization": remote.organization}
        if remote.provider == "anthropic"
        else {"email": remote.adapter.probe().account}
    )
    key = remote.control.new_key(**wanted)["api_key"]
    adapter = remote.open(key)
    assert adapter.members().rows
    remote.control.revoke_key(key)
    for call in (
        adapter.probe,
        adapter.members,
        adapter.invites,
        lambda: adapter.members_by_email(NEW),
        lambda: adapter.pending_invites(NEW),
        lambda: adapter.invite(NEW, remote.plain_role),
        lambda: adapter.change_role("m-1", remote.plain_role),
        lambda: adapter.remove_member("m-1"),
        lambda: adapter.withdraw_invite("i-1"),
    ):
        assert type(failure(call)) is errors.Unauthorized


# --- What goes wrong --------------------------------------------------------------------------------

HAPPENED = {
    "reset_before": False,
    "reset_after": True,
    "cut": True,
    "408": False,
    "500": False,
    "502": False,
    "503": False,
    "504": False,
    "529": False,
    "html_error": False,
    "garbage": True,
    "truncated_json": True,
}
NOT_HAPPENED: dict[str, type[errors.ProviderError]] = {
    "400": errors.Refused,
    "401": errors.Unauthorized,
    "403": errors.Forbidden,
    "404": errors.NotFound,
    "409": errors.Refused,
    "429": errors.RateLimited,
    "success_false": errors.Refused,
}
WRITES = [INVITATION, WITHDRAWAL, ROLE_CHANGE, REMOVAL]


def prepared(remote: Remote, operation: dict[str, str]) -> Callable[[], object]:
    """The write, with what it needs to succeed in place."""
    adapter = remote.adapter
    if operation is INVITATION:
        email = NEW
        return lambda: adapter.invite(email, remote.plain_role)
    if operation is WITHDRAWAL:
        made = adapter.invite(NEW, remote.plain_role)
        return lambda: adapter.withdraw_invite(made.remote_id)
    someone = remote.someone()
    if operation is ROLE_CHANGE:
        return lambda: adapter.change_role(someone.remote_id, remote.other_role)
    return lambda: adapter.remove_member(someone.remote_id)


def effects(remote: Remote, operation: str, after: int) -> int:
    return len(remote.control.journal(operation=operation, effect=True, after=after))


@BOTH
@pytest.mark.parametrize("write", WRITES, ids=lambda one: one["cline"])
@pytest.mark.parametrize("fault", sorted(HAPPENED))
def test_a_write_whose_answer_is_lost_is_unclear_and_was_sent_once(
    remote: Remote, write: dict[str, str], fault: str
) -> None:
    operation = write[remote.provider]
    call = prepared(remote, write)
    end = remote.control.journal_end()
    remote.control.fault(operation, fault, count=None)
    error = failure(call)
    assert type(error) is errors.Unclear
    assert len(remote.control.journal(operation=operation, after=end)) == 1
    assert effects(remote, operation, end) == (1 if HAPPENED[fault] else 0)


@BOTH
@pytest.mark.parametrize("write", WRITES, ids=lambda one: one["cline"])
@pytest.mark.parametrize("fault", sorted(NOT_HAPPENED))
def test_a_write_that_is_refused_says_so_and_has_not_happened(
    remote: Remote, write: dict[str, str], fault: str
) -> None:
    operation = write[remote.provider]
    call = prepared(remote, write)
    end = remote.control.journal_end()
    remote.control.fault(operation, fault, count=None)
    error = failure(call)
    assert type(error) is NOT_HAPPENED[fault]
    assert error.message
    assert effects(remote, operation, end) == 0


@BOTH
def test_a_429_says_how_long_to_wait(remote: Remote) -> None:
    remote.control.fault(LIST_OF_MEMBERS[remote.provider], "429", retry_after=17)
    assert failure(remote.adapter.members).retry_after == 17.0


@BOTH
@pytest.mark.parametrize("fault", ["reset_before", "500", "502", "503", "html_error", "cut"])
def test_a_read_gets_over_a_passing_failure(remote: Remote, fault: str) -> None:
    remote.control.fault(LIST_OF_MEMBERS[remote.provider], fault, count=1)
    assert remote.adapter.members().rows


@BOTH
@pytest.mark.parametrize("fault", ["timeout", "drip", "delay"])
def test_no_call_outlives_its_deadline(remote: Remote, fault: str) -> None:
    adapter = remote.open(deadline=0.6)
    remote.control.fault(LIST_OF_MEMBERS[remote.provider], fault, seconds=4.0, count=None)
    began = time.monotonic()
    error = failure(adapter.members)
    assert type(error) in (errors.Unclear, errors.NotSent)
    assert time.monotonic() - began < 3.0


@BOTH
def test_a_refused_connection_was_not_sent(remote: Remote) -> None:
    call = prepared(remote, INVITATION)
    end = remote.control.journal_end()
    remote.control.stop_accepting(2.0)
    adapter = remote.open()  # without a connection from before
    error = failure(lambda: adapter.invite(NEW, remote.plain_role))
    assert type(error) is errors.NotSent
    wait_until_accepting(remote)
    assert remote.control.journal(operation=INVITATION[remote.provider], after=end) == []
    call()


def wait_until_accepting(remote: Remote) -> None:
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        try:
            remote.control.journal_end()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the sandbox accepts no connections")


@BOTH
@pytest.mark.parametrize("fault", ["unknown_enum", "missing_field", "new_field", "null_field"])
def test_drift_in_a_row_loses_nobody(remote: Remote, fault: str) -> None:
    whole = {one.remote_id for one in everyone(remote.adapter)}
    remote.control.fault(LIST_OF_MEMBERS[remote.provider], fault, rows="all", count=None)
    drifted = list(pages(remote.adapter.members))
    assert {row.remote_id for page in drifted for row in page.rows} == whole
    assert not any(page.unreadable for page in drifted)
    if fault == "unknown_enum":
        assert {row.role for page in drifted for row in page.rows} == {"astronaut"}


@BOTH
def test_a_row_that_cannot_be_read_is_set_aside_and_named(remote: Remote) -> None:
    whole = {one.remote_id for one in everyone(remote.adapter)}
    remote.control.fault(LIST_OF_MEMBERS[remote.provider], "wrong_type", field="email")
    walked = list(pages(remote.adapter.members))
    (unreadable,) = [row for page in walked for row in page.unreadable]
    read = {row.remote_id for page in walked for row in page.rows}
    assert whole - read == {unreadable.remote_id}


@BOTH
@pytest.mark.parametrize("fault", ["lost_cursor", "no_cursor", "duplicate_rows"])
@pytest.mark.parametrize("page", [0, 1])
def test_a_walk_whose_paging_fails_is_whole_or_unclear(
    provider: str, fault: str, page: int
) -> None:
    with SandboxServer(size="medium") as sandbox, worker_scope():
        remote = Remote(sandbox, provider)
        whole = {row.remote_id for row in everyone(remote.adapter)}
        sandbox.control.fault(LIST_OF_MEMBERS[provider], fault, skip=page)
        try:
            seen = {row.remote_id for row in everyone(remote.adapter)}
        except errors.Unclear:
            seen = whole
        remote.adapter.close()
    assert seen == whole


@BOTH
def test_every_operation_of_the_adapter_was_held_against_the_contract(
    remote: Remote, contract_watch: list[str]
) -> None:
    adapter, email = remote.adapter, NEW
    adapter.probe()
    made = adapter.invite(email, remote.plain_role)
    adapter.withdraw_invite(made.remote_id)
    someone = remote.someone()
    adapter.change_role(someone.remote_id, remote.other_role)
    adapter.change_role(someone.remote_id, remote.plain_role)
    adapter.member(someone.remote_id)
    adapter.remove_member(someone.remote_id)
    adapter.pending_invites(email)
    if remote.provider == "anthropic":
        adapter.get_invite(made.remote_id)
    else:
        adapter.count_invites()
    expected = {
        "anthropic": {
            "getCurrentOrganization",
            "listUsers",
            "getUser",
            "updateUser",
            "removeUser",
            "listInvites",
            "getInvite",
            "createInvite",
            "deleteInvite",
        },
        "cline": {
            "get_current_user",
            "get_organization",
            "list_members",
            "list_available_roles",
            "set_member_role",
            "remove_members",
            "list_invites",
            "create_invites",
            "count_invites",
            "revoke_invite",
        },
    }[remote.provider]
    assert expected <= set(contract_watch)
