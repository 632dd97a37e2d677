"""Redis is away: nobody is kept out, the limits hold, and pages say that changes wait."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.organizations.models import Grant, Role
from apps.organizations.token_services import create_token
from apps.sync.outbox import turns
from tests.factories import PASSWORD, CommandFactory, GrantFactory, UserFactory

pytestmark = pytest.mark.django_db

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def no_redis(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "portal.standby.StandbyCache", "LOCATION": NOWHERE}}
    cache.clear()


@pytest.fixture
def grant() -> Grant:
    return GrantFactory(role=Role.VIEWER)


@pytest.mark.usefixtures("no_redis")
def test_signing_in_goes_on_without_redis(client: Client) -> None:
    data = {"login": UserFactory().email, "password": PASSWORD}
    assert client.post(reverse("account_login"), data).status_code == 302
    assert "_auth_user_id" in client.session


@pytest.mark.usefixtures("no_redis")
def test_guessing_is_limited_without_redis(client: Client, grant: Grant) -> None:
    data = {"login": grant.user.email, "password": "wrong"}
    said = [client.post(reverse("account_login"), data).content.decode() for _ in range(12)]
    assert "Too many" in said[-1]


@pytest.mark.usefixtures("no_redis")
def test_a_log_is_verified_without_redis(client: Client, grant: Grant) -> None:
    client.force_login(grant.user)
    page = f"/o/{grant.organization.slug}/audit/verify/"
    assert client.get(page).status_code == 200
    assert "The log is whole" in client.post(page, follow=True).content.decode()


@pytest.mark.parametrize("answers", [True, False])
def test_pages_say_that_changes_wait_once_no_worker_answers(
    client: Client, grant: Grant, answers: bool
) -> None:
    minute_ago = timezone.now() - timedelta(minutes=1)
    command = CommandFactory(
        for_organization=grant.organization, state="queued", due_at=minute_ago, actor=grant.user
    )
    if answers:
        turns.note_alive()
    client.force_login(grant.user)
    place = {"slug": grant.organization.slug}
    shell = client.get(reverse("sync:in_flight", kwargs=place)).content.decode()
    page = client.get(reverse("sync:command", kwargs=place | {"uid": command.uid}))
    assert ("1 change waits" in shell) is not answers
    assert ("1 change on its way" in shell) is answers
    assert ("No worker has taken this up yet" in page.content.decode()) is not answers


def test_a_change_asked_for_just_now_does_not_wait_yet(client: Client, grant: Grant) -> None:
    CommandFactory(for_organization=grant.organization, state="queued", due_at=timezone.now())
    client.force_login(grant.user)
    shell = client.get(reverse("sync:in_flight", kwargs={"slug": grant.organization.slug}))
    assert "1 change on its way" in shell.content.decode()


@pytest.mark.usefixtures("no_redis")
def test_the_api_answers_and_counts_without_redis(client: Client, settings: Any) -> None:
    settings.API_REQUESTS_A_MINUTE = {
        **settings.API_REQUESTS_A_MINUTE,
        "caller": 2,
        "organization": 0,
    }
    grant = GrantFactory()
    _token, secret = create_token(organization=grant.organization, user=grant.user, name="script")
    page = f"/api/v1/organizations/{grant.organization.slug}/people/"
    with time_machine.travel("2026-01-31 12:00:18Z", tick=False):
        asked = [
            client.get(page, headers={"Authorization": f"Bearer {secret}"}) for _time in range(3)
        ]
    assert [answer.status_code for answer in asked] == [200, 200, 429]
    assert asked[0]["RateLimit"] == '"caller";r=1;t=42'
