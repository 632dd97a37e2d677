"""What usage draws into the pages of people, workspaces, keys and connections, and into the overview."""

from collections.abc import Callable
from datetime import UTC, date, timedelta

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.members.models import Member
from apps.organizations.models import Connection, Grant, Role
from apps.usage.days import day_of
from apps.usage.models import ReadDay, Report
from tests.browsing import at_desk
from tests.factories import (
    ConnectionFactory,
    GrantFactory,
    KeyFactory,
    MemberFactory,
    PersonFactory,
    WorkspaceFactory,
    with_keys,
    with_workspaces,
)
from tests.usage.rolled import read, report, used

pytestmark = pytest.mark.django_db
At = Callable[[str], str]


def back(days: int) -> date:
    return timezone.now().astimezone(UTC).date() - timedelta(days=days)


@pytest.fixture
def owner() -> Grant:
    grant: Grant = GrantFactory(role=Role.VIEWER)
    return grant


@pytest.fixture
def claude(owner: Grant) -> Connection:
    made = with_keys(with_workspaces(ConnectionFactory(organization=owner.organization)))
    made.save()
    report(made, back(70))
    read(made, *(back(days) for days in range(71)))
    return made


@pytest.fixture
def ada(claude: Connection, owner: Grant) -> Member:
    person = PersonFactory(organization=owner.organization, name="Ada")
    member: Member = MemberFactory(connection=claude, person=person)
    return member


@pytest.fixture
def desk(owner: Grant) -> At:
    client: Client = at_desk(owner.user)

    def got(path: str) -> str:
        answer = client.get(f"/o/{owner.organization.slug}/{path}")
        assert answer.status_code == 200
        return answer.content.decode()

    return got


def test_each_page_shows_the_usage_of_its_own_thing(
    desk: At, claude: Connection, ada: Member
) -> None:
    workspace = WorkspaceFactory(connection=claude)
    key = KeyFactory(connection=claude, workspace=workspace.remote_id)
    assert ada.remote_id
    own = {"workspace": workspace.remote_id, "key": key.remote_id, "account": ada.remote_id}
    used(claude, back(1), cost="1.25", counts={"output": 10}, **own)
    used(claude, back(2), cost="40", counts={"output": 10}, model="claude-other")
    used(claude, back(60), cost="500", counts={"output": 10}, **own)
    for path in (f"people/{ada.person_id}/", f"workspaces/{workspace.pk}/", f"keys/{key.pk}/"):
        html = desk(path)
        assert "Usage, last 30 days" in html
        assert "$1.25" in html, path
        assert "$40" not in html, path
        assert "sparkline" in html
    assert f"?person={ada.person_id}&amp;group=model" in desk(f"people/{ada.person_id}/")
    html = desk(f"connections/{claude.uid}/")
    assert "$41.25" in html
    assert "claude-other" in html


def test_the_days_before_are_compared_with_where_they_are_all_kept(
    desk: At, claude: Connection
) -> None:
    key = KeyFactory(connection=claude)
    for days in (1, 31):
        used(claude, back(days), cost="4", counts={"output": 10}, key=key.remote_id)
    assert "±0%" in desk(f"keys/{key.pk}/")
    Report.objects.filter(connection=claude).update(backfill_to=day_of(back(32)))
    html = desk(f"keys/{key.pk}/")
    assert "Usage, last 30 days" in html
    assert "±0%" not in html


def test_the_overview_has_todays_figure_and_the_months(desk: At, claude: Connection) -> None:
    used(claude, back(0), cost="3", counts={"output": 1})
    used(claude, back(1), cost="5", counts={"output": 1})
    html = desk("")
    assert "Cost today (UTC)" in html
    assert '<span class="stat-value">$3.00</span>' in html
    assert "$5.00 yesterday" in html
    month = "$8.00" if back(0).day > 1 else "$3.00"
    assert f'<span class="stat-value">{month}</span>' in html


def test_what_is_billed_in_another_currency_is_named_beside_the_figure(
    desk: At, claude: Connection, ada: Member
) -> None:
    account = str(ada.remote_id)
    used(claude, back(0), cost="300", counts={"output": 1}, account=account)
    used(claude, back(0), cost="12", counts={"output": 1}, account=account, currency="EUR")
    html = desk("")
    assert '<span class="stat-value">$300.00</span>' in html
    assert html.count("and €12.00, not converted") == 2, "today's figure, and the month's"
    assert "and €12.00, not converted" in desk(f"people/{ada.person_id}/")
    used(claude, back(0), cost="-12", counts={"output": 1}, account=account, currency="EUR")
    assert "not converted" not in desk("")


def test_a_day_that_is_not_read_yet_is_no_zero(desk: At, claude: Connection) -> None:
    used(claude, back(0), cost="3", counts={"output": 1})
    ReadDay.objects.filter(connection=claude, day=day_of(back(1))).delete()
    html = desk("")
    assert "yesterday is not read yet" in html
    assert "$0.00 yesterday" not in html
    assert ("some days are not read yet" in html) is (back(0).day > 1)
    assert "some days are not read yet" in desk("usage/")
    assert "1 of them not known" in html, "the line has a gap there"


def test_nothing_is_drawn_before_anything_was_read_or_of_another_tenant(
    desk: At, ada: Member, owner: Grant
) -> None:
    fresh = ConnectionFactory(organization=owner.organization)
    assert "Usage, last 30 days" not in desk(f"connections/{fresh.uid}/")
    other = ConnectionFactory()
    report(other, back(40))
    read(other, back(0))
    used(other, back(0), cost="77", counts={"output": 1}, account=str(ada.remote_id))
    assert "$77" not in desk("")
    html = desk(f"people/{ada.person_id}/")
    assert "Nothing was used, as far as it has been read." in html


def test_panels_take_as_many_queries_for_much_as_for_little(
    desk: At, claude: Connection, ada: Member
) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(database) as seen:
            desk(path)
        return len(seen)

    paths = ["", f"people/{ada.person_id}/", f"connections/{claude.uid}/"]
    used(claude, back(1), cost="1", counts={"output": 1}, account=str(ada.remote_id))
    [queries(path) for path in paths]
    few = [queries(path) for path in paths]
    for number in range(8):
        used(
            claude,
            back(number),
            cost="1",
            counts={"output": 1},
            model=f"model-{number}",
            account=str(ada.remote_id),
        )
    assert [queries(path) for path in paths] == few


def test_a_model_has_a_page_like_a_workspace_or_a_key(
    desk: At, claude: Connection, ada: Member, owner: Grant
) -> None:
    workspace = WorkspaceFactory(connection=claude, name="Research")
    key = KeyFactory(connection=claude, workspace=workspace.remote_id, name="loader")
    own = {"workspace": workspace.remote_id, "key": key.remote_id, "account": ada.remote_id}
    counts = {"uncached_input": 30, "cache_read": 70, "output": 10}
    used(claude, back(1), cost="6", counts=counts, model="house/alpha", **own)
    used(claude, back(1), cost="2", counts=counts, model="house/alpha")
    used(claude, back(1), cost="90", counts=counts, model="house/beta", **own)
    used(claude, back(31), cost="4", counts=counts, model="house/alpha", **own)
    html = desk("usage/models/house/alpha/")
    assert '<span class="stat-value">$8.00</span>' in html
    assert "+100% · $4.00 before" in html
    assert "70.0%" in html, "the cache hit rate"
    assert "$90" not in html
    for name in ("Ada", "loader", "Research", claude.name):
        assert f">{name}</a>" in html
    assert "75.0%" in html, "a share"
    used(claude, back(1), cost="3", counts={"output": 5}, model="house/new")
    assert "– before" not in desk("usage/models/house/new/"), "nothing is said of nothing"
    assert "Not used in this range" in desk(
        f"usage/models/house/alpha/?from={back(9)}&to={back(8)}"
    )
    slug = owner.organization.slug
    link = f'href="/o/{slug}/usage/models/house/alpha/"'
    assert link in desk("usage/")
    assert link in desk(f"people/{ada.person_id}/")


def test_nobody_elses_model_has_a_page(claude: Connection, owner: Grant) -> None:
    other = ConnectionFactory()
    used(other, back(1), cost="1", counts={"output": 1}, model="theirs")
    client = at_desk(owner.user)
    for name in ("theirs", "never-was", "*", "-", "%3F"):
        path = f"/o/{owner.organization.slug}/usage/models/{name}/"
        assert client.get(path).status_code == 404, name


def test_the_page_of_a_model_takes_as_many_queries_for_much_as_for_little(
    desk: At, claude: Connection
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(database) as seen:
            desk("usage/models/house/alpha/")
        return len(seen)

    one = {"model": "house/alpha", "workspace": "wrkspc_a", "account": "user_a"}
    used(claude, back(1), cost="1", counts={"output": 1}, **one)
    queries()
    few = queries()
    for number in range(12):
        used(
            claude,
            back(number),
            cost="1",
            counts={"output": 1},
            model="house/alpha",
            workspace=f"wrkspc_{number}",
            account=f"user_{number}",
        )
    assert queries() == few
