"""The list, an incident's own page, what can be done there, and what other pages say of it."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.incidents.models import Incident, Kind, State
from apps.keys.models import Key
from apps.organizations.models import Connection, Grant, Role
from apps.sync.models import Command
from apps.usage import tuples
from apps.usage.days import day_of
from apps.usage.models import ReadDay, Report
from tests import kicks
from tests.browsing import at_desk, refuse
from tests.factories import (
    GrantFactory,
    IncidentFactory,
    KeyFactory,
    MemberFactory,
    PersonFactory,
    WorkspaceFactory,
)
from tests.incidents.spending import back, evenly, spend

pytestmark = pytest.mark.django_db
At = Callable[[str], str]


@pytest.fixture(autouse=True)
def no_worker(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody carries Commands here, and no page waits for it."""
    settings.OUTBOX_PAGE_WAIT_SECONDS = 0
    kicks.collected(monkeypatch)


@pytest.fixture
def browser(owner: Grant) -> Client:
    return at_desk(owner.user)


@pytest.fixture
def at(owner: Grant) -> At:
    return lambda path: f"/o/{owner.organization.slug}/incidents/{path}"


@pytest.fixture
def key(claude: Connection) -> Key:
    """A key that spent $20 a day, and $400 yesterday."""
    made: Key = KeyFactory(connection=claude, name="checkout-api", workspace="w1")
    told = {"key": str(made.remote_id), "workspace": "w1"}
    spend(claude, {**evenly(20, last=0), 1: 400}, **told)
    return made


@pytest.fixture
def one(claude: Connection, key: Key) -> Incident:
    made: Incident = IncidentFactory(
        connection=claude,
        value=key.remote_id,
        label="an older name",
        workspace="w1",
        causes=[
            {"name": "cache", "before": 500_000, "after": 12_000},
            {"name": "tokens", "before": 22_000, "after": 440_000},
        ],
    )
    return made


def shown(browser: Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def test_the_page_says_what_how_much_since_when_and_why(
    browser: Client, at: At, one: Incident, key: Key
) -> None:
    html = shown(browser, at(f"{one.pk}/"))
    assert "<h1" in html
    assert "checkout-api" in html
    assert "<strong>≈ $400.00</strong>" in html, "nobody bills by key"
    assert "shared out by tokens" in html
    assert "≈ $400.00" in shown(browser, at(""))
    assert "(20×)" in html
    assert "1.2% of the input came from the cache, 50.0% before." in html
    assert "440K tokens a day, 22K before." in html
    day = back(1).isoformat()
    query = f"from={day}&amp;to={day}&amp;connection={one.connection_id}&amp;key={key.remote_id}"
    assert f"/usage/?{query}&amp;group=model" in html
    # The chart: what it came to, what is usual, and where far off begins, in words too.
    table = html[html.index("chart-numbers") :]
    assert table.count("<td") >= 4 * 30
    assert "$400.00" in table
    assert "$50.00" in table


@pytest.mark.parametrize(
    ("provider", "kind", "marked"),
    [
        ("anthropic", Kind.PERSON, True),
        ("anthropic", Kind.WORKSPACE, False),
        ("cline", Kind.PERSON, False),  # it tells money by person itself
    ],
)
def test_amounts_that_somebody_bills_are_no_estimate(
    browser: Client, at: At, one: Incident, provider: str, kind: Kind, marked: bool
) -> None:
    Connection.objects.filter(pk=one.connection_id).update(provider=provider)
    Incident.objects.filter(pk=one.pk).update(kind=kind)
    html = shown(browser, at(f"{one.pk}/"))
    assert ("<strong>≈ $400.00</strong>" in html) is marked
    assert ("Nobody bills by this" in html) is marked


def test_a_quiet_connection_says_what_is_missing_and_offers_no_key(
    browser: Client, at: At, claude: Connection, key: Key
) -> None:
    yesterday = day_of(back(1))
    one = IncidentFactory(
        connection=claude,
        kind="quiet",
        value="",
        severity="low",
        rank=1,
        daily={str(yesterday): [5_000_000, 20_000_000, 12_000_000]},
        observed=5_000_000,
        expected=20_000_000,
        excess=-15_000_000,
        causes=[{"name": "less_key", "value": key.remote_id, "label": "old", "share": 900_000}],
    )
    page = shown(browser, at(f"{one.pk}/"))
    for words in (
        "Far below its usual since",
        "Too little</dt><dd>$15.00",
        "usually $20.00, far off below $12.00",
        "90.0% of what is missing is checkout-api&#x27;s.",
        "Usually at least",
        "Far off below",
    ):
        assert words in page, words
    assert "Too much" not in page
    assert "Deactivate" not in page
    assert "Quiet connection" in shown(browser, at(""))
    assert browser.get(at(f"{one.pk}/deactivate/")).status_code == 404


def test_the_list_filters_counts_and_exports(
    browser: Client, at: At, claude: Connection, one: Incident
) -> None:
    person = MemberFactory(
        connection=claude, person=PersonFactory(organization=claude.organization, name="Ada")
    )
    IncidentFactory(
        connection=claude,
        kind="person",
        value=person.remote_id,
        severity="low",
        rank=1,
        state="resolved",
        unit="tokens",
        observed=12_400_000,
        expected=1_000_000,
        causes=[{"name": "model", "model": "opus", "before": 0, "after": 900_000}],
    )
    html = shown(browser, at("?view=all"))
    assert "2 incidents" in html
    assert "checkout-api" in html
    assert "12.4M tokens" in html
    for query, name in (
        ("state=wanting", "checkout-api"),
        ("kind=person", "Ada"),
        ("severity=low", "Ada"),
        ("q=older", "checkout-api"),
    ):
        html = shown(browser, at(f"?{query}"))
        assert "1 incident" in html, query
        assert name in html, query
    answer = browser.get(at("?view=all&export=csv"))
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode("utf-8-sig"))))
    told = {row["What"]: (row["Amount"], row["Unit"], row["Likely cause"]) for row in rows}
    assert told["Ada"] == ("12400000", "tokens", "opus is 90.0% of all use, 0.0% before.")
    assert told["checkout-api"][:2] == ("400000000", "millionths of USD")


def test_the_list_asks_the_same_number_of_questions_for_many_rows(
    browser: Client, at: At, claude: Connection, one: Incident
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(database) as seen:
            shown(browser, at("?view=all"))
        return len(seen)

    WorkspaceFactory(connection=claude, remote_id="w1")
    IncidentFactory(connection=claude, kind="workspace", value="w1")
    IncidentFactory(connection=claude, kind="connection", value="")
    IncidentFactory(connection=claude, kind="person", value="nobody")
    queries()
    few = queries()
    for number in range(15):
        IncidentFactory(connection=claude, value=f"other-{number}")
    assert queries() == few


def test_it_is_acknowledged_muted_taken_up_and_resolved(
    browser: Client, at: At, one: Incident
) -> None:
    def state() -> str:
        one.refresh_from_db()
        return one.state

    browser.post(at(f"{one.pk}/acknowledge/"))
    assert state() == State.ACKNOWLEDGED
    assert "Olga" in shown(browser, at(f"{one.pk}/"))
    assert "Nobody hears of it" in shown(browser, at(f"{one.pk}/mute/"))
    answer = browser.post(at(f"{one.pk}/mute/"), {"reason": "", "until": "7"})
    assert "Say why: others will ask." in answer.content.decode()
    assert state() == State.ACKNOWLEDGED
    browser.post(at(f"{one.pk}/mute/"), {"reason": "A load test.", "until": "7"})
    assert state() == State.MUTED
    assert one.muted_until == day_of(back(-7))
    html = shown(browser, at(f"{one.pk}/"))
    assert "A load test." in html
    assert "Take it up again" in html
    answer = browser.post(at(f"{one.pk}/resolve/"), {"reason": "x"})
    assert "take it up again first" in answer.content.decode()
    browser.post(at(f"{one.pk}/take-up/"))
    assert state() == State.OPEN
    assert "opened 2 times so far" in shown(browser, at(f"{one.pk}/"))
    browser.post(at(f"{one.pk}/resolve/"), {"reason": ""})
    assert state() == State.RESOLVED
    browser.post(at(f"{one.pk}/acknowledge/"))
    assert "take it up again first" in shown(browser, at(f"{one.pk}/"))


def test_the_key_is_deactivated_in_two_steps_through_the_outbox(
    browser: Client, at: At, one: Incident, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert at(f"{one.pk}/deactivate/") in shown(browser, at(f"{one.pk}/"))
    html = shown(browser, at(f"{one.pk}/deactivate/"))
    assert "is refused from then on" in html
    nonce = re.search(r'name="nonce" value="([^"]+)"', html)
    assert nonce is not None
    answer = browser.post(at(f"{one.pk}/deactivate/"), {"nonce": nonce[1]}, follow=True)
    assert "is being deactivated" in answer.content.decode()
    (command,) = Command.objects.all()
    assert (command.kind, command.target) == ("keys.deactivate", key.target)
    browser.post(at(f"{one.pk}/deactivate/"), {"nonce": nonce[1]})
    assert Command.objects.count() == 1
    Command.objects.all().delete()
    monkeypatch.setattr("apps.sync.asking.await_word", refuse)
    answer = browser.post(at(f"{one.pk}/deactivate/"), {"nonce": "other"})
    assert "The provider says no." in answer.content.decode()
    Key.objects.filter(pk=key.pk).update(status="inactive")
    html = shown(browser, at(f"{one.pk}/"))
    assert at(f"{one.pk}/deactivate/") not in html
    assert "Is inactive already." in html
    assert "Is inactive already." in shown(browser, at(f"{one.pk}/deactivate/"))


def test_a_workspace_s_incident_offers_the_key_it_comes_from(
    browser: Client, at: At, claude: Connection, key: Key
) -> None:
    cause = {"name": "key", "value": str(key.remote_id), "share": 800_000}
    one = IncidentFactory(connection=claude, kind="workspace", value="w1", causes=[cause])
    html = shown(browser, at(f"{one.pk}/"))
    assert "checkout-api makes 80.0% of what is too much." in html
    assert at(f"{one.pk}/deactivate/") in html
    none = IncidentFactory(connection=claude, kind="connection", value="")
    assert at(f"{none.pk}/deactivate/") not in shown(browser, at(f"{none.pk}/"))
    assert browser.get(at(f"{none.pk}/deactivate/")).status_code == 404


def test_a_viewer_reads_and_is_offered_nothing(owner: Grant, at: At, one: Incident) -> None:
    viewer = at_desk(GrantFactory(organization=owner.organization, role=Role.VIEWER).user)
    html = shown(viewer, at(f"{one.pk}/"))
    for path in ("deactivate", "resolve", "mute", "acknowledge"):
        assert at(f"{one.pk}/{path}/") not in html
    assert viewer.post(at(f"{one.pk}/mute/"), {"reason": "x"}).status_code == 403


def test_other_pages_lead_to_it(
    browser: Client, owner: Grant, at: At, claude: Connection, one: Incident, key: Key
) -> None:
    home = f"/o/{owner.organization.slug}/"
    workspace = WorkspaceFactory(connection=claude, remote_id="w1")
    account = MemberFactory(
        connection=claude, person=PersonFactory(organization=claude.organization)
    )
    own = IncidentFactory(connection=claude, kind="person", value=account.remote_id)
    assert "Open incidents" in shown(browser, home)
    for path, wanted in (
        (f"keys/{key.pk}/", one),
        (f"workspaces/{workspace.pk}/", one),
        (f"people/{account.person_id}/", own),
        (f"connections/{claude.uid}/", own),
        ("usage/?range=7d", one),
        (f"usage/?range=7d&key={key.remote_id}", one),
    ):
        assert at(f"{wanted.pk}/") in shown(browser, home + path), path
    assert at(f"{own.pk}/") not in shown(browser, f"{home}usage/?key={key.remote_id}")
    assert at(f"{one.pk}/") not in shown(browser, f"{home}usage/?range=today")
    Incident.objects.update(state="resolved")
    assert "Open incident" not in shown(browser, home)
    assert at(f"{one.pk}/") not in shown(browser, f"{home}keys/{key.pk}/")


def test_an_empty_list_says_what_is_watched_and_whether_enough_was_read(
    browser: Client, at: At, claude: Connection
) -> None:
    assert "Nothing is far off its usual" in shown(browser, at(""))
    Report.objects.update(backfilled_at=None)
    assert "Nothing is far off its usual" in shown(browser, at("")), "eight weeks are read"
    ReadDay.objects.filter(day__lt=day_of(timezone.now()) - 20).delete()
    page = shown(browser, at(""))
    assert "Too little has been read to tell" in page
    assert f"It is still being read: {claude.name}." in page


def test_the_month_s_end_is_forecast_where_enough_is_read(
    browser: Client, owner: Grant, claude: Connection
) -> None:
    home = f"/o/{owner.organization.slug}/"
    workspace = WorkspaceFactory(connection=claude, remote_id="w1")
    spend(claude, evenly(20), workspace="w1", grains=tuples.GRAINS)
    html = shown(browser, f"{home}usage/")
    assert "An estimate: the exact sum so far" in html
    assert "by 56 days before. Weekdays are told apart." in html
    end = re.search(r"≈ \$([\d,.]+) by", shown(browser, home))
    assert end is not None
    # Twenty dollars a day, of which today's are spent already: a whole month, and at most a day more.
    assert 27 * 20 <= float(end[1].replace(",", "")) <= 32 * 20
    assert "This month: ≈ $" in shown(browser, f"{home}workspaces/{workspace.pk}/")
    assert "An estimate: the exact sum so far" not in shown(
        browser, f"{home}usage/?range=yesterday"
    )
    ReadDay.objects.filter(connection=claude, day__lt=day_of(back(10))).delete()
    for path in ("usage/", "", f"workspaces/{workspace.pk}/"):
        html = shown(browser, home + path)
        assert "An estimate: the exact sum" not in html, path
        assert "≈ $" not in html, path
