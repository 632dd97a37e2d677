"""What a mail shows of the pages of usage agrees with the pages, and says what it does not know."""

from datetime import UTC, date, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.organizations.models import Connection, Grant
from apps.reports import pages
from apps.reports.pages import Digest
from apps.usage import coding_rollups
from apps.usage.days import day_of
from apps.usage.models import Coder, CodingDay
from tests.browsing import at_desk
from tests.factories import ConnectionFactory, GrantFactory
from tests.usage.rolled import read, report, used

pytestmark = pytest.mark.django_db


def back(days: int) -> date:
    """That many UTC days ago."""
    return timezone.now().astimezone(UTC).date() - timedelta(days=days)


@pytest.fixture
def owner() -> Grant:
    """Somebody with a connection."""
    grant: Grant = GrantFactory()
    return grant


@pytest.fixture
def claude(owner: Grant) -> Connection:
    """Read for five days, but not the day before yesterday."""
    made: Connection = ConnectionFactory(organization=owner.organization, name="Claude")
    report(made, back(5))
    read(made, back(5), back(4), back(3), back(1), back(0))
    return made


def mailed(owner: Grant, url_name: str, query: str) -> Digest:
    """What a report of the page holds now."""
    return pages.make(owner.user, owner.organization, url_name, {}, query).digest


def test_usage_has_its_sums_its_estimates_and_its_holes(owner: Grant, claude: Connection) -> None:
    used(claude, back(3), cost="12.34", counts={"output": 1000, "cache_read": 500}, key="k1")
    used(claude, back(1), cost="0.66", counts={"output": 10}, key="k2")
    by_key = mailed(owner, "usage:usage", f"from={back(5)}&to={back(0)}&group=key")
    client: Client = at_desk(owner.user)
    page = client.get(
        f"/o/{owner.organization.slug}/usage/?from={back(5)}&to={back(0)}&group=key"
    ).content.decode()

    assert [row[1] for row in by_key.rows] == ["≈ $12.34", "≈ $0.66"]
    assert by_key.total[1] == "$13.00"
    assert tuple(by_key.total[2:4]) == ("500", "1,010")
    for shown in ("$12.34", "$0.66", "$13.00"):
        assert shown in page
    notes = " ".join(by_key.notes)
    assert "An estimate" in notes
    assert f"{back(2):%-d %b %Y} is still being read" in notes
    assert str(back(0).year) in by_key.range

    by_model = mailed(owner, "usage:usage", f"from={back(5)}&to={back(0)}")
    assert [row[1] for row in by_model.rows] == ["$13.00"]
    assert "An estimate" not in " ".join(by_model.notes)


def test_claude_code_has_its_people_and_calls_its_cost_an_estimate(
    owner: Grant, claude: Connection
) -> None:
    coder = Coder.objects.create(connection=claude, email="ada@example.com")
    CodingDay.objects.create(
        connection=claude, day=day_of(back(1)), coder=coder, sessions=3, commits=2, lines_added=40
    )
    coding_rollups.exchange(claude.pk, day_of(back(1)), {})
    shown = mailed(owner, "usage:coding", "range=7d")
    assert [row[:4] for row in shown.rows] == [["ada@example.com", "3", "40", "2"]]
    assert shown.total[0] == "Total"
    assert "own estimate" in " ".join(shown.notes)


def test_what_providers_leave_out_is_said_of_those_alone_that_are_in_the_report(
    owner: Grant, claude: Connection
) -> None:
    cline = ConnectionFactory(organization=owner.organization, provider="cline", name="Cline")
    report(cline, back(5), hourly=False)
    read(cline, *(back(days) for days in range(6)))
    used(cline, back(1), cost="5", counts={"output": 10})
    said = "leaves out code execution"
    assert said in " ".join(mailed(owner, "usage:usage", "range=7d").notes)
    assert said not in " ".join(
        mailed(owner, "usage:usage", f"range=7d&connection={cline.pk}").notes
    )
