"""What becomes of invites: pending, accepted, expired, withdrawn, or unknown once nobody lists them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apps.invites.mirror import state_of
from apps.invites.models import Invite
from apps.members.models import Person
from apps.organizations.models import Connection
from apps.sync.models import CommandState, RemoteChange, SyncRun
from tests.factories import CommandFactory, InviteFactory, MemberFactory
from tests.sync.remote import Remote, invite, member, walk_it

Provider = Callable[[Remote], Remote]
State = Invite.State
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def remote(connection: Connection, provider: Provider) -> Remote:
    """A provider that lists three pending invites, walked once."""
    remote = provider(Remote())
    remote.listed_invites = [invite(1), invite(2), invite(3)]
    walk_it(connection, "invites")
    return remote


def state(number: int) -> str:
    """Our word for one invite."""
    return Invite.objects.get(remote_id=f"invite_{number:05}").state


def test_invites_are_mirrored_with_people_who_are_no_members(
    connection: Connection, remote: Remote
) -> None:
    row = Invite.objects.select_related("person").get(remote_id="invite_00001")
    assert (row.email, row.role, row.state, row.remote_status) == (
        "guest1@example.com",
        "user",
        "pending",
        "pending",
    )
    assert (row.person.email, row.person.name, row.error) == ("guest1@example.com", "", "")
    assert row.person.organization_id == connection.organization_id


def test_an_invite_leaves_a_persons_name_alone(connection: Connection, remote: Remote) -> None:
    remote.rows = [member(1, email="Guest1@Example.com", name="Ada")]
    walk_it(connection, "members")
    remote.listed_invites[0] = invite(1, role="developer")
    walk_it(connection, "invites")
    assert Person.objects.get(email="guest1@example.com").name == "Ada"


@pytest.mark.parametrize(
    ("word", "expires_at", "expected"),
    [
        ("pending", None, State.PENDING),
        ("Pending", NOW + timedelta(days=1), State.PENDING),
        ("pending", NOW, State.EXPIRED),
        ("accepted", NOW - timedelta(days=1), State.ACCEPTED),
        ("expired", None, State.EXPIRED),
        ("deleted", None, State.WITHDRAWN),
        ("on hold", None, State.UNKNOWN),
    ],
)
def test_the_providers_words_have_ours(
    word: str, expires_at: datetime | None, expected: State
) -> None:
    assert state_of(word, expires_at, NOW) == expected


def test_an_unknown_word_is_kept_as_it_is(connection: Connection, remote: Remote) -> None:
    remote.listed_invites[0] = invite(1, status="on hold")
    walk_it(connection, "invites")
    row = Invite.objects.get(remote_id="invite_00001")
    assert (row.state, row.remote_status) == ("unknown", "on hold")


def test_an_invite_no_longer_listed_whose_address_is_a_member_was_accepted(
    connection: Connection, remote: Remote
) -> None:
    remote.rows = [member(1, email="Guest1@example.com")]
    walk_it(connection, "members")
    remote.listed_invites = [invite(2), invite(3)]
    walk_it(connection, "invites")
    assert state(1) == "accepted"
    change = RemoteChange.objects.get(resource="invites")
    assert (change.what, change.difference) == ("gone", {"state": ["pending", "accepted"]})


def test_whoever_is_seen_to_have_joined_a_little_later_had_accepted(
    connection: Connection, remote: Remote
) -> None:
    remote.listed_invites = [invite(2), invite(3)]
    walk_it(connection, "invites")
    assert state(1) == "unknown"
    remote.rows = [member(1, email="guest1@example.com")]
    walk_it(connection, "members")
    assert state(1) == "accepted"


def test_somebody_who_was_a_member_before_the_invite_has_not_accepted_it(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote([member(1, email="guest1@example.com")]))
    walk_it(connection, "members")
    later = timezone.now() + timedelta(days=1)
    remote.listed_invites = [invite(1, invited_at=later)]
    walk_it(connection, "invites")
    remote.listed_invites = []
    walk_it(connection, "invites")
    assert state(1) == "unknown"


def test_an_old_invite_is_not_accepted_by_joining_through_a_new_one(
    connection: Connection, remote: Remote
) -> None:
    remote.listed_invites = [invite(2), invite(3)]
    walk_it(connection, "invites")
    long_ago = timezone.now() - timedelta(days=300)
    Invite.objects.filter(remote_id="invite_00001").update(
        gone_at=long_ago, invited_at=long_ago - timedelta(days=1)
    )
    remote.rows = [member(1, email="guest1@example.com")]
    walk_it(connection, "members")
    assert state(1) == "unknown"


def test_an_invite_past_its_date_has_expired_whether_it_is_listed_or_not(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote())
    soon = timezone.now() + timedelta(hours=1)
    remote.listed_invites = [invite(1, expires_at=soon), invite(2, expires_at=soon)]
    walk_it(connection, "invites")
    Invite.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    remote.listed_invites.pop()
    walk_it(connection, "invites")
    assert [state(1), state(2)] == ["expired", "expired"]


def test_what_we_withdrew_stays_withdrawn(connection: Connection, remote: Remote) -> None:
    now = timezone.now()
    Invite.objects.filter(remote_id="invite_00001").update(state=State.WITHDRAWN, gone_at=now)
    CommandFactory(
        connection=connection,
        kind="invites.withdraw",
        target="invites:guest1@example.com",
        state=CommandState.SUCCEEDED,
        settled_at=now,
    )
    remote.listed_invites = [invite(2), invite(3)]
    run = walk_it(connection, "invites")
    assert (state(1), run.gone) == ("withdrawn", 0)
    assert RemoteChange.objects.count() == 0


def test_an_invite_on_its_way_is_left_to_its_command(
    connection: Connection, remote: Remote
) -> None:
    own = InviteFactory(
        connection=connection,
        person__email="new@example.com",
        person__organization=connection.organization,
        remote_id=None,
        state=State.SENDING,
    )
    command = CommandFactory(
        connection=connection,
        kind="invites.invite",
        target="invites:new@example.com",
        state=CommandState.UNKNOWN,
    )
    remote.listed_invites.append(invite(9, email="New@example.com"))
    run = walk_it(connection, "invites")
    assert run.state == SyncRun.State.COMPLETE
    assert Invite.objects.get(person=own.person) == own  # no second row for the same invite
    # Its Command finds out and names it; the next walk knows it as the same and as no news.
    Invite.objects.filter(pk=own.pk).update(remote_id="invite_00009", state=State.PENDING)
    type(command).objects.update(
        state=CommandState.SUCCEEDED, settled_at=timezone.now(), remote_id="invite_00009"
    )
    run = walk_it(connection, "invites")
    assert (run.added, run.changed) == (0, 1)
    assert Invite.objects.filter(person=own.person).count() == 1
    assert RemoteChange.objects.count() == 0


def test_rows_that_the_provider_has_not_named_are_never_touched(
    connection: Connection, remote: Remote
) -> None:
    own = InviteFactory(connection=connection, remote_id=None, state=State.REFUSED, error="No seat")
    walk_it(connection, "invites")
    own.refresh_from_db()
    assert (own.state, own.error, own.gone_at) == ("refused", "No seat", None)


def test_an_invite_sent_at_the_provider_itself_is_news(
    connection: Connection, remote: Remote
) -> None:
    remote.listed_invites.append(invite(4))
    remote.listed_invites[1] = invite(2, status="accepted")
    walk_it(connection, "invites")
    found = set(RemoteChange.objects.values_list("label", "what"))
    assert found == {("guest4@example.com", "added"), ("guest2@example.com", "changed")}


def test_another_connections_member_says_nothing_of_this_ones_invite(
    connection: Connection, remote: Remote
) -> None:
    person = Person.objects.get(email="guest1@example.com")
    MemberFactory(organization=connection.organization, person=person)
    remote.listed_invites = [invite(2), invite(3)]
    walk_it(connection, "invites")
    assert state(1) == "unknown"
