"""What usage adds to other shelves' pages, and what people may ask of the backfill."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.audit.models import Entry
from apps.keys import findings
from apps.keys import use as use_of_keys
from apps.keys.models import Key
from apps.organizations.models import Role
from apps.sync.models import Resource
from apps.ui.keyset import Order, page_of
from apps.usage import arrays, reads, rollups, services, shelf
from apps.usage.days import day_of
from apps.usage.dimensions import Dimensions
from apps.usage.groupings import Grouping, add_grouping, groupings
from apps.usage.models import Report
from apps.usage.money import in_femtos
from apps.usage.tuples import COLUMNS, NOT_ASKED
from tests.browsing import at_desk
from tests.factories import (
    ConnectionFactory,
    GrantFactory,
    KeyFactory,
    ReportFactory,
    WorkspaceFactory,
    with_keys,
    with_workspaces,
)

pytestmark = pytest.mark.django_db(transaction=True)


def use(connection_id: int, day: int, cost: str, **told: str) -> None:
    """A day's use of a thousand tokens that cost so many dollars."""
    dimensions = Dimensions(connection_id)
    row = tuple({"currency": "USD", **told}.get(name, NOT_ASKED) for name in COLUMNS)
    (one,) = dimensions.ids([row]).values()
    rolled = rollups.DayOfRollups(dimensions, day)
    rolled.write(
        rolled.sums(
            arrays.counted([one], [[1000, 0, 0, 0, 0, 50, 0, None]]),
            {one: (in_femtos(Decimal(cost)), None)},
        )
    )


def test_keys_and_workspaces_show_last_use_and_the_months_cost(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    grant = GrantFactory.create()
    connection = with_keys(with_workspaces(ConnectionFactory(organization=grant.organization)))
    connection.save()
    workspace = WorkspaceFactory(connection=connection)
    keys = [
        KeyFactory(connection=connection, workspace=workspace.remote_id or "") for _ in range(3)
    ]
    today = day_of(timezone.now())
    for key in keys[:2]:
        use(
            connection.pk,
            today if key is keys[0] else today - 400,
            "12.345",
            key=key.remote_id or "",
            workspace=workspace.remote_id or "",
        )
    browser: Client = at_desk(grant.user)
    page = browser.get(reverse("keys:list", args=[grant.organization.slug])).content.decode()
    assert "$12.35" in page or "$12.34" in page
    assert page.count("$12.3") == 1
    workspaces = browser.get(reverse("workspaces:list", args=[grant.organization.slug]))
    assert "$12.3" in workspaces.content.decode()
    ending = reverse("workspaces:archive", args=[grant.organization.slug, workspace.pk])
    page = browser.get(ending).content.decode()
    assert "Its cost this month so far: $12.3" in page.replace("≈ ", "")
    assert page.count("Cost this month: ") == 1
    assert page.count("Last used: ") == 2
    rows = list(Key.objects.select_related("connection"))
    with django_assert_max_num_queries(1):
        days = shelf.days_of_use(rows)
    today_utc = timezone.now().date()
    assert days == {keys[0].pk: today_utc, keys[1].pk: today_utc - timedelta(days=400)}


def test_last_use_is_the_later_of_the_providers_word_and_its_reports(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    grant = GrantFactory.create()
    cline = with_keys(
        ConnectionFactory(
            organization=grant.organization, provider="cline", base_url="https://api.cline.bot"
        )
    )
    cline.save()
    now = timezone.now()
    today = day_of(now)
    told: dict[str, tuple[datetime | None, int | None]] = {
        "word": (now - timedelta(days=3), 9),
        "report": (now - timedelta(days=40), 6),
        "day": (None, 35),
        "both": (now - timedelta(days=5), 5),
        "never": (None, None),
    }
    for name, (moment, back) in told.items():
        key = KeyFactory(connection=cline, name=name, workspace=None, last_used_at=moment)
        if back is not None:
            use(cline.pk, today - back, "1", key=key.remote_id or "")
    browser = at_desk(grant.user)

    def names(query: str) -> list[str]:
        page = browser.get(reverse("keys:list", args=[grant.organization.slug]) + query).text
        rows = page.split('class="row-link"')[1:]
        return [row.partition(">")[2].partition("<")[0] for row in rows]

    assert names("?sort=-last_used") == ["word", "both", "report", "day", "never"]
    assert names("?sort=last_used") == ["day", "report", "both", "word", "never"]
    assert names("?used=30") == ["day"]
    assert names("?used=60") == []
    assert names("?used=lately&sort=last_used") == ["report", "both", "word"]
    assert names("?used=unknown") == ["never"]
    page = browser.get(reverse("keys:list", args=[grant.organization.slug])).text
    assert page.count('data-label="Last used"') == len(told), "one column"
    assert "usage report, by UTC day" in page
    csv = b"".join(
        browser.get(
            reverse("keys:list", args=[grant.organization.slug]) + "?export=csv&sort=-last_used"
        ).streaming_content  # type: ignore[attr-defined]  # the test client's
    ).decode()
    lines = csv.splitlines()
    assert "Last used (UTC)" in lines[0]
    assert (now - timedelta(days=3)).strftime("%Y-%m-%d %H:%M:%S") in lines[1]
    assert f",{(now - timedelta(days=6)).date().isoformat()}," in lines[3]
    ordered = use_of_keys.with_last_use(Key.objects.all()).order_by("-last_use")
    first = page_of(ordered, Order("last_use", True, True), 2)
    second = page_of(ordered, Order("last_use", True, True), 2, after=first.next)
    assert [row.name for row in second.rows] == ["report", "day"]
    with django_assert_num_queries(1):
        list(use_of_keys.with_last_use(Key.objects.all()))


def test_an_unused_key_is_a_finding_only_where_reports_tell_of_keys() -> None:
    connection = with_keys(ConnectionFactory())
    connection.save()
    old = timezone.now() - timedelta(days=90)
    used, unused = (KeyFactory(connection=connection, created_at=old) for _ in range(2))
    KeyFactory(connection=connection, created_at=timezone.now())  # too young to tell

    def found() -> list[int]:
        condition = findings.FINDINGS["unused"].condition()
        return list(Key.objects.filter(condition).values_list("pk", flat=True))

    assert found() == []  # nothing is read yet
    report = ReportFactory(connection=connection, backfilled_at=timezone.now())
    assert found() == []  # no report has told of any key
    use(connection.pk, day_of(timezone.now()) - 2, "1", key=used.remote_id or "")
    assert found() == [unused.pk]
    Report.objects.filter(pk=report.pk).update(backfilled_at=None)
    assert found() == []


def test_the_backfill_is_paused_and_goes_on_by_whoever_may() -> None:
    grant = GrantFactory.create()
    connection = ConnectionFactory(organization=grant.organization)
    report = ReportFactory(connection=connection)
    resource = Resource.objects.create(connection=connection, name="usage")
    browser = at_desk(grant.user)
    address = reverse("organizations:connection", args=[grant.organization.slug, connection.uid])
    assert "0 of 30 days" in browser.get(address).content.decode()
    names = [grant.organization.slug, connection.uid, "usage"]
    assert browser.post(reverse("backfill:pause", args=names)).status_code == 302
    report.refresh_from_db()
    assert report.paused_by == grant.user
    assert "paused" in browser.get(address).content.decode()
    browser.post(reverse("backfill:resume", args=names))
    report.refresh_from_db()
    assert report.paused_at is None
    resource.refresh_from_db()
    assert resource.due_at is not None
    verbs = set(Entry.objects.values_list("verb", flat=True))
    assert {"usage.pause_backfill", "usage.resume_backfill"} <= verbs
    viewer = GrantFactory.create(organization=grant.organization, role=Role.VIEWER)
    with pytest.raises(PermissionDenied):
        services.pause_backfill(report=report, actor=viewer.user)


def test_questions_without_an_answer_say_why() -> None:
    connection = ConnectionFactory()
    day = timezone.now().date()
    for first, last, group_by, filters in (
        (day, day - timedelta(days=1), (), {}),
        (day, day, ("colour",), {}),
        (day, day, (), {"day": ["x"]}),
        (day, day, ("day", "month"), {}),
        (day - timedelta(days=20), day, ("hour",), {}),
    ):
        with pytest.raises(reads.BadQuestion):
            reads.totals([connection], first, last, group_by, filters)
    assert reads.totals([], day, day).rows == []


def test_a_grouping_that_a_shelf_adds_merges_and_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(groupings, "team", raising=False)
    add_grouping(
        Grouping(
            "team",
            "key",
            lambda connections, pairs: {pair: "red" for pair in pairs if pair[1] in ("a", "b")},
            lambda connections, values: (
                {(one.pk, key) for one in connections for key in "ab"} if "red" in values else set()
            ),
        )
    )
    connection = ConnectionFactory()
    today = day_of(timezone.now())
    for back, key in enumerate("abc"):
        use(connection.pk, today - back, "2", key=key)
    day = timezone.now().date()
    first = day - timedelta(days=2)
    rows = {row.group["team"]: row.cost for row in reads.sums([connection], first, day, ("team",))}
    assert rows == {"red": 4, "-": 2}
    (row,) = reads.sums([connection], first, day, (), {"team": ["red"]})
    assert (row.cost, row.uncached_input) == (Decimal(4), 2000)
    assert row.requests is None
