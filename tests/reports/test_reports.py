"""Reports: made from the pages themselves, once a period, for whoever may still have them."""

import csv
import io
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import time_machine
from django.core import mail
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.notices import endpoints, sending
from apps.notices.models import Delivery, Notice
from apps.organizations import services as organization_services
from apps.organizations.models import Grant, Organization, Role
from apps.providers.guard import worker_scope
from apps.reports import pages, running, services
from apps.reports.api import ReportViewSet
from apps.reports.letters import report
from apps.reports.models import Run, Schedule
from apps.reports.tables import read_table
from apps.sync.models import Resource
from apps.ui.models import SavedView
from tests import factories
from tests.browsing import at_desk
from tests.notices.receiver import receiving

MONDAY = datetime(2026, 11, 30, 9, 30, tzinfo=UTC)


@pytest.fixture
def owner(db: None) -> Grant:
    """An owner with three colleagues who are people at a provider."""
    grant: Grant = factories.GrantFactory(role=Role.OWNER)
    for name in ("Ada", "Grace", "=Mallory"):
        factories.PersonFactory(organization=grant.organization, name=name)
    return grant


def people_report(owner: Grant, **more: Any) -> Schedule:
    """The list of people, every Monday at eight, to its maker."""
    given: dict[str, Any] = {
        "list_name": "people",
        "url_name": "members:list",
        "url_kwargs": {},
        "query": "",
        "view": None,
        "name": "Everybody",
        "rhythm": "week:0",
        "hour": 8,
        "users": [owner.user],
        "endpoints": [],
    }
    return services.create_schedule(
        organization=owner.organization, actor=owner.user, **given | more
    )


def work() -> None:
    """What beat and the workers do in half a minute."""
    with worker_scope():
        running.start_due()
        sending.sweep()


def due(schedule: Schedule) -> None:
    """Its time has come a minute ago."""
    now = timezone.now()
    Schedule.objects.filter(pk=schedule.pk).update(
        next_at=now - timedelta(minutes=1), created_at=now - timedelta(days=60)
    )


def test_a_report_is_its_page_with_the_table_the_csv_and_the_way_back(owner: Grant) -> None:
    with time_machine.travel(MONDAY - timedelta(days=2), tick=False):
        schedule = people_report(owner)
        assert schedule.next_at == MONDAY.replace(hour=8, minute=0)
        work()
        assert mail.outbox == []
    with time_machine.travel(MONDAY, tick=False):
        work()
        work()

    (sent,) = mail.outbox
    assert sent.subject == f"[{owner.organization.name}] Everybody"
    assert "Ada" in sent.body
    lines = sent.body.splitlines()
    heads = next(at for at, line in enumerate(lines) if "  |  Email" in line)
    assert "  |  person" in lines[heads + 1], "plain words say what a column is, too"
    assert f"/o/{owner.organization.slug}/people/" in sent.body
    ((name, content, mime),) = sent.attachments
    assert (name.endswith(".csv"), mime) == (True, "text/csv")
    rows = list(csv.reader(io.StringIO(content.removeprefix("\ufeff"))))
    assert len(rows) == 4
    assert any("'=Mallory" in row for row in rows)
    run = Run.objects.get()
    assert (run.period, run.state, run.rows) == ("2026-11-30", "made", 3)
    schedule.refresh_from_db()
    assert schedule.next_at == MONDAY.replace(hour=8, minute=0) + timedelta(days=7)


def test_what_was_missed_while_nothing_ran_is_sent_once(owner: Grant) -> None:
    with time_machine.travel(MONDAY - timedelta(days=30), tick=False):
        people_report(owner)
    with time_machine.travel(MONDAY, tick=False):
        work()
    assert [run.period for run in Run.objects.all()] == ["2026-11-30"]
    assert len(mail.outbox) == 1


def test_the_hour_is_the_organizations_and_follows_it(owner: Grant) -> None:
    Organization.objects.update(time_zone="America/New_York")
    owner.refresh_from_db()
    with time_machine.travel(MONDAY - timedelta(days=2), tick=False):
        schedule = people_report(owner)
        assert schedule.next_at == MONDAY.replace(hour=13, minute=0)
        Organization.objects.update(time_zone="Asia/Tokyo")
    with time_machine.travel(MONDAY.replace(hour=14), tick=False):
        work()
    assert Run.objects.get().period == "2026-11-30"
    schedule.refresh_from_db()
    assert schedule.next_at == datetime(2026, 12, 6, 23, tzinfo=UTC)


@pytest.mark.django_db(transaction=True)
def test_beat_that_fires_twice_and_many_workers_make_one(owner: Grant) -> None:
    due(people_report(owner))
    start, failures = threading.Barrier(4), []

    def one() -> None:
        try:
            start.wait()
            work()
        except Exception as error:  # noqa: BLE001 - a thread's failure is the test's
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work()
    assert failures == []
    assert Run.objects.count() == Delivery.objects.count() == len(mail.outbox) == 1


@pytest.mark.parametrize("where", ["_made", "_finish"])
def test_a_worker_that_dies_while_it_makes_one_leaves_it_to_another(
    owner: Grant, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    due(people_report(owner))
    with monkeypatch.context() as patched:

        def die(*args: Any) -> None:
            raise SystemExit

        patched.setattr(running, where, die)
        with pytest.raises(SystemExit):
            work()
    work()  # it may still be under way
    assert mail.outbox == []
    Run.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    work()
    assert Run.objects.get().state == Run.State.MADE
    assert len(mail.outbox) == 1


def test_a_report_that_cannot_be_made_fails_in_the_end_and_holds_up_no_other(
    owner: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, other = people_report(owner, name="Broken"), people_report(owner)
    due(broken)
    due(other)
    made = running._made

    def odd(schedule: Schedule) -> pages.Made:
        if schedule.pk == broken.pk:
            raise AttributeError("what nobody foresaw")
        return made(schedule)

    monkeypatch.setattr(running, "_made", odd)
    for _ in range(6):
        work()
        Run.objects.filter(state=Run.State.WAITING).update(due_at=timezone.now())
    assert Run.objects.get(schedule=other).state == Run.State.MADE
    failed = Run.objects.get(schedule=broken)
    assert (failed.state, failed.attempts, failed.said) == ("failed", 4, "AttributeError")


def test_a_report_that_kills_its_worker_is_not_made_for_ever(
    owner: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    due(people_report(owner))

    def die(*args: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(running, "_made", die)
    for _ in range(4):
        with pytest.raises(SystemExit):
            work()
        Run.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    work()
    run = Run.objects.get()
    assert (run.state, run.attempts) == (Run.State.FAILED, 4)
    assert run.said


def test_whoever_loses_their_role_gets_no_mail_and_others_still_do(owner: Grant) -> None:
    lost = factories.GrantFactory(organization=owner.organization, role=Role.VIEWER)
    schedule = people_report(owner, users=[owner.user, lost.user])
    due(schedule)
    with worker_scope():
        running.start_due()
    Grant.objects.filter(pk=lost.pk).delete()
    work()
    assert [one.to for one in mail.outbox] == [[owner.user.email]]
    assert Delivery.objects.get(user=lost.user).state == Delivery.State.DROPPED

    with time_machine.travel(timezone.now() + timedelta(days=7)):
        work()
    assert Run.objects.count() == 2
    assert Delivery.objects.filter(user=lost.user).count() == 1


@pytest.mark.parametrize("how", ["grant", "account", "view"])
def test_a_report_whose_maker_or_view_is_gone_stops_and_says_so(owner: Grant, how: str) -> None:
    maker = factories.GrantFactory(organization=owner.organization, role=Role.VIEWER)
    schedule = people_report(maker, users=[owner.user])
    if how == "grant":
        maker.delete()
    elif how == "account":
        User.objects.filter(pk=maker.user.pk).update(is_active=False)
    else:
        SavedView.objects.all().delete()
    due(schedule)
    work()
    work()

    schedule.refresh_from_db()
    assert schedule.stopped_at is not None
    assert schedule.stopped_why
    told = Notice.objects.get(topic="reports.stopped")
    assert told.text == schedule.stopped_why
    assert [one.subject for one in mail.outbox] == [
        f"[{owner.organization.name}] The report “Everybody” has stopped"
    ]
    assert Entry.objects.filter(verb="reports.stop").count() == 1


def test_a_report_holds_what_its_maker_may_see_and_nothing_of_others(owner: Grant) -> None:
    other = factories.GrantFactory(role=Role.OWNER)
    factories.PersonFactory(organization=other.organization, name="Stranger")
    due(people_report(owner))
    work()
    assert "Stranger" not in str(mail.outbox[0].message())

    elsewhere = pages.find(f"/o/{other.organization.slug}/people/", owner.organization)
    assert elsewhere is None
    with pytest.raises(pages.CannotSee):
        pages.make(owner.user, other.organization, "members:list", {}, "")


def test_a_webhook_gets_the_csv_and_the_way_to_it(owner: Grant) -> None:
    with receiving() as receiver:
        made, secret = endpoints.create_endpoint(
            organization=owner.organization,
            actor=owner.user,
            name="Ours",
            url=receiver.url,
            topics=[],
        )
        due(people_report(owner, users=[], endpoints=[made]))
        work()
    ((headers, body),) = receiver.got
    told = Webhook(secret.reveal()).verify(body, headers)
    assert told["type"] == "report.made"
    assert told["data"]["csv"].count("\r\n") == 4
    assert told["data"]["csv_url"].endswith("/people/?export=csv")
    assert mail.outbox == []


def test_send_now_sends_once_for_one_click(owner: Grant) -> None:
    schedule = people_report(owner)
    desk = at_desk(owner.user)
    where = reverse("reports:send_now", args=[owner.organization.slug, schedule.pk])
    for _ in range(2):
        desk.post(where, {"nonce": "one click"})
    work()
    assert len(mail.outbox) == 1
    page = desk.get(reverse("reports:report", args=[owner.organization.slug, schedule.pk]))
    assert "Sent off" in page.content.decode()


def test_a_paused_report_is_not_sent_and_goes_on_with_the_next_time(owner: Grant) -> None:
    schedule = people_report(owner)
    desk, given = at_desk(owner.user), [owner.organization.slug, schedule.pk]
    page = reverse("reports:report", args=given)
    assert 'name="paused" value="1"' in desk.get(page).content.decode()
    for _tab in range(2):
        desk.post(reverse("reports:pause", args=given), {"paused": "1"})
    assert 'name="paused" value="0"' in desk.get(page).content.decode()
    due(schedule)
    work()
    assert mail.outbox == []
    desk.post(reverse("reports:pause", args=given), {"paused": "0"})
    work()
    schedule.refresh_from_db()
    assert mail.outbox == []
    assert schedule.next_at > timezone.now()


def test_a_receiver_can_leave(owner: Grant) -> None:
    viewer = factories.GrantFactory(organization=owner.organization, role=Role.VIEWER)
    schedule = people_report(owner, users=[owner.user, viewer.user])
    at_desk(viewer.user).post(reverse("reports:leave", args=[owner.organization.slug, schedule.pk]))
    assert list(schedule.users.all()) == [owner.user]


def test_a_viewer_changes_their_own_report_and_nobody_elses(owner: Grant) -> None:
    viewer = factories.GrantFactory(organization=owner.organization, role=Role.VIEWER)
    theirs, mine = people_report(owner), people_report(viewer, name="Mine")
    desk = at_desk(viewer.user)
    for schedule, status in ((theirs, 403), (mine, 302)):
        where = reverse("reports:delete", args=[owner.organization.slug, schedule.pk])
        assert desk.post(where).status_code == status
    assert list(Schedule.objects.all()) == [theirs]


def test_whoever_may_not_choose_webhooks_leaves_them_as_they_are(owner: Grant) -> None:
    viewer = factories.GrantFactory(organization=owner.organization, role=Role.VIEWER)
    made, _secret = endpoints.create_endpoint(
        organization=owner.organization,
        actor=owner.user,
        name="Ours",
        url="https://hooks.example/in",
        topics=[],
    )
    schedule = people_report(viewer, endpoints=[made])
    where = reverse("reports:change", args=[owner.organization.slug, schedule.pk])
    # The webhook gets it, so that nobody by mail is no mistake.
    given = {"name": "Renamed", "rhythm": "week:0", "hour": "8"}
    assert at_desk(viewer.user).post(where, given).status_code == 302
    schedule.refresh_from_db()
    assert schedule.name == "Renamed"
    assert list(schedule.endpoints.all()) == [made]


def test_notices_are_mailed_to_whoever_may_read_all_that_their_maker_reads(owner: Grant) -> None:
    admin, viewer = (
        factories.GrantFactory(organization=owner.organization, role=role)
        for role in (Role.ADMIN, Role.VIEWER)
    )
    everybody = [owner.user, admin.user, viewer.user]
    notices = {"list_name": "notices", "url_name": "notices:list", "users": everybody}
    due(people_report(owner, **notices))
    due(people_report(viewer, name="Theirs", **notices))
    work()
    got = sorted((one.subject.split()[-1], one.to[0]) for one in mail.outbox)
    assert got == sorted(
        [("Everybody", one.email) for one in everybody[:2]]
        + [("Theirs", one.email) for one in everybody]
    )
    withheld = Delivery.objects.get(state=Delivery.State.DROPPED)
    assert (withheld.user, "role" in withheld.said) == (viewer.user, True)


def test_another_hour_on_a_day_already_sent_counts_from_the_next(owner: Grant) -> None:
    given: dict[str, Any] = {"name": "Daily", "rhythm": "day", "users": [owner.user]}
    with time_machine.travel(MONDAY - timedelta(days=1), tick=False):
        schedule = people_report(owner, **given)
    with time_machine.travel(MONDAY, tick=False):

        def at(hour: int) -> datetime:
            return services.change_schedule(schedule=schedule, actor=owner.user, hour=hour).next_at

        assert at(15) == MONDAY.replace(hour=15, minute=0)
        at(9)
        due(schedule)
        work()
        assert at(15) == MONDAY.replace(hour=15, minute=0) + timedelta(days=1)
        assert at(0) == MONDAY.replace(hour=0, minute=0) + timedelta(days=1)


def test_what_is_not_said_of_a_report_stays_as_it_is_by_now(
    owner: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    colleague = factories.GrantFactory(organization=owner.organization).user
    schedule, actor = people_report(owner), owner.user
    filled = ReportViewSet._filled

    def meanwhile(*args: Any) -> dict[str, Any]:
        made = filled(*args)
        services.change_schedule(schedule=schedule, actor=actor, rhythm="day", users=[colleague])
        services.change_schedule(schedule=schedule, actor=actor, hour=15)
        return made

    monkeypatch.setattr(ReportViewSet, "_filled", meanwhile)
    where = f"/api/v1/organizations/{owner.organization.slug}/reports/{schedule.pk}/"
    answer = at_desk(actor).patch(where, {"name": "Theirs"}, content_type="application/json")
    assert answer.status_code == 200, answer.content
    kept = Schedule.objects.get(pk=schedule.pk)
    assert (kept.name, kept.rhythm, kept.hour) == ("Theirs", "day", 15)
    assert list(kept.users.all()) == [colleague]
    last = Entry.objects.filter(verb="reports.change").latest("pk")
    assert last.details == {"name": ["Everybody", "Theirs"]}


def test_a_report_does_not_lose_its_last_receiver_by_a_change(owner: Grant) -> None:
    webhook = factories.EndpointFactory(organization=owner.organization)
    schedule = people_report(owner, endpoints=[webhook])
    services.change_schedule(schedule=schedule, actor=owner.user, users=[])
    with pytest.raises(services.Refused, match="at least one receiver"):
        services.change_schedule(schedule=schedule, actor=owner.user, endpoints=[])
    assert list(schedule.endpoints.all()) == [webhook]


def test_a_mail_says_of_a_csv_what_became_of_it(owner: Grant) -> None:
    schedule = people_report(owner)
    run = Run(organization=owner.organization, schedule=schedule, csv_name="x.csv")
    run.digest = {"headings": ["Name"], "rows": [["Ada"]], "more": 3}
    words = ("more rows are in the CSV", "too large", "not kept any more")
    for csv_, rows, said in ((b"Name", 4, words[0]), (None, None, words[1]), (None, 4, words[2])):
        run.pk, run.uid, run.period, run.csv, run.rows = None, uuid4(), f"now:{said}", csv_, rows
        run.save(force_insert=True)
        letter = report(
            Delivery(
                organization=owner.organization, subject_id=run.pk, channel="mail", user=owner.user
            )
        )
        for text in (letter.text, letter.html):
            assert [one for one in words if one in text] == [said]


# --- From a page ----------------------------------------------------------------------------------


@pytest.fixture
def desk(owner: Grant) -> Client:
    """The owner's browser."""
    return at_desk(owner.user)


def new(owner: Grant, page: str, list_name: str) -> str:
    """Where a page is set up to be sent."""
    base = reverse("reports:new", args=[owner.organization.slug])
    return f"{base}?page={quote(page)}&list={list_name}"


FILLED: dict[str, Any] = {"name": "Mine", "rhythm": "week:0", "hour": "8"}


def test_usage_is_sent_with_its_range_as_of_the_day_it_is_sent(owner: Grant, desk: Client) -> None:
    page = f"/o/{owner.organization.slug}/usage/?range=last_week&group=workspace"
    form = desk.get(new(owner, page, "usage")).content.decode()
    assert ">Cancel</a>" in form, "there is nothing yet to be kept as it is"
    answer = desk.post(new(owner, page, "usage"), {**FILLED, "users": [owner.user.pk]})
    assert answer.status_code == 302
    schedule = Schedule.objects.get()
    assert schedule.view is not None
    assert schedule.view.query == "range=last_week&group=workspace"
    with time_machine.travel(datetime(2027, 1, 4, 12, tzinfo=UTC), tick=False):
        work()
    assert "Last week: 28 Dec 2026 – 3 Jan 2027" in mail.outbox[0].body
    again = new(owner, page, "usage") + f"&view={schedule.view.pk}"
    desk.post(again, {**FILLED, "users": [owner.user.pk]})
    assert SavedView.objects.count() == 1


def test_views_of_usage_are_saved_opened_first_and_listed(owner: Grant, desk: Client) -> None:
    usage = f"/o/{owner.organization.slug}/usage/"
    factories.ConnectionFactory(organization=owner.organization)
    given = {"name": "By workspace", "opens_first": "on"}
    answer = desk.post(f"{usage}?group=workspace&views=new", given)
    view = SavedView.objects.get()
    assert (view.list_name, view.query) == ("usage", "group=workspace")
    assert answer["Location"] == f"{usage}?group=workspace&view={view.pk}"
    assert desk.get(usage)["Location"] == answer["Location"]
    page = desk.get(answer["Location"]).content.decode()
    assert "By workspace" in page
    assert "Send regularly" in page
    assert "Save view" not in page
    assert "Update view" in desk.get(f"{answer['Location']}&show=tokens").content.decode()


@pytest.mark.parametrize(
    ("wanted", "status"),
    [("/o/{slug}/settings/", 200), ("/o/other/people/", 404), ("/accounts/profile/", 404)],
)
def test_what_is_no_table_of_ones_own_cannot_be_sent(
    owner: Grant, desk: Client, wanted: str, status: int
) -> None:
    where = new(owner, wanted.format(slug=owner.organization.slug), "people")
    answer = desk.post(where, {**FILLED, "users": [owner.user.pk]})
    assert answer.status_code == status
    if status == 200:
        assert "has no CSV" in answer.content.decode()
    assert not Schedule.objects.exists()


def test_nobody_to_send_to_and_a_stranger_are_refused_beside_the_field(
    owner: Grant, desk: Client
) -> None:
    where = new(owner, f"/o/{owner.organization.slug}/people/", "people")
    stranger = factories.UserFactory()
    for users in ([], [stranger.pk]):
        answer = desk.post(where, {**FILLED, "users": users})
        assert "invalid-feedback" in answer.content.decode()
    assert not Schedule.objects.exists()


@pytest.mark.databaseless
def test_a_file_that_is_too_large_is_not_kept() -> None:
    def parts() -> Any:
        yield b"\xef\xbb\xbfName,N\r\n"
        for n in range(1000):
            yield f'"Line\n{n}",{n}\r\n'.encode()

    small = read_table(parts(), 1_000_000, 5)
    assert (small.headings, small.count, len(small.rows)) == (["Name", "N"], 1000, 5)
    assert small.csv is not None
    large = read_table(parts(), 2_000, 5)
    assert (large.count, large.csv, len(large.rows)) == (None, None, 5)


def test_another_clock_reckons_the_next_time_anew(owner: Grant) -> None:
    with time_machine.travel(MONDAY - timedelta(days=2), tick=False):
        schedule, waiting = people_report(owner), people_report(owner, name="Due")
        overdue = timezone.now() - timedelta(seconds=3)
        Schedule.objects.filter(pk=waiting.pk).update(next_at=overdue)
        current = owner.organization
        organization_services.change_organization(
            organization=current, actor=owner.user, time_zone="Asia/Tokyo"
        )
    schedule.refresh_from_db()
    waiting.refresh_from_db()
    assert schedule.next_at == datetime(2026, 11, 29, 23, tzinfo=UTC)  # Monday at eight there
    assert waiting.next_at == overdue, "it is begun by whoever looks next"


def test_the_mail_of_a_list_says_for_each_connection_how_fresh_it_is(
    owner: Grant, desk: Client
) -> None:
    connection = factories.ConnectionFactory(organization=owner.organization, name="Claude")
    for name, at in (("members", MONDAY - timedelta(hours=3)), ("invites", MONDAY)):
        Resource.objects.create(connection=connection, name=name, completed_at=at, failures=1)
    unread = factories.ConnectionFactory(organization=owner.organization, name="Newer")
    Resource.objects.create(connection=unread, name="members")
    Organization.objects.update(time_zone="Europe/Berlin")
    owner.refresh_from_db()
    schedule = people_report(owner)
    due(schedule)
    work()
    (sent,) = mail.outbox
    assert "Claude: synced 30 Nov 2026, 07:30 · the last sync ended early" in sent.body
    assert "Newer: not synced yet" in sent.body
    html = desk.get(f"/o/{owner.organization.slug}/reports/").content.decode()
    assert "Everybody" in html
    assert "/reports/new/" not in html, "the list of reports is none"
