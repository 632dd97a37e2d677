"""Queries whose SQL is written once."""

from datetime import UTC, datetime

import pytest
from django.db.models import Count, Max
from pytest_django import DjangoAssertNumQueries

from apps.members.models import Member, Person
from apps.organizations.models import Connection
from apps.ui.prepared import Prepared, number_of, read
from tests.factories import ConnectionFactory, MemberFactory, OrganizationFactory

pytestmark = pytest.mark.django_db
GONE = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def test_tuples_are_those_of_the_queryset_however_many_values_there_are() -> None:
    members = [MemberFactory(role=f"role{n}", gone_at=GONE if n % 2 else None) for n in range(5)]
    shown = Member.objects.order_by("pk").values_list("pk", "role", "gone_at", "raw")
    prepared = Prepared(lambda ids: shown.filter(pk__in=ids))
    for count in (5, 1, 3, 4, 2):
        ids = [member.pk for member in members[-count:]]
        assert prepared(ids=ids) == list(shown.filter(pk__in=ids))


def test_objects_are_those_of_the_queryset_with_all_that_it_adds_to_them(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    connection = ConnectionFactory(offers={"roles": ["a"]})
    MemberFactory.create_batch(2, connection=connection)
    ConnectionFactory(organization=connection.organization, name=connection.name)
    prepared = Prepared(
        lambda slugs, names: (
            Connection.objects.filter(organization__slug__in=slugs, name__in=names)
            .annotate(resources_seen=Count("resources"))
            .select_related("organization")
            .defer("credential")
            .order_by("-pk")
        )
    )
    asked = {"slugs": [connection.organization.slug], "names": [connection.name]}
    with django_assert_num_queries(1):
        found = prepared(**asked)
        assert [one.resources_seen for one in found] == [0, 0]  # type: ignore[attr-defined]  # annotated
        assert found[1].organization == connection.organization
        assert (found[1].uid, found[1].offers) == (connection.uid, {"roles": ["a"]})
    assert found[1] == connection
    assert found[1].get_deferred_fields() == {"credential"}
    found[1].name = "Renamed"
    found[1].save(update_fields=["name"])
    assert Connection.objects.get(pk=connection.pk).name == "Renamed"


def test_each_call_has_its_own_values() -> None:
    here, there = OrganizationFactory.create_batch(2)
    people = Prepared(
        lambda ids, emails: Person.objects.filter(organization__in=ids, email__in=emails)
    )
    for organization in (here, there):
        Person.objects.create(organization=organization, email="ann@example.com")
    for organization in (here, there, here):
        (found,) = people(ids=[organization.pk], emails=["ann@example.com"])
        assert found.organization_id == organization.pk
    assert people(ids=[here.pk], emails=["bob@example.com"]) == []


def test_values_may_hold_any_sign() -> None:
    odd = ['a"b', "a\\b", "{a,b}", "a%b", "a_b", "NULL", " ", "", "é'"]
    members = [MemberFactory(role=one) for one in odd]
    with_roles = Prepared(lambda roles: Member.objects.filter(role__in=roles).order_by("pk"))
    assert with_roles(roles=odd) == members
    assert [with_roles(roles=[one]) for one in odd] == [[one] for one in members]
    holding = Prepared(lambda texts: Member.objects.filter(role__contains=texts[0]).order_by("pk"))
    for text in ("%", "_", "\\", '"', "b", "é'", "a%b", "%%", "a_"):
        assert holding(texts=[text]) == [one for one in members if text in one.role]


def test_without_values_there_are_no_rows_and_no_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    members = Prepared(lambda ids: Member.objects.filter(pk__in=ids))
    with django_assert_num_queries(0):
        assert members(ids=[]) == []
        assert members.count(ids=[]) == 0


def test_rows_can_be_counted_without_being_read() -> None:
    members = MemberFactory.create_batch(3)
    first = Prepared(lambda ids: Member.objects.filter(pk__in=ids).order_by("pk")[:2])
    assert first.count(ids=[member.pk for member in members]) == 2
    assert first.count(ids=[members[0].pk]) == 1


def test_what_never_differs_may_hold_any_sign_and_computed_times_are_times() -> None:
    connection = ConnectionFactory(name="50% 'off' %s")
    members = MemberFactory.create_batch(3, connection=connection, gone_at=GONE)
    prepared = Prepared(
        lambda ids, roles: (
            Member.objects.filter(pk__in=ids, connection__name="50% 'off' %s")
            .exclude(role__in=roles)
            .exclude(role__in=["nobody", "no%one"])
            .annotate(latest=Max("gone_at"))
            .order_by("pk")
        )
    )
    for chosen in (members, members[:1], members[1:]):
        found = prepared(ids=[member.pk for member in chosen], roles=["a", "b%"])
        assert found == chosen
        assert {one.latest for one in found} == {GONE}  # type: ignore[attr-defined]  # annotated
    assert prepared(ids=[members[0].pk], roles=[members[0].role]) == []


def test_a_query_that_comes_once_gives_the_same_objects_and_the_same_number(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    MemberFactory.create_batch(3, role="50% \\ %s", gone_at=GONE)
    MemberFactory(role="other")
    found = Member.objects.filter(role__contains="% \\").order_by("-pk")
    shown = found.select_related("person", "connection__organization").defer("raw")[:2]
    with django_assert_num_queries(1):
        rows = read(shown)
        assert [row.connection.organization_id for row in rows] == [
            row.person.organization_id for row in rows
        ]
    assert rows == list(shown.all())
    assert [row.gone_at for row in rows] == [GONE, GONE]
    assert rows[0].get_deferred_fields() == {"raw"}
    assert read(Member.objects.filter(pk__in=[])) == read(Member.objects.none()) == []
    assert [number_of(found.values("pk")[:most]) for most in (2, 9)] == [2, 3]
    assert number_of(Member.objects.none()) == 0


def test_what_a_queryset_adds_to_its_objects_afterwards_is_there_too() -> None:
    member = MemberFactory()
    (person,) = read(Person.objects.prefetch_related("members"))
    assert "members" in person._prefetched_objects_cache  # type: ignore[attr-defined]  # Django's own
    (one,) = read(member.person.members.all())
    assert one.person is member.person
