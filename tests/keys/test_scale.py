"""Pages of keys and workspaces where there are 10,000 keys in 100 workspaces among 2,000 people."""

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.keys.models import Key
from apps.members.models import Member, Person
from apps.organizations.models import Connection, Grant
from apps.workspaces.models import Workspace, WorkspaceMember
from tests.factories import (
    KeyFactory,
    MemberFactory,
    PersonFactory,
    WorkspaceFactory,
    WorkspaceMemberFactory,
    with_workspaces,
)

pytestmark = pytest.mark.django_db
# What finds the keys of one workspace, and of one person.
OF_KEYS = ("key_by_workspace", "key_by_workspace", "key_by_creator")


def fill(connection: Connection, *, workspaces: int, people: int, keys: int) -> None:
    """So many more of each: a key belongs to one of the people and lies in one of the workspaces."""
    organization, first = connection.organization, Key.objects.count()
    places = Workspace.objects.bulk_create(
        WorkspaceFactory.build(connection=connection, name=f"Place {first} {n}")
        for n in range(workspaces)
    )
    humans = Person.objects.bulk_create(
        PersonFactory.build(organization=organization) for _ in range(people)
    )
    members = Member.objects.bulk_create(
        MemberFactory.build(connection=connection, person=human, email=human.email)
        for human in humans
    )
    WorkspaceMember.objects.bulk_create(
        WorkspaceMemberFactory.build(workspace=places[n % workspaces], member=member)
        for n, member in enumerate(members)
    )
    Key.objects.bulk_create(
        (
            KeyFactory.build(
                connection=connection,
                name=f"key {n // 2}",
                workspace=str(places[n % workspaces].remote_id),
                creator=("user_left", str(members[n % people].remote_id))[n % 3 > 0],
                remote_id=f"apikey_{first}_{n}",
            )
            for n in range(keys)
        ),
        batch_size=1000,
    )


def test_pages_take_the_same_queries_and_read_no_table_through_for_one_row(
    owner: Grant, olga: Client, anthropic: Connection
) -> None:
    with_workspaces(anthropic).save()
    fill(anthropic, workspaces=60, people=60, keys=60)
    place, person = Workspace.objects.first(), Person.objects.order_by("pk").first()
    assert place is not None
    assert person is not None
    base = f"/o/{owner.organization.slug}"
    of_one = [f"workspaces/{place.pk}/", f"workspaces/{place.pk}/archive/", f"people/{person.pk}/"]
    pages = [*of_one, "workspaces/", "workspaces/matrix/", "keys/", f"keys/?workspace={place.pk}"]

    def queries(page: str) -> list[str]:
        with CaptureQueriesContext(database) as seen:
            assert olga.get(f"{base}/{page}").status_code == 200, page
        return [str(one["sql"]) for one in seen.captured_queries]

    few = {page: len(queries(page)) for page in pages + pages}
    fill(anthropic, workspaces=40, people=1940, keys=9940)
    many = {page: queries(page) for page in pages}
    assert {page: len(asked) for page, asked in many.items()} == few
    if database.vendor == "sqlite":  # its plans do not hang on statistics
        for page, index in zip(of_one, OF_KEYS, strict=True):
            steps = [step for sql in many[page] for step in plan_of(sql)]
            read_through = [
                step for step in steps if step.startswith("SCAN ") and "INDEX" not in step
            ]
            assert [step for step in read_through if is_mirrored(step)] == [], page
            assert [step for step in steps if index in step], f"{page} looks at other keys too"


def is_mirrored(step: str) -> bool:
    """Whether a step of a plan is about a table that grows with the organization."""
    return step.split()[1].startswith(("keys_", "members_", "workspaces_"))


def plan_of(sql: str) -> list[str]:
    """The steps of a query's plan."""
    with database.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql.replace('%', '%%')}")
        return [str(row[3]) for row in cursor.fetchall()]
