"""The pages of an organization at its provider, as an owner uses them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.audit.models import Entry
from apps.configuration.models import RemoteConfiguration, RemoteOrganization, Version
from apps.configuration.sealed import typed_document, wipe
from apps.organizations.credentials import seal_for, unseal_from
from apps.organizations.models import Connection, Grant, Role
from apps.organizations.sealing import Secret
from apps.providers.errors import Refused
from apps.sync.models import Command, CommandState
from tests.browsing import at_desk, refuse, tired
from tests.configuration.conftest import DOCUMENT
from tests.factories import ConnectionFactory, GrantFactory, VersionFactory

pytestmark = pytest.mark.django_db
At = Callable[..., str]
CANARY = "canary-that-nobody-may-see"


def body(answer: Any) -> str:
    """The page as text."""
    text: str = answer.content.decode()
    return text


def posted(config: RemoteConfiguration, document: Any, step: str, **more: str) -> dict[str, str]:
    """What the editor sends."""
    text = document if isinstance(document, str) else json.dumps(document)
    given = {"document": text, "seen": config.content, "step": step, "nonce": "once"}
    return {"enabled": "on", **given, **more}


# --- What is there -------------------------------------------------------------------------------


def test_the_page_shows_what_the_provider_knows_and_hands_out(
    olga: Client, at: At, northwind: RemoteOrganization, config: RemoteConfiguration
) -> None:
    page = body(olga.get(at()))
    assert "Northwind Robotics" in page
    assert "1,234" in page
    assert str(northwind.remote_id) in page
    assert "members get it" in page
    assert "Approve every action automatically" in page
    assert "Open a PR." in page
    assert "hidden" in page
    assert "Other fields" in page
    assert "aFieldOfTomorrow" in page


def test_where_nothing_is_handed_out_the_page_says_so_and_why(
    olga: Client, claude: Connection
) -> None:
    page = body(olga.get(f"/o/{claude.organization.slug}/connections/{claude.uid}/provider/"))
    assert "Northgate at Anthropic" in page
    assert "Not with this provider." in page
    assert "Remote config" not in page
    assert "Rename</a>" not in page
    assert "Delete…" not in page


def test_before_anything_was_read_the_page_says_so(olga: Client, at: At, cline: Connection) -> None:
    assert "Nothing has been read yet" in body(olga.get(at()))
    assert olga.get(at("config/")).status_code == 404
    assert olga.get(at("rename/")).status_code == 404


def test_the_ways_there_lead_from_the_connection_and_from_settings(
    olga: Client, at: At, northwind: RemoteOrganization, claude: Connection
) -> None:
    slug = northwind.connection.organization.slug
    connection = northwind.connection
    assert at() in body(olga.get(f"/o/{slug}/connections/{connection.uid}/"))
    settings = body(olga.get(f"/o/{slug}/settings/"))
    assert f"/o/{slug}/settings/providers/" in settings
    listed = body(olga.get(f"/o/{slug}/settings/providers/"))
    assert at() in listed
    assert "Northgate at Anthropic" in listed


def test_the_pages_of_all_and_of_one_take_the_same_queries_whatever_there_is(
    olga: Client, at: At, owner: Grant, northwind: RemoteOrganization, config: RemoteConfiguration
) -> None:
    def queries(address: str) -> int:
        with CaptureQueriesContext(database) as seen:
            assert olga.get(address).status_code == 200
        return len(seen)

    listing = f"/o/{owner.organization.slug}/settings/providers/"
    VersionFactory(connection=config.connection, number=1)
    queries(listing)
    before = queries(listing), queries(at())
    for number in range(2, 12):
        VersionFactory(connection=config.connection, number=number)
        ConnectionFactory(organization=owner.organization)
    assert (queries(listing), queries(at())) == before


# --- Name, another, deletion ---------------------------------------------------------------------


def test_renaming_asks_for_a_change_and_refuses_what_cannot_be(
    olga: Client, at: At, northwind: RemoteOrganization
) -> None:
    assert olga.post(at("rename/"), {"name": " "}).status_code == 200
    again = olga.post(at("rename/"), {"name": northwind.name})
    assert (again.status_code, "called that already" in body(again)) == (200, True)
    assert not Command.objects.exists()
    answer = olga.post(at("rename/"), {"name": "Northwind", "nonce": "once"})
    assert answer.status_code == 302
    olga.post(at("rename/"), {"name": "Northwind", "nonce": "once"})
    command = Command.objects.get()
    assert (command.kind, command.arguments["name"]) == ("configuration.rename", "Northwind")
    assert command.before == {"name": "Northwind Robotics"}
    assert "A change is on its way" in body(olga.get(at()))
    waiting = {"HX-Request": "true", "HX-Target": "flights"}
    assert "HX-Refresh" not in olga.get(at(), headers=waiting)
    Command.objects.update(state=CommandState.SUCCEEDED)
    assert olga.get(at(), headers=waiting)["HX-Refresh"] == "true"


def test_the_providers_refusal_stands_beside_the_field_and_can_be_asked_again(
    olga: Client, at: At, northwind: RemoteOrganization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.sync.asking.await_word", refuse)
    answer = olga.post(at("rename/"), {"name": "Northwind", "nonce": "once"})
    assert 'value="Northwind"' in body(answer)
    assert "The provider says no." in body(answer)
    assert "once" not in body(answer).split('name="nonce"')[1][:80], "the next one is a new wish"
    olga.post(at("rename/"), {"name": "Northwind again", "nonce": "twice"})
    assert Command.objects.filter(state=CommandState.REJECTED).count() == 2
    field = body(olga.post(at("delete/"), {"typed": northwind.name})).split('name="typed"')[1]
    assert "The provider says no." in field
    assert f'value="{northwind.name}"' in field


def test_deleting_wants_the_name_typed_and_a_fresh_sign_in(
    olga: Client, at: At, northwind: RemoteOrganization
) -> None:
    page = body(olga.get(at("delete/")))
    assert "Nobody can bring it back" in page
    assert "All members lose the organization" in page
    assert olga.post(at("delete/"), {"typed": "northwind"}).status_code == 200
    assert not Command.objects.exists()
    assert "reauthenticate" in tired(olga).get(at("delete/"))["Location"]


def test_deleting_waits_for_a_second_person_where_one_is_demanded(
    olga: Client, at: At, northwind: RemoteOrganization
) -> None:
    organization = northwind.connection.organization
    organization.demand_second_person = True
    organization.save()
    olga.post(at("delete/"), {"typed": northwind.name, "nonce": "once"})
    command = Command.objects.get(kind="configuration.delete_organization")
    assert command.state == CommandState.AWAITING_APPROVAL


def test_another_organization_is_asked_for_once(olga: Client, at: At, cline: Connection) -> None:
    for nonce in ("one", "two"):
        olga.post(at("new/"), {"name": "Northwind Labs", "nonce": nonce})
    command = Command.objects.get()
    assert command.kind == "configuration.create_organization"
    assert command.label == "Northwind Labs"


def test_a_new_organization_is_connected_with_the_same_key_in_two_clicks(
    olga: Client, at: At, cline: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    probed: list[int] = []
    monkeypatch.setattr("apps.organizations.connections.kick_probe", probed.append)
    cline.credential = seal_for(cline, "credential", Secret("sk_live_" + CANARY))
    cline.save()
    answer = olga.post(at("new/"), {"name": "Northwind Labs", "nonce": "one"})
    command = Command.objects.get()
    outcome = answer["Location"]
    assert str(command.uid) in outcome
    connect = at(f"new/{command.uid}/connect/")
    assert connect not in body(olga.get(outcome)), "it is not there yet"
    assert olga.post(connect).status_code == 404
    Command.objects.update(state=CommandState.SUCCEEDED, remote_id="org-LABS")
    assert connect in body(olga.get(outcome))
    wizard = olga.post(connect)["Location"]
    assert olga.post(connect)["Location"] == wizard, "pressed twice, it begins once"
    draft = Connection.objects.get(state=Connection.State.DRAFT)
    assert str(draft.uid) in wizard
    assert probed == [draft.pk]
    assert draft.remote_organization_id == "org-LABS"
    assert unseal_from(draft, "credential").reveal() == "sk_live_" + CANARY
    assert CANARY not in json.dumps(list(Entry.objects.values_list("details", flat=True)))
    Connection.objects.filter(pk=draft.pk).update(state=Connection.State.ACTIVE, name="Labs")
    page = body(olga.get(outcome))
    assert connect not in page
    assert str(draft.uid) in page
    viewer = GrantFactory(organization=cline.organization, role=Role.VIEWER)
    assert at_desk(viewer.user).post(connect).status_code == 403


def test_what_the_key_cannot_do_is_refused_in_words(
    olga: Client, at: At, cline: Connection, northwind: RemoteOrganization
) -> None:
    cline.capabilities["settings.change"] = {"ok": False, "reason": "Owners only."}
    cline.save()
    assert "Owners only." in body(olga.post(at("rename/"), {"name": "Other"}))
    assert not Command.objects.exists()


# --- The editor ----------------------------------------------------------------------------------


def test_the_difference_is_shown_before_anything_is_sent(
    olga: Client, at: At, config: RemoteConfiguration
) -> None:
    changed = DOCUMENT | {"yoloModeAllowed": True}
    review = body(olga.post(at("config/"), posted(config, changed, "review")))
    assert "yoloModeAllowed" in review
    assert "telemetryEnabled</strong>" not in review
    assert not Command.objects.exists()

    answer = olga.post(at("config/"), posted(config, changed, "send"))
    assert answer.status_code == 302
    command = Command.objects.get()
    assert command.kind == "configuration.change"
    assert command.arguments["document"] == changed, "fields that nobody knows are kept"
    assert command.before["document"] == DOCUMENT
    assert "secret" not in command.arguments


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("{", "not JSON"),
        ("[]", "must be an object"),
        ('{"version": 1}', "version: must be a text"),
        ('{"version": "v1", "yoloModeAllowed": "no"}', "yoloModeAllowed: must be true or false"),
        (
            '{"version": "v1", "globalRules": [{"name": "x"}]}',
            "globalRules[0].contents: is missing",
        ),
        (
            '{"version": "v1", "enterpriseTelemetry": {"promptUploading": {"type": "ftp"}}}',
            "enterpriseTelemetry.promptUploading.type: must be one of",
        ),
        ('{"openTelemetryLogBatchSize": true}', "openTelemetryLogBatchSize: must be a number"),
        ('{\n"version": "v1",\n}', "line 3"),
        ("[" * 3000 + "]" * 3000, "not JSON"),
    ],
)
def test_a_faulty_document_is_refused_beside_its_field_and_kept(
    olga: Client, at: At, config: RemoteConfiguration, typed: str, words: str
) -> None:
    answer = olga.post(at("config/"), posted(config, typed, "send"))
    assert answer.status_code == 200
    assert words in body(answer).replace("&#x27;", "'")
    assert not Command.objects.exists()


def test_a_version_that_was_taken_out_is_put_back(
    olga: Client, at: At, config: RemoteConfiguration
) -> None:
    olga.post(at("config/"), posted(config, {"telemetryEnabled": False}, "send"))
    assert Command.objects.get().arguments["document"]["version"] == "v1"


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(
    olga: Client, at: At, config: RemoteConfiguration
) -> None:
    given = posted(config, DOCUMENT | {"kanbanEnabled": True}, "send", seen="0123456789ab")
    answer = olga.post(at("config/"), given)
    assert (answer.status_code, "have changed" in body(answer)) == (200, True)
    assert "have changed" in body(olga.post(at("config/"), given | {"step": "review"}))
    assert not Command.objects.exists()


def test_nothing_changed_is_nothing_sent(olga: Client, at: At, config: RemoteConfiguration) -> None:
    review = body(olga.post(at("config/"), posted(config, DOCUMENT, "review")))
    assert "Nothing that can be seen differs" in review
    assert 'value="send"' not in review
    assert olga.post(at("config/"), posted(config, DOCUMENT, "send")).status_code == 200


def test_a_typed_secret_is_sealed_until_it_is_sent_and_shown_by_nothing(
    olga: Client, at: At, config: RemoteConfiguration
) -> None:
    typed = DOCUMENT | {"openTelemetryOtlpHeaders": {"x-team": CANARY}}
    review = olga.post(at("config/"), posted(config, typed, "review"))
    assert "New secrets are set" in body(review)
    assert "no-store" in review["Cache-Control"]
    assert olga.post(at("config/"), posted(config, typed, "send")).status_code == 302

    command = Command.objects.select_related("connection").get()
    assert CANARY not in json.dumps(command.arguments)
    assert typed_document(command) == typed
    slug = config.connection.organization.slug
    for address in (
        at(),
        f"/o/{slug}/activity/{command.uid}/",
        f"/o/{slug}/activity/",
        f"/o/{slug}/audit/",
        f"/o/{slug}/connections/{config.connection.uid}/",
    ):
        assert CANARY not in body(olga.get(address))
    assert CANARY not in json.dumps([one.details for one in Entry.objects.all()])
    assert command.arguments["secret"] not in json.dumps(
        [one.details for one in Entry.objects.all()]
    )

    wipe([command])
    command = Command.objects.select_related("connection").get()
    assert not command.arguments["secret"]
    with pytest.raises(Refused):
        typed_document(command)


def test_members_can_be_spared_the_settings_without_touching_them(
    olga: Client, at: At, config: RemoteConfiguration
) -> None:
    given = posted(config, DOCUMENT, "send")
    del given["enabled"]
    olga.post(at("config/"), given)
    command = Command.objects.get()
    assert command.arguments["enabled"] is False
    assert command.arguments["document"] == DOCUMENT


# --- Versions ------------------------------------------------------------------------------------


def test_two_versions_are_compared(olga: Client, at: At, config: RemoteConfiguration) -> None:
    VersionFactory(connection=config.connection, number=1, document={"version": "v1", "a": 1})
    VersionFactory(
        connection=config.connection, number=2, document={"version": "v1", "a": 2, "b": "new"}
    )
    VersionFactory(connection=config.connection, number=3, document=DOCUMENT, enabled=False)
    page = body(olga.get(at("config/compare/?a=1&b=2")))
    assert "<strong>a</strong>" in page
    assert "<strong>b</strong>" in page
    assert "not set" in page
    assert "Members no longer get these settings" in body(olga.get(at("config/compare/")))
    one = body(olga.get(at("config/3/")))
    assert "Review first" in one
    assert '<h2 class="card-title">' in one
    assert "<h3" not in one, "no heading is two levels below the page's"
    assert olga.get(at("config/4/")).status_code == 404
    assert olga.get(at("config/compare/?a=9&b=2")).status_code == 404
    assert olga.get(at("config/compare/?a=x")).status_code == 200


def test_another_connections_versions_are_not_shown(
    olga: Client, at: At, config: RemoteConfiguration
) -> None:
    VersionFactory(number=7)
    assert olga.get(at("config/7/")).status_code == 404
    assert Version.objects.count() == 1


def test_a_viewer_sees_it_and_cannot_change_it(
    at: At, northwind: RemoteOrganization, config: RemoteConfiguration
) -> None:
    viewer = at_desk(
        GrantFactory(organization=northwind.connection.organization, role=Role.VIEWER).user
    )
    page = body(viewer.get(at()))
    assert "Northwind Robotics" in page
    assert at("config/") not in page
    assert viewer.get(at("config/")).status_code == 403
