"""One cause is one notice, and it reaches whoever hears of its topic."""

import threading
from typing import Any

import pytest
from django.db import connections, transaction

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.notices import services
from apps.notices.models import Choice, Delivery, Hearing, Notice
from apps.notices.topics import Topic, register
from apps.organizations.models import Organization, Role
from tests import factories


def tell(organization: Organization, cause: str = "storm:1", **more: Any) -> Notice:
    """A notice about the weather."""
    given = {"title": "A storm", "text": "It rains.", "url": f"/o/{organization.slug}/"} | more
    return services.tell(topic="tests.weather", organization=organization, cause=cause, **given)


def colleague(organization: Organization, role: Role) -> User:
    """Somebody with a Grant."""
    return factories.GrantFactory(organization=organization, role=role).user


@pytest.mark.django_db
def test_those_hear_whose_role_does_unless_they_say_otherwise() -> None:
    organization = factories.OrganizationFactory()
    owner, admin = (colleague(organization, one) for one in (Role.OWNER, Role.ADMIN))
    deaf, keen = (colleague(organization, one) for one in (Role.ADMIN, Role.VIEWER))
    colleague(organization, Role.BILLING)
    colleague(factories.OrganizationFactory(), Role.OWNER)
    said = {"organization": organization, "topic": "tests.weather"}
    Choice.objects.create(user=deaf, hears=False, **said)
    Choice.objects.create(user=keen, hears=True, **said)
    Choice.objects.create(user=admin, hears=True, by_mail=False, **said)

    notice = tell(organization)

    assert set(Hearing.objects.values_list("user", flat=True)) == {owner.pk, admin.pk, keen.pk}
    mails = Delivery.objects.filter(subject_id=notice.pk).values_list("user", flat=True)
    assert set(mails) == {owner.pk, keen.pk}


@pytest.mark.django_db
def test_what_is_told_again_stays_as_it_was() -> None:
    organization = factories.OrganizationFactory()
    colleague(organization, Role.OWNER)
    first = tell(organization)
    again = tell(organization, title="Another storm")

    assert again == first
    assert again.title == "A storm"
    assert Delivery.objects.count() == Hearing.objects.count() == 1


@pytest.mark.django_db
def test_what_is_over_is_told_no_second_time() -> None:
    organization = factories.OrganizationFactory()
    tell(organization)
    asked = {"topic": "tests.weather", "organization": organization, "cause": "storm:1"}
    assert services.settle(**asked)
    assert not services.settle(**asked)
    assert tell(organization).settled_at is not None
    assert Notice.objects.count() == 1


@pytest.mark.django_db
def test_a_topic_that_nobody_registered_is_an_error() -> None:
    with pytest.raises(KeyError):
        services.tell(
            topic="tests.nothing",
            organization=factories.OrganizationFactory(),
            cause="x",
            title="",
            text="",
            url="/",
        )
    with pytest.raises(ValueError, match="already"):
        register(Topic("tests.weather", "Other weather", frozenset()))


@pytest.mark.django_db
def test_an_address_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match="portal"):
        tell(factories.OrganizationFactory(), url="https://evil.example/")


@pytest.mark.django_db
def test_a_notice_goes_with_the_change_it_tells_of() -> None:
    organization = factories.OrganizationFactory()

    def change_that_fails() -> None:
        with transaction.atomic(durable=True):
            tell(organization)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_that_fails()
    assert not Notice.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_many_who_tell_at_once_tell_once() -> None:
    organization = factories.OrganizationFactory()
    colleague(organization, Role.OWNER)
    start, seen, failures = threading.Barrier(6), [], []

    def one() -> None:
        try:
            start.wait()
            seen.append(tell(organization).pk)
        except Exception as error:  # noqa: BLE001 - a thread's failure is the test's
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(seen) == 6
    assert len(set(seen)) == 1
    assert Notice.objects.count() == Hearing.objects.count() == Delivery.objects.count() == 1


@pytest.mark.django_db
def test_acknowledging_counts_once_and_is_audited() -> None:
    organization = factories.OrganizationFactory()
    owner, admin = (colleague(organization, one) for one in (Role.OWNER, Role.ADMIN))
    notice = tell(organization)

    assert services.acknowledge(notice=notice, actor=owner)
    assert not services.acknowledge(notice=notice, actor=admin)
    notice.refresh_from_db()
    assert notice.acknowledged_by == owner
    assert Entry.objects.filter(verb="notices.acknowledge").count() == 1


@pytest.mark.django_db
def test_acknowledging_many_asks_no_more_for_each(
    django_assert_max_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization, other = factories.OrganizationFactory(), factories.OrganizationFactory()
    owner = colleague(organization, Role.OWNER)
    pks = [tell(organization, str(n)).pk for n in range(12)]
    pks.append(tell(other).pk)
    with django_assert_max_num_queries(15):
        assert services.acknowledge_many(organization=organization, pks=pks[:9], actor=owner) == 9
    monkeypatch.setattr(services, "AT_ONCE", 5)
    assert services.acknowledge_many(organization=organization, pks=pks, actor=owner) == 3
    assert Notice.objects.filter(acknowledged_at__isnull=True).get().organization == other
    assert Entry.objects.filter(verb="notices.acknowledge").count() == 12
    assert not Hearing.objects.filter(user=owner, read_at__isnull=True).exists()


@pytest.mark.django_db
def test_notices_are_those_of_the_readers_organizations_and_role() -> None:
    organization, other = factories.OrganizationFactory(), factories.OrganizationFactory()
    viewer, stranger = colleague(organization, Role.VIEWER), colleague(other, Role.OWNER)
    register(Topic("tests.secret", "Secrets", frozenset({Role.OWNER}), "grants.change"))
    mine = tell(organization)
    services.tell(
        topic="tests.secret", organization=organization, cause="1", title="x", text="", url="/"
    )

    assert list(Notice.objects.visible_to(viewer)) == [mine]
    assert list(Notice.objects.visible_to(stranger)) == []
