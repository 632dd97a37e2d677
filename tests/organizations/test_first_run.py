"""First run: the portal's first owner."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.organizations import services
from apps.organizations.models import Grant, Organization, Role
from tests.factories import OrganizationFactory, UserFactory

FIRST = {
    "organization": "Acme Ltd",
    "name": "Ada",
    "email": "Ada@Example.com",
    "password": "three unrelated words here",
    "time_zone": "Europe/Berlin",
}


@pytest.mark.django_db
def test_an_empty_portal_leads_to_its_first_run(client: Client) -> None:
    assert client.get("/")["Location"] == "/start/"
    page = client.get("/start/")
    assert "Welcome" in page.content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_first_run_makes_an_owner_who_is_signed_in_and_led_on(client: Client) -> None:
    answer = client.post("/start/", FIRST)
    assert answer["Location"] == "/second-factor/"
    user = User.objects.get()
    assert (user.email, user.name, user.time_zone) == ("ada@example.com", "Ada", "Europe/Berlin")
    organization = Organization.objects.get()
    assert (organization.name, organization.slug) == ("Acme Ltd", "acme-ltd")
    assert Grant.objects.get().role == Role.OWNER
    assert client.session["_auth_user_id"] == str(user.pk)
    assert Entry.objects.get(organization_id=organization.pk).verb == "organizations.start"
    # The password has just been chosen: adding a key asks for no other proof.
    assert client.get("/accounts/2fa/webauthn/add/").status_code == 200


@pytest.mark.django_db
def test_a_weak_password_is_refused_with_the_reason(client: Client) -> None:
    page = client.post("/start/", {**FIRST, "password": "short"}).content.decode()
    assert "at least 12 characters" in page
    assert not User.objects.exists()


@pytest.mark.django_db
def test_a_password_like_the_address_is_refused(client: Client) -> None:
    page = client.post("/start/", {**FIRST, "password": "ada@example.com"}).content.decode()
    assert "too similar" in page


@pytest.mark.django_db
def test_once_somebody_can_sign_in_the_first_run_is_gone(client: Client) -> None:
    UserFactory()
    assert client.get("/")["Location"] == "/accounts/login/"
    assert client.get("/start/").status_code == 404
    assert client.post("/start/", FIRST).status_code == 404
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_first_runs_at_once_one_wins() -> None:
    def run(number: int) -> str:
        try:
            services.start(
                name=f"User {number}",
                email=f"user{number}@example.com",
                password="three unrelated words here",
                organization_name=f"Organization {number}",
                time_zone="UTC",
            )
        except services.AlreadyStarted:
            return "late"
        finally:
            connection.close()
        return "won"

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(run, range(4)))
    assert outcomes == ["late", "late", "late", "won"]
    assert User.objects.count() == Organization.objects.count() == Grant.objects.count() == 1


@pytest.mark.django_db
def test_an_address_that_is_taken_gets_a_number() -> None:
    OrganizationFactory(slug="acme")
    OrganizationFactory(slug="acme-2")
    assert services.free_slug("Acme!") == "acme-3"
    assert services.free_slug("株式会社") == "organization"
