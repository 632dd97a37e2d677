"""Days that are summed up by centre beforehand: the same as the rollups say, and never a word of what is over."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.centres import places, services, sums
from apps.centres.models import Ruleset, SummedDay
from apps.centres.months import Span
from apps.centres.tasks import sort_costs
from apps.keys.models import Key
from apps.organizations.models import Connection, Grant
from apps.usage import reads
from apps.usage.models import ReadDay
from tests.centres.conftest import days_of
from tests.factories import KeyFactory
from tests.usage.rolled import used

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, a turn makes all there is to make."""
    monkeypatch.setattr(sums, "SLICE_SECONDS", 3600.0)


@pytest.fixture
def spent(owner: Grant, claude: Connection, lab: Connection, last: Span) -> None:
    """A month of money and tokens at both accounts, and three centres, one of which takes nothing."""
    dice = random.Random(4)
    for connection in (claude, lab):
        for number in range(3):
            KeyFactory(connection=connection, remote_id=f"k{number}", name=f"key {number}")
    for _ in range(40):
        used(
            dice.choice([claude, lab]),
            dice.choice(days_of(last)),
            cost=Decimal(dice.randrange(1, 10**14)).scaleb(-12),
            counts={"output": dice.randrange(10**6), "requests": dice.randrange(1, 9)},
            workspace=dice.choice(["-", "w1", "w2"]),
            key=dice.choice(["-", "k0", "k1", "k2"]),
            model=dice.choice(["opus", "haiku"]),
            currency=dice.choice(["USD", "USD", "EUR"]),
        )
    for number in (0, 1, 9):
        centre = services.create_centre(
            organization=owner.organization, actor=owner.user, name=f"C{number}"
        )
        text = f"key {number}"
        services.add_rule(
            centre=centre, actor=owner.user, subject="key", kind="contains", text=text, items=()
        )


def questions(owner: Grant) -> list[tuple[list[str], dict[str, list[str]]]]:
    centres = list(owner.organization.cost_centres.values_list("pk", flat=True))
    return [
        (["centre"], {}),
        (["day", "centre"], {}),
        (["week", "centre", "connection"], {}),
        (["centre", "month"], {}),
        (["day"], {"centre": [str(centres[0])]}),
        (["centre"], {"centre": ["-", str(centres[1])]}),
        (["day"], {"centre": ["-"]}),
    ]


def answers(owner: Grant, connections: list[Connection], span: Span) -> list[Any]:
    return [
        sorted(
            map(repr, reads.sums(connections, span.first, span.last, group_by, filters)),
        )
        for group_by, filters in questions(owner)
    ]


def from_rollups(owner: Grant, connections: list[Connection], span: Span) -> tuple[list[Any], int]:
    """The answers, and how many queries read rollups for them."""
    with CaptureQueriesContext(database) as seen:
        found = answers(owner, connections, span)
    return found, sum("rollup" in one["sql"] for one in seen)


def test_days_that_are_summed_up_say_what_the_rollups_say(
    owner: Grant, claude: Connection, lab: Connection, last: Span, spent: None
) -> None:
    both = [claude, lab]
    slow, asked = from_rollups(owner, both, last)
    assert all(slow)
    assert asked >= len(slow)
    assert not sums.make(owner.organization.pk)
    quick, asked = from_rollups(owner, both, last)
    assert quick == slow
    assert asked == 0
    assert not sums.make(owner.organization.pk)
    # Some days are missing: these alone are read from the rollups.
    SummedDay.objects.filter(connection=lab, day__gte=SummedDay.objects.all()[9].day).delete()
    some, asked = from_rollups(owner, both, last)
    assert some == slow
    assert asked >= len(slow)


def test_a_day_that_was_written_since_is_read_from_the_rollups(
    owner: Grant, claude: Connection, lab: Connection, last: Span, spent: None
) -> None:
    sums.make(owner.organization.pk)
    before = answers(owner, [claude], last)
    used(claude, last.first, cost="5", counts={"output": 7}, key="k1")
    assert answers(owner, [claude], last) == before, "not as the walk writes it: no mark"
    ReadDay.objects.filter(connection=claude, report="costs").update(read_at=timezone.now())
    after, asked = from_rollups(owner, [claude], last)
    assert asked
    assert after != before
    whole = sum(row.cost for row in reads.sums([claude], last.first, last.first, ["centre"]))
    assert whole == sum(row.cost for row in reads.sums([claude], last.first, last.first))
    places.tend(owner.organization.pk)
    after = answers(owner, [claude], last)
    sums.make(owner.organization.pk)
    assert from_rollups(owner, [claude], last) == (after, 0)


def test_whatever_moves_a_place_makes_kept_sums_void(
    owner: Grant,
    claude: Connection,
    lab: Connection,
    last: Span,
    spent: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = [claude, lab]
    sums.make(owner.organization.pk)
    _kept, asked = from_rollups(owner, both, last)
    assert asked == 0
    centre = owner.organization.cost_centres.first()
    assert centre is not None
    services.add_rule(
        centre=centre, actor=owner.user, subject="key", kind="contains", text="key 2", items=()
    )
    ruled, asked = from_rollups(owner, both, last)
    assert asked >= len(ruled)
    sums.make(owner.organization.pk)
    assert from_rollups(owner, both, last) == (ruled, 0)
    # A key has another name: the worker that finds it moves places without anybody's change of a rule.
    Key.objects.filter(connection=claude, remote_id="k2").update(name="another")
    monkeypatch.setattr(places, "EVERYTHING", timedelta(0))
    places.tend(owner.organization.pk)
    named, asked = from_rollups(owner, both, last)
    assert asked >= len(named)
    assert named != ruled
    places.tend(owner.organization.pk)
    sums.make(owner.organization.pk)
    places.tend(owner.organization.pk)
    assert from_rollups(owner, both, last) == (named, 0), "nothing moved"


def test_nothing_is_kept_of_an_account_whose_usage_is_not_sorted_yet(
    owner: Grant, claude: Connection, lab: Connection, last: Span, spent: None
) -> None:
    used(claude, last.first, cost="5", key="k1", workspace="new")
    sums.make(owner.organization.pk)
    assert set(SummedDay.objects.values_list("connection_id", flat=True)) == {lab.pk}
    places.tend(owner.organization.pk)
    sums.make(owner.organization.pk)
    found = set(SummedDay.objects.values_list("connection_id", flat=True))
    assert found == {claude.pk, lab.pk}


def test_a_turn_ends_when_its_time_is_over_and_says_so(
    owner: Grant, claude: Connection, last: Span, spent: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "SLICE_SECONDS", -1.0)
    assert sums.make(owner.organization.pk)
    assert not SummedDay.objects.exists()


def test_nothing_is_done_for_an_organization_that_is_gone() -> None:
    sort_costs(4711)
    assert not Ruleset.objects.exists()
