"""Hours are kept for a while and days for ever; what is over goes, and the page says so."""

from datetime import timedelta

import pytest
from django.db import connection as database
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.organizations.models import Connection
from apps.usage import reads, retention
from apps.usage.days import HOURS, date_of, day_of
from apps.usage.dimensions import Dimensions
from apps.usage.models import Correction, Fact, ReadDay, Report
from apps.usage.tasks import tend_usage
from apps.usage.tuples import COLUMNS, NOT_ASKED
from tests.browsing import at_desk
from tests.desk import Desk
from tests.factories import ConnectionFactory, GrantFactory
from tests.usage.conftest import DAYS, read
from tests.usage.told import settled_days, tokens_found, tokens_told

pytestmark = pytest.mark.django_db(transaction=True)


def days_with_hours(connection: Connection) -> list[int]:
    hours = Fact.objects.filter(connection=connection).values_list("hour", flat=True)
    return sorted({hour // HOURS for hour in hours})


def used(connection: Connection, day: int) -> None:
    """A token in the first and the last hour of a day."""
    row = tuple({"currency": "USD"}.get(name, NOT_ASKED) for name in COLUMNS)
    (dimension,) = Dimensions(connection.pk).ids([row]).values()
    retention.make_room(day)
    Fact.objects.bulk_create(
        Fact(connection=connection, hour=hour, dimension_id=dimension, output=1)
        for hour in (day * HOURS, day * HOURS + 23)
    )


def test_days_whose_hours_are_not_kept_are_exact_and_corrections_are_noted(
    usage_desk: Desk, settings: Settings
) -> None:
    settings.USAGE_HOURS_KEPT_DAYS = 3
    connection = usage_desk.connections["anthropic"]
    read(connection, "costs", "usage")
    today = day_of(timezone.now())
    kept = days_with_hours(connection)
    assert kept[:3] == [today - 3, today - 2, today - 1]
    assert kept[3:] in ([today], []), "right after midnight nothing is told of the day yet"
    assert tokens_found(connection) == tokens_told(usage_desk)
    first, last = settled_days()
    with pytest.raises(reads.BadQuestion, match="hours are kept from"):
        reads.sums([connection], first, last, ["hour"])
    # The provider tells a day anew whose hours are not there: nothing differs, then something does.
    old = ReadDay.objects.filter(report="usage", day=today - DAYS)
    again = {"settled": False, "read_at": timezone.now() - timedelta(hours=3)}
    old.update(**again)
    read(connection, "usage")
    assert not Correction.objects.exists()
    fault = usage_desk.sandbox.control.fault
    fault("getMessagesUsageReport", "missing_field", field="results.output_tokens", rows="all")
    old.update(**again)
    read(connection, "usage")
    correction = Correction.objects.get()
    assert correction.day == today - DAYS
    assert correction.before["output"] > 0
    assert correction.after["output"] == 0
    usage_desk.sandbox.control.clear_faults()
    old.update(**again)
    read(connection, "usage")
    assert tokens_found(connection) == tokens_told(usage_desk)


def test_hours_that_are_over_go_and_those_that_are_kept_stay(settings: Settings) -> None:
    settings.USAGE_HOURS_KEPT_DAYS = 40
    today = day_of(timezone.now())
    connections = [ConnectionFactory(), ConnectionFactory()]
    wanted = [today, today - 39, today - 40, today - 41]
    over = [today - 100, today - 130, today - 400]
    for connection in connections:
        for day in [*wanted, *over]:
            used(connection, day)
    tend_usage()
    for connection in connections:
        assert days_with_hours(connection) == sorted(wanted)
    tend_usage()
    assert Fact.objects.count() == 2 * 2 * len(wanted)
    if database.vendor == "postgresql":
        months = [month for _, month in retention.partitions()]
        assert months == sorted(set(months))
        assert date_of(today - 400).replace(day=1) not in months
        assert date_of(today).replace(day=1) in months
        assert retention._next_month(date_of(today)) in months, "made before it is needed"
    settings.USAGE_HOURS_KEPT_DAYS = 0
    used(connections[0], today - 300)
    tend_usage()
    assert today - 300 in days_with_hours(connections[0]), "0 keeps them for ever"


def test_a_range_of_hours_that_are_not_kept_is_said_beside_the_control(settings: Settings) -> None:
    settings.USAGE_HOURS_KEPT_DAYS = 30
    grant = GrantFactory()
    connection = ConnectionFactory(organization=grant.organization)
    today = day_of(timezone.now())
    Report.objects.create(connection=connection, name="usage", hourly=True, backfill_to=today - 300)
    used(connection, today - 29)
    begin, end = date_of(today - 60), date_of(today - 55)
    address = f"/o/{grant.organization.slug}/usage/?by=hour"
    page = at_desk(grant.user).get(f"{address}&from={begin}&to={end}").content.decode()
    assert f"Hours are kept from {date_of(today - 29)} on" in page
    assert f'value="{begin}"' in page, "what was chosen is kept"
    begin, end = date_of(today - 29), date_of(today - 28)
    page = at_desk(grant.user).get(f"{address}&from={begin}&to={end}").content.decode()
    assert "Hours are kept from" not in page
