"""What was sent is written down outside too; a database that lacks some of it was put back."""

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from apps.audit.models import Entry
from apps.members.models import Member
from apps.members.services import change_role, remove_member
from apps.organizations.models import Grant, Organization, Role
from apps.organizations.services import Refused, resume_sending
from apps.sync.models import Command, CommandState, Resource
from apps.sync.outbox import marks, requests, restored, word
from tests.api.conftest import client_for
from tests.browsing import at_desk, tired
from tests.factories import GrantFactory
from tests.sync.outbox.conftest import Remote, carry

pytestmark = pytest.mark.django_db
S = CommandState


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.OUTBOX_MARKS = tmp_path / "sent"


@pytest.fixture
def organization(owner: Grant) -> Organization:
    return owner.organization


@pytest.fixture
def sent(bo: Member, owner: Grant, remote: Remote) -> Command:
    """Bo became a developer."""
    command = carry(change_role(member=bo, role="developer", actor=owner.user, nonce="first"))
    assert command.state == S.SUCCEEDED
    return command


def put_back(command: Command) -> None:
    """What a restore makes of a Command that was sent after the backup."""
    Command.objects.filter(pk=command.pk).update(
        state=S.QUEUED, attempts=0, fence=0, step=0, settled_at=None, sent_at=None, results=[]
    )


def empty_redis(organization: Organization) -> None:
    word.client().delete(marks._key(organization))


def remove_file(organization: Organization) -> None:
    marks._path(organization).unlink()


def fail(*given: object, **options: object) -> None:
    raise redis.ConnectionError("Redis is away")


def make_due(command: Command) -> Command:
    Command.objects.filter(pk=command.pk).update(due_at=timezone.now())
    return command


@pytest.mark.parametrize("forget", [empty_redis, remove_file])
def test_one_place_outside_is_enough_to_notice(
    sent: Command, organization: Organization, remote: Remote, forget: Any
) -> None:
    forget(organization)
    put_back(sent)

    assert carry(sent).state == S.UNKNOWN

    organization.refresh_from_db()
    assert organization.sending_stopped_at
    assert carry(make_due(sent)).state == S.SUCCEEDED
    assert remote.calls == ["change_role"]


def test_it_is_noticed_where_nothing_waits_to_be_sent(
    sent: Command, organization: Organization
) -> None:
    Command.objects.all().delete()

    restored.look_everywhere()

    organization.refresh_from_db()
    assert organization.sending_stopped_at


def test_it_is_noticed_once(sent: Command, owner: Grant, organization: Organization) -> None:
    put_back(sent)
    restored.look_everywhere()
    resume_sending(organization=organization, actor=owner.user)

    restored.look_everywhere()

    organization.refresh_from_db()
    assert organization.sending_stopped_at is None


def test_an_emptied_redis_is_filled_again_and_nobody_waits(
    sent: Command, bo: Member, owner: Grant, organization: Organization
) -> None:
    empty_redis(organization)
    bo.refresh_from_db()

    assert carry(remove_member(member=bo, actor=owner.user, nonce="second")).state == S.SUCCEEDED

    remove_file(organization)
    assert sent.uid in {mark.command for mark in marks.read(organization) or ()}


def test_where_every_mark_is_gone_everything_is_checked_first_and_nothing_stops(
    sent: Command, bo: Member, owner: Grant, organization: Organization, remote: Remote
) -> None:
    empty_redis(organization)
    remove_file(organization)
    bo.refresh_from_db()
    removal = remove_member(member=bo, actor=owner.user, nonce="second")

    assert carry(removal).state == S.UNKNOWN
    assert carry(make_due(removal)).state == S.RETRY, "the provider says that it has not happened"
    assert carry(make_due(removal)).state == S.SUCCEEDED

    assert remote.calls == ["change_role", "remove_member"]
    organization.refresh_from_db()
    assert organization.sending_stopped_at is None


def test_another_workers_very_first_change_on_its_way_is_no_sign_of_lost_marks(
    sent: Command, organization: Organization
) -> None:
    empty_redis(organization)
    remove_file(organization)
    lease = timezone.now() + timedelta(seconds=60)
    Command.objects.filter(pk=sent.pk).update(state=S.SENDING, leased_until=lease, settled_at=None)

    assert restored.obstacle(organization) == ""
    sent.refresh_from_db()
    assert sent.state == S.SENDING


def test_a_mark_that_is_written_while_one_looks_counts(
    sent: Command, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[list[marks.Mark]] = [[]]  # what there was a moment ago
    read = marks.read
    monkeypatch.setattr(
        marks, "read", lambda *given, **how: answers.pop() if answers else read(*given, **how)
    )

    assert restored.obstacle(organization) == ""
    assert not Command.objects.filter(in_doubt=True).exists()


def test_nothing_is_sent_while_no_mark_can_be_looked_up_or_written(
    bo: Member,
    owner: Grant,
    organization: Organization,
    remote: Remote,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = change_role(member=bo, role="developer", actor=owner.user, nonce="first")
    settings.OUTBOX_MARKS = Path("/dev/null/sent")
    with monkeypatch.context() as patch:
        patch.setattr(word.client(), "pipeline", fail)
        assert carry(command).state == S.QUEUED
        patch.setattr(word.client(), "lrange", fail)
        assert carry(make_due(command)).state == S.QUEUED
    assert remote.calls == []

    # It was about to be sent once, and nothing outside says how that went on.
    for state in (S.UNKNOWN, S.RETRY, S.SUCCEEDED):
        assert carry(make_due(command)).state == state
    assert remote.calls == ["change_role"]


def test_what_a_second_person_approves_after_a_restore_is_checked_first(
    bo: Member, owner: Grant, organization: Organization, remote: Remote
) -> None:
    Organization.objects.update(demand_second_person=True)
    bo.refresh_from_db()
    waiting = remove_member(member=bo, actor=owner.user, nonce="a")
    second = GrantFactory(organization=organization, role=Role.OWNER).user
    remote.members_by_id.clear()  # it was approved and sent after the backup was taken

    assert restored.stop(organization) == 0
    resume_sending(organization=organization, actor=second)
    waiting.refresh_from_db()
    requests.approve(command=waiting, actor=second)

    assert carry(waiting).state == S.SUCCEEDED
    assert remote.calls == []


def test_the_file_is_cut_down_and_a_torn_line_does_no_harm(
    sent: Command, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_redis(organization)
    path = marks._path(organization)
    monkeypatch.setattr(marks, "MOST_BYTES", 100 * marks.LONGEST_LINE)
    with path.open("a") as file:
        file.write("torn" * 2000 + "\n")

    for _ in range(marks.KEPT):
        assert marks.note(sent)

    assert path.stat().st_size < 100 * marks.LONGEST_LINE
    assert {mark.command for mark in marks.read(organization) or ()} == {sent.uid}


def test_pages_say_so_and_an_owner_lets_changes_go_on(
    sent: Command, owner: Grant, organization: Organization
) -> None:
    put_back(sent)
    restored.look_everywhere()
    admin = at_desk(GrantFactory(organization=organization, role=Role.ADMIN).user)
    browser = at_desk(owner.user)
    page = reverse("sync:stopped", args=[organization.slug])
    activity = reverse("sync:activity", args=[organization.slug])

    assert "Changes are stopped" in browser.get(activity).content.decode()
    told = browser.get(page).content.decode()
    assert "1 change is being checked." in told
    assert "Let changes go on" in told
    assert "An owner decides" in admin.get(page).content.decode()
    assert admin.post(page).status_code == 403

    assert browser.post(page).status_code == 302

    assert "Changes are stopped" not in browser.get(activity).content.decode()
    organization.refresh_from_db()
    assert organization.sending_stopped_at is None


def test_the_api_says_so_and_an_owner_who_is_there_lets_changes_go_on(
    sent: Command, owner: Grant, organization: Organization
) -> None:
    browser = at_desk(owner.user)
    here = f"/api/v1/organizations/{organization.slug}/changes/stop/"
    before = browser.get(here).json()
    assert (before["stopped_at"], before["put_back_at"], before["behind"]) == (None, None, [])
    listing = Resource.objects.create(connection=sent.connection, name="members")
    put_back(sent)
    restored.look_everywhere()
    organization.refresh_from_db()

    for client in (browser, client_for(owner)):
        told = client.get(here).json()
        assert told["stopped_at"] is not None
        assert (told["checking"], told["waiting"], told["undecided"]) == (1, 0, 0)
        name = sent.connection.name
        assert told["behind"] == [{"id": str(sent.connection.uid), "name": name}]
    Resource.objects.filter(pk=listing.pk).update(completed_at=timezone.now())
    assert browser.get(here).json()["behind"] == []

    admin = GrantFactory(organization=organization, role=Role.ADMIN)
    for client in (at_desk(admin.user), tired(at_desk(owner.user)), client_for(owner)):
        assert client.delete(here).status_code == 403
    assert at_desk(GrantFactory().user).delete(here).status_code == 404
    organization.refresh_from_db()
    assert organization.sending_stopped_at is not None

    gone_on = browser.delete(here)
    assert (gone_on.status_code, gone_on.json()["stopped_at"]) == (200, None)
    assert gone_on.json()["put_back_at"] is not None
    organization.refresh_from_db()
    assert organization.sending_stopped_at is None
    entry = Entry.objects.get(verb="organizations.resume_sending")
    assert entry.actor == owner.user.email
    again = browser.delete(here)
    assert (again.status_code, again.json()["detail"]) == (
        409,
        "Changes are not stopped (any more).",
    )


def test_the_command_line_stops_and_lifts(
    bo: Member, owner: Grant, organization: Organization, remote: Remote
) -> None:
    command = change_role(member=bo, role="developer", actor=owner.user, nonce="first")
    remote.change_role(str(bo.remote_id), "developer")  # sent after the backup was taken
    remote.calls.clear()
    said = StringIO()

    call_command("restored", stdout=said)

    assert "1 open change will be checked" in said.getvalue()
    assert carry(make_due(command)).state == S.SUCCEEDED
    assert remote.calls == []
    with pytest.raises(PermissionDenied):
        resume_sending(organization=organization, actor=GrantFactory(role=Role.OWNER).user)
    call_command("restored", "--lift", stdout=said)
    organization.refresh_from_db()
    assert organization.sending_stopped_at is None
    with pytest.raises(Refused):
        resume_sending(organization=organization, actor=owner.user)
