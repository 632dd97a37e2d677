"""The pages of keys, as an owner uses them."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection as database
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import gettext_lazy

from apps.keys import findings, lists
from apps.keys.findings import Finding
from apps.keys.models import Key, SharedKey
from apps.members.models import Member
from apps.organizations.models import Connection, Grant, Role
from apps.sync.models import Batch, Command, CommandState
from apps.ui.listing import Column
from tests.browsing import at_desk, refuse, tired
from tests.factories import (
    ConnectionFactory,
    GrantFactory,
    KeyFactory,
    MemberFactory,
    WorkspaceFactory,
    WorkspaceMemberFactory,
    with_workspaces,
)

pytestmark = pytest.mark.django_db
At = Callable[..., str]


def body(answer: object) -> str:
    return answer.content.decode()  # type: ignore[attr-defined]  # the test client's


def shown(client: Client, address: str) -> set[str]:
    """The names in the list."""
    rows = body(client.get(address)).split('class="row-link"')[1:]
    return {row.partition(">")[2].partition("<")[0] for row in rows}


def leave(member: Member) -> None:
    Member.objects.filter(pk=member.pk).update(gone_at=timezone.now())


# --- The list ------------------------------------------------------------------------------------


def test_a_row_says_whose_a_key_is_and_where_it_belongs(
    olga: Client, at: At, anthropic: Connection, maker: Member
) -> None:
    workspace = WorkspaceFactory(connection=anthropic, name="Checkout production")
    KeyFactory(
        connection=anthropic,
        name="checkout-api",
        hint="sk-ant-api03-h7K...x2AA",
        workspace=workspace.remote_id,
        maker=maker,
        expires_at=None,
    )
    page = body(olga.get(at()))
    assert "checkout-api" in page
    assert "sk-ant-api03-h7K...x2AA" in page
    assert "Checkout production" in page
    assert f"/people/{maker.person_id}/" in page
    assert "never" in page
    assert "Last used" not in page, "no connection tells it: an empty column is noise"


def test_a_providers_last_use_is_a_column_where_one_tells_it(
    olga: Client, at: At, cline: Connection
) -> None:
    used = timezone.now() - timedelta(days=3)
    KeyFactory(connection=cline, name="nightly export", workspace=None, last_used_at=used)
    page = body(olga.get(at()))
    assert "Last used" in page
    assert "3 days ago" in page
    assert ">never<" not in page, "nobody says that these keys never expire"


def test_a_key_whose_date_has_passed_is_expired_before_any_walk(
    olga: Client, at: At, anthropic: Connection
) -> None:
    passed = timezone.now() - timedelta(minutes=1)
    KeyFactory(connection=anthropic, name="late", expires_at=passed)
    KeyFactory(connection=anthropic, name="good")
    assert shown(olga, at("?status=expired")) == {"late"}
    assert shown(olga, at("?status=active")) == {"good"}
    assert shown(olga, at("?finding=expired")) == {"late"}


def test_gone_keys_are_shown_to_those_who_ask(olga: Client, at: At, cline: Connection) -> None:
    KeyFactory(connection=cline, name="deleted", gone_at=timezone.now())
    KeyFactory(connection=cline, name="there")
    assert shown(olga, at()) == {"there"}
    assert shown(olga, at("?status=gone")) == {"deleted"}


@pytest.mark.parametrize(
    ("finding", "found"),
    [
        ("creator_left", {"orphan", "of a stranger"}),
        ("no_role", {"stray"}),
        ("expiring", {"soon"}),
        ("never_expires", {"orphan", "of a stranger", "stray", "twin", "machine"}),
        ("twins", {"twin"}),
        ("default_workspace", {"orphan", "of a stranger", "soon", "twin", "machine"}),
        ("expired", set()),
    ],
)
def test_each_finding_answers_its_question(
    olga: Client, at: At, anthropic: Connection, maker: Member, finding: str, found: set[str]
) -> None:
    gone: Member = MemberFactory(connection=anthropic, person=maker.person)
    leave(gone)
    workspace = WorkspaceFactory(connection=anthropic)
    other = WorkspaceFactory(connection=anthropic)
    WorkspaceMemberFactory(workspace=workspace, member=maker)
    never, later = None, timezone.now() + timedelta(days=300)

    def make(name: str, **more: object) -> None:
        KeyFactory(connection=anthropic, name=name, **more)

    make("orphan", maker=gone, expires_at=never)
    make("of a stranger", creator="user_nobody", expires_at=never)
    make("stray", maker=maker, workspace=other.remote_id, expires_at=never)
    make("in place", maker=maker, workspace=workspace.remote_id, expires_at=later)
    make("soon", maker=maker, expires_at=timezone.now() + timedelta(days=29))
    make("twin", maker=maker, expires_at=never)
    make("twin", maker=maker, expires_at=never)
    make("machine", creator="svac_1", creator_kind="service_account", expires_at=never)
    make("asleep", maker=gone, status="inactive", expires_at=never)
    make("twin", maker=gone, status="archived", expires_at=never)
    assert shown(olga, at(f"?finding={finding}")) == found


def test_nobody_has_left_before_the_members_were_walked_whole(
    olga: Client, at: At, anthropic: Connection
) -> None:
    anthropic.resources.update(completed_at=None)
    KeyFactory(connection=anthropic, name="early", creator="user_unseen")
    assert shown(olga, at("?finding=creator_left")) == set()
    assert "tone-danger" not in body(olga.get(at()))


def test_keys_of_a_disconnected_account_are_no_finding(
    olga: Client, at: At, anthropic: Connection
) -> None:
    KeyFactory(connection=anthropic, name="old", creator="user_gone")
    Connection.objects.update(state=Connection.State.DISCONNECTED)
    assert shown(olga, at("?finding=creator_left")) == set()
    assert shown(olga, at()) == {"old"}


def test_search_and_workspace_narrow_the_list(olga: Client, at: At, anthropic: Connection) -> None:
    workspace = WorkspaceFactory(connection=anthropic, name="Search")
    KeyFactory(connection=anthropic, name="indexer", workspace=workspace.remote_id)
    KeyFactory(connection=anthropic, name="other", hint="sk-ant-api03-abc...zz9A")
    assert shown(olga, at("?q=zz9A")) == {"other"}
    assert shown(olga, at(f"?workspace={workspace.remote_id}")) == {"indexer"}
    assert shown(olga, at("?workspace=default")) == {"other"}


def test_the_csv_has_what_the_page_has_and_no_formula(
    olga: Client, at: At, anthropic: Connection, maker: Member
) -> None:
    KeyFactory(connection=anthropic, name="=cmd()", maker=maker, status="inactive")
    answer = olga.get(at("?export=csv"))
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]  # streamed
    headings = text.splitlines()[0].split(",")
    assert all(headings)
    assert "Actions" not in headings, "there is nothing to press in a file"
    assert '<span class="visually-hidden">Actions</span>' in body(olga.get(at()))
    assert "'=cmd()" in text
    assert "Inactive" in text
    assert "Ada Park" in text
    assert "Default workspace" in text


def test_without_a_connection_or_the_right_to_read_keys_the_page_says_what_to_do(
    olga: Client, at: At, owner: Grant
) -> None:
    assert "No account is connected yet" in body(olga.get(at()))
    ConnectionFactory(
        organization=owner.organization,
        capabilities={"keys.read": {"ok": False, "reason": "Only admins may list keys."}},
    )
    page = body(olga.get(at()))
    assert "No connection may read keys" in page
    assert "Only admins may list keys." in page


def test_the_page_says_what_is_done_elsewhere_and_where(
    olga: Client, at: At, anthropic: Connection, cline: Connection
) -> None:
    page = body(olga.get(at()))
    assert "that is done in the Claude Console" in page
    assert "https://platform.claude.com/settings/keys" in page
    assert "can neither rename a key" in page
    assert "Create a key" in page, "Cline's API can"


def test_shared_provider_keys_are_names_and_no_more(
    olga: Client, at: At, cline: Connection
) -> None:
    now = timezone.now()
    SharedKey.objects.create(
        connection=cline, remote_id="litellm", first_seen_at=now, changed_at=now
    )
    page = body(olga.get(at()))
    assert "Provider keys shared with members" in page
    assert "litellm •••" in page


@pytest.mark.parametrize("address", ["", "?finding=creator_left", "?finding=twins", "hygiene/"])
def test_ten_thousand_keys_take_the_queries_of_ten(
    olga: Client, at: At, anthropic: Connection, maker: Member, address: str
) -> None:
    counts = []
    for count in (10, 10_000):
        made = [
            KeyFactory.build(
                connection=anthropic,
                name=f"key {number % (count // 2)}",
                creator=("user_left", str(maker.remote_id), "")[number % 3],
                remote_id=f"apikey_{count}_{number}",
            )
            for number in range(count)
        ]
        Key.objects.bulk_create(made, batch_size=1000)
        olga.get(at(address))
        with CaptureQueriesContext(database) as captured:
            assert olga.get(at(address)).status_code == 200
        counts.append(len(captured))
    assert counts[1] <= counts[0] + 1, "one more counts the rows beyond the page"


def test_a_higher_shelf_adds_a_column_and_a_question(
    olga: Client, at: At, anthropic: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "_columns", {})
    monkeypatch.setattr(findings, "FINDINGS", dict(findings.FINDINGS))

    def prepare(page: lists.KeyList, keys: list[Key]) -> None:
        for key in keys:
            key.tokens = f"{len(key.name)} tokens"  # type: ignore[attr-defined]  # for the column

    lists.add_column(Column(key="tokens", label="Tokens"), prepare)
    findings.add(
        Finding(
            "long", "low", gettext_lazy("Long"), gettext_lazy("Is long."), lambda: Q(name="abc")
        )
    )
    KeyFactory(connection=anthropic, name="abc")
    KeyFactory(connection=anthropic, name="other")
    assert "3 tokens" in body(olga.get(at()))
    assert shown(olga, at("?finding=long")) == {"abc"}
    assert "Is long." in body(olga.get(at("hygiene/")))


# --- One key -------------------------------------------------------------------------------------


def test_a_keys_page_says_what_is_wrong_with_it_and_what_has_been_asked_for(
    olga: Client, at: At, anthropic: Connection
) -> None:
    key = KeyFactory(connection=anthropic, name="orphan", creator="user_left")
    olga.post(at(f"{key.pk}/deactivate/"))
    page = body(olga.get(at(f"{key.pk}/")))
    assert "Creator has left" in page
    assert "Deactivate key" in page
    assert "Queued" in page


def test_switching_off_is_one_press_and_twice_is_once(
    olga: Client, at: At, anthropic: Connection
) -> None:
    key = KeyFactory(connection=anthropic)
    for _ in range(2):
        olga.post(at(f"{key.pk}/deactivate/"), {"nonce": "n1"})
    command = Command.objects.get()
    assert command.kind == "keys.deactivate"
    asked = {"remote_id": key.remote_id, "hint": key.hint, "status": "inactive"}
    assert command.arguments == asked


def test_a_row_redraws_itself_when_its_button_is_pressed(
    olga: Client, at: At, anthropic: Connection
) -> None:
    key = KeyFactory(connection=anthropic)
    answer = olga.post(at(f"{key.pk}/deactivate/"), headers={"HX-Request": "true"})
    assert f'id="row-{key.pk}"' in body(answer)
    assert "Queued" in body(answer)


def test_a_name_is_changed_after_it_was_checked(
    olga: Client, at: At, anthropic: Connection
) -> None:
    key = KeyFactory(connection=anthropic, name="old")
    assert "This field is required" in body(olga.post(at(f"{key.pk}/rename/"), {"name": ""}))
    assert "Has that name already" in body(olga.post(at(f"{key.pk}/rename/"), {"name": "old"}))
    assert not Command.objects.exists()
    olga.post(at(f"{key.pk}/rename/"), {"name": "new"})
    assert Command.objects.get().arguments["name"] == "new"


def test_archiving_wants_the_name_typed_and_a_fresh_sign_in(
    olga: Client, at: At, anthropic: Connection
) -> None:
    key = KeyFactory(connection=anthropic, name="checkout-api")
    page = body(olga.get(at(f"{key.pk}/archive/")))
    assert "Nobody can bring it back" in page
    assert "This is not the name" in body(olga.post(at(f"{key.pk}/archive/"), {"typed": "other"}))
    assert not Command.objects.exists()
    olga.post(at(f"{key.pk}/archive/"), {"typed": "checkout-api"})
    assert Command.objects.get().kind == "keys.archive"
    Command.objects.all().delete()
    answer = tired(olga).post(at(f"{key.pk}/archive/"), {"typed": "checkout-api"})
    assert "reauthenticate" in answer["Location"]
    assert not Command.objects.exists()


@pytest.mark.parametrize(
    ("place", "typed"),
    [("rename", {"name": "new"}), ("archive", {"typed": "old"}), ("delete", {"typed": "old"})],
)
def test_the_providers_refusal_stands_beside_the_field_and_what_was_typed_stays(
    olga: Client,
    at: At,
    anthropic: Connection,
    cline: Connection,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    typed: dict[str, str],
) -> None:
    monkeypatch.setattr("apps.sync.asking.await_word", refuse)
    key = KeyFactory(connection=cline if place == "delete" else anthropic, name="old")
    answer = olga.post(at(f"{key.pk}/{place}/"), {**typed, "nonce": "once"})
    field = body(answer).split('<div class="mb-3">')[1]
    assert answer.status_code == 422
    assert "is-invalid" in field
    assert "The provider says no." in field
    assert f'value="{next(iter(typed.values()))}"' in field
    assert 'value="once"' not in body(answer), "the next one is a new wish"
    olga.post(at(f"{key.pk}/{place}/"), {**typed, "nonce": "twice"})
    assert Command.objects.filter(state=CommandState.REJECTED).count() == 2


def test_archiving_waits_for_a_second_person_where_one_is_demanded(
    olga: Client, at: At, anthropic: Connection, owner: Grant
) -> None:
    owner.organization.demand_second_person = True
    owner.organization.save()
    key = KeyFactory(connection=anthropic, name="checkout-api")
    olga.post(at(f"{key.pk}/archive/"), {"typed": "checkout-api"})
    assert Command.objects.get().state == CommandState.AWAITING_APPROVAL


def test_the_connections_own_key_is_marked_and_left_alone(
    olga: Client, at: At, cline: Connection
) -> None:
    key = KeyFactory(connection=cline, name="orgdesk", is_own=True)
    assert "connection's own" in body(olga.get(at()))
    page = body(olga.get(at(f"{key.pk}/")))
    assert "only a part of it, so this may be another one" in page
    assert "the key that the connection itself uses" in body(
        olga.post(at(f"{key.pk}/delete/"), {"typed": "orgdesk"})
    )
    assert not Command.objects.exists()


def test_a_key_is_made_where_the_provider_can(olga: Client, at: At, cline: Connection) -> None:
    page = body(olga.get(at("new/")))
    assert "Cline, as ada@northgate.example" in page
    sent = {"connection": cline.pk, "name": "nightly export", "nonce": "n1"}
    answer = olga.post(at("new/"), sent)
    command = Command.objects.get()
    assert (command.kind, command.label) == ("keys.create", "nightly export")
    assert str(command.uid) in answer["Location"]


def test_where_no_provider_can_make_keys_the_page_says_so(
    olga: Client, at: At, anthropic: Connection
) -> None:
    page = body(olga.get(at("new/")))
    assert "No connection can create keys" in page
    assert "that is done in the Claude Console" in page


@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_those_who_only_read_see_no_buttons_and_get_no_further(
    at: At, anthropic: Connection, owner: Grant, role: Role
) -> None:
    key = KeyFactory(connection=anthropic, name="checkout-api", creator="user_left")
    reader = at_desk(GrantFactory(organization=owner.organization, role=role).user)
    for page in (at(), at(f"{key.pk}/"), at("hygiene/")):
        html = body(reader.get(page))
        assert "Deactivate" not in html
    assert reader.post(at(f"{key.pk}/deactivate/")).status_code == 403
    assert reader.get(at("new/")).status_code == 403


# --- Many keys -----------------------------------------------------------------------------------


def test_keys_whose_creator_has_left_are_reviewed_and_deactivated_in_two_steps(
    olga: Client, at: At, anthropic: Connection, maker: Member
) -> None:
    for name in ("a", "b", "c"):
        KeyFactory(connection=anthropic, name=name, creator="user_left")
    KeyFactory(connection=anthropic, name="fine", maker=maker)
    remedy = {"all": "1", "query": "finding=creator_left"}
    page = body(olga.post(at("bulk/deactivate/"), remedy, follow=True))
    assert "3 changes will be made" in page
    assert "fine" not in page
    assert not Command.objects.exclude(state=CommandState.DRAFT).exists()
    batch = Batch.objects.get()
    olga.post(f"/o/{batch.organization.slug}/activity/batches/{batch.uid}/confirm/")
    assert batch.commands.filter(state=CommandState.QUEUED).count() == 3


def test_what_cannot_be_done_stands_in_the_review_with_its_reason(
    olga: Client, at: At, anthropic: Connection, cline: Connection
) -> None:
    keys = [
        KeyFactory(connection=anthropic, name="asleep", status="inactive"),
        KeyFactory(connection=anthropic, name="buried", status="archived"),
        KeyFactory(connection=anthropic, name="late", status="expired"),
        KeyFactory(connection=cline, name="elsewhere"),
        KeyFactory(connection=anthropic, name="good"),
    ]
    chosen = {"id": [key.pk for key in keys]}
    page = body(olga.post(at("bulk/deactivate/"), chosen, follow=True))
    assert "1 change will be made" in page
    for reason in ("Is inactive already", "It is archived", "It has expired", "cannot do this"):
        assert reason in page


def test_a_batch_that_is_final_is_confirmed_by_typing_and_a_fresh_sign_in(
    olga: Client, at: At, anthropic: Connection
) -> None:
    keys = [KeyFactory(connection=anthropic), KeyFactory(connection=anthropic)]
    chosen = {"id": [key.pk for key in keys]}
    page = body(olga.post(at("bulk/archive/"), chosen, follow=True))
    assert "Type 2 to go on" in page
    batch = Batch.objects.get()
    confirm = f"/o/{batch.organization.slug}/activity/batches/{batch.uid}/confirm/"
    assert "Type 2 to confirm" in body(olga.post(confirm, {"typed": "3"}, follow=True))
    assert "reauthenticate" in tired(olga).post(confirm, {"typed": "2"})["Location"]
    assert not batch.commands.exclude(state=CommandState.DRAFT).exists()
    at_desk_again = at_desk(batch.actor)
    at_desk_again.post(confirm, {"typed": "2"})
    assert batch.commands.filter(state=CommandState.QUEUED).count() == 2


def test_many_names_are_changed_by_one_rule(olga: Client, at: At, anthropic: Connection) -> None:
    keys = [KeyFactory(connection=anthropic, name=f"legacy-{one}") for one in ("a", "b")]
    chosen = {"id": [key.pk for key in keys]}
    assert "names of 2 keys" in body(olga.post(at("bulk/rename/"), chosen))
    empty = olga.post(at("bulk/rename/"), {**chosen, "nonce": "n1"})
    assert "Say what is to become" in body(empty)
    rule = {**chosen, "nonce": "n2", "find": "legacy-", "by": "", "before": "eu-", "after": ""}
    page = body(olga.post(at("bulk/rename/"), rule, follow=True))
    assert "“legacy-a” becomes “eu-a”" in page
    wanted = {one.arguments["name"] for one in Batch.objects.get().commands.all()}
    assert wanted == {"eu-a", "eu-b"}


def test_choosing_nothing_is_an_error(olga: Client, at: At, anthropic: Connection) -> None:
    assert olga.post(at("bulk/deactivate/")).status_code == 400


# --- Hygiene -------------------------------------------------------------------------------------


def test_the_report_names_each_finding_with_its_remedy_the_gravest_first(
    olga: Client, at: At, anthropic: Connection
) -> None:
    KeyFactory(connection=anthropic, name="orphan", creator="user_left")
    page = body(olga.get(at("hygiene/")))
    assert page.index("Creator has left") < page.index("Never expires")
    assert "See 1 key" in page
    assert 'value="finding=creator_left"' in page
    assert page.index("Never expires") < page.index("Expires within 30 days"), "nothing found: last"


def test_the_reports_csv_has_a_line_for_each_key_and_finding(
    olga: Client, at: At, anthropic: Connection
) -> None:
    KeyFactory(connection=anthropic, name="orphan", creator="user_left")
    answer = olga.get(at("hygiene/?export=csv"))
    lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]  # streamed
    assert lines[0].lstrip("\ufeff").startswith("Severity,Finding,Name")
    found = {tuple(line.split(",")[:3]) for line in lines[1:]}
    assert ("High", "Creator has left", "orphan") in found
    assert ("Low", "Never expires", "orphan") in found
    assert olga.get(at("hygiene/?export=pdf")).status_code == 404


# --- A person ------------------------------------------------------------------------------------


def test_a_persons_page_shows_the_keys_they_made(
    olga: Client, owner: Grant, anthropic: Connection, maker: Member
) -> None:
    KeyFactory(connection=anthropic, name="adas-key", maker=maker)
    KeyFactory(connection=anthropic, name="somebody-elses", creator="user_other")
    page = body(olga.get(f"/o/{owner.organization.slug}/people/{maker.person_id}/"))
    assert "adas-key" in page
    assert "somebody-elses" not in page


def test_the_overview_counts_keys_of_people_who_left(
    olga: Client, owner: Grant, anthropic: Connection
) -> None:
    KeyFactory(connection=anthropic, creator="user_left")
    page = body(olga.get(f"/o/{owner.organization.slug}/"))
    assert "Orphaned keys" in page
    assert "of 1 usable key" in page


# --- Removing people -----------------------------------------------------------------------------


def people(owner: Grant, rest: str) -> str:
    return f"/o/{owner.organization.slug}/people/{rest}"


def test_removing_a_person_offers_their_keys_and_reviews_both_together(
    olga: Client, owner: Grant, anthropic: Connection, maker: Member
) -> None:
    KeyFactory(connection=anthropic, name="works on", maker=maker)
    KeyFactory(connection=anthropic, name="asleep", maker=maker, status="inactive")
    remove = people(owner, f"{maker.person_id}/{maker.pk}/remove/")
    page = body(olga.get(remove))
    assert "1 API key of theirs works on" in page
    assert "asleep" not in page
    answer = olga.post(remove, {"nonce": "n1", "their_keys": "deactivate"}, follow=True)
    assert "2 changes will be made" in body(answer)
    kinds = set(Batch.objects.get().commands.values_list("kind", flat=True))
    assert kinds == {"members.remove", "keys.deactivate"}


def test_leaving_their_keys_removes_at_once_as_ever(
    olga: Client, owner: Grant, anthropic: Connection, maker: Member
) -> None:
    KeyFactory(connection=anthropic, maker=maker)
    remove = people(owner, f"{maker.person_id}/{maker.pk}/remove/")
    olga.post(remove, {"nonce": "n1", "their_keys": "leave"})
    assert [one.kind for one in Command.objects.all()] == ["members.remove"]


def test_removing_many_offers_their_keys_and_archiving_them_is_final(
    olga: Client, owner: Grant, anthropic: Connection, maker: Member
) -> None:
    other: Member = MemberFactory(connection=anthropic, person__organization=owner.organization)
    KeyFactory(connection=anthropic, maker=maker)
    KeyFactory(connection=anthropic, maker=other)
    chosen = {"id": [maker.person_id, other.person_id]}
    page = body(olga.post(people(owner, "bulk/remove/"), chosen))
    assert "2 API keys of theirs work on" in page
    sent = {**chosen, "nonce": "n1", "connection": anthropic.pk, "their_keys": "archive"}
    page = body(olga.post(people(owner, "bulk/remove/"), sent, follow=True))
    assert "4 changes will be made" in page
    assert "Type 4 to go on" in page


def test_nobody_is_asked_about_keys_that_nobody_made(
    olga: Client, owner: Grant, anthropic: Connection, maker: Member
) -> None:
    page = body(olga.post(people(owner, "bulk/remove/"), {"id": [maker.person_id]}, follow=True))
    assert "1 change will be made" in page


# --- A workspace ---------------------------------------------------------------------------------


def test_a_workspaces_page_shows_its_keys_and_archiving_it_names_those_that_end(
    olga: Client, owner: Grant, anthropic: Connection, maker: Member
) -> None:
    with_workspaces(anthropic).save()
    workspace = WorkspaceFactory(connection=anthropic, name="Checkout")
    KeyFactory(connection=anthropic, name="inside", maker=maker, workspace=workspace.remote_id)
    KeyFactory(connection=anthropic, name="outside", maker=maker)
    base = f"/o/{owner.organization.slug}/workspaces/{workspace.pk}/"
    page = body(olga.get(base))
    assert "inside" in page
    assert "outside" not in page
    page = body(olga.get(f"{base}archive/"))
    assert "1 API key that works now is refused from then on" in page
    assert "inside" in page
