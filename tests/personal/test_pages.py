"""The pages of one's own account, as the person uses them."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.audit.models import Entry
from apps.configuration.sealed import typed_document
from apps.organizations.models import Connection
from apps.personal.models import Account
from apps.personal.services import token_in
from apps.sync.models import Command, CommandState
from tests.browsing import refuse, tired
from tests.factories import (
    AccountFactory,
    ConnectionFactory,
    RemoteConfigurationFactory,
    with_account,
)
from tests.personal.conftest import LAB, NORTHWIND

pytestmark = pytest.mark.django_db
At = Callable[..., str]
CANARY = "canary-that-nobody-may-see"


def test_the_page_shows_profile_organizations_and_which_is_billed(
    ada: Client, at: At, account: Account
) -> None:
    RemoteConfigurationFactory(
        connection=account.connection,
        document={"version": "v1", "openTelemetryOtlpHeaders": {"x-team": "•••"}},
        raw={
            "document": {"version": "v1", "openTelemetryOtlpHeaders": {"x-team": "•••"}},
            "enabled": True,
            "unreadable": False,
            "sources": [["org-LAB", "Northwind Lab"]],
        },
    )
    page = ada.get(at()).text
    for shown in ("ada@northwind.example", "Northwind Robotics", "owner, admin", "not accepted"):
        assert shown in page
    assert page.count("Make active") == 1, "the active one is active"
    assert "Settings that reach your clients from: Northwind Lab" in page
    config = ada.get(
        f"/o/{account.connection.organization.slug}/connections/{account.connection.uid}/provider/"
    )
    assert "Handed out by: Northwind Lab" in config.text
    assert "•••" in config.text or "hidden" in config.text
    assert '/config/"' not in config.text, "it is read, not edited"


def test_one_account_is_shown_at_once_and_several_are_listed(
    ada: Client, at: At, account: Account
) -> None:
    slug = account.connection.organization.slug
    assert ada.get(f"/o/{slug}/account/")["Location"] == at()
    second = with_account(ConnectionFactory.build(organization=account.connection.organization))
    second.save()
    AccountFactory(connection=second, email="ada@home.example")
    page = ada.get(f"/o/{slug}/account/").text
    assert "ada@northwind.example" in page
    assert "ada@home.example" in page
    Connection.objects.update(state=Connection.State.DISCONNECTED)
    empty = ada.get(f"/o/{slug}/account/").text
    assert "No account of yours is connected" in empty
    assert "Make active" not in ada.get(at()).text, "nothing can be done any more"


def test_before_the_first_sync_the_page_waits(ada: Client, at: At, connection: Connection) -> None:
    page = ada.get(at()).text
    assert "being read" in page
    assert 'hx-trigger="every 2s"' in page
    waiting = ada.get(at(), headers={"HX-Request": "true", "HX-Target": "flights"})
    assert "being read" in waiting.text
    for place in ("profile/", "terms/", "join/", "activate/", "token/", "delete/"):
        assert ada.get(at(place)).status_code == 404


def test_what_is_on_its_way_is_told_and_the_page_comes_back_afterwards(
    ada: Client, at: At, account: Account
) -> None:
    ada.post(at("profile/"), {"name": "Ada P.", "nonce": "once"})
    ada.post(at("profile/"), {"name": "Ada P.", "nonce": "once"})
    command = Command.objects.get()
    assert (command.kind, command.label) == ("personal.update_profile", "ada@northwind.example")
    assert command.arguments == {"remote_id": account.remote_id, "name": "Ada P."}
    headers = {"HX-Request": "true", "HX-Target": "flights"}
    assert "A change is on its way" in ada.get(at(), headers=headers).text
    busy = ada.post(at("activate/?to="), {"nonce": "other"})
    assert busy.status_code == 422
    assert "still on its way" in busy.text
    Command.objects.update(state=CommandState.SUCCEEDED)
    assert ada.get(at(), headers=headers)["HX-Refresh"] == "true"
    verbs = Entry.objects.filter(command_id=command.pk).values_list("verb", flat=True)
    assert list(verbs) == ["personal.update_profile.asked"]


@pytest.mark.parametrize(
    ("place", "given", "why"),
    [
        ("profile/", {"name": ""}, "This field is required"),
        ("profile/", {"name": "x" * 201}, "at most 200"),
        ("profile/", {"name": "Ada Park"}, "Nothing is changed"),
        ("join/", {"token": "a b"}, "holds no token"),
        ("join/", {"token": "https://app.cline.bot/"}, "holds no token"),
        ("activate/?to=org-LAB", {}, "It is active already"),
        ("token/", {"token": "   "}, "This field is required"),
        ("delete/", {"typed": "ada"}, "not the address"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_beside_the_field(
    ada: Client, at: At, account: Account, place: str, given: dict[str, str], why: str
) -> None:
    answer = ada.post(at(place), given)
    assert answer.status_code == 422
    assert why in answer.text
    assert not Command.objects.exists()


@pytest.mark.parametrize(
    ("pasted", "token"),
    [
        ("inv-token.abc_1", "inv-token.abc_1"),
        (" inv-token.abc_1\n", "inv-token.abc_1"),
        ("https://app.cline.bot/invites/accept?token=inv.1&from=mail", "inv.1"),
        ("https://app.cline.bot/invite/inv.1234/", "inv.1234"),
        ("https://app.cline.bot", ""),
        ("abc", ""),
        ("two words", ""),
    ],
)
@pytest.mark.databaseless
def test_the_token_is_found_in_what_a_mail_has(pasted: str, token: str) -> None:
    assert token_in(pasted) == token


def test_terms_are_accepted_once(ada: Client, at: At, account: Account) -> None:
    assert "cannot be taken back" in ada.get(at("terms/")).text
    account.terms_accepted_at = timezone.now() - timedelta(days=3)
    account.save()
    assert "accepted already" in ada.post(at("terms/"), {"nonce": "late"}).text
    assert "terms of service are not accepted" not in ada.get(at()).text


@pytest.mark.parametrize(
    ("place", "kind"), [("join/", "accept_invite"), ("token/", "refresh_token")]
)
def test_a_pasted_token_is_sealed_and_shown_nowhere(
    ada: Client, at: At, account: Account, place: str, kind: str
) -> None:
    answer = ada.post(at(place), {"token": CANARY, "nonce": "once"}, follow=True)
    command = Command.objects.get()
    assert command.kind == f"personal.{kind}"
    assert typed_document(command) == {"token": CANARY}
    slug = account.connection.organization.slug
    pages = [
        answer.text,
        ada.get(f"/o/{slug}/activity/{command.uid}/").text,
        ada.get(f"/o/{slug}/audit/").text,
        ada.get(f"/api/v1/organizations/{slug}/changes/{command.uid}/").text,
        json.dumps(list(Entry.objects.values_list("details", flat=True))),
    ]
    for secret in (CANARY, command.arguments["secret"]):
        assert [number for number, page in enumerate(pages) if secret in page] == []


def test_the_providers_refusal_stands_beside_the_field(
    ada: Client, at: At, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.sync.asking.await_word", refuse)
    for place, typed in (("join/", {"token": "invite-1"}), ("profile/", {"name": "Ada Other"})):
        answer = ada.post(at(place), {**typed, "nonce": place})
        assert answer.status_code == 422, place
        assert "The provider says no." in answer.text
        assert "is-invalid" in answer.text


def test_switching_says_what_it_does(ada: Client, at: At, account: Account) -> None:
    assert "billed to Northwind Robotics" in ada.get(at("activate/?to=org-NORTHWIND")).text
    assert ada.get(at("activate/?to=org-elsewhere")).status_code == 404
    ada.post(at("activate/?to=org-NORTHWIND"), {"nonce": "once"})
    command = Command.objects.get()
    assert command.arguments["organization_id"] == "org-NORTHWIND"
    assert command.before == {"organization_id": "org-LAB"}


def test_deleting_says_what_stops_and_wants_the_address_and_a_fresh_sign_in(
    ada: Client, at: At, account: Account
) -> None:
    page = ada.get(at("delete/")).text
    for told in (
        NORTHWIND["name"],
        LAB["name"],
        "all your API keys stop",
        "for good",
        "key is wiped",
    ):
        assert str(told) in page
    assert "/reauthenticate/" in tired(ada).post(at("delete/"), {"typed": "x"})["Location"]
    assert not Command.objects.exists()


def test_the_address_typed_in_any_case_asks_for_the_deletion(
    ada: Client, at: At, account: Account
) -> None:
    answer = ada.post(at("delete/"), {"typed": " ADA@northwind.example ", "nonce": "once"})
    assert answer.status_code == 302
    command = Command.objects.get()
    assert (command.kind, command.state) == ("personal.delete_account", CommandState.QUEUED)


def test_what_the_connection_cannot_do_is_not_offered(
    ada: Client, at: At, account: Account
) -> None:
    account.connection.capabilities["account.delete"] = {"ok": False, "reason": "Not you."}
    account.connection.state = Connection.State.ACTIVE
    account.connection.save()
    assert "Delete…" not in ada.get(at()).text
    refused = ada.post(at("delete/"), {"typed": account.email})
    assert "Not you." in refused.text
    Connection.objects.update(state=Connection.State.PAUSED)
    assert "Accept an invite" not in ada.get(at()).text


def test_a_provider_that_says_nothing_of_benchmarks_is_not_asked(
    ada: Client, at: At, account: Account
) -> None:
    Account.objects.update(takes_part_in_benchmarks=None)
    assert "unsaid" in ada.get(at()).text
    assert "benchmarks" not in ada.get(at("profile/")).text
    ada.post(at("profile/"), {"name": "Ada P.", "nonce": "once"})
    assert "takes_part_in_benchmarks" not in Command.objects.get().arguments


def test_the_page_costs_the_same_however_much_there_is(
    ada: Client, at: At, account: Account
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(database) as asked:
            assert ada.get(at()).status_code == 200
        return len(asked)

    ada.get(at())
    few = queries()
    many = [
        {"id": f"org-{n}", "name": f"Organization {n}", "roles": ["member"]} for n in range(200)
    ]
    Account.objects.update(raw={"memberships": many})
    assert queries() == few <= 12


def test_the_api_does_what_the_pages_do(ada: Client, account: Account) -> None:
    slug, uid = account.connection.organization.slug, account.connection.uid
    base = f"/api/v1/organizations/{slug}/accounts/"
    (listed,) = ada.get(base).json()["results"]
    shown = ada.get(f"{base}{uid}/").json()
    assert shown == listed
    assert shown["active_organization_id"] == "org-LAB"
    assert [(one["name"], one["active"]) for one in shown["organizations"]] == [
        ("Northwind Lab", True),
        ("Northwind Robotics", False),
    ]

    def sent(method: str, place: str, body: dict[str, Any]) -> Any:
        Command.objects.update(state=CommandState.SUCCEEDED)
        send = getattr(ada, method)
        return send(f"{base}{uid}/{place}", body, content_type="application/json")

    assert sent("patch", "", {"name": "Ada Park"}).status_code == 409
    assert sent("patch", "", {"nickname": "x"}).status_code == 400
    assert sent("patch", "", {"takes_part_in_benchmarks": True}).json()["arguments"] == {
        "remote_id": account.remote_id,
        "takes_part_in_benchmarks": True,
    }
    assert sent("post", "terms/", {}).json()["kind"] == "personal.accept_terms"
    joined = sent("post", "join/", {"token": CANARY})
    assert joined.status_code == 202
    assert CANARY not in joined.text
    assert sent("post", "join/", {"token": "a b"}).status_code == 400
    assert sent("put", "active/", {"organization_id": "org-LAB"}).status_code == 409
    assert sent("put", "active/", {"organization_id": ""}).status_code == 202
