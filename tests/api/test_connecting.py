"""Connecting an account over the API, step by step as the wizard has it; another key for one that stands."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from apps.audit.models import Entry
from apps.configuration import services as configuration
from apps.organizations import api_probing, connections
from apps.organizations.api_once import _digest
from apps.organizations.credentials import seal_for, unseal_from
from apps.organizations.models import Connection, Grant, Role
from apps.organizations.sealing import Secret
from apps.providers.anthropic import AnthropicAdapter
from apps.sync.models import CommandState
from apps.ui import waiting
from tests.api.conftest import client_for
from tests.browsing import at_desk, tired
from tests.desk import connect
from tests.factories import CommandFactory, ConnectionFactory, GrantFactory, own_desk
from tests.organizations.connection_tools import Worker
from tests.sandbox_server import SandboxServer

pytestmark = pytest.mark.django_db
NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens
WRONG = "sk-ant-admin01-" + "wrong" * 10


class Caller:
    """A browser that sends JSON below the organization, and keeps every answer for a last look."""

    def __init__(self, browser: Client, base: str) -> None:
        self.browser, self.base = browser, base
        self.told: list[Any] = []

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = getattr(self.browser, method)(
            path if path.startswith("http") else f"{self.base}{path}",
            **({} if body is None else {"data": body, "content_type": "application/json"}),
            headers=headers,
        )
        self.told.append(answer)
        return answer


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, settings: Any, sandbox: SandboxServer) -> Worker:
    settings.SANDBOX_URL = sandbox.base_url
    settings.PROVIDER_BASE_URLS = {"anthropic": [], "cline": []}
    return Worker(monkeypatch)


@pytest.fixture
def olga(owner: Grant, base: str, worker: Worker) -> Caller:
    """Olga, signed in just now."""
    return Caller(at_desk(owner.user), base)


@pytest.fixture
def begun(olga: Caller, sandbox: SandboxServer) -> Callable[..., dict[str, Any]]:
    """Pastes a key into a new draft."""

    def begin(key: str = "", provider: str = "anthropic") -> dict[str, Any]:
        sent = {"provider": provider, "key": key or sandbox.anthropic_key}
        answer = olga("post", "connections/drafts/", sent)
        assert answer.status_code == 202, answer.content
        told: dict[str, Any] = answer.json()
        return told

    return begin


def pointers(answer: Any) -> list[str]:
    assert answer.status_code == 400, answer.content
    return [one["pointer"] for one in answer.json()["errors"]]


# --- The wizard ----------------------------------------------------------------------------------


def test_confirmed_twice_in_the_same_moment_it_is_connected_once(
    olga: Caller, worker: Worker, begun: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    draft, real = begun(), connections.connect
    worker.run()

    def somebody_is_faster(**given: Any) -> Connection:
        real(**given | {"name": "Theirs"})
        return real(**given)

    monkeypatch.setattr(connections, "connect", somebody_is_faster)
    answer = olga("post", f"{draft['url']}confirm/", {"name": "Mine"})
    assert (answer.status_code, answer.json()["name"]) == (200, "Theirs")
    assert Entry.objects.filter(verb="connections.connect").count() == 1


def test_a_key_is_pasted_checked_and_confirmed(
    olga: Caller, worker: Worker, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Connection] = []
    monkeypatch.setattr(connections, "on_connected", [started.append])
    (anthropic, cline) = olga("get", "connections/providers/").json()
    assert (anthropic["provider"], anthropic["name"]) == ("anthropic", "Anthropic")
    assert anthropic["key_name"] == "Admin API key"
    assert anthropic["base_urls"] == [sandbox.base_url]
    assert cline["provider"] == "cline"

    sent = {"provider": "anthropic", "key": f"  {sandbox.anthropic_key}\n"}
    answer = olga("post", "connections/drafts/", sent)
    draft = answer.json()
    where = f"{olga.base}connections/drafts/{draft['id']}/"
    assert answer.status_code == 202
    assert answer["Location"] == draft["url"] == f"http://testserver{where}"
    assert draft["check"]["state"] == "waiting"
    assert (draft["key_kept"], draft["base_url"]) == (True, sandbox.base_url)
    assert "Wait a moment" in draft["obstacle"]
    early = olga("post", f"{draft['url']}confirm/", {})
    assert early.status_code == 409
    assert "Wait a moment" in early.json()["detail"]
    worker.run()

    found = olga("get", draft["url"]).json()
    assert (found["check"]["state"], found["obstacle"]) == ("found", "")
    assert found["remote_organization_id"] == sandbox.anthropic_organization
    assert [one["id"] for one in found["organizations"]] == [sandbox.anthropic_organization]
    assert found["account"]
    assert found["capabilities"]["members.remove"] == {"ok": True, "reason": ""}
    assert found["name"] == found["remote_organization_name"]
    assert [one["id"] for one in olga("get", "connections/drafts/").json()["results"]] == [
        draft["id"]
    ]
    assert olga("get", f"connections/{draft['id']}/").status_code == 404, "it is none yet"

    for name in ("Anthropic, main", "another"):
        answer = olga("post", f"{draft['url']}confirm/", {"name": name})
        assert answer.status_code == 200, answer.content
        assert answer.json()["name"] == "Anthropic, main"
    assert answer["Location"] == f"http://testserver{olga.base}connections/{draft['id']}/"
    connected = Connection.objects.get()
    assert (connected.state, connected.name) == ("active", "Anthropic, main")
    assert unseal_from(connected, "credential").reveal() == sandbox.anthropic_key
    assert [one.pk for one in started] == [connected.pk]
    assert olga("get", draft["url"]).status_code == 404
    assert list(Entry.objects.order_by("sequence").values_list("verb", flat=True)) == [
        "connections.begin",
        "connections.connect",
    ]
    assert not any(sandbox.anthropic_key in one.text for one in olga.told)


def test_what_leads_elsewhere_than_was_seen_is_not_connected(
    olga: Caller, worker: Worker, begun: Any, sandbox: SandboxServer
) -> None:
    draft = begun()
    worker.run()
    where = f"{draft['url']}confirm/"
    refused = olga("post", where, {"remote_organization_id": "seen before another key was pasted"})
    assert refused.status_code == 409
    assert "leads elsewhere" in refused.json()["detail"]
    assert Connection.objects.get().state == Connection.State.DRAFT
    meant = {"remote_organization_id": sandbox.anthropic_organization}
    assert olga("post", where, meant).status_code == 200


def test_the_name_that_the_draft_has_is_the_connections_where_none_is_said(
    olga: Caller, worker: Worker, begun: Any
) -> None:
    draft = begun()
    worker.run()
    found = olga("get", draft["url"]).json()
    answer = olga("post", f"{draft['url']}confirm/", {})
    assert (answer.status_code, answer.json()["name"]) == (200, found["name"])
    assert pointers(olga("post", f"{draft['url']}confirm/", {"name": "x" * 81})) == ["#/name"]


def test_of_several_organizations_one_is_chosen(
    olga: Caller, worker: Worker, begun: Any, sandbox: SandboxServer
) -> None:
    draft = begun(sandbox.cline_key("owner"), "cline")
    worker.run()
    found = olga("get", draft["url"]).json()
    reached = [one["id"] for one in found["organizations"]]
    assert len(reached) > 1
    assert found["organizations"][0]["roles"]
    assert found["remote_organization_id"] == ""
    assert "Choose first" in found["obstacle"]
    refused = olga("post", f"{draft['url']}confirm/", {})
    assert (refused.status_code, refused.json()["detail"]) == (409, found["obstacle"])

    choose = f"{draft['url']}organization/"
    for wrong in ({}, {"remote_organization_id": "somebody-elses"}):
        assert pointers(olga("put", choose, wrong)) == ["#/remote_organization_id"]
    chosen = sandbox.cline_organization
    answer = olga("put", choose, {"remote_organization_id": chosen})
    assert (answer.status_code, answer.json()["check"]["state"]) == (202, "waiting")
    worker.run()
    found = olga("get", draft["url"]).json()
    assert (found["remote_organization_id"], found["obstacle"]) == (chosen, "")
    assert [one["id"] for one in found["organizations"]] == reached, "another may be chosen still"
    assert olga("post", f"{draft['url']}confirm/", {"name": "Cline"}).status_code == 200
    assert Connection.objects.get().can("invites.create")


def test_a_caller_who_waits_is_answered_when_the_provider_has_answered(
    olga: Caller, worker: Worker, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def meanwhile(seconds: float) -> None:
        waited.append(seconds)
        worker.run()

    monkeypatch.setattr(api_probing, "sleep", meanwhile)
    sent = {"provider": "anthropic", "key": sandbox.anthropic_key}
    answer = olga("post", "connections/drafts/", sent, Prefer="wait=9")
    assert (answer.status_code, answer.json()["check"]["state"]) == (200, "found")
    assert answer["Preference-Applied"] == "wait=9"
    assert len(waited) == 1

    # Nobody answers: after the time that was asked for it is 202 after all.
    monkeypatch.undo()
    Worker(monkeypatch)
    monkeypatch.setattr(api_probing, "ONE_WAIT", 0.01)
    again = olga("post", f"{answer.json()['url']}check/", Prefer="wait=1")
    assert (again.status_code, again.json()["check"]["state"]) == (202, "waiting")
    assert again["Preference-Applied"] == "wait=1"

    # Where too many wait already the answer comes at once, and does not say that one has waited.
    with ExitStack() as stack:
        for _ in range(settings.WAITING_AT_ONCE):
            stack.enter_context(waiting.room())
        crowded = olga("post", f"{answer.json()['url']}check/", Prefer="wait=9")
    assert crowded.status_code == 202
    assert "Preference-Applied" not in crowded


def test_a_key_that_is_refused_is_not_kept_and_another_is_pasted(
    olga: Caller, worker: Worker, begun: Any, sandbox: SandboxServer
) -> None:
    draft = begun(WRONG)
    worker.run()
    found = olga("get", draft["url"]).json()
    problem = found["check"]["problem"]
    assert (found["check"]["state"], problem["kind"]) == ("failed", "key")
    assert problem["said"] == Connection.objects.get().probe_result["error"]["message"] != ""
    assert (problem["status"], problem["new_key"]) == (401, False)
    assert problem["request_id"]
    assert (found["key_kept"], found["capabilities"]) == (False, {})
    assert "paste another one" in found["obstacle"]
    again = olga("post", f"{draft['url']}check/")
    assert again.status_code == 409
    assert "not kept" in again.json()["detail"]

    answer = olga("put", f"{draft['url']}key/", {"key": sandbox.anthropic_key})
    assert answer.status_code == 202
    worker.run()
    assert olga("get", draft["url"]).json()["check"]["state"] == "found"


def test_where_nobody_answers_the_same_key_is_tried_again_and_the_base_url_can_be_another(
    olga: Caller, worker: Worker, sandbox: SandboxServer, settings: Any, owner: Grant, base: str
) -> None:
    settings.PROVIDER_BASE_URLS = {"anthropic": [NOWHERE]}
    sent = {"provider": "anthropic", "key": sandbox.anthropic_key}
    unknown = olga("post", "connections/drafts/", {**sent, "base_url": "https://evil.example"})
    assert pointers(unknown) == ["#/base_url"]
    draft = olga("post", "connections/drafts/", {**sent, "base_url": NOWHERE}).json()
    worker.run()
    found = olga("get", draft["url"]).json()
    assert found["check"]["problem"]["kind"] == "network"
    assert found["key_kept"] is True
    # Asking again is no fresh act on the pages either: a token may.
    script = client_for(owner)
    assert script.get(draft["url"]).json()["id"] == draft["id"]
    assert script.post(f"{draft['url']}check/").status_code == 202
    worker.run()

    assert pointers(olga("put", f"{draft['url']}key/", {"key": sent["key"], "base_url": "x"})) == [
        "#/base_url"
    ]
    # What is not said stays: the address that nobody answers at.
    assert olga("put", f"{draft['url']}key/", {"key": sent["key"]}).json()["base_url"] == NOWHERE
    other = {"key": sent["key"], "base_url": sandbox.base_url}
    assert olga("put", f"{draft['url']}key/", other).json()["base_url"] == sandbox.base_url
    worker.run()
    assert olga("get", draft["url"]).json()["check"]["state"] == "found"


def test_a_fault_of_our_own_is_said_without_its_words(
    olga: Caller, worker: Worker, begun: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(adapter: Any) -> None:
        raise ZeroDivisionError

    draft = begun()
    monkeypatch.setattr(AnthropicAdapter, "probe", broken)
    with pytest.raises(ZeroDivisionError):
        worker.run()
    problem = olga("get", draft["url"]).json()["check"]["problem"]
    assert (problem["kind"], problem["said"]) == ("ours", "")


def test_a_key_that_may_not_read_the_people_is_not_connected(
    olga: Caller, worker: Worker, begun: Any, sandbox: SandboxServer
) -> None:
    sandbox.control.fault("listUsers", "403", count=None)
    draft = begun()
    worker.run()
    found = olga("get", draft["url"]).json()
    assert found["capabilities"]["members.read"]["ok"] is False
    assert found["obstacle"].startswith("This key may not read")
    assert olga("post", f"{draft['url']}confirm/", {}).status_code == 409


def test_an_account_is_connected_once(
    olga: Caller, owner: Grant, worker: Worker, begun: Any, sandbox: SandboxServer
) -> None:
    ConnectionFactory(
        organization=owner.organization,
        name="The first",
        base_url=sandbox.base_url,
        remote_organization_id=sandbox.anthropic_organization,
    )
    draft = begun()
    worker.run()
    refused = olga("post", f"{draft['url']}confirm/", {"name": "The second"})
    assert refused.status_code == 409
    assert "connected already, as “The first”" in refused.json()["detail"]


def test_a_draft_is_thrown_away_with_its_key(olga: Caller, worker: Worker, begun: Any) -> None:
    draft = begun()
    assert olga("delete", draft["url"]).status_code == 204
    assert not Connection.objects.exists()
    assert olga("delete", draft["url"]).status_code == 404
    worker.run()


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"key": "sk-ant-api03-" + "x" * 80}, ["#/key"]),
        ({"key": ""}, ["#/key"]),
        ({"key": ["sk-ant-admin01-" + "x" * 40]}, ["#/key"]),
        ({"key": "x" * 501}, ["#/key"]),
        ({"key": None}, ["#/key"]),
        ({"provider": "sk-ant-admin01-x"}, ["#/provider"]),
        ({"provider": "cline-personal"}, ["#/provider"]),
        ({"provider": ""}, ["#/provider"]),
        ({"base_url": "sk-ant-admin01-x"}, ["#/base_url"]),
        ({"credential": "x"}, ["#/credential"]),
        ({"name": "x"}, ["#/name"]),
    ],
)
def test_what_cannot_be_used_is_pointed_at_and_never_repeated(
    olga: Caller, worker: Worker, wrong: dict[str, Any], where: list[str]
) -> None:
    sent = {"provider": "anthropic", "key": "sk-ant-admin01-" + "k" * 40} | wrong
    answer = olga("post", "connections/drafts/", sent)
    assert pointers(answer) == where
    assert "sk-ant-admin01-k" not in answer.text
    assert "sk-ant-admin01-x" not in answer.text.replace("sk-ant-admin01- (", "")
    assert "xxxx" not in answer.text
    assert not Connection.objects.exists()
    assert worker.sent == []


def test_on_ones_own_desk_ones_own_account_is_connected(
    worker: Worker, sandbox: SandboxServer
) -> None:
    desk = own_desk()
    base = f"/api/v1/organizations/{desk.slug}/"
    me = Caller(at_desk(desk.personal_of), base)
    (only,) = me("get", "connections/providers/").json()
    other = {"provider": "anthropic", "key": sandbox.anthropic_key}
    assert pointers(me("post", "connections/drafts/", other)) == ["#/provider"]
    sent = {"provider": only["provider"], "key": sandbox.cline_key()}
    draft = me("post", "connections/drafts/", sent).json()
    worker.run()
    answer = me("post", f"{draft['url']}confirm/", {"name": "Mine"})
    assert (answer.status_code, answer.json()["name"]) == (200, "Mine")
    assert at_desk(GrantFactory().user).get(draft["url"]).status_code == 404


def test_the_same_idempotency_key_begins_once_and_what_is_kept_tells_nothing(
    olga: Caller, worker: Worker, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    real = cache.set

    def keep(name: str, value: Any, *args: Any, **kwargs: Any) -> None:
        if name.startswith("api-once"):
            kept.append((name, value))
        real(name, value, *args, **kwargs)

    monkeypatch.setattr(cache, "set", keep)
    sent = {"provider": "anthropic", "key": sandbox.anthropic_key}
    path = "connections/drafts/"
    first = olga("post", path, sent, **{"Idempotency-Key": "one"})
    again = olga("post", path, sent, **{"Idempotency-Key": "one"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert Connection.objects.count() == Entry.objects.count() == 1
    other = olga("post", path, {**sent, "key": WRONG}, **{"Idempotency-Key": "one"})
    assert other.status_code == 422
    assert Connection.objects.count() == 1

    assert kept
    held = repr(kept)
    assert sandbox.anthropic_key not in held
    # Whoever reads the cache cannot try keys out: the hash of the content takes the portal's own secret.
    assert _digest("POST", f"{olga.base}{path}", sent) not in held


# --- Who may -------------------------------------------------------------------------------------


def every_act(uid: Any, connection: Any) -> list[tuple[str, str, Any]]:
    draft = f"connections/drafts/{uid}/"
    return [
        ("post", "connections/drafts/", {"provider": "anthropic", "key": WRONG}),
        ("put", f"{draft}key/", {"key": WRONG}),
        ("put", f"{draft}organization/", {"remote_organization_id": "x"}),
        ("post", f"{draft}confirm/", {}),
        ("delete", draft, None),
        ("put", f"connections/{connection}/new-key/", {"key": WRONG}),
        ("delete", f"connections/{connection}/new-key/", None),
    ]


def test_no_token_and_no_stale_sign_in_connects_anything(
    owner: Grant, base: str, worker: Worker, connection: Connection
) -> None:
    draft = ConnectionFactory(organization=owner.organization, state="draft", credential="sealed")
    stale, script = Caller(tired(at_desk(owner.user)), base), client_for(owner)
    for method, path, body in every_act(draft.uid, connection.uid):
        for answer in (
            stale(method, path, body),
            getattr(script, method)(f"{base}{path}", body, format="json"),
        ):
            assert answer.status_code == 403, path
            assert "sign-in of the last five minutes" in answer.json()["detail"]
    assert worker.sent == []
    assert not Entry.objects.filter(verb__startswith="connections").exists()
    draft.refresh_from_db()
    assert draft.credential == "sealed"


def test_who_may_only_look_connects_nothing_and_sees_no_drafts(
    owner: Grant, base: str, worker: Worker, connection: Connection
) -> None:
    draft = ConnectionFactory(organization=owner.organization, state="draft")
    for role in (Role.BILLING, Role.VIEWER):
        grant = GrantFactory(organization=owner.organization, role=role)
        looking = Caller(at_desk(grant.user), base)
        acts = every_act(draft.uid, connection.uid)
        acts += [("get", "connections/drafts/", None), ("get", "connections/providers/", None)]
        for method, path, body in acts:
            assert looking(method, path, body).status_code == 403, path
    assert worker.sent == []


def test_anothers_draft_is_as_absent_as_none(olga: Caller, worker: Worker) -> None:
    theirs = ConnectionFactory(state="draft", credential="sealed")
    standing = ConnectionFactory()
    for method, path, body in every_act(theirs.uid, standing.uid)[1:]:
        assert olga(method, path, body).status_code == 404, path
    assert olga("get", f"connections/drafts/{theirs.uid}/").status_code == 404
    assert olga("get", "connections/drafts/").json()["results"] == []
    assert worker.sent == []
    theirs.refresh_from_db()
    assert theirs.credential == "sealed"


def test_drafts_are_listed_with_as_many_queries_whatever_their_number(
    olga: Caller, owner: Grant
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(database) as asked:
            assert olga("get", "connections/drafts/").status_code == 200
        return len(asked)

    def add(number: int) -> None:
        for _ in range(number):
            ConnectionFactory(
                organization=owner.organization, state="draft", created_by=GrantFactory().user
            )

    add(1)
    queries()
    one = queries()
    add(19)
    assert queries() == one
    assert len(olga("get", "connections/drafts/").json()["results"]) == 20


# --- Another key for one that stands -------------------------------------------------------------


@pytest.fixture
def standing(owner: Grant, worker: Worker, sandbox: SandboxServer) -> Connection:
    """Olga's connection to the sandbox."""
    return connect(sandbox, owner.organization, "anthropic")


def test_a_new_key_takes_the_others_place_once_it_has_passed(
    olga: Caller, worker: Worker, sandbox: SandboxServer, standing: Connection
) -> None:
    Connection.objects.update(frozen_at=timezone.now(), frozen_reason="401")
    new = sandbox.control.new_key(organization=sandbox.anthropic_organization)["api_key"]
    path = f"connections/{standing.uid}/new-key/"
    answer = olga("put", path, {"key": new})
    assert answer.status_code == 202
    assert answer["Location"] == f"http://testserver{olga.base}connections/{standing.uid}/"
    check = answer.json()["check"]
    assert (check["state"], check["new_key"], check["problem"]) == ("waiting", True, None)
    standing.refresh_from_db()
    assert unseal_from(standing, "credential").reveal() == sandbox.anthropic_key
    worker.run()
    told = olga("get", f"connections/{standing.uid}/").json()
    assert (told["check"]["state"], told["check"]["new_key"]) == ("found", False)
    standing.refresh_from_db()
    assert unseal_from(standing, "credential").reveal() == new
    assert standing.frozen_at is None
    assert list(Entry.objects.order_by("sequence").values_list("verb", flat=True)) == [
        "connections.rotate.begin",
        "connections.rotate",
        "connections.unfreeze",
    ]
    assert not any(new in one.text for one in olga.told)
    assert new not in repr(list(Entry.objects.values_list("details", flat=True)))


def test_a_new_key_that_can_do_less_says_what(
    olga: Caller, owner: Grant, worker: Worker, sandbox: SandboxServer
) -> None:
    cline = connect(sandbox, owner.organization, "cline")
    path = f"connections/{cline.uid}/"
    before = olga("get", path).json()
    assert before["check"]["lost"] == []
    olga("put", f"{path}new-key/", {"key": sandbox.cline_key("member")})
    worker.run()
    told = olga("get", path).json()
    able = {name for name, one in before["capabilities"].items() if one["ok"]}
    lost = {name for name in able if not told["capabilities"][name]["ok"]}
    assert "invites.create" in lost
    assert set(told["check"]["lost"]) == lost


def test_a_new_key_that_is_refused_or_anothers_leaves_the_one_in_use(
    olga: Caller, worker: Worker, sandbox: SandboxServer, standing: Connection
) -> None:
    path = f"connections/{standing.uid}/new-key/"
    assert pointers(olga("put", path, {"key": "sk-ant-api03-" + "x" * 80})) == ["#/key"]
    assert pointers(olga("put", path, {})) == ["#/key"]
    assert pointers(olga("put", path, {"key": WRONG, "base_url": "x"})) == ["#/base_url"]
    olga("put", path, {"key": WRONG})
    worker.run()
    check = olga("get", f"connections/{standing.uid}/").json()["check"]
    assert check["problem"]["kind"] == "key"
    assert (check["problem"]["new_key"], check["new_key"]) == (True, False)

    Connection.objects.update(remote_organization_id="another")
    olga("put", path, {"key": sandbox.anthropic_key})
    worker.run()
    check = olga("get", f"connections/{standing.uid}/").json()["check"]
    assert (check["problem"]["kind"], check["problem"]["new_key"]) == ("organization", True)
    assert "not to" in check["problem"]["said"]

    cleared = olga("delete", path)
    assert cleared.status_code == 200
    assert cleared.json()["check"] == {
        "state": "none",
        "asked_at": cleared.json()["check"]["asked_at"],
        "new_key": False,
        "problem": None,
        "lost": [],
    }
    standing.refresh_from_db()
    assert unseal_from(standing, "credential").reveal() == sandbox.anthropic_key


def test_a_new_key_that_nobody_answered_about_is_tried_again_or_dropped(
    olga: Caller, worker: Worker, sandbox: SandboxServer, standing: Connection, api: APIClient
) -> None:
    new = sandbox.control.new_key(organization=sandbox.anthropic_organization)["api_key"]
    path = f"connections/{standing.uid}/new-key/"
    sandbox.control.fault("getCurrentOrganization", "503", count=None)
    olga("put", path, {"key": new})
    worker.run()
    check = olga("get", f"connections/{standing.uid}/").json()["check"]
    assert (check["problem"]["kind"], check["new_key"]) == ("network", True)
    sandbox.control.clear_faults()
    again = api.post(f"{olga.base}connections/{standing.uid}/check/")
    assert (again.status_code, again.json()["check"]["state"]) == (202, "waiting")
    worker.run()
    standing.refresh_from_db()
    assert unseal_from(standing, "credential").reveal() == new

    olga("put", path, {"key": sandbox.anthropic_key})
    assert olga("delete", path).json()["check"]["new_key"] is False
    worker.run()
    standing.refresh_from_db()
    assert unseal_from(standing, "credential").reveal() == new


def test_what_is_disconnected_takes_no_key_and_is_not_up_to_date(
    olga: Caller, worker: Worker, standing: Connection
) -> None:
    Connection.objects.update(state="disconnected", credential="")
    told = olga("get", f"connections/{standing.uid}/").json()
    assert told["state"] == "disconnected"
    assert told["health"]["level"] == "info"
    assert told["health"]["headline"].startswith("Disconnected: ")
    assert "Connect" in told["health"]["way_out"]
    for method, body in (("put", {"key": WRONG}), ("delete", None)):
        assert olga(method, f"connections/{standing.uid}/new-key/", body).status_code == 409
    standing.refresh_from_db()
    assert standing.next_credential == ""


# --- An organization that was just opened ---------------------------------------------------------


def test_an_organization_that_a_change_has_opened_is_gone_on_with(
    olga: Caller, owner: Grant, worker: Worker, sandbox: SandboxServer
) -> None:
    cline = connect(sandbox, owner.organization, "cline")
    opened = CommandFactory(
        connection=cline,
        kind="configuration.create_organization",
        label="Northwind Labs",
        actor=owner.user,
        state=CommandState.UNKNOWN,
        remote_id="org-LABS",
    )
    path = f"connections/{cline.uid}/organization/opened/{opened.uid}/"
    assert olga("post", path).status_code == 404, "it is not there yet"
    opened.state = CommandState.SUCCEEDED
    opened.save()
    other = ConnectionFactory(organization=owner.organization)
    beside = f"connections/{other.uid}/organization/opened/{opened.uid}/"
    assert olga("post", beside).status_code == 404, "another connection has opened it"
    script = client_for(owner)
    assert script.post(f"{olga.base}{path}").status_code == 403

    first, again = olga("post", path), olga("post", path)
    assert (first.status_code, first.json()["id"]) == (202, again.json()["id"])
    draft = first.json()
    assert first["Location"] == draft["url"]
    assert draft["url"].endswith(f"connections/drafts/{draft['id']}/")
    assert draft["remote_organization_id"] == "org-LABS"
    assert draft["remote_organization_name"] == "Northwind Labs"
    row = Connection.objects.get(state="draft")
    assert unseal_from(row, "credential").reveal() == sandbox.cline_key()
    Connection.objects.filter(pk=row.pk).update(state="active")
    refused = olga("post", path)
    assert refused.status_code == 409
    assert "connected already" in refused.json()["detail"]
    assert not any(sandbox.cline_key() in one.text for one in olga.told)


def test_a_key_that_cannot_be_opened_any_more_is_said(
    olga: Caller, owner: Grant, worker: Worker
) -> None:
    connection = ConnectionFactory(organization=owner.organization, provider="cline")
    connection.credential = seal_for(ConnectionFactory(), "credential", Secret("sk_moved"))
    connection.save()
    opened = CommandFactory(
        connection=connection,
        kind="configuration.create_organization",
        state=CommandState.SUCCEEDED,
        remote_id="org-LABS",
    )
    assert configuration.opened_with(connection).get() == opened
    path = f"connections/{connection.uid}/organization/opened/{opened.uid}/"
    answer = olga("post", path)
    assert answer.status_code == 409
