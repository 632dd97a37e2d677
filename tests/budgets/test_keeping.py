"""From what was used to what is told: each sum once, each threshold once, and said when it holds no more."""

import threading
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from celery import Celery
from django.core import mail
from django.db import connections as databases

from apps.audit.models import Entry
from apps.budgets import keeping, services, words
from apps.budgets.apps import look_soon
from apps.budgets.models import Budget, Crossing, Scope, Standing
from apps.budgets.picture import chart_of
from apps.budgets.reading import figures
from apps.budgets.scopes import WHOLE, Place, connections_of
from apps.budgets.terms import Terms
from apps.centres import services as centres
from apps.centres.models import CostCentre
from apps.notices import sending
from apps.notices.models import Delivery, Notice
from apps.organizations.models import Connection, Grant
from apps.providers.guard import worker_scope
from apps.sync import mirrors
from apps.usage.days import day_of
from apps.usage.models import ReadDay, Report, Rollup
from apps.usage.tuples import grain_for
from tests.budgets.conftest import DAYS, NOW, TODAY, november
from tests.factories import EndpointFactory, KeyFactory, PaymentFactory, WorkspaceFactory
from tests.incidents.spending import evenly, spend
from tests.usage.rolled import used

pytestmark = pytest.mark.django_db
TOTAL = grain_for([])


def make(owner: Grant, amount: str = "100", place: Place = WHOLE, **more: Any) -> Budget:
    """A monthly budget, made as if it had been there since August."""
    given = {"thresholds": (50, 80, 100), "tell_forecast": False} | more
    period = given.pop("period", "month")
    made = services.create_budget(
        organization=owner.organization,
        actor=owner.user,
        place=place,
        currency="USD",
        period=period,
        terms=Terms(given.pop("name", "Team"), Decimal(amount), **given),
    )
    Budget.objects.filter(pk=made.pk).update(created_at=NOW - timedelta(days=90))
    made.refresh_from_db()
    return made


def look(budget: Budget) -> Standing:
    keeping.look(Budget.objects.select_related("organization").get(pk=budget.pk))
    return Standing.objects.get(budget=budget, first=day_of(november(1)))


def change(budget: Budget, owner: Grant, **given: Any) -> None:
    services.change_budget(budget=budget, actor=owner.user, **given)
    budget.refresh_from_db()


def titles() -> list[str]:
    return list(Notice.objects.order_by("pk").values_list("title", flat=True))


def correct(connection: Connection, share: int) -> None:
    """The provider now tells so many hundredths of what it told."""
    for row in Rollup.objects.filter(connection=connection):
        row.shared_micros = row.shared_micros * share // 100
        row.billed_micros = row.billed_micros * share // 100
        row.save()


def test_metered_cost_and_used_up_credit_count_once_and_bought_credit_never(
    owner: Grant, claude: Connection, cline: Connection
) -> None:
    used(claude, november(3), cost="10.123456789")
    used(cline, november(4), cost="5.00000001")
    used(cline, november(1), cost="1")
    used(claude, TODAY - timedelta(days=18), cost="70")  # October's
    PaymentFactory(
        connection=cline,
        at=NOW - timedelta(days=5),
        status="completed",
        amount_micros=500_000_000,
        credits_micros=500_000_000,
    )
    both = look(make(owner))
    assert both.spent == Decimal("16.123456799")
    assert (both.percent, both.unread, both.is_estimate, both.others) == (16, 0, False, {})
    one = look(make(owner, name="Cline", place=Place(Scope.CONNECTION, cline)))
    assert one.spent == Decimal("6.00000001")
    assert one.left == Decimal("93.99999999")


def test_a_workspace_counts_its_own_alone_and_the_default_one_is_one(
    owner: Grant, claude: Connection, cline: Connection
) -> None:
    WorkspaceFactory(connection=claude, remote_id="w1", name="Lab")
    used(claude, november(3), cost="10", workspace="w1")
    used(claude, november(3), cost="3")
    used(cline, november(3), cost="40")
    lab = make(owner, name="Lab", place=Place(Scope.WORKSPACE, claude, "w1"))
    default = make(owner, name="Rest", place=Place(Scope.WORKSPACE, claude, "-"))
    assert (look(lab).spent, look(default).spent) == (Decimal(10), Decimal(3))
    assert look_quarter(make(owner, period="quarter", name="Q")).spent == Decimal(53)


def test_a_cost_centre_counts_what_its_rules_take_and_new_usage_is_sorted_first(
    owner: Grant, claude: Connection, cline: Connection
) -> None:
    KeyFactory(connection=claude, remote_id="k1", name="lab-one")
    centre = centres.create_centre(
        organization=owner.organization, actor=owner.user, name="Lab", code="L1"
    )
    centres.add_rule(centre=centre, actor=owner.user, subject="key", kind="begins", text="lab-")
    used(cline, november(3), cost="40")
    used(claude, november(4), cost="2")
    used(claude, november(3), cost="55", key="k1")
    used(claude, november(3), cost="5", key="k2")
    budget = make(owner, place=Place(Scope.CENTRE, centre=centre))
    standing = look(budget)
    assert (standing.spent, standing.is_estimate) == (Decimal(55), True)
    assert titles() == ["Team: 50% of $100.00 is spent (November 2026)"]
    assert "≈ $55.00 of $100.00" in Notice.objects.get().text
    keeping.look_at_connection(claude.pk)
    CostCentre.objects.update(removed_at=NOW)
    assert look(budget).spent == Decimal(55), "how it stood is kept"
    assert len(titles()) == 1


def test_each_threshold_is_told_once_and_of_several_at_once_the_highest(
    owner: Grant, claude: Connection
) -> None:
    EndpointFactory(organization=owner.organization)
    budget = make(owner)
    used(claude, november(3), cost="49.99")
    assert look(budget).percent == 49
    assert titles() == []
    used(claude, november(4), cost="0.01")
    look(budget)
    look(budget)
    assert titles() == ["Team: 50% of $100.00 is spent (November 2026)"]
    used(claude, november(5), cost="55")
    look(budget)
    assert titles()[1:] == ["Team: 100% of $100.00 is spent (November 2026)"]
    assert [(one.threshold, one.told) for one in Crossing.objects.order_by("threshold")] == [
        (50, True),
        (80, False),
        (100, True),
    ]
    notice = Notice.objects.latest("pk")
    assert notice.severity == "urgent"
    assert "$105.00 of $100.00 was spent in 1 Nov – 18 Nov 2026 (UTC), 105%." in notice.text
    assert {one.channel for one in Delivery.objects.all()} == {"mail", "webhook"}
    Delivery.objects.filter(channel="webhook").delete()
    with worker_scope():
        sending.sweep()
        sending.sweep()
    assert len(mail.outbox) == 2
    verbs = Entry.objects.order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["budgets.create", "budgets.pass", "budgets.pass"]
    # In December it begins anew.
    with time_machine.travel(NOW + timedelta(days=15), tick=False):
        keeping.look_at_all()
    assert len(titles()) == 2


def test_a_raised_amount_settles_in_silence_and_passed_again_it_is_told_again(
    owner: Grant, claude: Connection
) -> None:
    used(claude, november(3), cost="85")
    budget = make(owner)
    assert titles() == ["Team: 80% of $100.00 is spent (November 2026)"], "at once, when it is made"
    change(budget, owner, amount=Decimal(150))
    told = Notice.objects.get()
    assert told.settled_at is not None
    open_ones = Crossing.objects.filter(settled_at__isnull=True)
    assert [one.threshold for one in open_ones] == [50]
    used(claude, november(6), cost="40")
    look(budget)
    assert titles()[1:] == ["Team: 80% of $150.00 is spent (November 2026)"]
    entry = Entry.objects.get(verb="budgets.change")
    assert entry.details == {"amount": ["$100.00", "$150.00"]}
    # A threshold that is taken out is over too.
    change(budget, owner, thresholds=(50,))
    assert not Notice.objects.filter(settled_at__isnull=True).exists()


def test_a_correction_that_takes_it_below_is_said_and_a_wavering_one_is_not(
    owner: Grant, claude: Connection
) -> None:
    used(claude, november(3), cost="81")
    budget = make(owner)
    correct(claude, 98)  # 79.38: within a percent of the threshold
    look(budget)
    assert len(titles()) == 1
    correct(claude, 70)
    look(budget)
    assert titles()[1:] == ["Team: below 80% of $100.00 again (November 2026)"]
    assert "was corrected" in Notice.objects.latest("pk").text
    assert Notice.objects.earliest("pk").settled_at is not None
    look(budget)
    used(claude, november(7), cost="30")
    look(budget)
    assert titles()[2:] == ["Team: 80% of $100.00 is spent (November 2026)"]
    assert [one.number for one in Crossing.objects.filter(threshold=80)] == [1, 2]


def test_what_a_raised_amount_still_passes_is_held_against_it_from_then_on(
    owner: Grant, claude: Connection
) -> None:
    used(claude, november(3), cost="89")
    budget = make(owner)
    change(budget, owner, amount=Decimal(110))  # 80.9%
    correct(claude, 98)  # 79.3%: within a percent of the threshold
    look(budget)
    assert len(titles()) == 1
    correct(claude, 50)
    look(budget)
    assert titles()[1:] == ["Team: below 50% of $110.00 again (November 2026)"]


def test_the_month_before_keeps_its_amount_and_hears_of_late_days(
    owner: Grant, claude: Connection
) -> None:
    used(claude, TODAY - timedelta(days=30), cost="70")
    budget = make(owner)
    look(budget)
    # Told by the look that knew it as a budget of October already.
    assert titles() == ["Team: 50% of $100.00 is spent (October 2026)"]
    change(budget, owner, amount=Decimal(1000), thresholds=(5,))
    used(claude, TODAY - timedelta(days=29), cost="15")
    look(budget)
    assert titles()[1:] == ["Team: 80% of $100.00 is spent (October 2026)"]


def test_the_forecast_is_told_once_with_its_band_and_settled_when_it_turns(
    owner: Grant, claude: Connection
) -> None:
    spend(claude, evenly(10, first=60), grains=[TOTAL])
    budget = make(owner, "250", thresholds=(), tell_forecast=True)
    standing = look(budget)
    assert standing.spent == Decimal(180)
    assert (standing.forecast, standing.is_forecast_over) == (Decimal(305), True)
    assert standing.low is not None
    assert standing.low < Decimal(305) < (standing.high or 0)
    assert titles() == ["Team: November 2026 should come to $305.00, more than $250.00"]
    assert "By 30 Nov it should come to ≈ $305.00 (" in Notice.objects.get().text
    correct(claude, 80)
    assert not look(budget).is_forecast_over
    assert Notice.objects.get().settled_at is not None
    correct(claude, 125)
    look(budget)
    assert len(titles()) == 1, "a forecast wavers: once is enough"
    change(budget, owner, amount=Decimal(260))
    assert len(titles()) == 2
    # A quarter is forecast to its own end.
    long = look_quarter(make(owner, "5000", name="Q", period="quarter"))
    assert long.spent == Decimal(490)
    assert long.forecast == Decimal(490) + 43 * 10 + 5


def look_quarter(budget: Budget) -> Standing:
    return Standing.objects.get(budget=budget, first=day_of(TODAY.replace(month=10, day=1)))


def test_unread_days_are_counted_and_said_and_never_zeros(owner: Grant, claude: Connection) -> None:
    used(claude, november(3), cost="60")
    ReadDay.objects.filter(connection=claude, day=day_of(november(9)), report="costs").delete()
    Report.objects.filter(connection=claude).update(backfilled_at=NOW)
    standing = look(make(owner))
    assert (standing.unread, standing.spent) == (1, Decimal(60))
    assert "Claude, Costs: 9 Nov 2026 has not been read." in Notice.objects.get().text
    empty = Connection.objects.create(
        organization=owner.organization, provider="anthropic", name="New", state="active"
    )
    unread = look(make(owner, name="New", place=Place(Scope.CONNECTION, empty)))
    assert unread.read_to is None
    # Read from the end of August on: what was before is unknown, and the chart has nothing there.
    year = make(owner, name="Year", period="year")
    whole = Standing.objects.get(budget=year)
    assert whole.unread == (TODAY - timedelta(days=DAYS) - date(2026, 1, 1)).days + 1
    seen = figures(
        WHOLE, "USD", connections_of(owner.organization), (date(2026, 1, 1), date(2026, 12, 31))
    )
    spent = chart_of(year, seen).series[0]
    assert (spent.values[0], spent.texts[0]) == (None, "not read")
    said = words.lacks(seen)
    assert "Claude is read from 30 Aug 2026 on: what was spent before is not in it." in said
    assert "Of New nothing was read." in said


def test_two_currencies_are_refused_and_a_later_one_is_named(
    owner: Grant, claude: Connection, cline: Connection
) -> None:
    used(claude, november(3), cost="10")
    budget = make(owner)
    used(cline, november(3), cost="7", currency="EUR")
    standing = look(budget)
    assert (standing.spent, standing.others) == (Decimal(10), {"EUR": "7"})
    with pytest.raises(services.Refused, match="told in EUR, USD"):
        make(owner, name="Both")
    with pytest.raises(services.Refused, match="is told in EUR"):
        make(owner, name="Cline", place=Place(Scope.CONNECTION, cline))


def test_a_worker_that_dies_or_comes_late_changes_nothing(
    owner: Grant, claude: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = make(owner)
    used(claude, november(3), cost="85")
    with monkeypatch.context() as patch:
        patch.setattr("apps.notices.services.tell", lambda **given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            look(budget)
    assert not Crossing.objects.exists()
    assert Standing.objects.get(first=day_of(november(1))).percent == 0
    look(budget)
    assert len(titles()) == 1
    # One that had read before, and writes after: the later look stands.
    with time_machine.travel(NOW - timedelta(minutes=5), tick=False):
        correct(claude, 10)
        assert look(budget).percent == 85
    # One that had read before a change writes nothing after it.
    stale = Budget.objects.select_related("organization").get(pk=budget.pk)
    change(budget, owner, amount=Decimal(50))
    keeping.look(stale)
    assert Standing.objects.get(first=day_of(november(1))).amount == Decimal(50)


def test_a_form_that_is_sent_twice_at_once_makes_one(
    owner: Grant, claude: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(owner)
    monkeypatch.setattr(
        services, "faults", lambda *given, **more: {}
    )  # looked before the other wrote
    with pytest.raises(services.Refused) as refused:
        make(owner, name="TEAM")
    assert refused.value.errors == {"name": "There is a budget of this name already."}
    other = make(owner, name="Other")
    with pytest.raises(services.Refused, match="of this name already"):
        change(other, owner, name="team")
    assert Budget.objects.count() == 2
    assert Entry.objects.filter(verb="budgets.create").count() == 2


def test_what_is_not_said_of_a_budget_stays_as_it_is_by_now(
    owner: Grant, claude: Connection
) -> None:
    budget = make(owner)
    stale = Budget.objects.get(pk=budget.pk)
    change(budget, owner, amount=Decimal(700), thresholds=[60])
    change(budget, owner, tell_forecast=False)
    change(stale, owner, name="Theirs")
    kept = Budget.objects.get(pk=budget.pk)
    told = (kept.name, kept.amount, kept.thresholds, kept.tell_forecast)
    assert told == ("Theirs", Decimal(700), [60], False)


def test_deleting_settles_what_was_told(owner: Grant, claude: Connection) -> None:
    used(claude, november(3), cost="85")
    budget = make(owner)
    services.delete_budget(budget=budget, actor=owner.user)
    assert Notice.objects.get().settled_at is not None
    assert not Standing.objects.exists()
    with pytest.raises(services.Refused, match="deleted meanwhile"):
        services.delete_budget(budget=budget, actor=owner.user)


def test_complete_readings_have_the_budgets_of_that_connection_looked_at(
    owner: Grant,
    claude: Connection,
    cline: Connection,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    assert look_soon in mirrors.listeners("usage")
    assert look_soon in mirrors.listeners("costs")
    sent: list[Any] = []
    monkeypatch.setattr(
        Celery, "send_task", lambda self, name, args, **more: sent.append((name, args))
    )
    with django_capture_on_commit_callbacks(execute=True):
        look_soon(claude, NOW)
    assert sent == [("walks.look_at_budgets", [claude.pk])]
    mine = [make(owner, name="All"), make(owner, name="C", place=Place(Scope.CONNECTION, claude))]
    make(owner, name="L", place=Place(Scope.CONNECTION, cline))
    Standing.objects.all().delete()
    keeping.look_at_connection(claude.pk)
    assert set(Standing.objects.values_list("budget", flat=True)) == {one.pk for one in mine}


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_tell_once(owner: Grant, claude: Connection) -> None:
    budget = make(owner)
    used(claude, november(3), cost="85")
    barrier, errors = threading.Barrier(2), list[BaseException]()

    def work() -> None:
        try:
            barrier.wait(10)
            keeping.look_at_connection(claude.pk)
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)
        finally:
            databases.close_all()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(30)
    assert errors == []
    assert len(titles()) == 1
    assert Crossing.objects.filter(standing__budget=budget, threshold=80).count() == 1
