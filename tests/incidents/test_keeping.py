"""From days to incidents: opened once, gone on, opened again, resolved by themselves, told to people."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from celery import Celery
from django.core.exceptions import PermissionDenied
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.audit.models import Entry
from apps.incidents import keeping, rule, services
from apps.incidents.apps import look_soon
from apps.incidents.models import Ended, Incident, State
from apps.notices.models import Notice
from apps.organizations.models import Connection, Grant, Role
from apps.sync import mirrors
from apps.usage.days import day_of
from apps.usage.models import Correction, Dimension, ReadDay, Report, Rollup
from apps.usage.tuples import grain_for
from tests.factories import GrantFactory, KeyFactory, MemberFactory, PersonFactory
from tests.incidents.spending import DAYS, GRAINS, back, evenly, look, spend

pytestmark = pytest.mark.django_db


@pytest.fixture
def busy(claude: Connection) -> Connection:
    """Two keys of two workspaces: $20 and $200 a day."""
    for key, workspace, dollars in (("one", "w1", 20), ("two", "w2", 200)):
        KeyFactory(connection=claude, remote_id=key, name=f"key {key}", workspace=workspace)
        spend(claude, evenly(dollars), key=key, workspace=workspace)
    return claude


def run_away(connection: Connection, days: int = 0, dollars: float = 400) -> None:
    """The first key loops so many days ago."""
    spend(connection, {days: dollars}, key="one", workspace="w1", cached=0)


def verbs() -> list[str]:
    return list(Entry.objects.order_by("pk").values_list("verb", flat=True))


def test_a_key_that_runs_away_is_one_incident_with_its_causes(busy: Connection) -> None:
    assert look(busy) == []
    run_away(busy)
    (one,) = look(busy)
    assert (one.kind, one.value, one.label) == ("key", "one", "key one")
    assert (one.since, one.last) == (day_of(back(0)), day_of(back(0)))
    assert (one.observed, one.expected, one.excess) == (420_000_000, 20_000_000, 400_000_000)
    assert (one.severity, one.state, one.unit, one.currency) == ("high", "open", "money", "USD")
    assert [cause["name"] for cause in one.causes] == ["cache", "tokens"]
    assert one.workspace == "w1"
    assert verbs() == ["incidents.open"]
    # Looked at again, it is the same; a day that goes on grows.
    assert look(busy) == []
    run_away(busy, dollars=100)
    (again,) = look(busy)
    assert again.pk == one.pk
    assert again.observed == 520_000_000
    assert verbs() == ["incidents.open"]


def test_whoever_hears_of_it_is_told_once_each_time_it_opens(
    busy: Connection, owner: Grant
) -> None:
    run_away(busy)
    (one,) = look(busy)
    (notice,) = Notice.objects.all()
    assert notice.url == f"/o/{owner.organization.slug}/incidents/{one.pk}/"
    assert notice.title.startswith("key one: ≈ $420.00 on ")
    assert "$20.00 would be usual" in notice.text
    assert "0.0% of the input" not in notice.text
    services.resolve(incident=one, actor=owner.user, reason="A loop.")
    notice.refresh_from_db()
    assert notice.settled_at is not None


def test_what_was_over_long_ago_is_written_down_and_nobody_is_called(busy: Connection) -> None:
    run_away(busy, days=20)
    assert look(busy) == []
    (one,) = keeping.look_at(busy, timezone.now(), with_past=True)
    assert one.since == one.last == day_of(back(20))
    assert not Notice.objects.exists()


def test_a_connection_that_uses_much_less_is_quiet_until_more_is_told(claude: Connection) -> None:
    grains = [*GRAINS, grain_for(["model"])]
    KeyFactory(connection=claude, remote_id="two", name="key two", workspace="w2")
    for key, workspace, dollars in (("one", "w1", 20), ("two", "w2", 200)):
        spend(claude, evenly(dollars), key=key, workspace=workspace, grains=grains)
    # Yesterday it was $70 instead of $220.
    spend(claude, {1: -150}, key="two", workspace="w2", grains=grains)
    today = datetime.combine(back(0), time(), UTC)
    assert keeping.look_at(claude, today + timedelta(hours=5, minutes=59)) == []
    (one,) = keeping.look_at(claude, today + timedelta(hours=6))
    assert (one.kind, one.value, one.label) == ("quiet", "", str(claude))
    assert (one.since, one.last) == (day_of(back(1)), day_of(back(1)))
    assert (one.observed, one.expected, one.excess) == (70_000_000, 220_000_000, -150_000_000)
    assert one.severity == "low"
    assert [(cause["name"], cause["label"]) for cause in one.causes[:1]] == [
        ("less_key", "key two")
    ]
    assert [cause["name"] for cause in one.causes[1:]] == ["less"]
    (notice,) = Notice.objects.all()
    assert notice.title.startswith(f"{claude}: $70.00 on ")
    assert "$220.00 would be usual" in notice.text
    assert "100.0% of what is missing is key two's." in notice.text
    # The provider tells of the rest later: it was not so.
    spend(claude, {1: 150}, key="two", workspace="w2", grains=grains)
    (gone,) = keeping.look_at(claude, today + timedelta(hours=7))
    assert (gone.pk, gone.state, gone.ended) == (one.pk, State.RESOLVED, Ended.HISTORY)
    notice.refresh_from_db()
    assert notice.settled_at is not None


def test_a_resolved_one_opens_again_only_for_a_later_day(busy: Connection, owner: Grant) -> None:
    run_away(busy, days=1)
    run_away(busy, days=0)
    (one,) = look(busy)
    services.resolve(incident=one, actor=owner.user, reason="Switched off.")
    run_away(busy, days=0)  # the same day grows: that was known
    assert look(busy) == []
    # Two days later it goes on.
    Incident.objects.filter(pk=one.pk).update(settled_day=day_of(back(2)), since=day_of(back(3)))
    (again,) = look(busy)
    assert (again.pk, again.state, again.opened) == (one.pk, State.OPEN, 2)
    assert again.reason == ""
    assert verbs()[-1] == "incidents.reopen"
    assert Notice.objects.count() == 2


def test_what_comes_back_after_weeks_is_another_incident(busy: Connection, owner: Grant) -> None:
    run_away(busy, days=20)
    (one,) = keeping.look_at(busy, timezone.now(), with_past=True)
    services.resolve(incident=one, actor=owner.user, reason="")
    Incident.objects.filter(pk=one.pk).update(settled_day=day_of(back(19)))
    run_away(busy)
    (other,) = look(busy)
    assert other.pk != one.pk
    assert other.expected == 20_000_000  # the days of the first tell nothing of what is usual


def test_amounts_of_two_currencies_are_never_added_up(busy: Connection, owner: Grant) -> None:
    run_away(busy)
    (one,) = look(busy)
    # A day of it lies too far back to be judged anew.
    long_ago = {str(day_of(back(40))): [90_000_000, 20_000_000, 50_000_000]}
    Incident.objects.filter(pk=one.pk).update(
        daily={**long_ago, **one.daily}, since=day_of(back(40))
    )
    Dimension.objects.filter(connection=busy).update(currency="EUR")
    (same,) = look(busy)
    assert (same.pk, same.unit, same.currency) == (one.pk, "money", "EUR")
    assert same.daily == one.daily, "begun anew"
    assert (same.since, same.observed) == (day_of(back(0)), 420_000_000)
    assert look(busy) == []
    # Resolved, it was another one.
    services.resolve(incident=same, actor=owner.user, reason="Switched off.")
    Incident.objects.filter(pk=one.pk).update(settled_day=day_of(back(1)))
    Dimension.objects.filter(connection=busy).update(currency="CHF")
    (other,) = look(busy)
    assert other.pk != one.pk
    assert (other.state, other.currency, other.observed) == (State.OPEN, "CHF", 420_000_000)
    one.refresh_from_db()
    assert (one.state, one.currency) == (State.RESOLVED, "EUR")


def test_a_muted_one_is_quiet_until_its_time_is_over(busy: Connection, owner: Grant) -> None:
    run_away(busy, days=1)
    (one,) = look(busy)
    until = back(-3)
    services.mute(incident=one, actor=owner.user, reason="A load test.", until=until)
    run_away(busy)
    (same,) = look(busy)
    assert (same.state, same.last, same.opened) == (State.MUTED, day_of(back(0)), 1)
    assert Notice.objects.count() == 1
    # It is over, and today is far off still.
    Incident.objects.filter(pk=one.pk).update(muted_until=day_of(back(1)))
    run_away(busy, dollars=4_000)
    (again,) = look(busy)
    assert (again.state, again.opened, again.muted_until) == (State.OPEN, 2, None)


def test_a_mute_that_ends_in_quiet_is_resolved_by_itself(busy: Connection, owner: Grant) -> None:
    run_away(busy, days=3)
    (one,) = look(busy)
    services.mute(incident=one, actor=owner.user, reason="A load test.", until=back(-1))
    assert look(busy) == []
    Incident.objects.filter(pk=one.pk).update(muted_until=day_of(back(1)))
    Rollup.objects.filter(day=day_of(back(3))).delete()
    (over,) = (found for found in look(busy) if found.pk == one.pk)
    assert (over.state, over.ended) == (State.RESOLVED, Ended.CALM)


def test_a_correction_that_explains_it_away_resolves_it(busy: Connection) -> None:
    run_away(busy, days=1)
    (one,) = look(busy)
    for row in Rollup.objects.filter(day=day_of(back(1)), shared_micros__gte=400_000_000):
        row.shared_micros -= 400_000_000
        Rollup.objects.filter(pk=row.pk).update(shared_micros=row.shared_micros)
    Correction.objects.create(
        connection=busy, report="costs", day=day_of(back(1)), noted_at=timezone.now(), rows=1
    )
    (gone,) = look(busy)
    assert (gone.pk, gone.state, gone.ended) == (one.pk, State.RESOLVED, Ended.CORRECTION)
    entry = Entry.objects.get(verb="incidents.resolve_itself")
    assert entry.details["how"] == "correction"
    assert entry.actor == "Orgdesk"
    assert Notice.objects.get().settled_at is not None


def test_a_new_key_is_named_as_the_cause_of_its_workspace(busy: Connection) -> None:
    KeyFactory(connection=busy, remote_id="new", name="fresh key", workspace="w1")
    spend(busy, evenly(180, first=1), key="new", workspace="w1")
    (one,) = look(busy)
    assert (one.kind, one.value) == ("workspace", "w1")
    assert one.causes[0] == {
        "name": "new_key",
        "value": "new",
        "share": 1_000_000,
        "first": day_of(back(1)),
        "label": "fresh key",
    }


def test_a_person_is_found_by_their_account_where_they_are_at_home(busy: Connection) -> None:
    person = PersonFactory(organization=busy.organization, name="Ada")
    account = MemberFactory(connection=busy, person=person)
    spend(busy, evenly(10), account=str(account.remote_id), workspace="w2")
    assert look(busy) == []
    spend(busy, {0: 900}, account=str(account.remote_id), workspace="w2", model="claude-opus-4-6")
    (one,) = look(busy)
    assert (one.kind, one.label, one.workspace) == ("person", "Ada", "w2")
    assert one.causes[0]["name"] == "model"


def test_days_that_are_not_read_are_neither_judged_nor_zeros(busy: Connection) -> None:
    run_away(busy)
    ReadDay.objects.filter(connection=busy, day=day_of(back(0)), report="costs").delete()
    assert look(busy) == []
    # While the past comes in, nobody knows what is usual.
    run_away(busy, days=1)
    Report.objects.filter(connection=busy).update(backfilled_at=None)
    ReadDay.objects.filter(connection=busy, day__lt=day_of(back(40))).delete()
    assert look(busy) == []
    Report.objects.filter(connection=busy).update(backfilled_at=timezone.now())
    (one,) = look(busy)
    assert one.daily.keys() == {str(day_of(back(1)))}
    assert one.expected == 20_000_000


def test_a_look_reads_the_same_number_of_times_for_many_keys(busy: Connection) -> None:
    def reads() -> int:
        with CaptureQueriesContext(database) as seen:
            assert look(busy) == []
        return len(seen)

    few = reads()
    for number in range(5):
        spend(busy, evenly(30, first=60), key=f"key{number}", workspace="w1")
    assert reads() == few


def test_one_look_at_a_time_and_none_right_after(busy: Connection, settings: Any) -> None:
    settings.INCIDENTS_LOOK_SECONDS = 600
    run_away(busy)
    assert keeping.look_if_due(busy.pk)
    assert Incident.objects.count() == 1
    assert not keeping.look_if_due(busy.pk)
    settings.INCIDENTS_LOOK_SECONDS = 0
    assert keeping.look_if_due(busy.pk)


def test_whoever_reads_usage_has_it_looked_at(
    busy: Connection,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    sent: list[tuple[str, list[int]]] = []
    monkeypatch.setattr(
        Celery, "send_task", lambda app, name, args, **more: sent.append((name, args))
    )
    assert look_soon in mirrors.listeners("usage")
    assert look_soon in mirrors.listeners("costs")
    with django_capture_on_commit_callbacks(execute=True):
        look_soon(busy, timezone.now())
    assert sent == [("walks.look_for_incidents", [busy.pk])]


# --- What people do -------------------------------------------------------------------------------


def test_only_those_who_may_act_and_only_on_what_is_there(busy: Connection, owner: Grant) -> None:
    run_away(busy)
    (one,) = look(busy)
    viewer = GrantFactory(organization=owner.organization, role=Role.VIEWER)
    billing = GrantFactory(organization=owner.organization, role=Role.BILLING)
    with pytest.raises(PermissionDenied):
        services.acknowledge(incident=one, actor=viewer.user)
    assert services.acknowledge(incident=one, actor=billing.user).state == State.ACKNOWLEDGED
    services.acknowledge(incident=one, actor=owner.user)  # twice is once
    with pytest.raises(services.Refused) as refused:
        services.mute(incident=one, actor=owner.user, reason=" ", until=None)
    assert refused.value.field == "reason"
    with pytest.raises(services.Refused) as refused:
        services.mute(incident=one, actor=owner.user, reason="So.", until=back(0))
    assert refused.value.field == "until"
    services.mute(incident=one, actor=owner.user, reason="So.", until=None)
    for act in (
        lambda: services.resolve(incident=one, actor=owner.user, reason=""),
        lambda: services.acknowledge(incident=one, actor=owner.user),
    ):
        with pytest.raises(services.Refused):
            act()
    assert services.take_up(incident=one, actor=owner.user).state == State.OPEN
    services.resolve(incident=one, actor=owner.user, reason="Found it.")
    assert verbs() == [
        "incidents.open",
        "incidents.acknowledge",
        "incidents.mute",
        "incidents.take_up",
        "incidents.resolve",
    ]
    mute = Entry.objects.get(verb="incidents.mute")
    assert mute.details["reason"] == "So."


def test_an_old_one_is_not_taken_up_beside_a_newer_one(busy: Connection, owner: Grant) -> None:
    run_away(busy)
    (one,) = look(busy)
    services.resolve(incident=one, actor=owner.user, reason="")
    newer = Incident.objects.get(pk=one.pk)
    newer.pk, newer.state = None, State.OPEN
    newer.save()
    with pytest.raises(services.Refused):
        services.take_up(incident=one, actor=owner.user)


def test_what_somebody_did_meanwhile_stands(busy: Connection, owner: Grant) -> None:
    run_away(busy)
    (one,) = look(busy)
    run_away(busy)
    real = rule.find

    def meanwhile(*args: Any) -> Any:
        services.resolve(incident=one, actor=owner.user, reason="Just now.")
        return real(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "find", meanwhile)
        assert look(busy) == []
    one.refresh_from_db()
    assert (one.state, one.reason) == (State.RESOLVED, "Just now.")


def test_what_goes_on_for_weeks_becomes_usual(busy: Connection) -> None:
    """A level that is new and stays: the incident's first four weeks count for nothing, the rest does."""
    spend(busy, evenly(80), key="one", workspace="w1")
    Incident.objects.create(
        connection=busy,
        kind="key",
        value="one",
        unit="money",
        severity="low",
        since=day_of(back(DAYS)),
        last=day_of(back(0)),
        daily={str(day_of(back(DAYS))): [100_000_000, 20_000_000, 50_000_000]},
        observed=100_000_000,
        expected=20_000_000,
        excess=80_000_000,
        opened_at=timezone.now() - timedelta(days=DAYS),
        looked_at=timezone.now(),
    )
    assert look(busy) == []
