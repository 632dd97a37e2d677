"""A closed month stays as it was; what is corrected later stands in the next open one; nothing gets lost."""

import csv
import io
from collections.abc import Sequence
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from apps.audit.models import Entry
from apps.centres import closing, months, services, statements
from apps.centres.models import Closing, CostCentre, Line
from apps.centres.months import Span
from apps.centres.statements import Month
from apps.organizations.models import Connection, Grant, Role
from apps.usage import blocks, reads
from apps.usage.days import day_of
from apps.usage.models import Correction, ReadDay, Report
from tests.browsing import at_desk
from tests.centres.conftest import connect, days_of
from tests.centres.test_rules import make
from tests.desk import Desk
from tests.factories import ConnectionFactory, GrantFactory, KeyFactory, WorkspaceFactory
from tests.usage import rolled
from tests.usage.conftest import few_days, read, usage_desk  # noqa: F401  # fixtures
from tests.usage.rolled import used
from tests.usage.told import settled_days, told

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ml(owner: Grant, claude: Connection, older: Span, last: Span) -> CostCentre:
    """It takes one of two keys, which share a workspace; a third has one of its own."""
    KeyFactory(connection=claude, remote_id="k1", name="ml-1", workspace="w1")
    WorkspaceFactory(connection=claude, remote_id="w1", name="Front")
    for span in (older, last):
        for key, workspace, cost in (("k1", "w1", "1.5"), ("k2", "w1", "20"), ("k3", "w2", "300")):
            used(claude, span.first, cost=cost, workspace=workspace, key=key)
    return make(owner, "ML", ("key", "begins", "ml-"), ("workspace", "list", f"{claude.pk}/w2"))


def change(connection: Connection, span: Span, cost: str, **columns: str) -> None:
    """What a walk leaves that was told otherwise later."""
    used(connection, span.first, cost=cost, **columns)
    blocks.unmake(connection.pk, day_of(span.first))
    Correction.objects.create(
        connection=connection,
        report="costs",
        day=day_of(span.first),
        noted_at=timezone.now(),
        rows=1,
        before={"billed": "1.5 USD"},
        after={"billed": "1.75 USD"},
    )


def month(owner: Grant, span: Span) -> Month:
    return statements.month(owner.organization, span, unallocated="–")


def amounts(found: Month) -> dict[str, tuple[Decimal, Decimal, Decimal]]:
    return {
        one.name: (sum_.billed, sum_.shared, sum_.corrected)
        for one in found.statements
        for sum_ in one.sums.values()
    }


def close(owner: Grant, span: Span) -> Closing:
    return closing.close(organization=owner.organization, month=span, actor=owner.user)


def dec(*texts: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, texts))


def test_billed_and_shared_are_told_apart_and_the_whole_is_the_total(
    owner: Grant, ml: CostCentre, claude: Connection, last: Span
) -> None:
    found = month(owner, last)
    assert amounts(found) == {"ML": dec("300", "1.5", "0"), "–": dec("0", "20", "0")}
    assert found.agrees
    assert found.totals == {"USD": Decimal("321.5")}
    parts = dict(statements.parts(found.statements[0].pieces, "key"))
    assert {name.split(" · ")[0] for name in parts} >= {"ml-1"}
    services.give(centre=ml, actor=owner.user, subject="key", item=f"{claude.pk}/k2")
    assert amounts(month(owner, last)) == {"ML": dec("321.5", "0", "0")}, "all of w1 is its own now"


def test_a_month_is_closed_only_when_every_day_of_each_report_is_settled(
    owner: Grant, ml: CostCentre, claude: Connection, last: Span
) -> None:
    days = ReadDay.objects.filter(connection=claude, report="costs", day=day_of(last.first) + 2)
    days.update(settled=False)
    (why,) = months.obstacles([claude], last)
    assert "Claude, Costs" in why
    assert f"3 {last.first:%b}" in why
    days.delete()
    with pytest.raises(services.Refused, match="not read"):
        close(owner, last)
    assert "is not over" in months.obstacles([claude], months.month_of(timezone.now().date()))[0]
    assert not Closing.objects.exists()
    viewer = GrantFactory(organization=owner.organization, role=Role.VIEWER).user
    with pytest.raises(PermissionDenied):
        closing.close(organization=owner.organization, month=last, actor=viewer)


@pytest.mark.parametrize("provider", ["cline", "anthropic"])
def test_a_report_of_costs_is_waited_for_only_where_the_provider_has_one(
    owner: Grant, ml: CostCentre, claude: Connection, last: Span, provider: str
) -> None:
    able = {name: {"ok": True, "reason": ""} for name in ("usage.read", "costs.read")}
    one = ConnectionFactory(
        organization=owner.organization, provider=provider, name="Other", capabilities=able
    )
    rolled.report(one, last.first)
    rolled.read(one, *days_of(last))
    Report.objects.filter(connection=one, name="costs").delete()
    waited = provider == "anthropic"
    assert months.is_whole([claude, one], last) is not waited
    assert ["Other, Costs" in why for why in months.obstacles([claude, one], last)] == (
        [True] if waited else []
    )
    if not waited:
        close(owner, last)


def test_the_list_of_statements_marks_months_that_are_not_read_whole(
    owner: Grant, ml: CostCentre, claude: Connection, older: Span, last: Span
) -> None:
    assert months.whole_of([claude], [older, last]) == {older, last}
    ReadDay.objects.filter(connection=claude, day=day_of(older.first)).delete()
    assert months.whole_of([claude], [older, last]) == {last}
    path = f"/o/{owner.organization.slug}/centres/statements/"
    html = at_desk(owner.user).get(path).content.decode()
    marked = f'{older.label}</a> <span class="text-secondary">*</span>'
    assert marked in html
    assert f"{last.label}</a></td>" in html
    assert "* Some days of this month are not read yet." in html
    Report.objects.filter(connection=claude).update(backfill_to=day_of(older.first) + 3)
    assert months.whole_of([claude], [older, last]) == {last}, "what is before was never read"


def test_a_closed_month_does_not_change_and_corrections_stand_in_the_next_open_one(
    owner: Grant, ml: CostCentre, claude: Connection, older: Span, last: Span
) -> None:
    close(owner, older)
    with pytest.raises(services.Refused, match="closed already"):
        close(owner, older)
    assert Entry.objects.get(verb="centres.close_month").details["total"] == {"USD": "321.5"}
    before = amounts(month(owner, older))
    names = {piece.names["key"] for piece in month(owner, older).statements[0].pieces}
    # Other rules and names, and a correction by the provider: of a key of ML's, of one that is new.
    services.change_centre(centre=ml, actor=owner.user, name="Machines", code="")
    for rule in ml.rules.all():
        services.remove_rule(rule=rule, actor=owner.user)
    change(claude, older, "0.25", workspace="w1", key="k1")
    change(claude, older, "7", workspace="w2", key="k9")
    closing.note_corrections(owner.organization.pk)
    kept = month(owner, older)
    assert amounts(kept) == before
    assert {piece.names["key"] for piece in kept.statements[0].pieces} == names
    assert kept.statements[0].name == "ML"
    # By the rules of then: w2 was ML's.
    found = month(owner, last)
    machines = found.of(ml.pk)
    assert machines is not None
    assert machines.sums["USD"].corrected == Decimal("7.25")
    assert found.sums["USD"].amount == Decimal("321.5") + Decimal("7.25")
    assert found.agrees
    assert len(statements.sources(found, owner.organization)) == 2
    # The same again finds nothing more; another look and a closing keep them.
    waiting = Line.objects.filter(closing__isnull=True)
    number = waiting.count()
    Closing.objects.update(seen={})
    closing.note_corrections(owner.organization.pk)
    assert waiting.count() == number
    close(owner, last)
    assert not Line.objects.filter(closing__isnull=True).exists()
    assert month(owner, last).sums["USD"].corrected == Decimal("7.25")
    # What comes later goes to the month after; what the provider takes back, too.
    change(claude, older, "-0.25", workspace="w1", key="k1")
    closing.note_corrections(owner.organization.pk)
    this = months.month_of(timezone.now().date())
    assert month(owner, this).sums["USD"].corrected == Decimal("-0.25")
    assert len(statements.sources(month(owner, this), owner.organization)) == 1, "its own alone"
    assert month(owner, older).sums == kept.sums
    _nothing_is_lost(owner, [claude], older, last, this)


def _nothing_is_lost(owner: Grant, connections: Sequence[Connection], *spans: Span) -> None:
    """All statements of all months are what the providers say today, to the last decimal."""
    stated = sum(
        (month(owner, one).sums["USD"].amount for one in spans if month(owner, one).sums),
        Decimal(0),
    )
    rows = reads.sums(connections, spans[0].first, spans[-1].last)
    assert stated == sum(row.billed for row in rows)


def test_what_is_connected_later_is_a_correction_too(
    owner: Grant, ml: CostCentre, claude: Connection, older: Span, last: Span
) -> None:
    close(owner, older)
    more = connect(owner, "More", older, last)
    used(more, older.first, cost="0.000000000001", key="k1")
    used(more, last.first, cost="2", key="k1")
    closing.note_corrections(owner.organization.pk)
    found = month(owner, last)
    assert found.sums["USD"].corrected == Decimal("1E-12")
    _nothing_is_lost(owner, [claude, more], older, last)


def test_the_pages_close_a_month_and_hand_out_its_files(
    owner: Grant, ml: CostCentre, claude: Connection, older: Span, last: Span
) -> None:
    browser = at_desk(owner.user)
    home = f"/o/{owner.organization.slug}/centres/statements/"
    assert "Close" in _shown(browser, home)
    assert "There is no opening it again" in _shown(browser, f"{home}{older.slug}/close/")
    answer = browser.post(f"{home}{older.slug}/close/", follow=True)
    html = answer.content.decode()
    assert "is closed." in html
    assert "Olga" in html
    assert "to the last decimal" in html
    assert "321.5" in html
    html = browser.post(f"{home}{older.slug}/close/").content.decode()
    assert "closed already" in html
    change(claude, older, "0.25", workspace="w1", key="k1")
    closing.note_corrections(owner.organization.pk)
    html = _shown(browser, f"{home}{last.slug}/{ml.pk}/")
    assert "Corrections of closed months" in html
    assert "billed $1.5 → $1.75" in html
    answer = browser.get(f"{home}{last.slug}/?export=csv")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode("utf-8-sig"))))
    assert sum(Decimal(row["Amount"]) for row in rows) == Decimal("321.75")
    assert {row["Month"] for row in rows} == {older.slug, last.slug}
    assert browser.get(f"{home}{last.slug}/{ml.pk}/?export=xlsx").status_code == 200
    for path in ("2099-01/", "9999-12/", "never/", f"{last.slug}/999999/"):
        assert browser.get(home + path).status_code == 404
    api = f"/api/v1/organizations/{owner.organization.slug}/"
    told_ = browser.get(f"{api}statements/{last.slug}/").json()
    assert sum(Decimal(line["amount"]) for line in told_["lines"]) == Decimal("321.75")
    assert told_["totals"] == [{"currency": "USD", "amount": "321.5"}]
    listed = browser.get(f"{api}statements/").json()
    by_month = {one["month"]: one for one in listed}
    assert by_month[older.slug]["closed_by"] == "Olga"
    assert by_month[older.slug]["sums"] == told_["totals"]
    assert by_month[last.slug]["sums"] == [{"currency": "USD", "amount": "321.75"}]
    rows = browser.get(f"{api}allocations/").json()["rows"]
    assert {(row["subject"], row["rule"]) for row in rows} >= {
        ("key", "API keys whose name begins with “ml-”"),
        ("workspace", "1 workspace by name"),
        ("key", None),
    }
    (one,) = browser.get(f"{api}centres/").json()
    assert [rule["kind"] for rule in one["rules"]] == ["begins", "list"]


def _shown(browser: Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return str(answer.content.decode())


def test_all_statements_are_the_sandbox_s_own_total(usage_desk: Desk) -> None:  # noqa: F811 – the fixture
    connection = usage_desk.connections["anthropic"]
    read(connection, "costs", "usage")
    first, last = settled_days()
    expected = sum(
        Decimal(row["amount"]) / 100
        for bucket in told(usage_desk, "/cost_report", first, last, "workspace_id", "description")
        for row in bucket["results"]
    )
    rows = reads.sums([connection], first, last, ["key"])
    keys = sorted(row.group["key"] for row in rows if len(row.group["key"]) > 1)
    for number in range(3):
        made = services.create_centre(
            organization=usage_desk.organization, actor=usage_desk.owner, name=f"C{number}"
        )
        services.add_rule(
            centre=made,
            actor=usage_desk.owner,
            subject="key",
            kind="list",
            items=[f"{connection.pk}/{key}" for key in keys[number::4]],
        )
    found = statements.month(usage_desk.organization, Span(first, last), unallocated="–")
    assert len(found.statements) == 4
    assert all(one.pieces for one in found.statements)
    assert found.agrees
    assert found.sums["USD"].amount == expected == found.totals["USD"]
