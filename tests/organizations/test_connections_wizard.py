"""Connecting an account, from the pasted key to the first sync."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.utils import timezone

from apps.audit.models import Entry
from apps.organizations import connections
from apps.organizations.abilities import abilities_of
from apps.organizations.credentials import unseal_from
from apps.organizations.models import Connection, Organization, Role
from apps.organizations.tasks import tidy_connections
from apps.providers.anthropic import AnthropicAdapter
from tests.factories import ConnectionFactory, OrganizationFactory
from tests.organizations.connection_tools import Worker, somebody
from tests.sandbox_server import SandboxServer

pytestmark = pytest.mark.django_db
NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture
def acme() -> Organization:
    made: Organization = OrganizationFactory.create(name="Acme", slug="acme")
    return made


@pytest.fixture
def alice(acme: Organization) -> Client:
    return somebody(acme)


@pytest.fixture
def worker(monkeypatch: Any, settings: Any, sandbox: SandboxServer) -> Worker:
    settings.SANDBOX_URL = sandbox.base_url
    settings.PROVIDER_BASE_URLS = {"anthropic": [], "cline": []}
    return Worker(monkeypatch)


def paste(client: Client, provider: str, key: str, **more: str) -> Any:
    return client.post(f"/o/acme/connections/new/{provider}/", {"credential": key, **more})


def the_draft() -> Connection:
    return Connection.objects.get()


def page_of(client: Client, draft: Connection | None = None) -> str:
    draft = draft or the_draft()
    return client.get(f"/o/acme/connections/{draft.uid}/connect/").content.decode()


def test_an_admin_key_is_pasted_checked_and_connected(
    alice: Client, worker: Worker, sandbox: SandboxServer, monkeypatch: Any
) -> None:
    begun: list[Connection] = []
    monkeypatch.setattr(connections, "on_connected", [begun.append])
    answer = paste(alice, "anthropic", f"  {sandbox.anthropic_key}\n")
    draft = the_draft()
    assert answer.url == f"/o/acme/connections/{draft.uid}/connect/"
    assert (draft.state, draft.probe) == ("draft", "waiting")
    assert sandbox.anthropic_key not in draft.credential
    assert worker.sent == [("actions.probe_connection", [draft.pk])]

    waiting = page_of(alice)
    assert 'hx-trigger="every 1s"' in waiting
    assert "Load the page again" in waiting
    worker.run()
    found = page_of(alice)
    assert "hx-trigger" not in found.split('id="state"')[1]
    assert the_draft().remote_organization_name in found
    assert "Remove people" in found

    answer = alice.post(answer.url, {"name": "Anthropic, main"})
    assert answer.status_code == 302
    connected = the_draft()
    assert (connected.state, connected.name) == ("active", "Anthropic, main")
    assert connected.remote_organization_id == sandbox.anthropic_organization
    assert connected.can("members.remove")
    assert unseal_from(connected, "credential").reveal() == sandbox.anthropic_key
    assert [one.pk for one in begun] == [connected.pk]
    assert list(Entry.objects.order_by("sequence").values_list("verb", flat=True)) == [
        "connections.begin",
        "connections.connect",
    ]


def test_what_leads_elsewhere_than_the_page_showed_is_not_connected(
    alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    address = paste(alice, "anthropic", sandbox.anthropic_key).url
    worker.run()
    shown = f'name="seen" value="{sandbox.anthropic_organization}"'
    assert shown in page_of(alice)
    # Another tab: the same draft, with a key of another organization.
    Connection.objects.update(remote_organization_id="another", remote_organization_name="Another")
    answer = alice.post(address, {"name": "Main", "seen": sandbox.anthropic_organization})
    assert answer.status_code == 422
    assert "leads elsewhere" in answer.text
    assert 'value="another"' in answer.text
    assert "Main" in answer.text, "what was typed is kept"
    assert the_draft().state == "draft"
    alice.post(address, {"name": "Main", "seen": "another"})
    assert the_draft().state == "active"


def test_a_key_that_was_pasted_meanwhile_and_leads_nowhere_yet_is_said(
    alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    address = paste(alice, "anthropic", sandbox.anthropic_key).url
    worker.run()
    seen = sandbox.anthropic_organization
    alice.post(f"{address}key/", {"credential": "sk-ant-admin01-" + "n" * 40})
    for _ in range(2):  # while the provider is asked, and when it has refused
        answer = alice.post(address, {"name": "Main", "seen": seen})
        assert answer.status_code == 422
        assert "Another key was pasted meanwhile." in answer.text
        worker.run()
    assert "does not accept this key" in answer.text
    assert the_draft().state == "draft"


def test_an_organization_chosen_of_a_key_that_was_pasted_over_is_not_taken(
    alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    address = paste(alice, "cline", sandbox.cline_key("owner")).url
    worker.run()
    alice.post(f"{address}key/", {"credential": "sk_live_" + "n" * 40})
    worker.run()
    chosen = {"remote_organization_id": sandbox.cline_organization}
    answer = alice.post(f"{address}choose/", chosen)
    assert answer.status_code == 422
    assert "Another key was pasted meanwhile." in answer.text
    assert "does not accept this key" in answer.text


def test_a_key_that_reaches_several_organizations_asks_which(
    alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    paste(alice, "cline", sandbox.cline_key("owner"))
    worker.run()
    draft = the_draft()
    reached = draft.probe_result["organizations"]
    if len(reached) == 1:
        pytest.skip("the sandbox's owner belongs to one organization alone")
    page = page_of(alice)
    assert all(one["name"] in page for one in reached)
    assert "Which one is to be connected?" in page
    answer = alice.post(f"/o/acme/connections/{draft.uid}/connect/", {"name": "too early"})
    assert answer.status_code == 422

    chosen = next(one for one in reached if one["id"] == sandbox.cline_organization)
    alice.post(
        f"/o/acme/connections/{draft.uid}/connect/choose/",
        {"remote_organization_id": chosen["id"]},
    )
    assert the_draft().probe == "waiting"
    worker.run()
    assert "With it one can" in page_of(alice)
    alice.post(f"/o/acme/connections/{draft.uid}/connect/", {"name": "Cline"})
    connected = the_draft()
    assert (connected.state, connected.remote_organization_id) == ("active", chosen["id"])
    assert connected.can("invites.create")


def test_a_key_that_reaches_one_organization_alone_asks_nothing(
    alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    address = "ona@one.example"
    sandbox.control.member(sandbox.cline_organization, address, role="owner")
    paste(alice, "cline", sandbox.control.new_key(email=address)["api_key"])
    worker.run()
    assert [one["id"] for one in the_draft().probe_result["organizations"]] == [
        sandbox.cline_organization
    ]
    assert "With it one can" in page_of(alice)
    draft = the_draft()
    twin = ConnectionFactory.create(organization=draft.organization, name="Cline")
    answer = alice.post(f"/o/acme/connections/{draft.uid}/connect/", {"name": "cline"})
    assert "Another connection is called “cline” already." in answer.text
    twin.delete()
    alice.post(f"/o/acme/connections/{draft.uid}/connect/", {"name": "Cline"})
    connected = the_draft()
    assert connected.state == "active"
    assert connected.remote_organization_id == sandbox.cline_organization
    assert connected.can("invites.create")


def test_a_key_that_reaches_no_organization_says_so_and_another_may_be_pasted(
    alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    paste(alice, "cline", sandbox.control.new_key(email="nobody@none.example")["api_key"])
    worker.run()
    page = page_of(alice)
    assert "owner belongs to no organization." in page
    assert "Paste another key" in page


def test_an_organization_that_the_key_does_not_reach_cannot_be_chosen(
    alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    paste(alice, "cline", sandbox.cline_key("owner"))
    worker.run()
    answer = alice.post(
        f"/o/acme/connections/{the_draft().uid}/connect/choose/",
        {"remote_organization_id": "somebody-elses"},
    )
    assert answer.status_code == 422
    assert the_draft().remote_organization_id != "somebody-elses"


@pytest.mark.parametrize("key", ["sk-ant-api03-" + "x" * 80, "sk_not_anthropic_at_all", "?", ""])
def test_what_does_not_look_like_an_admin_key_is_refused_before_it_is_sent(
    alice: Client, worker: Worker, sandbox: SandboxServer, key: str
) -> None:
    answer = paste(alice, "anthropic", key)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Admin keys" in page
    assert key == "?" or not key or key not in page
    assert not Connection.objects.exists()
    assert worker.sent == []


def test_a_key_that_the_provider_refuses_is_not_kept_and_another_can_be_pasted(
    alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    paste(alice, "anthropic", "sk-ant-admin01-" + "wrong" * 10)
    worker.run()
    draft = the_draft()
    assert (draft.probe, draft.probe_result["error"]["kind"]) == ("failed", "key")
    assert draft.credential == draft.credential_hint == ""
    page = page_of(alice)
    assert "does not accept this key" in page
    assert draft.probe_result["error"]["message"] in page
    again = f"/o/acme/connections/{draft.uid}/connect/key/"
    assert again in page
    assert alice.get(again).status_code == 200
    alice.post(again, {"credential": sandbox.anthropic_key})
    worker.run()
    assert the_draft().probe == "found"


def test_where_the_network_fails_the_same_key_is_tried_again_without_pasting_it(
    alice: Client, worker: Worker, sandbox: SandboxServer, settings: Any
) -> None:
    settings.PROVIDER_BASE_URLS = {"anthropic": [NOWHERE]}
    paste(alice, "anthropic", sandbox.anthropic_key, base_url=NOWHERE)
    worker.run()
    draft = the_draft()
    assert draft.probe_result["error"]["kind"] == "network"
    assert draft.credential
    page = page_of(alice)
    assert "could not be asked" in page
    Connection.objects.update(base_url=sandbox.base_url)  # the network is back
    alice.post(f"/o/acme/connections/{draft.uid}/ask-again/")
    worker.run()
    assert the_draft().probe == "found"


def test_a_fault_of_our_own_ends_the_probe_and_the_same_key_is_tried_again_when_asked(
    alice: Client, worker: Worker, sandbox: SandboxServer, monkeypatch: Any
) -> None:
    def broken(adapter: Any) -> None:
        raise ZeroDivisionError

    paste(alice, "anthropic", sandbox.anthropic_key)
    with monkeypatch.context() as faulty:
        faulty.setattr(AnthropicAdapter, "probe", broken)
        with pytest.raises(ZeroDivisionError):
            worker.run()
    worker.sent.clear()
    assert "The portal itself failed while it looked." in page_of(alice)

    Connection.objects.update(probe_asked_at=timezone.now() - timedelta(hours=1))
    tidy_connections()
    assert worker.sent == [], "nobody asks again by themselves"
    alice.post(f"/o/acme/connections/{the_draft().uid}/ask-again/")
    worker.run()
    assert the_draft().probe == "found"


def test_a_key_without_rights_says_so_and_cannot_be_connected(
    alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    sandbox.control.fault("listUsers", "403", count=None)
    paste(alice, "anthropic", sandbox.anthropic_key)
    worker.run()
    draft = the_draft()
    assert not draft.can("members.read")
    assert "nothing to connect" in page_of(alice)
    answer = alice.post(f"/o/acme/connections/{draft.uid}/connect/", {"name": "x"})
    assert answer.status_code == 422
    assert the_draft().state == "draft"


def test_the_same_account_is_not_connected_twice(
    alice: Client, acme: Organization, worker: Worker, sandbox: SandboxServer
) -> None:
    ConnectionFactory.create(
        organization=acme,
        name="The first",
        base_url=sandbox.base_url,
        remote_organization_id=sandbox.anthropic_organization,
    )
    paste(alice, "anthropic", sandbox.anthropic_key)
    worker.run()
    draft = Connection.objects.get(state="draft")
    answer = alice.post(f"/o/acme/connections/{draft.uid}/connect/", {"name": "The second"})
    assert answer.status_code == 422
    assert "connected already, as “The first”" in answer.content.decode()


def test_pressing_connect_twice_connects_once(
    alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    paste(alice, "anthropic", sandbox.anthropic_key)
    worker.run()
    where = f"/o/acme/connections/{the_draft().uid}/connect/"
    for _ in range(2):
        assert alice.post(where, {"name": "Main"}).status_code == 302
    assert Entry.objects.filter(verb="connections.connect").count() == 1


def test_a_probe_that_is_delivered_twice_asks_the_provider_once(
    alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    paste(alice, "anthropic", sandbox.anthropic_key)
    worker.sent *= 2
    worker.run()
    assert sandbox.control.counters()["getCurrentOrganization"] == 1


def test_a_key_pasted_while_the_first_is_probed_is_not_mistaken_for_it(
    alice: Client, worker: Worker, sandbox: SandboxServer, monkeypatch: Any
) -> None:
    paste(alice, "anthropic", sandbox.anthropic_key)
    draft = the_draft()
    other = "sk-ant-admin01-" + "other" * 8
    again = f"/o/acme/connections/{draft.uid}/connect/key/"

    from apps.providers.anthropic import AnthropicAdapter

    asked = AnthropicAdapter.probe

    def while_probing(adapter: Any) -> Any:
        found = asked(adapter)
        monkeypatch.setattr(AnthropicAdapter, "probe", asked)
        alice.post(again, {"credential": other})
        return found

    monkeypatch.setattr(AnthropicAdapter, "probe", while_probing)
    name, args = worker.sent.pop(0)
    worker.sent.insert(0, (name, args))
    worker.run()
    now = the_draft()
    assert (now.probe, now.remote_organization_id) == ("failed", "")


def test_an_answer_that_htmx_asks_for_is_the_fragment_alone(
    alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    paste(alice, "anthropic", sandbox.anthropic_key)
    where = f"/o/acme/connections/{the_draft().uid}/connect/"
    fragment = alice.get(where, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment
    assert 'id="state"' in fragment


def test_the_page_says_so_when_no_worker_takes_it_up(
    alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    paste(alice, "anthropic", sandbox.anthropic_key)
    Connection.objects.update(probe_asked_at=timezone.now() - timedelta(minutes=1))
    assert "workers are running" in page_of(alice)


def test_leaving_the_wizard_throws_the_key_away(
    alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    paste(alice, "anthropic", sandbox.anthropic_key)
    alice.post(f"/o/acme/connections/{the_draft().uid}/connect/discard/")
    assert not Connection.objects.exists()
    worker.run()  # the probe finds nothing to do


def test_abandoned_drafts_go_after_a_day_and_lost_probes_are_found(
    alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    paste(alice, "anthropic", sandbox.anthropic_key)
    worker.sent.clear()  # the kick was lost
    tidy_connections()
    worker.run()
    assert the_draft().probe == "found"
    Connection.objects.update(
        probe="running", probe_asked_at=timezone.now() - timedelta(minutes=10)
    )  # the worker died
    tidy_connections()
    worker.run()
    assert the_draft().probe == "found"
    Connection.objects.update(created_at=timezone.now() - timedelta(hours=25))
    tidy_connections()
    assert not Connection.objects.exists()
    assert Entry.objects.get(verb="connections.discard").actor == "Orgdesk"


def test_a_key_posted_after_the_sign_in_went_stale_is_asked_for_again_and_kept_nowhere(
    acme: Organization, worker: Worker, sandbox: SandboxServer
) -> None:
    stale = somebody(acme, fresh=False)
    answer = paste(stale, "anthropic", sandbox.anthropic_key)
    assert answer.status_code == 302
    assert "reauthenticate" in answer.url
    assert not Connection.objects.exists()
    assert sandbox.anthropic_key not in str(dict(stale.session.items()))


@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_who_may_only_look_sees_connections_and_cannot_connect(
    acme: Organization, worker: Worker, role: Role
) -> None:
    looking = somebody(acme, role)
    ConnectionFactory.create(organization=acme, name="Main")
    page = looking.get("/o/acme/connections/").content.decode()
    assert "Main" in page
    assert "/connections/new/" not in page
    assert looking.get("/o/acme/connections/new/").status_code == 403
    assert paste(looking, "anthropic", "sk-ant-admin01-" + "x" * 40).status_code == 403


def test_anothers_draft_is_as_absent_as_none(
    acme: Organization, alice: Client, worker: Worker, sandbox: SandboxServer
) -> None:
    theirs = ConnectionFactory.create(state="draft")
    for step in ("", "connect/", "connect/key/"):
        assert alice.get(f"/o/acme/connections/{theirs.uid}/{step}").status_code == 404
    for step in ("connect/choose/", "connect/discard/", "ask-again/", "pause/"):
        assert alice.post(f"/o/acme/connections/{theirs.uid}/{step}").status_code == 404
    assert Connection.objects.filter(pk=theirs.pk).exists()


def test_the_list_asks_the_database_as_often_for_one_as_for_twenty(
    acme: Organization, alice: Client, django_assert_num_queries: Any
) -> None:
    def queries() -> int:
        database.queries_log.clear()
        database.force_debug_cursor = True
        try:
            alice.get("/o/acme/connections/")
            return len(database.queries)
        finally:
            database.force_debug_cursor = False

    def add(count: int) -> None:
        for made in ConnectionFactory.create_batch(count, organization=acme):
            made.resources.create(name="members", rows=7, completed_at=timezone.now())
            made.resources.create(name="invites")

    add(1)
    queries()
    one = queries()
    add(19)
    assert queries() == one


@pytest.mark.parametrize("provider", ["anthropic", "cline"])
def test_every_capability_has_plain_words(
    alice: Client, worker: Worker, sandbox: SandboxServer, provider: str
) -> None:
    sandbox.control.fault("listApiKeys", "403", count=None)
    sandbox.control.fault("list_api_keys", "403", count=None)
    paste(alice, provider, sandbox.cline_key() if provider == "cline" else sandbox.anthropic_key)
    worker.run()
    if provider == "cline":
        alice.post(
            f"/o/acme/connections/{the_draft().uid}/connect/choose/",
            {"remote_organization_id": sandbox.cline_organization},
        )
        worker.run()
    told = [label for label, _abilities in abilities_of(the_draft())]
    shown = page_of(alice)
    assert "Other" not in told
    assert all(str(label) in shown for label in told)
    assert "See the API keys" in shown
    assert "This credential may not do this." in shown
    assert not the_draft().can("keys.read")


def test_a_capability_without_words_is_shown_as_it_is_called() -> None:
    connection = Connection(capabilities={"seances.hold": {"ok": False, "reason": "No medium."}})
    ((group, (told,)),) = abilities_of(connection)
    assert (str(group), told.label, told.reason) == ("Other", "seances.hold", "No medium.")
