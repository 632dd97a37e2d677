"""From a pasted key to the first sync, with the provider's answers coming from the sandbox."""

import json
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.configuration.models import RemoteConfiguration
from apps.organizations.models import Connection, Organization
from apps.organizations.services import open_personal_desk
from apps.personal.models import Account
from tests.desk import walk_connection
from tests.factories import OWN_BILLING
from tests.organizations.connection_tools import Worker
from tests.sandbox_server import SandboxServer

pytestmark = pytest.mark.django_db
EMAIL = "nora@northgate.example"


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    """Carries out probes when told to."""
    return Worker(monkeypatch)


@pytest.fixture
def own(person: User, settings: Any, sandbox: SandboxServer) -> Organization:
    """Ada's own desk; the sandbox is the only address there is."""
    settings.SANDBOX_URL = sandbox.base_url
    settings.PROVIDER_BASE_URLS = {"anthropic": [], "cline": []}
    return open_personal_desk(person)


def paste(browser: Client, own: Organization, key: str) -> Connection:
    """The wizard's second step."""
    where = f"/o/{own.slug}/connections/new/cline_personal/"
    answer = browser.post(where, {"credential": key})
    assert answer.status_code == 302, answer.content
    return Connection.objects.get(organization=own, state=Connection.State.DRAFT)


def test_the_provider_says_whose_key_it_is_and_what_it_can_do(
    ada: Client, own: Organization, sandbox: SandboxServer, worker: Worker
) -> None:
    made = sandbox.control.new_key(email=EMAIL)
    sandbox.control.member(sandbox.cline_organization, EMAIL)
    draft = paste(ada, own, made["api_key"])
    worker.run()
    draft.refresh_from_db()
    assert draft.probe == Connection.Probe.FOUND
    assert (draft.remote_organization_id, draft.name) == (made["user_id"], EMAIL)
    assert {name for name, told in draft.capabilities.items() if told["ok"]} == {
        "account.read",
        "account.change",
        "account.terms",
        "account.join",
        "account.token",
        "account.delete",
        "budget.request",
        "usage.read",
        "usage.calls",
        "usage.limits",
        "config.read",
        *OWN_BILLING,
    }
    wizard = f"/o/{own.slug}/connections/{draft.uid}/connect/"
    assert "As you will see it in lists" in ada.get(wizard).text
    ada.post(wizard, {"name": "Mine"})
    connection = Connection.objects.get(organization=own)
    assert connection.state == Connection.State.ACTIVE
    walk_connection(connection)
    account = Account.objects.get(connection=connection)
    assert (account.email, [one.active for one in account.places]) == (EMAIL, [True])
    config = RemoteConfiguration.objects.get(connection=connection)
    assert config.content
    assert config.sources == [account.places[0].name]
    page = ada.get(f"/o/{own.slug}/connections/{connection.uid}/provider/").text
    assert "Handed out by" in page
    shared = sandbox.cline("GET", "/organizations/{org}")[2]["data"]["defaultRemoteConfig"]
    for secret in secrets_in(shared):
        assert secret not in page


def secrets_in(document: str) -> list[str]:
    """Values of the sandbox's remote config that nobody may see."""
    headers = json.loads(document).get("openTelemetryOtlpHeaders", {})
    found = [str(value) for value in headers.values()]
    assert found, "the sandbox hands out a secret"
    return found


def test_a_key_that_the_provider_refuses_is_not_kept(
    ada: Client, own: Organization, worker: Worker
) -> None:
    draft = paste(ada, own, "sk_nobody_has_this_key_at_all")
    worker.run()
    draft.refresh_from_db()
    assert draft.probe == Connection.Probe.FAILED
    assert draft.credential == ""
    assert "Paste another key" in ada.get(f"/o/{own.slug}/connections/{draft.uid}/connect/").text


def test_a_key_of_somebody_else_does_not_take_the_old_ones_place(
    ada: Client, own: Organization, sandbox: SandboxServer, worker: Worker
) -> None:
    draft = paste(ada, own, sandbox.control.new_key(email=EMAIL)["api_key"])
    worker.run()
    ada.post(f"/o/{own.slug}/connections/{draft.uid}/connect/", {"name": "Mine"})
    sealed = Connection.objects.get(pk=draft.pk).credential
    other = sandbox.control.new_key(email="other@northgate.example")["api_key"]
    ada.post(f"/o/{own.slug}/connections/{draft.uid}/key/", {"credential": other})
    worker.run()
    connection = Connection.objects.get(pk=draft.pk)
    assert connection.credential == sealed
    page = ada.get(f"/o/{own.slug}/connections/{draft.uid}/").text
    assert "belongs to “other@northgate.example”" in page
