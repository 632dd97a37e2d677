"""Reading, filtering, exporting and verifying an organization's audit log."""

import csv
import io
from typing import Any

import pytest
from celery import Celery
from django.db import connection as database
from django.db import transaction
from django.test import Client

from apps.audit import triggers, verification
from apps.audit.models import Entry
from apps.audit.record import Line, record, record_many
from apps.audit.tasks import verify_audit
from apps.audit.words import _WORDS, in_words
from apps.organizations.audit_words import AREAS
from apps.organizations.models import Organization, Role
from apps.sync.outbox.kinds import KINDS
from tests.factories import ConnectionFactory, GrantFactory, OrganizationFactory
from tests.organizations.connection_tools import sign_in, somebody

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Organization:
    made: Organization = OrganizationFactory.create(name="Acme", slug="acme")
    return made


@pytest.fixture
def viewer(acme: Organization) -> Client:
    return somebody(acme, Role.VIEWER)


def write(organization: Organization, count: int, verb: str = "connections.rename") -> None:
    with transaction.atomic():
        record_many(
            organization=organization,
            actor="alice@example.com",
            lines=[Line(verb, ("connection", n), label=f"Thing {n}") for n in range(count)],
        )


def tamper(sql: str) -> None:
    triggers.remove(database)
    with database.cursor() as cursor:
        cursor.execute(sql)
    triggers.install(database)


def listed(client: Client, query: str = "") -> str:
    return client.get(f"/o/acme/audit/?{query}").content.decode()


def test_everybody_of_the_organization_reads_its_log_in_words(
    acme: Organization, viewer: Client
) -> None:
    write(acme, 1)
    page = listed(viewer)
    assert "Renamed a connection" in page
    assert "alice@example.com" in page
    assert "Thing 0" in page


def test_anothers_log_is_not_shown_and_its_lines_are_absent(
    acme: Organization, viewer: Client
) -> None:
    other = OrganizationFactory.create(slug="other")
    write(other, 3)
    assert "Renamed" not in listed(viewer)
    assert viewer.get("/o/acme/audit/2/").status_code == 404
    assert viewer.get("/o/other/audit/").status_code == 404
    assert viewer.post("/o/other/audit/verify/").status_code == 404


def test_the_log_is_filtered_by_who_what_when_and_on_what(acme: Organization) -> None:
    grant = GrantFactory.create(organization=acme, role=Role.ADMIN)
    connection = ConnectionFactory.create(organization=acme)
    client = sign_in(Client(), grant.user)
    write(acme, 2)
    with transaction.atomic():
        record(
            organization=acme,
            actor=grant.user,
            verb="grants.invite",
            label="new@example.com",
            connection=connection,
        )
        record(organization=acme, actor=None, verb="connections.freeze", label="Frozen one")

    def found(query: str) -> set[str]:
        page = listed(client, query)
        marks = {"Thing 0", "Thing 1", "new@example.com", "Frozen one"}
        return {mark for mark in marks if mark in page}

    assert found(f"who={grant.user.pk}") == {"new@example.com"}
    assert found("who=0&what=connections.") == {"Thing 0", "Thing 1", "Frozen one"}
    assert found("what=grants.") == {"new@example.com"}
    assert found("q=thing+1") == {"Thing 1"}
    assert found(f"connection={connection.pk}") == {"new@example.com"}
    assert found("when_to=2020-01-01") == set()
    assert found("through=worker") == set()


def test_the_log_is_exported_and_formulas_in_it_are_harmless(
    acme: Organization, viewer: Client
) -> None:
    with transaction.atomic():
        record(organization=acme, actor="=cmd()", verb="x", details={"a": 1})
    answer = viewer.get("/o/acme/audit/?export=csv")
    text = b"".join(answer) if answer.streaming else answer.content
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    assert len(rows) == 1
    assert not any(value.startswith("=") for value in rows[0].values())
    assert Entry.objects.get().hash in rows[0].values()


def test_a_line_shows_all_it_holds_and_whether_its_hash_fits(
    acme: Organization, viewer: Client
) -> None:
    with transaction.atomic():
        record(
            organization=acme, actor="a", verb="connections.rename", details={"name": ["x", "y"]}
        )
    page = viewer.get("/o/acme/audit/1/").content.decode()
    assert "&quot;name&quot;" in page
    assert "The hash fits" in page
    tamper("UPDATE audit_entry SET actor = 'b'")
    assert "does not fit" in viewer.get("/o/acme/audit/1/").content.decode()


def test_a_short_log_is_verified_at_once(acme: Organization, viewer: Client) -> None:
    write(acme, 5)
    answer = viewer.post("/o/acme/audit/verify/", follow=True)
    page = answer.content.decode()
    assert "all 5 lines are there" in page
    assert Entry.objects.get(sequence=5).hash in page


def test_a_broken_log_names_the_line(acme: Organization, viewer: Client) -> None:
    write(acme, 5)
    tamper("UPDATE audit_entry SET actor = 'mallory' WHERE sequence = 4")
    page = viewer.post("/o/acme/audit/verify/", follow=True).content.decode()
    assert "line 4 does not fit" in page
    assert "The 3 lines before it" in page


def test_a_long_log_is_verified_by_a_worker_with_progress(
    acme: Organization, viewer: Client, monkeypatch: Any
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(
        Celery, "send_task", lambda app, name, args, **more: sent.append((name, args))
    )
    monkeypatch.setattr(verification, "AT_ONCE", 3)
    write(acme, 5)
    page = viewer.post("/o/acme/audit/verify/", follow=True).content.decode()
    assert "0 of 5 lines" in page
    assert 'hx-trigger="every 1s"' in page
    viewer.post("/o/acme/audit/verify/")  # while it runs, nothing is asked twice
    assert sent == [("walks.verify_audit", [acme.pk])]
    verify_audit(acme.pk)
    fragment = viewer.get("/o/acme/audit/verify/", headers={"HX-Request": "true"}).content.decode()
    assert "all 5 lines are there" in fragment
    assert "<html" not in fragment


def test_a_worker_that_stopped_on_the_way_is_told_and_can_be_asked_again(
    acme: Organization, viewer: Client, monkeypatch: Any
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(Celery, "send_task", lambda app, name, args, **more: sent.append(name))
    monkeypatch.setattr(verification, "AT_ONCE", 0)
    write(acme, 2)
    viewer.post("/o/acme/audit/verify/")
    monkeypatch.setattr(verification, "SILENT_SECONDS", -1)
    page = viewer.get("/o/acme/audit/verify/").content.decode()
    assert "has not been heard of" in page
    viewer.post("/o/acme/audit/verify/")
    assert len(sent) == 2


def test_the_list_asks_the_database_as_often_for_ten_lines_as_for_a_thousand(
    acme: Organization, viewer: Client
) -> None:
    def queries() -> int:
        database.force_debug_cursor = True
        database.queries_log.clear()
        try:
            listed(viewer)
            return len(database.queries)
        finally:
            database.force_debug_cursor = False

    write(acme, 60)
    queries()
    few = queries()
    write(acme, 1000)
    assert queries() == few


def test_every_verb_is_said_in_words() -> None:
    assert in_words("connections.pause") == "Paused a connection"
    kind = next(iter(KINDS.values()))
    assert str(in_words(f"{kind.name}.done")) == f"{kind.label}: done"
    assert in_words("never.heard.of") == "never.heard.of"


def test_every_verb_of_an_organization_belongs_to_an_area_of_the_filter() -> None:
    verbs = {*_WORDS, *KINDS}
    nowhere = {verb for verb in verbs if not verb.startswith(tuple(AREAS))}
    assert {verb.partition(".")[0] for verb in nowhere} == {"staff"}, "which is of no organization"
    areas = {area for area in AREAS if any(verb.startswith(area) for verb in verbs)}
    assert areas == set(AREAS)


def test_the_api_finds_what_somebody_did_who_has_left(acme: Organization) -> None:
    owner = GrantFactory(organization=acme, role=Role.OWNER)
    left = GrantFactory(organization=acme, user__email="lee@example.com").user
    with transaction.atomic():
        record_many(organization=acme, actor=left, lines=[Line("connections.rename", label="Old")])
    left.grants.all().delete()
    here = "/api/v1/organizations/acme/audit/"
    found = sign_in(Client(), owner.user).get(here, {"actor": "Lee@example.com"}).json()["results"]
    assert [one["target"] for one in found] == ["Old"]


def test_another_organizations_connection_narrows_to_nothing(acme: Organization) -> None:
    owner = GrantFactory(organization=acme, role=Role.OWNER)
    theirs = ConnectionFactory()
    with transaction.atomic():
        # A line that names it all the same must not be found by an id that says where it belongs.
        record(organization=acme, actor="Somebody", verb="connections.rename", connection=theirs)
    here = "/api/v1/organizations/acme/audit/"
    answer = sign_in(Client(), owner.user).get(here, {"connection": str(theirs.uid)})
    assert answer.json()["results"] == []
