"""What stands still, seen at a glance; and the file that goes with a ticket."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection as database
from django.db import transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.audit.record import record
from apps.organizations.models import Connection, Organization
from apps.sync.models import CommandEvent, CommandState, QuarantinedRow, Resource
from apps.sync.outbox import turns
from tests import factories
from tests.admin.conftest import act_on, page_of, resource_of, run_of, stuck

pytestmark = pytest.mark.django_db
S = CommandState
CANARY = "sk-ant-admin01-canary-canary-canary"


def test_what_stands_still_is_on_one_page(desk: Client, connection: Connection) -> None:
    now = timezone.now()

    def trouble(number: int) -> list[Any]:
        made = []
        for _ in range(number):
            other = factories.ConnectionFactory(
                state=Connection.State.PAUSED, organization__name="Umbrella"
            )
            made = [
                stuck(other, error="two of them"),
                factories.CommandFactory(connection=other, state=S.UNKNOWN),
                factories.CommandFactory(connection=other, state=S.DEAD, settled_at=now),
                factories.CommandFactory(
                    connection=other, state=S.DEAD, settled_at=now - timedelta(days=60)
                ),
                factories.CommandFactory(connection=other, state=S.QUEUED),
                other,
            ]
            listing = resource_of(other, "invites")
            Resource.objects.filter(pk=listing.pk).update(failures=2, error="timed out")
        return made

    operator, unknown, dead, forgotten, queued, paused = trouble(1)
    answer = desk.get("/admin/stuck/")
    text = answer.content.decode()
    for shown in (operator, unknown, dead, paused):
        assert page_of(shown) in text
    for absent in (forgotten, queued, connection):
        assert f'"{page_of(absent)}"' not in text
    assert "1 change waits." in text
    assert act_on(paused, "resume") in text
    assert "timed out" in text
    with CaptureQueriesContext(database) as few:
        desk.get("/admin/stuck/")
    trouble(8)
    with CaptureQueriesContext(database) as many:
        desk.get("/admin/stuck/")
    assert len(many) == len(few)

    what_now = desk.get(f"/admin/diagnosis/change/{operator.pk}/").content.decode()
    assert "two of them" in what_now
    assert (
        act_on(operator, "abandon") not in what_now
    )  # it wants a reason: on the change's own page
    assert page_of(operator) in what_now
    assert f"/o/{paused.organization.slug}/activity/{operator.uid}/" in what_now
    assert "Nobody in the organization" in what_now
    Organization.objects.update(support_may_read=False)
    assert "Umbrella" not in desk.get("/admin/stuck/").content.decode()
    assert desk.get(f"/admin/diagnosis/change/{operator.pk}/").status_code == 404


def test_an_empty_page_says_so_and_so_does_one_without_a_worker(
    desk: Client, connection: Connection
) -> None:
    turns.note_alive()
    empty = desk.get("/admin/stuck/").text
    assert "Nothing stands still" in empty
    assert "Needs a decision" not in empty
    assert "No worker" not in empty
    cache.delete(turns.ALIVE)
    stuck(connection)
    text = desk.get("/admin/stuck/").text
    assert "No worker for changes has been heard of" in text
    assert "Needs a decision" in text
    assert "Nothing stands still" not in text


def test_before_and_after_stand_side_by_side_without_secrets(
    desk: Client, connection: Connection
) -> None:
    command = stuck(
        connection,
        before={"role": "user", "api_key": CANARY},
        arguments={"role": "developer", "note": CANARY},
    )
    text = desk.get(page_of(command)).content.decode()
    assert "developer" in text
    assert "canary" not in text
    run = run_of(connection)
    assert desk.get(page_of(run)).context["acts"][0]["url"] == act_on(run, "walk")
    desk.post(act_on(run, "walk"))
    assert Resource.objects.get(pk=run.resource_id).due_at is not None


def test_a_file_of_evidence_has_what_a_ticket_needs_and_no_secret(
    desk: Client, supporter: User, connection: Connection
) -> None:
    organization, now = connection.organization, timezone.now()
    owner = factories.GrantFactory(
        organization=organization, user__email="boss@acme.example", user__name="Bertha Boss"
    ).user
    connection.last_error = f"bad {CANARY}"
    connection.credential = connection.next_credential = "sealed-canary"
    connection.save()
    command = factories.CommandFactory(
        connection=connection,
        actor=owner,
        state=S.REJECTED,
        label="ada@acme.example",
        arguments={"email": "Ada@acme.example", "name": "Ada Lovelace", "api_key": CANARY},
        error=f"refused ada@acme.example with {CANARY}",
        secret="canary-sealed",
    )
    CommandEvent.objects.create(
        command=command, at=now, state=S.REJECTED, note="Approved by Bertha Boss"
    )
    old = factories.CommandFactory(connection=connection, label="old@acme.example")
    type(old).objects.filter(pk=old.pk).update(created_at=now - timedelta(days=30))
    run_of(connection)
    QuarantinedRow.objects.create(
        resource=resource_of(connection),
        reason=f"no role in {CANARY}",
        raw={"email": "raw@acme.example"},
        first_seen_at=now,
        last_seen_at=now,
    )
    with transaction.atomic():
        record(
            organization=organization,
            actor=owner,
            verb="people.look",
            target=("person", 1),
            label="Ada Lovelace",
            details={"email": "ada@acme.example", "key": CANARY},
        )
    factories.CommandFactory(label="stranger@other.example")
    address = f"/admin/evidence/{organization.pk}/"
    assert address in desk.get(page_of(organization)).content.decode()
    assert "first letter" in desk.get(address).content.decode()
    assert not Entry.objects.filter(verb="support.evidence").exists()

    days = {"since": now.date() - timedelta(days=3), "until": now.date()}
    answer = desk.post(address, days)
    assert "no-store" in answer["Cache-Control"]
    assert organization.slug in answer["Content-Disposition"]
    text = b"".join(answer).decode()  # type: ignore[arg-type]  # it streams
    told = json.loads(text)
    for hidden in (
        "canary",
        "Lovelace",
        "Bertha",
        "boss@",
        "Ada@",
        "ada@",
        "raw@",
        "other.example",
    ):
        assert hidden not in text, hidden
    (change,) = told["changes"]
    assert change["label"] == change["arguments"]["email"]
    assert change["label"].startswith("a…@acme.example#")
    assert change["timeline"][0]["note"].startswith("Approved by B…#")
    assert change["actor"] == told["audit"][0]["actor"]
    assert told["organization"][0]["slug"] == organization.slug
    assert told["connections"][0]["condition"]["headline"]
    assert [len(told[name]) for name in ("walks", "listings", "unreadable_rows")] == [1, 1, 1]
    assert told["versions"][0]["libraries"]["Django"]
    assert told["versions"][0]["schema"]["sync"]
    line = Entry.objects.get(verb="support.evidence")
    assert (line.actor, line.organization_id) == (supporter.email, organization.pk)
    assert told["audit"][-1]["verb"] == "support.evidence"

    for wrong in (
        {"since": days["until"], "until": days["since"]},
        {"since": "2020-01-01", "until": days["until"]},
    ):
        assert desk.post(address, wrong).status_code == 200
        assert desk.post(address, wrong)["Content-Type"].startswith("text/html")
    Organization.objects.update(support_may_read=False)
    assert desk.post(address, days).status_code == 404


def test_who_has_left_or_is_of_support_is_no_name_in_the_file_either(
    desk: Client, supporter: User, organization: Organization, connection: Connection
) -> None:
    User.objects.filter(pk=supporter.pk).update(name="Samantha")
    left = factories.GrantFactory(organization=organization, user__name="Cornelia").user
    command = stuck(connection, actor=left)
    for who, verb in ((left, "approved"), (User.objects.get(pk=supporter.pk), "adopted")):
        with transaction.atomic():
            record(organization=organization, actor=who, verb=f"members.remove.{verb}")
        CommandEvent.objects.create(
            command=command, at=timezone.now(), state=S.OPERATOR, note=f"By {who}"
        )
    left.grants.all().delete()
    day = timezone.now().date()
    answer = desk.post(f"/admin/evidence/{organization.pk}/", {"since": day, "until": day})
    text = b"".join(answer).decode()  # type: ignore[arg-type]  # it streams
    notes = [one["note"] for one in json.loads(text)["changes"][0]["timeline"]]
    assert [note.partition("#")[0] for note in notes] == ["By C…", "By S…"]
    assert "Cornelia" not in text
    assert "Samantha" not in text
