"""Pages of people: the list, one person, changes of one membership."""

import json
from datetime import timedelta

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.audit.record import record
from apps.members.models import Person
from apps.members.people import PeopleList
from apps.organizations.models import Connection, Grant, Organization, Role
from apps.sync.models import Command, CommandState, RemoteChange, Resource
from tests.browsing import refuse
from tests.factories import (
    CommandFactory,
    ConnectionFactory,
    GrantFactory,
    InviteFactory,
    MemberFactory,
    PersonFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nobody_waits(settings: object) -> None:
    """No worker runs in these tests, so no page waits for its word."""
    settings.OUTBOX_PAGE_WAIT_SECONDS = 0  # type: ignore[attr-defined]  # the test client's


@pytest.fixture
def alice() -> Grant:
    """Alice owns the organization."""
    return GrantFactory(user__name="Alice")


@pytest.fixture
def client(alice: Grant) -> Client:
    client = Client()
    client.force_login(alice.user)
    return client


@pytest.fixture
def anthropic(alice: Grant) -> Connection:
    return ConnectionFactory(organization=alice.organization, name="Claude")


@pytest.fixture
def cline(alice: Grant) -> Connection:
    return ConnectionFactory(organization=alice.organization, provider="cline", name="Cline team")


def join(connection: Connection, person: Person | None = None, **fields: object) -> Person:
    """Make ``person``, or a new one, a member at ``connection``."""
    person = person or PersonFactory(organization=connection.organization)
    MemberFactory(connection=connection, person=person, **fields)
    return person


def address(grant: Grant, rest: str = "") -> str:
    return f"/o/{grant.organization.slug}/people/{rest}"


def body(answer: object) -> str:
    return answer.content.decode()  # type: ignore[attr-defined]  # the test client's


def found(client: Client, grant: Grant, query: str) -> set[str]:
    """The addresses that the list shows."""
    html = body(client.get(address(grant, query)))
    return {part.split("<")[0] for part in html.split('data-label="Email">')[1:]}


# --- The list ------------------------------------------------------------------------------------


def test_a_person_stands_once_with_a_badge_for_each_provider(
    alice: Grant, client: Client, anthropic: Connection, cline: Connection
) -> None:
    person = join(anthropic, role="developer")
    join(cline, person, role="admin")
    html = body(client.get(address(alice)))
    assert html.count(f'id="row-{person.pk}"') == 1
    assert "Developer" in html
    assert "Admin" in html
    assert html.count("badge provider") == 2
    assert '<span class="state state-member">Member</span>' in html


def test_a_role_that_nobody_here_knows_is_shown_as_the_provider_says_it(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    join(anthropic, role="auditor_v2")
    assert "auditor_v2" in body(client.get(address(alice)))


def test_filters_of_provider_and_role_speak_of_the_same_membership(
    alice: Grant, client: Client, anthropic: Connection, cline: Connection
) -> None:
    both = join(anthropic, role="user")
    join(cline, both, role="admin")
    other = join(anthropic, role="admin")
    assert found(client, alice, "?role=admin") == {both.email, other.email}
    assert found(client, alice, "?role=admin&provider=anthropic") == {other.email}
    assert found(client, alice, f"?role=admin&connection={cline.pk}") == {both.email}
    assert found(client, alice, f"?provider=cline&connection={anthropic.pk}") == set()


@pytest.mark.parametrize("cap", [10_000, 0], ids=["looked up", "walked"])
def test_people_are_found_by_their_state(
    alice: Grant,
    client: Client,
    anthropic: Connection,
    cap: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PeopleList, "count_cap", cap)
    here = join(anthropic)
    left = join(anthropic, gone_at=timezone.now())
    back = join(anthropic, gone_at=timezone.now())
    join(anthropic, back)
    invited = InviteFactory(connection=anthropic, person__organization=alice.organization).person
    assert found(client, alice, "?state=member") == {here.email, back.email}
    assert found(client, alice, "?state=left") == {left.email}
    assert found(client, alice, "?state=invited") == {invited.email}


def test_people_of_other_organizations_are_never_shown(alice: Grant, client: Client) -> None:
    stranger = MemberFactory().person
    assert found(client, alice, f"?q={stranger.email}") == set()
    for rest in (f"{stranger.pk}/", f"rows/?id={stranger.pk}"):
        answer = client.get(address(alice, rest))
        assert stranger.email not in body(answer)
    assert client.get(address(alice, f"{stranger.pk}/")).status_code == 404


@pytest.mark.parametrize("rest", ["{n}/", "{n}/1/role/", "1/{n}/role/", "1/{n}/remove/"])
def test_numbers_that_nothing_can_have_are_not_found(
    alice: Grant, client: Client, rest: str
) -> None:
    where = address(alice, rest.format(n=10**30))
    assert client.post(where).status_code in (404, 405)
    assert client.get(where).status_code in (404, 405)


@pytest.mark.parametrize("few", [50, 0], ids=["looked at", "looked for"])
def test_a_row_in_flight_says_so_and_is_asked_for_until_it_has_settled(
    alice: Grant, client: Client, anthropic: Connection, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.members.standing.FEW", few)
    CommandFactory(connection=anthropic, target="members:somebody_else", state="sending")
    person = join(anthropic)
    still = join(anthropic)
    member = person.members.get()
    command = CommandFactory(connection=anthropic, target=member.target, state="sending")
    html = body(client.get(address(alice)))
    assert f'hx-get="{address(alice, f"rows/?id={person.pk}")}"' in html
    assert f'id="row-{still.pk}"' in html
    again = body(client.get(address(alice, f"rows/?id={person.pk}")))
    assert 'hx-trigger="every 1s"' in again
    Command.objects.filter(pk=command.pk).update(state=CommandState.SUCCEEDED)
    settled = body(client.get(address(alice, f"rows/?id={person.pk}")))
    assert f'<tr id="row-{person.pk}" hx-swap-oob="true">' in settled
    assert "hx-trigger" not in settled


def test_without_a_connection_the_list_leads_to_connecting(alice: Grant, client: Client) -> None:
    html = body(client.get(address(alice)))
    assert "No account is connected yet" in html
    assert f"/o/{alice.organization.slug}/connections/new/" in html


def test_during_the_first_walk_the_list_leads_to_its_progress(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    assert "first look" in body(client.get(address(alice)))
    Resource.objects.create(connection=anthropic, name="members", completed_at=timezone.now())
    assert "Nobody is there yet" in body(client.get(address(alice)))


def test_a_search_without_hits_leads_back_to_everybody(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    join(anthropic)
    html = body(client.get(address(alice, "?q=nosuchperson")))
    assert "Nobody matches" in html
    assert f'href="{address(alice, "?view=all")}"' in html


def test_a_viewer_sees_neither_checkboxes_nor_bulk_actions(
    alice: Grant, anthropic: Connection
) -> None:
    join(anthropic)
    viewer = GrantFactory(organization=alice.organization, role=Role.VIEWER)
    client = Client()
    client.force_login(viewer.user)
    html = body(client.get(address(alice)))
    assert 'name="id"' not in html
    assert "bulk-bar" not in html


# --- One person ----------------------------------------------------------------------------------


def test_a_person_shows_memberships_invites_and_what_has_happened(
    alice: Grant, client: Client, anthropic: Connection, cline: Connection
) -> None:
    person = join(anthropic, role="developer")
    InviteFactory(connection=cline, person=person, role="member")
    member = person.members.get()
    CommandFactory(
        connection=anthropic,
        kind="members.change_role",
        target=member.target,
        label=person.email,
        before={"role": "user"},
        arguments={"remote_id": member.remote_id, "role": "developer"},
        state=CommandState.SUCCEEDED,
        settled_at=timezone.now() - timedelta(hours=2),
        actor=alice.user,
    )
    RemoteChange.objects.create(
        organization=alice.organization,
        connection=anthropic,
        resource="members",
        remote_id=member.remote_id,
        label=person.email,
        what="changed",
        difference={"role": ["developer", "user"]},
        at=timezone.now() - timedelta(hours=1),
    )
    html = body(client.get(address(alice, f"{person.pk}/")))
    assert "Cline team" in html
    assert "Resend" in html
    assert html.index("Changed at the provider") < html.index("Change role</a>")
    assert "role: developer → user" in html


def test_lines_of_the_audit_log_on_a_person_are_on_the_timeline(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    person = join(anthropic)
    record(
        organization=alice.organization,
        actor=alice.user,
        verb="people.noted",
        target=person,
        label=person.email,
    )
    assert "people.noted" in body(client.get(address(alice, f"{person.pk}/")))


def test_a_locked_role_is_explained_and_offers_no_change(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    person = join(anthropic, role="admin")
    html = body(client.get(address(alice, f"{person.pk}/")))
    assert "does not let its API" in html
    assert "Change role</button>" not in html
    remove = address(alice, f"{person.pk}/{person.members.get().pk}/remove/")
    assert remove not in html
    assert client.post(remove).status_code == 200
    assert not Command.objects.exists()


def test_a_paused_connection_says_so_in_place_of_what_it_cannot_do(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    person = join(anthropic, role="user")
    anthropic.resources.create(name="members", completed_at=timezone.now(), due_at=timezone.now())
    where = address(alice, f"{person.pk}/")
    assert "Change role</button>" in body(client.get(where))

    Connection.objects.update(state=Connection.State.PAUSED)
    html = body(client.get(where))
    assert "This connection is paused. Resume it first." in html
    assert "Change role</button>" not in html
    assert "· paused" in html
    assert ", next" not in html


def test_a_former_role_is_named_as_everywhere(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    person = join(anthropic, role="claude_code_user")
    person.members.update(gone_at=timezone.now())
    assert "Claude Code user, gone" in body(client.get(address(alice, f"{person.pk}/")))


def test_a_viewer_sees_a_person_and_can_change_nothing(alice: Grant, anthropic: Connection) -> None:
    person = join(anthropic)
    viewer = GrantFactory(organization=alice.organization, role=Role.VIEWER)
    client = Client()
    client.force_login(viewer.user)
    html = body(client.get(address(alice, f"{person.pk}/")))
    assert "Change role</button>" not in html
    member = person.members.get().pk
    for rest in (f"{person.pk}/{member}/role/", f"{person.pk}/{member}/remove/"):
        assert client.post(address(alice, rest), {"role": "developer"}).status_code == 403
    assert not Command.objects.exists()


def test_another_role_is_asked_for_once_and_shows_in_flight(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    person = join(anthropic, role="user")
    where = address(alice, f"{person.pk}/{person.members.get().pk}/role/")
    for _ in range(2):
        answer = client.post(where, {"role": "developer", "nonce": "n1"}, follow=True)
    command = Command.objects.get()
    assert command.arguments["role"] == "developer"
    html = body(answer)
    assert "A change is on its way" in html
    assert 'hx-trigger="every 1s"' in html
    change = body(client.get(f"/o/{alice.organization.slug}/activity/{command.uid}/"))
    assert "Id at the provider: " in change
    assert "remote_id" not in change
    assert "Change role</button>" not in html


def test_the_memberships_alone_answer_while_a_change_is_on_its_way(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    person = join(anthropic)
    answer = client.get(
        address(alice, f"{person.pk}/"), HTTP_HX_REQUEST="true", HTTP_HX_TARGET="memberships"
    )
    assert body(answer).strip().startswith("<section")
    assert "personSettled" in json.loads(answer["HX-Trigger"]), "nothing is on its way any more"


def test_what_has_happened_alone_answers_where_it_is_drawn_anew(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    person = join(anthropic)
    answer = client.get(
        address(alice, f"{person.pk}/"), HTTP_HX_REQUEST="true", HTTP_HX_TARGET="timeline"
    )
    html = body(answer).strip()
    assert html.startswith('<section class="card" id="timeline"')
    assert "What has happened" in html
    assert "<html" not in html


def test_where_htmx_asks_for_a_role_the_memberships_alone_answer_and_a_toast_says_how_it_went(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    person = join(anthropic, role="user")
    where = address(alice, f"{person.pk}/{person.members.get().pk}/role/")
    htmx = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "memberships"}
    said = {}
    for role in ("astronaut", "developer"):
        answer = client.post(where, {"role": role}, **htmx)
        assert body(answer).strip().startswith("<section")
        said[role] = json.loads(answer["HX-Trigger"])["toast"]
    assert said["astronaut"]["level"] == "danger"
    assert said["developer"]["level"] == "info"
    assert "A change is on its way" in body(answer)
    assert "personSettled" not in json.loads(answer["HX-Trigger"])
    assert Command.objects.get().arguments["role"] == "developer"


def test_a_role_that_cannot_be_given_is_refused_in_words(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    person = join(anthropic)
    where = address(alice, f"{person.pk}/{person.members.get().pk}/role/")
    html = body(client.post(where, {"role": "admin"}, follow=True))
    assert "Choose one of the roles" in html
    assert not Command.objects.exists()


def test_a_role_that_somebody_has_is_named_as_everywhere(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    person = join(anthropic, role="claude_code_user")
    where = address(alice, f"{person.pk}/{person.members.get().pk}/role/")
    assert "Already Claude Code user." in body(client.post(where, {"role": "claude_code_user"}))


def test_the_providers_refusal_of_a_role_stands_beside_the_role_that_was_chosen(
    alice: Grant, client: Client, anthropic: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.sync.asking.await_word", refuse)
    person = join(anthropic, role="user")
    where = address(alice, f"{person.pk}/{person.members.get().pk}/role/")
    htmx = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "memberships"}
    for headers, status in (({}, 422), (htmx, 200)):  # htmx exchanges nothing for an error
        answer = client.post(where, {"role": "developer", "nonce": "once"}, **headers)
        assert answer.status_code == status
        form = body(answer).split('action="' + where)[1].partition("</form>")[0]
        assert '<option value="developer" selected>' in form
        assert "is-invalid" in form
        assert "The provider says no." in form
        Command.objects.all().delete()


def test_the_providers_refusal_of_a_removal_stands_where_it_was_asked_for(
    alice: Grant, client: Client, anthropic: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.sync.asking.await_word", refuse)
    person = join(anthropic)
    answer = client.post(address(alice, f"{person.pk}/{person.members.get().pk}/remove/"))
    assert answer.status_code == 422
    assert "The provider says no." in body(answer)
    assert "What stays behind" in body(answer)


def test_a_removal_that_a_second_person_must_approve_is_not_said_to_be_on_its_way(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    Organization.objects.update(demand_second_person=True)
    person = join(anthropic)
    where = address(alice, f"{person.pk}/{person.members.get().pk}/remove/")
    html = body(client.post(where, {"nonce": "n1"}, follow=True))
    assert "A second person must approve it" in html
    assert "On its way." not in html


def test_a_removal_says_first_what_stays_behind(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    person = join(anthropic)
    where = address(alice, f"{person.pk}/{person.members.get().pk}/remove/")
    html = body(client.get(where))
    assert "What stays behind" in html
    assert "API keys" in html
    assert not Command.objects.exists()
    client.post(where, {"nonce": "n1"})
    assert Command.objects.get().kind == "members.remove"


def test_a_membership_under_another_person_is_a_404(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    one, other = join(anthropic), join(anthropic)
    where = address(alice, f"{one.pk}/{other.members.get().pk}/role/")
    assert client.post(where, {"role": "developer"}).status_code == 404


# --- Queries -------------------------------------------------------------------------------------


def test_a_person_takes_as_many_queries_for_many_memberships_and_events_as_for_one(
    alice: Grant, client: Client, anthropic: Connection
) -> None:
    person = join(anthropic)
    InviteFactory(connection=anthropic, person=person)

    def queries() -> int:
        with CaptureQueriesContext(database) as seen:
            client.get(address(alice, f"{person.pk}/"))
        return len(seen)

    queries()
    few = queries()
    for n in range(5):
        join(anthropic, person)
        InviteFactory(connection=anthropic, person=person)
        CommandFactory(
            connection=anthropic,
            target=f"invites:{person.email}",
            kind="invites.invite",
            arguments={"email": person.email, "role": "user"},
            state=CommandState.SUCCEEDED,
            label=f"{n}",
        )
    assert queries() <= few + 1
