"""The pages of walks say how far they are, what is wrong, and let those who may decide."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.organizations.models import Connection, Organization, Role
from apps.providers.errors import Refused
from apps.providers.records import Unreadable
from apps.sync.models import Resource, SyncRun
from tests.factories import ConnectionFactory, GrantFactory
from tests.sync.remote import Remote, members, resource_of, walk_it

Provider = Callable[[Remote], Remote]


def url(connection: Connection, name: str = "progress", **more: str) -> str:
    """The address of one of the pages."""
    slug = connection.organization.slug
    return reverse(f"sync:{name}", kwargs={"slug": slug, "uid": connection.uid, **more})


def signed_in(client: Client, organization: Organization, role: Role) -> Client:
    """The client as somebody with that role."""
    client.force_login(GrantFactory(organization=organization, role=role).user)
    return client


@pytest.fixture
def admin(client: Client, connection: Connection) -> Client:
    """The client as an admin of the connection's organization."""
    return signed_in(client, connection.organization, Role.ADMIN)


def test_a_running_walk_is_polled_until_it_ends(
    admin: Client, connection: Connection, provider: Provider
) -> None:
    provider(Remote(members(30)))
    walk_it(connection)
    resource = resource_of(connection)
    now = timezone.now()
    SyncRun.objects.all().delete()
    Resource.objects.update(leased_until=now + timedelta(minutes=1))
    SyncRun.objects.create(
        resource=resource,
        fence=9,
        started_at=now - timedelta(seconds=40),
        heartbeat_at=now,
        expected=1000,
        seen=400,
        pages=1,
        requests=2,
    )
    html = admin.get(url(connection)).content.decode()
    assert 'hx-trigger="every 1s"' in html
    assert 'value="40"' in html
    assert "60 seconds left" in html
    assert "of about 1,000" in html
    fragment = admin.get(
        url(connection), headers={"HX-Request": "true", "HX-Target": "listings"}
    ).content.decode()
    assert "<html" not in fragment
    assert 'id="listings"' in fragment
    SyncRun.objects.filter(state="running").delete()
    Resource.objects.update(leased_until=None)
    html = admin.get(url(connection)).content.decode()
    assert 'hx-trigger="every' not in html
    assert "Complete" in html


def test_a_walk_that_was_cut_short_says_why(
    admin: Client, connection: Connection, provider: Provider
) -> None:
    provider(Remote(members(30)).fault(1, Refused("<b>No more</b>", status=400)))
    walk_it(connection)
    html = admin.get(url(connection)).content.decode()
    assert "&lt;b&gt;No more&lt;/b&gt;" in html
    assert "nothing was removed" in html


def test_syncing_now_needs_the_role_and_a_post(
    client: Client, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in(client, connection.organization, Role.VIEWER)
    assert client.post(url(connection, "start")).status_code == 403
    assert "Sync now" not in client.get(url(connection)).content.decode()
    signed_in(client, connection.organization, Role.ADMIN)
    assert client.get(url(connection, "start")).status_code == 405
    answer = client.post(url(connection, "start"))
    assert (answer.status_code, answer["Location"]) == (302, url(connection))
    assert Resource.objects.filter(connection=connection, due_at__lte=timezone.now()).count() == 2


def test_syncing_a_paused_connection_says_what_to_do(admin: Client, connection: Connection) -> None:
    Connection.objects.update(state=Connection.State.PAUSED)
    html = admin.post(url(connection, "start"), follow=True).content.decode()
    assert "Resume it first" in html


def test_a_sudden_loss_is_shown_and_decided(
    client: Client, connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote(members(100)))
    walk_it(connection)
    remote.rows = members(60)
    run = walk_it(connection)
    page = url(connection, "loss", listing="members")
    signed_in(client, connection.organization, Role.VIEWER)
    html = client.get(page).content.decode()
    assert "Person77@example.com" in html
    assert "An owner or admin must decide" in html
    assert client.post(page, {"decision": "accept", "run": run.pk}).status_code == 403
    signed_in(client, connection.organization, Role.ADMIN)
    assert "They are not gone" in client.get(page).content.decode()
    old = client.post(page, {"decision": "accept", "run": run.pk - 1}, follow=True)
    assert "Look again" in old.content.decode()
    client.post(page, {"run": run.pk})
    run.refresh_from_db()
    assert run.decision == ""
    client.post(page, {"decision": "accept", "run": run.pk})
    run.refresh_from_db()
    assert run.decision == SyncRun.Decision.ACCEPTED
    assert client.get(page)["Location"] == url(connection)


def test_unreadable_rows_are_listed_and_escaped(
    admin: Client, connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote(members(3)))
    remote.unreadable[0] = [Unreadable("user_x", "no email address", b'{"id": "<i>"}')]
    walk_it(connection)
    assert "1 row could not be read" in admin.get(url(connection)).content.decode()
    html = admin.get(url(connection, "unreadable", listing="members")).content.decode()
    assert "no email address" in html
    assert "&lt;i&gt;" in html


@pytest.mark.parametrize("name", ["progress", "loss", "unreadable"])
def test_another_tenants_walks_are_not_there(admin: Client, name: str) -> None:
    foreign = ConnectionFactory()
    resource_of(foreign)
    more = {} if name == "progress" else {"listing": "members"}
    assert admin.get(url(foreign, name, **more)).status_code == 404


def test_a_connection_of_another_organization_is_not_reached_through_ours(
    admin: Client, connection: Connection
) -> None:
    foreign = ConnectionFactory()
    page = reverse(
        "sync:progress", kwargs={"slug": connection.organization.slug, "uid": foreign.uid}
    )
    assert admin.get(page).status_code == 404


def test_the_progress_page_takes_the_same_queries_however_long_the_history(
    admin: Client,
    connection: Connection,
    provider: Provider,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    provider(Remote(members(3)))
    walk_it(connection)
    admin.get(url(connection))
    with django_assert_max_num_queries(30) as first:
        admin.get(url(connection))
    for _ in range(5):
        walk_it(connection)
    with django_assert_max_num_queries(len(first.captured_queries)):
        admin.get(url(connection))
