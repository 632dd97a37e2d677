"""Who pays: which rule decides, and that the parts are always the whole, to the last decimal."""

import random
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from apps.audit.models import Entry
from apps.centres import places, services, statements
from apps.centres.items import Items
from apps.centres.models import CostCentre, Place
from apps.centres.months import Span
from apps.centres.reads import spent
from apps.centres.rules import Sorter, rulings_of
from apps.organizations.models import Connection, Grant, Role
from apps.usage import reads
from apps.usage.models import Dimension
from tests.factories import (
    GrantFactory,
    KeyFactory,
    MemberFactory,
    PersonFactory,
    WorkspaceFactory,
)
from tests.usage.rolled import used

pytestmark = pytest.mark.django_db(transaction=True)


def make(owner: Grant, name: str, *rules: tuple[str, str, str]) -> CostCentre:
    """A centre with rules: subject, kind, and the text, or the items with commas between."""
    made = services.create_centre(organization=owner.organization, actor=owner.user, name=name)
    for subject, kind, text in rules:
        items = text.split(",") if kind == "list" else ()
        services.add_rule(
            centre=made, actor=owner.user, subject=subject, kind=kind, text=text, items=items
        )
    return made


def told(owner: Grant, span: Span) -> dict[str, tuple[str, bool]]:
    return {
        one.name if one else "–": (f"{amount.normalize():f}", is_estimate)
        for one, _currency, amount, is_estimate in spent(owner.organization, span.first, span.last)
    }


def test_the_nearest_rule_decides_and_then_the_order(
    owner: Grant, claude: Connection, last: Span
) -> None:
    ada = PersonFactory(organization=owner.organization, email="ada@lab.example")
    MemberFactory(connection=claude, person=ada, remote_id="user_ada")
    KeyFactory(connection=claude, remote_id="k1", name="ML-train")
    WorkspaceFactory(connection=claude, remote_id="w1", name="Shop front")
    for columns, cost in (
        ({"workspace": "w1", "key": "k1"}, "1"),
        ({"workspace": "w1", "key": "k2"}, "10"),
        ({"workspace": "w1", "account": "user_ada"}, "100"),
        ({"workspace": "w2", "account": "user_bob"}, "1000"),
    ):
        used(claude, last.first, cost=cost, **columns)
    shop = make(owner, "Shop", ("workspace", "contains", "SHOP"))
    assert told(owner, last) == {"Shop": ("111", False), "–": ("1000", False)}
    lab = make(owner, "Lab", ("person", "domain", "@LAB.example"))
    assert told(owner, last)["Lab"] == ("100", True), "a person before a workspace"
    make(owner, "ML", ("key", "begins", "ml-"))
    assert told(owner, last) == {
        "Shop": ("10", True),
        "Lab": ("100", True),
        "ML": ("1", True),
        "–": ("1000", False),
    }
    # Of two about the same the order of the centres decides.
    own = services.give(centre=lab, actor=owner.user, subject="key", item=f"{claude.pk}/k1")
    assert told(owner, last)["Lab"] == ("101", True)
    last_one = CostCentre.objects.get(name="ML")
    for _ in range(2):
        services.move_centre(centre=last_one, actor=owner.user, up=True)
    assert [one.name for one in CostCentre.objects.all()] == ["ML", "Shop", "Lab"]
    assert told(owner, last)["ML"] == ("1", True)
    services.remove_rule(rule=own, actor=owner.user)
    services.remove_centre(centre=shop, actor=owner.user)
    assert told(owner, last)["–"] == ("1010", True)
    ruling = Sorter([claude], rulings_of(owner.organization)).decide((claude.pk, "w1", "k1", "-"))
    assert ruling is not None
    assert ruling.centre_name == "ML"
    verbs = list(Entry.objects.values_list("verb", flat=True))
    assert verbs.count("centres.add_rule") == 4
    entry = Entry.objects.get(verb="centres.remove")
    assert entry.details["before"] == {"name": "Shop", "code": ""}


def test_what_is_new_or_has_another_name_is_sorted_by_the_worker(
    owner: Grant, claude: Connection, last: Span, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = KeyFactory(connection=claude, remote_id="k1", name="ml-one")
    make(owner, "ML", ("key", "begins", "ml-"))
    used(claude, last.first, cost="3", key="k1", workspace="w1")
    assert told(owner, last) == {"–": ("3", False)}
    places.tend(owner.organization.pk)
    assert told(owner, last)["ML"] == ("3", False), "all that is billed for w1"
    key.name = "other"
    key.save()
    places.tend(owner.organization.pk)
    assert "ML" in told(owner, last), "names are looked at every few minutes"
    monkeypatch.setattr(places, "EVERYTHING", places.EVERYTHING * 0)
    places.tend(owner.organization.pk)
    assert told(owner, last) == {"–": ("3", False)}
    assert not Place.objects.exists()


def test_whatever_the_rules_the_parts_are_the_whole(
    owner: Grant, claude: Connection, lab: Connection, last: Span
) -> None:
    dice = random.Random(6)
    for number in range(4):
        for connection in (claude, lab):
            KeyFactory(connection=connection, remote_id=f"k{number}", name=f"key {number}")
            WorkspaceFactory(connection=connection, remote_id=f"w{number}", name=f"place {number}")
    for _ in range(14):
        used(
            dice.choice([claude, lab]),
            last.first,
            cost=Decimal(dice.randrange(1, 10**14)).scaleb(-12),
            counts={"output": dice.randrange(1000)},
            workspace=dice.choice(["-", "w1", "w2", "w3"]),
            key=dice.choice(["-", "k1", "k2", "k3", "k4"]),
            model=dice.choice(["opus", "haiku"]),
        )
    whole = reads.sums([claude, lab], last.first, last.last)[0]
    for number in range(4):
        make(
            owner,
            f"C{number}",
            dice.choice(
                [
                    ("key", "contains", str(number)),
                    ("workspace", "contains", str(number)),
                    ("key", "list", f"{claude.pk}/k{number}"),
                    ("workspace", "list", f"{lab.pk}/-"),
                ]
            ),
        )
        parts = spent(owner.organization, last.first, last.last)
        assert sum(amount for _one, _currency, amount, _estimate in parts) == whole.billed
        found = statements.month(owner.organization, last, unallocated="–")
        assert found.agrees
        assert found.sums["USD"].amount == whole.billed
    # Grouped, filtered, with other columns and periods beside: the same money and tokens.
    for group_by in (
        ["centre"],
        ["day", "centre"],
        ["centre", "model"],
        ["centre", "service_tier", "month"],
        ["week", "centre", "connection"],
    ):
        rows = reads.sums([claude, lab], last.first, last.last, group_by)
        assert sum(row.cost for row in rows) == whole.cost, group_by
        assert sum(row.output for row in rows) == whole.output, group_by
        by_centre: dict[Any, Decimal] = {}
        for row in rows:
            key = row.group["centre"]
            by_centre[key] = by_centre.get(key, Decimal(0)) + row.cost
        for key, amount in by_centre.items():
            filters = {"centre": [str(key)]}
            beneath = reads.sums([claude, lab], last.first, last.last, ["model"], filters)
            assert sum(row.cost for row in beneath) == amount, (group_by, key)
    several = {"centre": ["-", *map(str, CostCentre.objects.values_list("pk", flat=True))]}
    assert sum(r.cost for r in reads.sums([lab], last.first, last.last, [], several)) == sum(
        r.cost for r in reads.sums([lab], last.first, last.last)
    )
    assert not Dimension.objects.filter(grain=10, service_tier="standard").exists()


def test_who_may_not_is_refused_and_what_cannot_be_is_said(owner: Grant) -> None:
    viewer = GrantFactory(organization=owner.organization, role=Role.VIEWER).user
    with pytest.raises(PermissionDenied):
        services.create_centre(organization=owner.organization, actor=viewer, name="X")
    one = make(owner, "Shop")
    for name, field in (("shop", "name"), (" ", "name")):
        with pytest.raises(services.Refused) as refused:
            services.create_centre(organization=owner.organization, actor=owner.user, name=name)
        assert refused.value.field == field
    for subject, kind, text, field in (
        ("key", "domain", "x.example", "how"),
        ("person", "domain", "example", "text"),
        ("key", "begins", " ", "text"),
        ("key", "list", "", "which"),
    ):
        with pytest.raises(services.Refused) as refused:
            services.add_rule(centre=one, actor=owner.user, subject=subject, kind=kind, text=text)
        assert refused.value.field == field


def test_what_is_not_said_of_a_centre_or_rule_stays_as_it_is_by_now(owner: Grant) -> None:
    user = owner.user
    centre = services.create_centre(organization=owner.organization, actor=user, name="ML")
    services.change_centre(centre=centre, actor=user, code="4711")
    services.change_centre(centre=centre, actor=user, name="Machines")
    centre.refresh_from_db()
    assert (centre.name, centre.code) == ("Machines", "4711")
    rule = services.add_rule(centre=centre, actor=user, subject="key", kind="begins", text="ml-")
    services.change_rule(rule=rule, actor=user, subject="workspace")
    services.change_rule(rule=rule, actor=user, kind="contains")
    services.change_rule(rule=rule, actor=user, text="learn")
    rule.refresh_from_db()
    assert (rule.subject, rule.kind, rule.text) == ("workspace", "contains", "learn")


def test_lists_are_read_whatever_the_alphabet_and_written_in_few_questions(
    owner: Grant, claude: Connection
) -> None:
    WorkspaceFactory(connection=claude, remote_id="w1", name="Équipe")
    workspaces = Items(owner.organization, [claude], "workspace")
    assert workspaces.read("Équipe\nNobody") == ([f"{claude.pk}/w1"], ["Nobody"])
    people = Items(owner.organization, [claude], "person")
    gone = [str(number) for number in range(10**9, 10**9 + 30)]
    with CaptureQueriesContext(database) as seen:
        assert people.write(gone) == gone
    assert len(seen) <= 3


def test_a_tag_takes_workspaces_whose_provider_tells_of_it(
    owner: Grant, claude: Connection
) -> None:
    for name, tags in (
        ("w1", {"Team": "ML", "env": "prod"}),
        ("w2", {"team": "shop"}),
        ("w3", ["team"]),  # another shape than is known
        ("w4", None),
    ):
        raw = {"name": name} if tags is None else {"name": name, "tags": tags}
        WorkspaceFactory(connection=claude, remote_id=name, name=name, raw=raw)
    make(owner, "Models", ("workspace", "tag", "Team = ml"))
    make(owner, "Teams", ("workspace", "tag", "team"))
    sorter = Sorter([claude], rulings_of(owner.organization))
    found = {
        name: ruling and ruling.centre_name
        for name in ("w1", "w2", "w3", "w4")
        for ruling in [sorter.of_thing("workspace", (claude.pk, name))]
    }
    assert found == {"w1": "Models", "w2": "Teams", "w3": None, "w4": None}
    for text in ("=ml", "team="):
        with pytest.raises(services.Refused):
            make(owner, f"X{text}", ("workspace", "tag", text))
