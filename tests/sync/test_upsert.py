"""What a page holds comes into the tables as it was, however many rows and whatever is in them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from threading import current_thread, main_thread
from typing import Any

import msgspec
import pytest
from django.db import connection as database
from django.db import connections

from apps.invites.models import Invite
from apps.members.models import Member, Person
from apps.organizations.models import Connection
from apps.sync.models import QuarantinedRow, SyncRun
from apps.sync.upsert import Upsert
from apps.sync.writer import Writer, next_bucket
from tests.sync.remote import JOINED, Remote, invite, member, members, walk_it

pytestmark = pytest.mark.django_db

Provider = Callable[[Remote], Remote]
ODD = [
    "tab\there",
    "line\nfeed",
    "return\r",
    "back\\slash",
    "\\N",
    "\\.",
    "quotes ' \" `",
    "percent %s %(name)s %%",
    "braces {} ; -- comment",
    "emoji 🦊👩\u200d🚀",
    "e\u0301 \u202e right to left",
    "\x01\x7f",
    "NULL",
    "  ",
]


def test_odd_characters_stay_as_they_were(connection: Connection, provider: Provider) -> None:
    provider(Remote([member(number, name=name) for number, name in enumerate(ODD)], size=100))
    walk_it(connection)
    rows = Member.objects.order_by("remote_id").select_related("person")
    assert [row.name for row in rows] == ODD
    assert [row.raw["name"] for row in rows] == ODD
    assert [row.person.name for row in rows] == ODD


def test_what_is_not_known_is_null_and_not_a_word(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote([msgspec.structs.replace(member(1), joined_at=None), member(2)]))
    remote.listed_invites = [invite(1, invited_at=None), invite(2)]
    walk_it(connection)
    walk_it(connection, "invites")
    dates = Member.objects.order_by("remote_id").values_list("joined_at", "person__joined_at")
    assert list(dates) == [(None, None), (JOINED, JOINED)]
    invited = Invite.objects.order_by("remote_id").values_list("invited_at", "expires_at")
    assert list(invited) == [(None, None), (JOINED, None)]


def test_times_come_in_to_the_microsecond_and_from_any_zone(
    connection: Connection, provider: Provider
) -> None:
    zones = [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))]
    times = [
        datetime(year, 2, 28, 23, 59, 59, fraction, zone)
        for year in (1000, 2024, 9998)
        for fraction in (0, 1, 120_000)
        for zone in zones
    ]
    rows = [
        msgspec.structs.replace(member(number), joined_at=at) for number, at in enumerate(times)
    ]
    provider(Remote(rows, size=100))
    walk_it(connection)
    held = Member.objects.order_by("remote_id").values_list("joined_at", "person__joined_at")
    assert list(held) == [(at, at) for at in times]


def test_a_first_walk_makes_rows_ready_without_the_database(
    connection: Connection, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready, threads = Writer.ready, set()

    def watched(writer: Writer, records: list[Any]) -> Any:
        found = ready(writer, records)
        threads.add((current_thread() is main_thread(), connections["default"].connection is None))
        return found

    monkeypatch.setattr(Writer, "ready", watched)
    provider(Remote(members(30), size=10))
    assert walk_it(connection).added == 30
    assert threads == {(False, True)}


def test_one_row_that_cannot_be_held_leaves_the_rest_of_its_page(
    connection: Connection, provider: Provider
) -> None:
    rows = members(120)
    rows[60] = member(60, name="nul\x00")
    provider(Remote(rows, size=1000))
    run = walk_it(connection)
    assert (run.state, run.seen) == (SyncRun.State.COMPLETE, 120)
    refused = {row.remote_id for row in QuarantinedRow.objects.all()}
    assert refused == ({"user_00060"} if database.vendor == "postgresql" else set())
    assert Member.objects.count() == 120 - len(refused)
    assert run.quarantined == len(refused)


@pytest.mark.parametrize("count", [1, 49, 50, 51, 100, 120, 263])
def test_any_number_of_rows_is_written_and_changed(
    connection: Connection, provider: Provider, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr("apps.sync.writer.BUCKETS", {"sqlite": 100, "postgresql": 100})
    remote = provider(Remote(members(count), size=1000))
    run = walk_it(connection)
    assert (run.added, Member.objects.count(), Person.objects.count()) == (count, count, count)
    remote.rows = [member(number, name=f"Anew {number}") for number in range(count)]
    run = walk_it(connection)
    assert (run.added, run.changed) == (0, count)
    for row in Member.objects.select_related("person"):
        number = int(row.remote_id.removeprefix("user_"))
        assert (row.name, row.email) == (f"Anew {number}", f"Person{number}@example.com")
        assert (row.person.email, row.person.name) == (row.email.lower(), row.name)


def test_a_row_that_somebody_else_brings_meanwhile_is_updated(
    connection: Connection, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.sync.writer.BUCKETS", {"sqlite": 4, "postgresql": 4})
    remote = provider(Remote(members(3), size=1000))
    walk_it(connection)
    load = Writer.load

    def load_too_early(writer: Writer) -> None:
        load(writer)
        del writer.known["user_00001"]

    monkeypatch.setattr(Writer, "load", load_too_early)
    remote.rows = [member(number, name=f"New {number}") for number in range(10)]
    walk_it(connection)
    rows = Member.objects.order_by("remote_id").select_related("person")
    assert [(row.name, row.person.name) for row in rows] == [(f"New {n}",) * 2 for n in range(10)]
    assert not QuarantinedRow.objects.exists()


@pytest.mark.parametrize("bucket", [1, 100])
def test_a_page_may_name_one_person_several_times(
    connection: Connection, provider: Provider, monkeypatch: pytest.MonkeyPatch, bucket: int
) -> None:
    monkeypatch.setattr("apps.sync.writer.BUCKETS", {"sqlite": bucket, "postgresql": bucket})
    earlier = JOINED - timedelta(days=9)
    rows = [
        msgspec.structs.replace(member(1, email="Ada@example.com", name="Ada"), joined_at=earlier),
        member(2, email="ada@example.com", name=""),
        msgspec.structs.replace(member(3, email="ADA@example.com", name=""), joined_at=None),
    ]
    provider(Remote(rows))
    walk_it(connection)
    person = Person.objects.get()
    assert (person.email, person.name, person.joined_at) == ("ada@example.com", "Ada", earlier)
    assert list(Member.objects.order_by("pk").values_list("email", flat=True)) == [
        row.email for row in rows
    ]
    assert set(Member.objects.values_list("person", flat=True)) == {person.pk}


@pytest.mark.parametrize(
    ("rows", "held", "following"),
    [
        (500, 0.020, 500),
        (500, 0.016, 625),
        (500, 0.001, 1000),  # at most twice as many
        (500, 0.025, 400),
        (500, 0.900, 250),  # at least half as many
        (120, 0.900, 100),
        (8000, 0.001, 10_000),  # more never gather
    ],
)
def test_a_transaction_is_as_long_as_a_click_can_wait(
    rows: int, held: float, following: int
) -> None:
    assert next_bucket(rows, held) == following


def test_the_raw_row_is_the_providers_own_json(connection: Connection, provider: Provider) -> None:
    deep = {"id": "user_00001", "list": [1, 2.5, None, True], "text": 'a "b" \\ c'}
    provider(Remote([msgspec.structs.replace(member(1), raw=json.dumps(deep).encode())]))
    walk_it(connection)
    assert Member.objects.get().raw == deep


def test_a_person_who_comes_from_elsewhere_meanwhile_loses_no_row(
    connection: Connection, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    stands = Person.objects.create(
        organization_id=connection.organization_id, email="person3@example.com"
    )
    look_up, looked = Upsert._look_up, []

    def too_early(self: Upsert, keys: list[str]) -> dict[str, str]:
        looked.append(keys)
        return {} if len(looked) == 1 else look_up(self, keys)

    monkeypatch.setattr(Upsert, "_look_up", too_early)
    provider(Remote(members(8), size=100))
    run = walk_it(connection)
    assert (run.state, run.added, run.quarantined) == (SyncRun.State.COMPLETE, 8, 0)
    assert Member.objects.count() == Person.objects.count() == 8
    assert Member.objects.get(remote_id="user_00003").person == stands
    stands.refresh_from_db()
    assert stands.name == "Person 3"
    assert bool(looked) == (database.vendor == "postgresql")


@pytest.mark.parametrize("bucket", [3, 100])
def test_a_person_who_comes_after_nobody_was_there_loses_no_row(
    connection: Connection, provider: Provider, monkeypatch: pytest.MonkeyPatch, bucket: int
) -> None:
    monkeypatch.setattr("apps.sync.writer.BUCKETS", {"sqlite": bucket, "postgresql": bucket})
    there = Upsert._there

    def too_early(self: Upsert, *given: Any) -> dict[str, str]:
        if not self._asked:
            self._asked, self._all = True, {}
            self.write_parents([("person5@example.com", "", None)], JOINED)
        return there(self, *given)

    monkeypatch.setattr(Upsert, "_there", too_early)
    stands = Person.objects.create(
        organization_id=connection.organization_id, email="person4@example.com"
    )
    provider(Remote(members(8), size=100))
    run = walk_it(connection)
    assert (run.state, run.added, run.quarantined) == (SyncRun.State.COMPLETE, 8, 0)
    assert Member.objects.get(remote_id="user_00004").person == stands
    emails = Member.objects.order_by("pk").values_list("person__email", flat=True)
    assert sorted(emails) == [f"person{number}@example.com" for number in range(8)]
    assert Person.objects.count() == 8


def test_of_people_who_are_there_a_first_walk_says_what_they_lack(
    connection: Connection, provider: Provider
) -> None:
    for number in (2, 5):
        Person.objects.create(
            organization_id=connection.organization_id, email=f"person{number}@example.com"
        )
    provider(Remote(members(7), size=100))
    walk_it(connection)
    assert Person.objects.count() == 7
    named = Person.objects.order_by("email").values_list("name", "joined_at")
    assert list(named) == [(f"Person {number}", JOINED) for number in range(7)]
    people = Member.objects.order_by("remote_id").values_list("person__email", flat=True)
    assert list(people) == [f"person{number}@example.com" for number in range(7)]
    made = Person.objects.create(organization_id=connection.organization_id, email="a@example.com")
    assert made.pk == Person.objects.order_by("-pk").values_list("pk", flat=True)[0]
