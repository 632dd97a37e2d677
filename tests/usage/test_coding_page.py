"""The page of Claude Code, as a reader meets it."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, date, timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.organizations.models import Connection, Grant
from apps.usage import coding_rollups
from apps.usage.days import HOURS, day_of
from apps.usage.models import Coder, CodingDay, CodingModel, CodingTool, ReadDay, Report
from tests.browsing import at_desk
from tests.factories import ConnectionFactory, GrantFactory, MemberFactory, PersonFactory

pytestmark = pytest.mark.django_db
At = Callable[..., str]


def back(days: int) -> date:
    return timezone.now().astimezone(UTC).date() - timedelta(days=days)


@pytest.fixture
def owner() -> Grant:
    grant: Grant = GrantFactory()
    return grant


@pytest.fixture
def claude(owner: Grant) -> Connection:
    made: Connection = ConnectionFactory(organization=owner.organization, name="Claude")
    Report.objects.create(connection=made, name="coding", backfill_to=day_of(back(40)))
    ReadDay.objects.bulk_create(
        ReadDay(
            connection=made,
            report="coding",
            day=day_of(back(days)),
            through=(day_of(back(days)) + 1) * HOURS,
            read_at=timezone.now(),
            settled=True,
        )
        for days in range(41)
    )
    return made


@pytest.fixture
def olga(owner: Grant) -> Client:
    return at_desk(owner.user)


@pytest.fixture
def at(owner: Grant) -> At:
    return lambda query="": f"/o/{owner.organization.slug}/claude-code/{query}"


def worked(
    connection: Connection,
    day: date,
    email: str,
    *,
    key: str = "",
    terminal: str = "vscode",
    n: int = 1,
) -> None:
    """Somebody's day: n sessions, 10 n lines, n commits, 2 n dollars, 3 n of 4 n edits taken."""
    coder, _ = Coder.objects.get_or_create(connection=connection, email=email, key_name=key)
    own = {"connection": connection, "day": day_of(day), "coder": coder}
    before = coding_rollups.of_day(connection.pk, day_of(day))
    CodingDay.objects.create(
        **own,
        terminal=terminal,
        customer_type="api",
        sessions=n,
        lines_added=10 * n,
        lines_removed=n,
        commits=n,
        pull_requests=n // 2,
    )
    CodingTool.objects.get_or_create(
        **own, tool="edit_tool", defaults={"accepted": 3 * n, "rejected": n}
    )
    CodingModel.objects.get_or_create(
        **own, model="claude-opus", defaults={"estimate_micros": 2_000_000 * n}
    )
    coding_rollups.exchange(connection.pk, day_of(day), before)


def body(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def chart(html: str) -> dict[str, Any]:
    found = re.search(r'id="claude-code-chart-data" type="application/json">(.*?)</script>', html)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_people_are_counted_once_and_cost_is_told_for_each_commit(
    olga: Client, at: At, claude: Connection, owner: Grant
) -> None:
    ada = PersonFactory(organization=owner.organization, name="Ada", email="ada@acme.example")
    MemberFactory(connection=claude, person=ada)
    for days in (1, 2, 3):
        worked(claude, back(days), "ada@acme.example", n=2)
    worked(claude, back(1), "gone@acme.example", n=1)
    worked(claude, back(1), "", key="ci-runner", n=1)
    page = body(olga, at("?range=7d"))
    assert '<span class="stat-value">2</span>' in page, "two people; the key is none"
    assert "of 1 members · 1 API key" in re.sub(r"\s+", " ", page)
    assert f"/people/{ada.pk}/" in page
    assert "not a member" in page
    assert "$16.00" in page
    assert "$2.00 a commit" in page
    assert "$5.33 a person or API key" in page, "three share it, of whom one is a key"
    assert "API usage" in page
    assert "75.0%" in page
    data = chart(page)
    assert [one["values"][-2] for one in data["series"]] == [1, 1, 2], "known, new, ever until then"


def test_it_says_why_everybody_is_new_where_reading_begins(
    olga: Client, at: At, claude: Connection
) -> None:
    worked(claude, back(40), "ada@acme.example")
    said = f"What was before {back(40):%-d %b %Y} is not read"
    assert said in body(olga, at("?range=90d"))
    assert said not in body(olga, at("?range=30d"))


@pytest.mark.parametrize(
    ("show", "names", "last"),
    [
        ("sessions", ["tmux", "vscode"], [3, 2]),
        ("lines", ["Added", "Removed"], [50, 5]),
        ("commits", ["tmux", "vscode"], [3, 2]),
        ("estimate", ["claude-opus"], [10]),
        ("acceptance", ["Edit"], [75]),
    ],
)
def test_each_figure_has_its_chart(
    olga: Client, at: At, claude: Connection, show: str, names: list[str], last: list[int]
) -> None:
    worked(claude, back(1), "ada@acme.example", n=2)
    worked(claude, back(1), "bob@acme.example", n=3, terminal="tmux")
    data = chart(body(olga, at(f"?range=7d&show={show}")))
    assert [one["name"] for one in data["series"]] == names
    assert [one["values"][-2] for one in data["series"]] == last


def test_it_says_what_it_cannot_see_and_what_cannot_be(
    olga: Client, at: At, claude: Connection, owner: Grant
) -> None:
    ConnectionFactory(organization=owner.organization, provider="cline", name="Our Cline")
    worked(claude, back(1), "ada@acme.example")
    page = body(olga, at())
    assert "on its own API alone" in page
    assert "Our Cline: Cline tells nothing of Claude Code." in page
    page = body(olga, at(f"?from={back(1)}&to={back(3)}&by=hour"))
    assert "The end lies before the start." in page
    assert "Claude Code is told by the day." in page
    page = body(olga, at("?range=30d&by=hour"))
    assert "Claude Code is told by the day." in page
    assert "Hours are shown" not in page
    Report.objects.filter(connection=claude).update(backfill_to=0)
    ReadDay.objects.filter(day=day_of(back(3))).delete()
    assert "is still being read" in body(olga, at("?range=7d"))
    Connection.objects.filter(pk=claude.pk).update(state=Connection.State.DISCONNECTED)
    page = body(olga, at("?range=7d"))
    assert "is still being read" not in page, "nobody reads there any more"
    assert "has not been read" in page


def test_the_file_has_everybody_and_no_formula(olga: Client, at: At, claude: Connection) -> None:
    for number in range(60):
        worked(claude, back(1), f"person{number}@acme.example")
    worked(claude, back(1), "", key="=cmd()")
    assert "36 more people" in body(olga, at())
    told = b"".join(olga.get(at("?export=csv"))).decode("utf-8-sig")  # type: ignore[arg-type]  # streamed
    head, *cells = csv.reader(io.StringIO(told))
    assert len(cells) == 61
    assert cells[0][head.index("API key")] == "'=cmd()"
    assert {one[head.index("Sessions")] for one in cells} == {"1"}


def test_it_takes_as_many_queries_for_much_as_for_little_and_none_of_another_tenant(
    olga: Client, at: At, claude: Connection
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(database) as seen:
            assert "theirs@" not in body(olga, at())
        return len(seen)

    worked(ConnectionFactory(), back(1), "theirs@other.example")
    worked(claude, back(1), "ada@acme.example")
    queries()
    few = queries()
    for number in range(8):
        worked(claude, back(number), f"person{number}@acme.example", terminal=f"terminal {number}")
    assert queries() == few <= 30
