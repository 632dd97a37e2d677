"""What stands is told once to whoever hears of it, and settled by itself when it is over."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.invites.models import Invite
from apps.keys.models import Key
from apps.members.models import Member
from apps.notices import looking
from apps.notices.models import Delivery, Notice, Severity
from apps.notices.topics import TOPICS
from apps.organizations.models import Connection, Grant, Role
from apps.sync.models import CommandState, Resource, SyncRun
from tests import factories
from tests.factories import ConnectionFactory, GrantFactory, with_keys

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> Grant:
    grant: Grant = GrantFactory()
    return grant


@pytest.fixture
def connection(owner: Grant) -> Connection:
    made = with_keys(ConnectionFactory(organization=owner.organization, name="Claude"))
    made.last_ok_at = timezone.now()
    made.save()
    return made


def told(topic: str) -> list[Notice]:
    looking.look_around()
    return list(Notice.objects.filter(topic=topic).order_by("pk"))


def test_a_second_person_hears_of_what_waits_for_them_and_no_more_once_it_is_decided(
    connection: Connection,
) -> None:
    command = factories.CommandFactory(connection=connection, state=CommandState.AWAITING_APPROVAL)
    [notice] = told("changes.approval")
    assert notice.url == f"/o/{connection.organization.slug}/activity/{command.uid}/"
    assert command.label in notice.text
    assert Delivery.objects.filter(subject_id=notice.pk).count() == 1

    [again] = told("changes.approval")
    assert (again.pk, again.settled_at) == (notice.pk, None)

    type(command).objects.update(state=CommandState.QUEUED)
    [over] = told("changes.approval")
    assert over.settled_at is not None


def test_changes_asked_for_in_one_go_are_one_notice(connection: Connection) -> None:
    batch = factories.BatchFactory(organization=connection.organization)
    for number in range(7):
        factories.CommandFactory(
            connection=connection, batch=batch, target=f"t:{number}", state=CommandState.OPERATOR
        )
    [notice] = told("changes.stuck")
    assert "7" in notice.title
    assert "and 2 more" in notice.text
    assert str(batch.uid) in notice.url


def test_stuck_money_presses_and_what_was_given_up_is_told_for_a_week(
    connection: Connection,
) -> None:
    money = factories.CommandFactory(
        connection=connection, is_money=True, state=CommandState.OPERATOR, target="money"
    )
    dead = {"connection": connection, "state": CommandState.DEAD, "target": "dead"}
    factories.CommandFactory(**dead, settled_at=timezone.now() - timedelta(days=8))
    recent = factories.CommandFactory(**dead, settled_at=timezone.now() - timedelta(days=1))
    notices = {one.url.split("/")[-2]: one for one in told("changes.stuck")}
    found = {uid: one.severity for uid, one in notices.items()}
    assert found == {str(money.uid): Severity.URGENT, str(recent.uid): Severity.WARNING}
    assert (
        notices[str(money.uid)].title == f"A change needs a decision: Remove member, {money.label}"
    )
    assert notices[str(recent.uid)].title.startswith("A change was given up: Remove member")


def test_a_refused_key_is_told_at_once_and_silence_after_a_quarter_of_an_hour(
    connection: Connection,
) -> None:
    now = timezone.now()
    its = Connection.objects.filter(pk=connection.pk)
    its.update(failures=5, last_error_at=now, last_ok_at=now - timedelta(minutes=14))
    assert told("connections.failing") == []
    its.update(last_ok_at=now - timedelta(minutes=16))
    [silent] = told("connections.failing")
    assert silent.severity == Severity.WARNING

    its.update(frozen_at=now, frozen_reason="invalid x-api-key")
    [silent, refused] = told("connections.failing")
    assert silent.settled_at is not None
    assert refused.severity == Severity.URGENT
    assert "invalid x-api-key" in refused.text


def test_a_listing_that_fails_and_a_sudden_loss_are_told(connection: Connection) -> None:
    resource = Resource.objects.create(
        connection=connection, name="members", failures=4, error="Not a list."
    )
    assert told("connections.failing") == []
    Resource.objects.update(failures=5)
    now = timezone.now()
    SyncRun.objects.create(
        resource=resource,
        fence=1,
        state=SyncRun.State.ASKING,
        started_at=now,
        heartbeat_at=now,
        would_remove=40,
    )
    unreadable, loss = told("connections.failing")
    assert "Not a list." in unreadable.text
    assert "40" in loss.title


def test_invites_that_lapse_within_three_days_are_one_notice_a_day(connection: Connection) -> None:
    now = timezone.now()
    day = now.replace(hour=12) + timedelta(days=1)
    for address, at in (
        ("a@x.example", day),
        ("b@x.example", day),
        ("c@x.example", now + timedelta(days=9)),
    ):
        factories.InviteFactory(
            connection=connection, email=address, state=Invite.State.PENDING, expires_at=at
        )
    [notice] = told("invites.lapsing")
    assert notice.title.startswith("2 invites")
    assert "a@x.example" in notice.text
    assert "c@x.example" not in notice.text


def test_keys_that_end_and_keys_of_who_left_are_told(connection: Connection) -> None:
    now = timezone.now()
    Resource.objects.create(connection=connection, name="members", completed_at=now)
    factories.KeyFactory(
        connection=connection, name="Deploy", creator="", expires_at=now + timedelta(days=3)
    )
    factories.KeyFactory(
        connection=connection, name="Old", creator="user_gone", creator_kind="user"
    )
    factories.KeyFactory(connection=connection, name="Older", creator="user_x", creator_kind="user")
    [ending], [orphaned] = told("keys.ending"), told("keys.orphaned")
    assert "Deploy" in ending.text
    assert "Old" in orphaned.text
    assert orphaned.title.endswith("2 keys of people who left still work")
    assert "finding=creator_left" in orphaned.url
    Key.objects.update(status="inactive")
    assert all(one.settled_at for one in (*told("keys.ending"), *told("keys.orphaned")))


def test_who_leaves_later_is_told_by_a_notice_of_their_own(connection: Connection) -> None:
    now = timezone.now()
    Resource.objects.create(connection=connection, name="members", completed_at=now)
    for name, gone in (("first", now - timedelta(hours=1)), ("second", None)):
        member = factories.MemberFactory(
            organization=connection.organization, connection=connection, gone_at=gone
        )
        factories.KeyFactory(
            connection=connection, name=name, creator=member.remote_id, creator_kind="user"
        )
    [first] = told("keys.orphaned")
    Member.objects.filter(gone_at__isnull=True).update(gone_at=now)
    [again, second] = told("keys.orphaned")
    assert (again.pk, again.settled_at) == (first.pk, None)
    assert ("second" in first.text, "second" in second.text) == (False, True)


def test_what_is_so_again_stands_again_and_is_told_no_second_time(connection: Connection) -> None:
    now = timezone.now()
    Resource.objects.create(connection=connection, name="members", completed_at=now)
    factories.KeyFactory(connection=connection, creator="user_gone", creator_kind="user")
    [first] = told("keys.orphaned")
    Key.objects.update(status="inactive")
    assert told("keys.orphaned")[0].settled_at
    Key.objects.update(status="active")
    [again] = told("keys.orphaned")
    assert (again.pk, again.settled_at) == (first.pk, None)
    assert Delivery.objects.filter(subject_id=first.pk).count() == 1


def test_one_that_fails_keeps_no_other_from_being_told(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(now: object) -> list[looking.News]:
        raise ZeroDivisionError

    monkeypatch.setitem(looking.LOOKS, "changes.approval", broken)
    factories.CommandFactory(connection=connection, state=CommandState.OPERATOR)
    assert len(told("changes.stuck")) == 1


def test_what_stands_unchanged_costs_two_queries_a_topic_and_what_it_looks_at(
    connection: Connection, django_assert_max_num_queries: object
) -> None:
    factories.CommandFactory(connection=connection, state=CommandState.OPERATOR)
    looking.look_around()
    with django_assert_max_num_queries(24):  # type: ignore[operator]  # the fixture is untyped
        looking.look_around()
    assert {Role.OWNER} <= TOPICS["changes.stuck"].hears
