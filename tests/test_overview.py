"""The first page of an organization."""

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.organizations.models import Grant, Role
from tests.factories import (
    CommandFactory,
    ConnectionFactory,
    GrantFactory,
    InviteFactory,
    MemberFactory,
)

pytestmark = pytest.mark.django_db


def page(grant: Grant) -> str:
    client = Client()
    client.force_login(grant.user)
    answer = client.get(f"/o/{grant.organization.slug}/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_before_anything_is_connected_it_says_what_to_do() -> None:
    html = page(GrantFactory())
    assert "Three steps to go" in html
    assert "/connections/new/" in html


def test_a_viewer_is_told_whom_to_ask() -> None:
    html = page(GrantFactory(role=Role.VIEWER))
    assert "Ask an owner or an admin" in html
    assert "/connections/new/" not in html


def test_it_counts_people_per_connection_and_tells_of_invites_about_to_expire() -> None:
    grant = GrantFactory()
    connection = ConnectionFactory(organization=grant.organization, name="Claude")
    for _ in range(3):
        MemberFactory(connection=connection, person__organization=grant.organization)
    invite = InviteFactory(
        connection=connection,
        person__organization=grant.organization,
        expires_at=timezone.now() + timedelta(days=2),
    )
    html = page(grant)
    assert "members at Anthropic" in html
    assert '<span class="stat-value">3</span>' in html
    assert '<span class="stat-value">4</span>' in html
    assert invite.email in html
    assert "1 expires within 7 days" in html


def test_it_takes_as_many_queries_for_much_as_for_little() -> None:
    grant = GrantFactory()
    connection = ConnectionFactory(organization=grant.organization)
    own = {"connection": connection}

    def one_of_each() -> None:
        MemberFactory(person__organization=grant.organization, **own)
        InviteFactory(
            person__organization=grant.organization,
            expires_at=timezone.now() + timedelta(days=2),
            **own,
        )
        CommandFactory(state="succeeded", **own)

    def queries() -> int:
        with CaptureQueriesContext(database) as seen:
            page(grant)
        return len(seen)

    one_of_each()
    queries()
    few = queries()
    for _ in range(10):
        one_of_each()
    assert queries() == few
