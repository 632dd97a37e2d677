"""Finding people by a part of their name or address."""

import pytest
from django.db import connection as database

from apps.members.models import Person
from apps.members.search import containing, index_people, see_to_triggers
from apps.organizations.models import Organization
from apps.ui.keyset import Order
from apps.ui.plain import Plain, PlainRows
from tests.factories import OrganizationFactory, PersonFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization() -> Organization:
    organization = OrganizationFactory()
    for email, name in [
        ("ada.berg@example.com", "Ada Berg"),
        ("ben@example.com", "Ben O'Hara"),
        ("chloe_x@example.com", "Chloé 100%"),
        ("dora@elsewhere.org", ""),
    ]:
        PersonFactory(organization=organization, email=email, name=name)
    return organization


def found(organization: Organization, text: str, many: int = 10_000) -> set[str]:
    hits = containing(text, organization)
    people = hits.narrow(Person.objects.filter(organization=organization), hits.count(many), many)
    if hits.steady:  # by SQL that is written once it is the same people
        rows = PlainRows(lambda ids: Person.objects.filter(organization__in=ids))
        page = Plain(rows, Order("email"), 50, 50, (hits.form(hits.count(many), many),)).page
        once = page(organization.pk, [hits.values], after=None, before=None).rows
        assert set(once) == set(people)
    return {person.email.split("@")[0] for person in people}


CASES = [
    ("berg", {"ada.berg"}),
    ("BERG", {"ada.berg"}),
    ("example", {"ada.berg", "ben", "chloe_x"}),
    ("o'hara", {"ben"}),
    ("e_x@", {"chloe_x"}),
    ("100%", {"chloe_x"}),
    ('"', set()),
    ("a AND b", set()),
    ("elsewhere.org", {"dora"}),
    ("nobody", set()),
    # Fewer than three letters: how a name or an address begins.
    ("be", {"ben"}),
    ("B", {"ben"}),
    ("do", {"dora"}),
    ("rg", set()),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "not yet indexed"])
@pytest.mark.parametrize(("text", "people"), CASES)
def test_people_are_found_whether_or_not_the_index_has_them(
    organization: Organization, text: str, people: set[str], indexed: bool
) -> None:
    if indexed:
        assert index_people() == 4
        assert index_people() == 0
    assert found(organization, text) == people


@pytest.mark.django_db(transaction=True)
def test_the_index_takes_a_few_at_a_time_and_finds_the_rest_all_the_same(
    organization: Organization,
) -> None:
    assert index_people(chunk=2) == 2
    assert found(organization, "example") == {"ada.berg", "ben", "chloe_x"}


@pytest.mark.django_db(transaction=True)
def test_what_more_people_match_than_the_cap_is_found_by_walking(
    organization: Organization,
) -> None:
    index_people()
    assert found(organization, "example", many=2) == {"ada.berg", "ben", "chloe_x"}


@pytest.mark.django_db(transaction=True)
def test_the_index_follows_names_and_forgets_the_deleted(organization: Organization) -> None:
    index_people()
    Person.objects.filter(email="ben@example.com").update(name="Robert")
    assert found(organization, "robert") == {"ben"}
    assert found(organization, "o'hara") == set()
    Person.objects.filter(email="ben@example.com").delete()
    new = PersonFactory(organization=organization, email="new@example.com", name="New")
    assert found(organization, "robert") == set()
    assert found(organization, "new@") == {new.email.split("@")[0]}


@pytest.mark.django_db(transaction=True)
def test_triggers_that_a_migration_dropped_come_back(organization: Organization) -> None:
    if database.vendor == "sqlite":  # PostgreSQL's index needs none
        with database.cursor() as cursor:
            cursor.execute("DROP TRIGGER members_person_fts_put")
    see_to_triggers()
    index_people()
    assert found(organization, "berg") == {"ada.berg"}
