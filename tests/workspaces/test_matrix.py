"""The matrix: many cells at once, what is locked, what has changed meanwhile, and CSV out and in."""

import re
from html import unescape
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.members.models import Member
from apps.organizations.models import Connection, Grant, Role
from apps.sync.models import Batch, CommandState
from apps.workspaces.matrix import ACROSS, Matrix
from apps.workspaces.models import Workspace, WorkspaceMember
from apps.workspaces.roles import hold_of
from tests.browsing import at_desk
from tests.factories import (
    CommandFactory,
    ConnectionFactory,
    GrantFactory,
    MemberFactory,
    PersonFactory,
    WorkspaceFactory,
    WorkspaceMemberFactory,
    with_workspaces,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_worker")]


def address(grant: Grant, rest: str = "") -> str:
    return f"/o/{grant.organization.slug}/workspaces/matrix/{rest}"


def body(answer: Any) -> str:
    text: str = answer.content.decode()
    return text


def member(connection: Connection, email: str, **fields: Any) -> Member:
    """A member of the organization."""
    person = PersonFactory(organization=connection.organization, email=email)
    made: Member = MemberFactory(connection=connection, person=person, **fields)
    return made


@pytest.fixture
def places(claude: Connection) -> list[Workspace]:
    """Five live workspaces."""
    return [WorkspaceFactory(connection=claude, name=f"Place {number}") for number in range(1, 6)]


@pytest.fixture
def ada(claude: Connection) -> Member:
    """Somebody to put somewhere."""
    return member(claude, "ada@example.com")


def cell(who: Member, where: Workspace, seen: str = "") -> str:
    return f"c.{who.pk}.{where.pk}.{seen}"


def asked(batch: Batch) -> list[tuple[str, str, str, str]]:
    return [
        (
            one.kind.partition(".")[2],
            one.label,
            one.arguments["name"],
            one.arguments.get("role", ""),
        )
        for one in batch.commands.order_by("pk")
    ]


# --- What an organization role is worth ----------------------------------------------------------


@pytest.mark.parametrize(
    ("organization_role", "listed", "role", "inherited", "choices"),
    [
        ("developer", "", "", False, ("user", "restricted_developer", "developer", "admin")),
        ("user", "user", "user", False, ("restricted_developer", "developer", "admin", "")),
        ("admin", "", "admin", True, ()),
        ("admin", "user", "admin", True, ()),
        ("billing", "billing", "billing", True, ("admin",)),
        ("billing", "", "billing", True, ("admin",)),
        ("billing", "admin", "admin", False, ("billing",)),
        ("", "billing", "billing", True, ()),
    ],
)
def test_what_may_be_made_of_a_role(
    organization_role: str, listed: str, role: str, inherited: bool, choices: tuple[str, ...]
) -> None:
    def spelled(name: str) -> str:
        return f"workspace_{name}" if name else ""

    hold = hold_of("anthropic", organization_role, spelled(listed))
    assert (hold.role, hold.inherited) == (spelled(role), inherited)
    assert set(hold.choices) == {spelled(one) for one in choices}
    assert bool(hold.why) == (inherited or organization_role == "billing")


# --- The table -----------------------------------------------------------------------------------


def test_cells_show_roles_locks_and_what_is_on_its_way(
    owner: Grant, olga: Client, claude: Connection, places: list[Workspace], ada: Member
) -> None:
    WorkspaceMemberFactory(workspace=places[0], member=ada, role="workspace_user")
    admin = member(claude, "root@example.com", role="admin")
    billing = member(claude, "bill@example.com", role="billing")
    CommandFactory(
        connection=claude,
        kind="workspaces.add_member",
        target=f"workspace_members:{places[1].remote_id}:{ada.remote_id}",
        arguments={"role": "workspace_admin", "name": "Place 2"},
    )
    shown = body(olga.get(address(owner)))
    assert f'name="{cell(ada, places[0], "workspace_user")}"' in shown
    assert f'name="{cell(ada, places[1])}"' not in shown, "a change of it is on its way"
    assert f'name="{cell(ada, places[2])}"' in shown
    assert f'name="c.{admin.pk}.' not in shown
    assert "Admins of the organization are admins of every workspace." in shown
    assert f'name="{cell(billing, places[0], "workspace_billing")}"' in shown
    assert 'aria-label="ada@example.com · Place 1"' in shown


def test_workspaces_are_shown_a_dozen_at_a_time_and_can_be_looked_for(
    owner: Grant, olga: Client, claude: Connection, ada: Member
) -> None:
    made = [WorkspaceFactory(connection=claude, name=f"P{n:03}") for n in range(ACROSS + 3)]
    WorkspaceFactory(connection=claude, name="Attic", state=Workspace.State.ARCHIVED)
    first = body(olga.get(address(owner)))
    assert first.count('<select class="form-select form-select-sm cell-role') == ACROSS
    assert "Workspaces 1 of 2" in first
    assert "Attic" not in first
    second = body(olga.get(address(owner, "?columns=2")))
    assert second.count('<select class="form-select form-select-sm cell-role') == 3
    assert made[-1].name in second
    only = body(olga.get(address(owner, "?workspace=p01&q=ada")))
    assert only.count('<select class="form-select form-select-sm cell-role') == 5
    assert "columns=2" not in only
    assert "Workspaces 2 of 2" in body(olga.get(address(owner, "?columns=99")))


def test_each_connection_has_its_own(
    owner: Grant, olga: Client, places: list[Workspace], ada: Member
) -> None:
    second = with_workspaces(
        ConnectionFactory.build(organization=owner.organization, name="Zweite")
    )
    second.save()
    WorkspaceFactory(connection=second, name="Elsewhere")
    bo = member(second, "bo@example.com")
    shown = body(olga.get(address(owner, f"?connection={second.pk}")))
    assert "Elsewhere" in shown
    assert bo.email in shown
    assert ada.email not in shown
    assert "Elsewhere" not in body(olga.get(address(owner)))


# --- Many cells at once --------------------------------------------------------------------------


def test_changed_cells_become_one_batch_and_the_others_nothing(
    owner: Grant, olga: Client, places: list[Workspace], ada: Member
) -> None:
    WorkspaceMemberFactory(workspace=places[0], member=ada, role="workspace_user")
    WorkspaceMemberFactory(workspace=places[1], member=ada, role="workspace_user")
    olga.post(
        address(owner, "review/"),
        {
            cell(ada, places[0], "workspace_user"): "",
            cell(ada, places[1], "workspace_user"): "workspace_admin",
            cell(ada, places[2]): "workspace_developer",
            cell(ada, places[3]): "",
            "query": "q=ada",
        },
    )
    batch = Batch.objects.get()
    assert asked(batch) == [
        ("remove_member", "ada@example.com", "Place 1", ""),
        ("change_member_role", "ada@example.com", "Place 2", "workspace_admin"),
        ("add_member", "ada@example.com", "Place 3", "workspace_developer"),
    ]
    assert {one.state for one in batch.commands.all()} == {CommandState.DRAFT}
    review = body(olga.get(f"/o/{owner.organization.slug}/activity/batches/{batch.uid}/"))
    assert "ada@example.com in Place 2: User becomes Admin." in review
    again = body(olga.get(address(owner, f"?from={batch.uid}")))
    assert 'value="ada"' in again, "the filter is back"
    assert '<option value="workspace_developer" selected>' in again, "and so are the edits"


def fields(page: str) -> dict[str, str]:
    """What the page's form sends as it stands: hidden fields and chosen roles."""
    form = page[page.index('<form id="table-form"') :]
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))
    for name, options in re.findall(r'<select [^>]*name="([^"]+)"[^>]*>(.*?)</select>', form):
        chosen = re.search(r'value="([^"]*)" selected', options)
        assert chosen, name
        hidden[name] = chosen[1]
    return {name: unescape(value) for name, value in hidden.items()}


def way(page: str, label: str) -> str:
    """What the button of that label sends."""
    found = re.search(rf'name="go" value="([^"]+)">[^<]*(?:<svg.*?</svg>)?[^<]*{label}', page)
    assert found, label
    return unescape(found[1])


def test_edits_come_along_from_page_to_page_without_any_script(
    owner: Grant, olga: Client, claude: Connection
) -> None:
    made = [WorkspaceFactory(connection=claude, name=f"P{n:03}") for n in range(ACROSS + 2)]
    for n in range(Matrix.per_page + 1):
        member(claude, f"p{n:03}@example.com")
    people = list(Member.objects.order_by("person__sort_name", "pk"))
    first, last = people[0], people[-1]
    start = body(olga.get(address(owner, "?q=example.com")))

    def go(page: str, label: str, **edits: str) -> str:
        sent = fields(page) | edits | {"go": way(page, label)}
        answer = olga.post(address(owner, "page/"), sent)
        assert answer.status_code == 200
        return body(answer)

    right = go(start, "More workspaces", **{cell(first, made[0]): "workspace_user"})
    assert "and 1 on other pages" in right
    below = go(right, "Next", **{cell(first, made[-1]): "workspace_admin"})
    assert "and 2 on other pages" in below
    assert cell(last, made[-1]) in fields(below)
    back = go(below, "Previous", **{cell(last, made[-1]): "workspace_developer"})
    assert fields(back)[cell(first, made[-1])] == "workspace_admin", "chosen as it was left"
    assert "q=example.com" in way(back, "Workspaces before"), "the filter stays"
    home = go(back, "Workspaces before", **{cell(first, made[-1]): ""})
    assert "and 1 on other pages" in home, "what was taken back is no edit any more"

    olga.post(address(owner, "review/"), fields(home))
    assert set(asked(Batch.objects.get())) == {
        ("add_member", first.email, "P000", "workspace_user"),
        ("add_member", last.email, made[-1].name, "workspace_developer"),
    }
    draft = body(olga.get(address(owner, f"?from={Batch.objects.get().uid}")))
    assert "and 1 on other pages" in draft, "correcting a review loses nothing either"


def test_edits_come_along_when_sorting_and_filtering(
    owner: Grant, olga: Client, claude: Connection
) -> None:
    lab = WorkspaceFactory(connection=claude, name="Lab")
    ada, bo = member(claude, "ada@example.com"), member(claude, "bo@example.com")
    start = body(olga.get(address(owner)))
    edit = {cell(ada, lab): "workspace_user"}
    more = address(owner, "page/")

    turned = body(olga.post(more, fields(start) | edit | {"go": way(start, "Name")}))
    assert turned.index("bo@example.com") < turned.index("ada@example.com")
    assert fields(turned)[cell(ada, lab)] == "workspace_user"
    # The filters belong to the form around the rows, and are sent without any "go".
    assert re.search(r'<input[^>]*name="q" form="table-form"', turned)
    asked_for = {"q": "bo@", "workspace": "", "role": "", "sort": "-name", "view": "all"}
    found = body(olga.post(more, fields(turned) | asked_for))
    assert cell(bo, lab) in fields(found)
    assert cell(ada, lab) not in fields(found)
    assert "and 1 on other pages" in found
    nobody = body(olga.post(more, fields(found) | asked_for | {"q": "nobody"}))
    assert "No row passes these filters" in nobody
    assert "and 1 on other pages" in nobody, "and can be reviewed from here too"
    cleared = body(olga.post(more, fields(nobody) | {"go": way(nobody, "Clear filters")}))
    assert fields(cleared)[cell(ada, lab)] == "workspace_user"
    # htmx exchanges the table alone, and shows the list's own address.
    htmx = {"HX-Request": "true", "HX-Target": "table"}
    part = olga.post(more, fields(turned) | asked_for, headers=htmx)
    assert "<html" not in body(part)
    assert "and 1 on other pages" in body(part)
    assert part["HX-Push-Url"] == address(owner, "?q=bo%40&sort=-name&view=all")

    olga.post(address(owner, "review/"), fields(nobody))
    assert asked(Batch.objects.get()) == [("add_member", ada.email, "Lab", "workspace_user")]


def test_pages_of_a_matrix_that_is_only_read_are_links(owner: Grant, claude: Connection) -> None:
    for n in range(ACROSS + 1):
        WorkspaceFactory(connection=claude, name=f"P{n:03}")
    member(claude, "ada@example.com")
    viewer = at_desk(GrantFactory(organization=owner.organization, role=Role.VIEWER).user)
    shown = body(viewer.get(address(owner)))
    assert 'name="go"' not in shown
    assert "?columns=2" in shown


def test_nothing_changed_is_nothing_to_review(
    owner: Grant, olga: Client, places: list[Workspace], ada: Member
) -> None:
    answer = olga.post(
        address(owner, "review/"), {cell(ada, places[0]): "", "query": "q=ada"}, follow=True
    )
    assert answer.request["QUERY_STRING"] == "q=ada"
    assert "No cell was changed" in body(answer)
    assert not Batch.objects.exists()


def test_what_changed_meanwhile_is_not_overwritten(
    owner: Grant, olga: Client, places: list[Workspace], ada: Member
) -> None:
    WorkspaceMemberFactory(workspace=places[0], member=ada, role="workspace_admin")
    olga.post(address(owner, "review/"), {cell(ada, places[0], "workspace_user"): ""})
    olga.post(address(owner, "review/"), {cell(ada, places[1], "workspace_user"): ""})
    assert [batch.refusals[0]["reason"] for batch in Batch.objects.order_by("pk")] == [
        "Is Admin there now.",
        "Is not in this workspace any more.",
    ]


@pytest.mark.parametrize("role", ["workspace_billing", "owner", "x" * 300])
def test_a_role_that_cannot_be_given_is_refused_before_anything_is_sent(
    role: str, owner: Grant, olga: Client, places: list[Workspace], ada: Member
) -> None:
    olga.post(address(owner, "review/"), {cell(ada, places[0]): role})
    batch = Batch.objects.get()
    assert not batch.commands.exists()
    assert "does not let" in batch.refusals[0]["reason"]


def test_another_tenants_cells_are_passed_over(
    owner: Grant, olga: Client, places: list[Workspace], ada: Member
) -> None:
    stranger = member(ConnectionFactory(), "eve@example.com")
    foreign = WorkspaceFactory(connection=stranger.connection)
    for who, where in ((stranger, places[0]), (ada, foreign), (stranger, foreign)):
        olga.post(address(owner, "review/"), {cell(who, where): "workspace_admin"})
    for odd in ("c.1", "c.x.1.", f"c.{'9' * 30}.1.", f"c.{ada.pk}.0."):
        olga.post(address(owner, "review/"), {odd: "workspace_admin"})
    assert not Batch.objects.exists()


# --- CSV -----------------------------------------------------------------------------------------


def upload(olga: Client, grant: Grant, text: str | bytes) -> Any:
    content = text.encode() if isinstance(text, str) else text
    return olga.post(address(grant, "csv/"), {"file": SimpleUploadedFile("roles.csv", content)})


def test_what_is_exported_can_be_read_back_and_asks_for_nothing(
    owner: Grant, olga: Client, claude: Connection, places: list[Workspace], ada: Member
) -> None:
    WorkspaceMemberFactory(workspace=places[0], member=ada, role="workspace_user")
    member(claude, "root@example.com", role="admin")
    WorkspaceFactory(connection=claude, name="Place 1")
    text = b"".join(olga.get(address(owner, "?export=csv"))).decode()  # type: ignore[arg-type]  # it streams
    head, line, _root = text.strip().splitlines()
    assert head.count(",") == 2 + 6
    assert f"Place 1 ({places[0].remote_id})" in head, "two of one name are told apart"
    assert line.startswith("Person")
    assert "workspace_user" in line
    answer = upload(olga, owner, text)
    assert answer.status_code == 422
    assert "Every role in this file is what it says already." in body(answer)
    assert not Batch.objects.exists()


def test_a_file_becomes_a_batch_and_says_which_lines_it_could_not_read(
    owner: Grant, olga: Client, claude: Connection, places: list[Workspace], ada: Member
) -> None:
    WorkspaceMemberFactory(workspace=places[0], member=ada, role="workspace_user")
    bo = member(claude, "bo@example.com")
    admin = member(claude, "root@example.com", role="admin")
    text = (
        "email;Place 1;Place 2;Cellar\n"
        "ADA@example.com;none;Admin;\n"
        f"{bo.email};;workspace_developer;workspace_user\n"
        f"{admin.email};workspace_user;;\n"
        "nobody@example.com;workspace_user;;\n"
        f"{bo.email};king;;\n"
        ";;;\n"
    )
    answer = upload(olga, owner, text)
    assert answer.status_code == 302, body(answer)
    batch = Batch.objects.get()
    assert asked(batch) == [
        ("remove_member", "ada@example.com", "Place 1", ""),
        ("add_member", "ada@example.com", "Place 2", "workspace_admin"),
        ("add_member", "bo@example.com", "Place 2", "workspace_developer"),
    ]
    refused = {one["label"]: one["reason"] for one in batch.refusals}
    assert refused["Cellar"] == "No workspace is called so."
    assert refused["nobody@example.com"] == "Line 5: is no member of the organization."
    assert refused["bo@example.com · Place 1"] == "Line 6: there is no role called king."
    assert "Change the organization role first" in refused["root@example.com · Place 1"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "The submitted file is empty"),
        ("name,Place 1\nAda,none\n", "needs a column called email"),
        ("email,role\nada@example.com,x\n", "No column is called like one of the workspaces"),
        (b"\x81\x8d\x8f\x90\x9d", "This is no text file"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    text: str | bytes, why: str, owner: Grant, olga: Client, places: list[Workspace]
) -> None:
    answer = upload(olga, owner, text)
    assert answer.status_code == 422
    assert why in body(answer)


def test_two_thousand_people_and_a_hundred_workspaces_are_read_with_few_queries(
    owner: Grant,
    olga: Client,
    claude: Connection,
    django_assert_max_num_queries: Any,
) -> None:
    places = WorkspaceFactory.build_batch(100, connection=claude)
    Workspace.objects.bulk_create(places)
    people = [
        PersonFactory.build(organization=owner.organization, email=f"p{n}@example.com")
        for n in range(2000)
    ]
    type(people[0]).objects.bulk_create(people)
    members = [
        MemberFactory.build(connection=claude, person=person, email=person.email)
        for person in people
    ]
    Member.objects.bulk_create(members)
    now = members[0].first_seen_at
    WorkspaceMember.objects.bulk_create(
        WorkspaceMember(
            connection=claude,
            remote_id=f"{place.remote_id}:{one.remote_id}",
            workspace_remote_id=place.remote_id,
            user_remote_id=one.remote_id,
            role="workspace_user",
            first_seen_at=now,
            changed_at=now,
        )
        for one in members[:200]
        for place in places[:50]
    )
    with django_assert_max_num_queries(21):  # the bell in the shell is one of them
        shown = body(olga.get(address(owner, "?columns=3")))
    assert "2,000 people" in shown
    head = ",".join(["email", *(place.name for place in places)])
    lines = [",".join([one.email, *["workspace_admin"] * 20, *[""] * 80]) for one in members[:100]]
    # Most of them write the Commands: SQLite takes few rows at a time.
    with django_assert_max_num_queries(120):
        assert upload(olga, owner, "\n".join([head, *lines])).status_code == 302
    assert Batch.objects.get().commands.count() == 2000
    too_many = [",".join([one.email, *["workspace_admin"] * 100]) for one in members[:100]]
    assert "10000 changes are too many at once" in body(
        upload(olga, owner, "\n".join([head, *too_many]))
    )
