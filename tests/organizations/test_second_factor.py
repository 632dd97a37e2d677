"""A second factor is demanded of whoever may write."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.organizations import services
from apps.organizations.models import Grant, Organization, Role
from tests.browsing import at_desk
from tests.factories import GrantFactory, OrganizationFactory, UserFactory

pytestmark = pytest.mark.django_db


def settings_of(organization: Organization) -> str:
    return reverse("organizations:settings", kwargs={"slug": organization.slug})


def holder(role: Role = Role.OWNER, *, factor: bool = False, **extra: Any) -> Grant:
    grant: Grant = GrantFactory(role=role, user=UserFactory(second_factor=factor), **extra)
    return grant


@pytest.mark.parametrize(
    ("role", "factor", "demanded"),
    [
        (Role.OWNER, False, True),
        (Role.ADMIN, False, True),
        (Role.VIEWER, False, False),
        (Role.OWNER, True, False),
    ],
)
def test_it_is_demanded_of_roles_that_write(role: Role, factor: bool, demanded: bool) -> None:
    grant = holder(role, factor=factor)
    answer = at_desk(grant.user).get(settings_of(grant.organization))
    assert answer.status_code == (302 if demanded else 200)
    if demanded:
        assert answer["Location"].startswith("/second-factor/?next=%2Fo%2F")


def test_an_organization_may_do_without() -> None:
    grant = holder(organization=OrganizationFactory(demand_mfa=False))
    assert at_desk(grant.user).get(settings_of(grant.organization)).status_code == 200


def test_recovery_codes_alone_are_no_second_factor() -> None:
    grant = holder()
    Authenticator.objects.create(
        user=grant.user, type=Authenticator.Type.RECOVERY_CODES, data={"seed": "x", "used_mask": 0}
    )
    assert at_desk(grant.user).get(settings_of(grant.organization)).status_code == 302


def test_staff_need_one_even_without_an_organization() -> None:
    client = at_desk(UserFactory(is_staff=True, is_superuser=True))
    assert client.get("/admin/")["Location"].startswith("/second-factor/")


@pytest.mark.parametrize("name", ["second_factor", "mfa_index", "account_logout", "account_email"])
def test_the_way_to_set_it_up_stays_open(name: str) -> None:
    assert at_desk(holder().user).get(reverse(name)).status_code == 200


def test_setting_it_up_leads_back_to_where_one_was() -> None:
    grant = holder()
    client = at_desk(grant.user)
    here = settings_of(grant.organization)
    assert "Add a second factor" in client.get(client.get(here)["Location"]).content.decode()
    Authenticator.objects.create(user=grant.user, type=Authenticator.Type.TOTP, data={})
    assert here in client.get(reverse("mfa_index")).content.decode()
    assert client.get(reverse("second_factor"))["Location"] == here
    assert client.get(here).status_code == 200


def test_a_page_elsewhere_is_not_where_one_was() -> None:
    client = at_desk(holder().user)
    client.get("/second-factor/?next=https://example.org/")
    assert "example.org" not in client.get(reverse("mfa_index")).content.decode()


def test_taking_the_factor_off_closes_the_door_again() -> None:
    grant = holder(factor=True)
    client = at_desk(grant.user)
    assert client.get(settings_of(grant.organization)).status_code == 200
    Authenticator.objects.filter(user=grant.user).delete()
    assert client.get(settings_of(grant.organization)).status_code == 302


def test_a_promotion_brings_the_demand_into_open_sessions() -> None:
    viewer = holder(Role.VIEWER)
    owner = GrantFactory(organization=viewer.organization)
    client = at_desk(viewer.user)
    assert client.get(settings_of(viewer.organization)).status_code == 200
    services.change_grant(grant=viewer, role=Role.ADMIN, actor=owner.user)
    assert client.get(settings_of(viewer.organization)).status_code == 302


def test_switching_the_demand_on_reaches_open_sessions() -> None:
    grant = holder(organization=OrganizationFactory(demand_mfa=False))
    client = at_desk(grant.user)
    assert client.get(settings_of(grant.organization)).status_code == 200
    services.change_organization(organization=grant.organization, actor=grant.user, demand_mfa=True)
    assert client.get(settings_of(grant.organization)).status_code == 302


def test_outside_the_demo_it_cannot_be_skipped() -> None:
    client = at_desk(holder().user)
    assert "demo" not in client.get(reverse("second_factor")).content.decode()
    assert client.post(reverse("second_factor")).status_code == 404


def test_in_the_demo_it_can_be_skipped_for_the_session(settings: Any) -> None:
    settings.MFA_DEMAND_SKIPPABLE = True
    grant = holder()
    client = at_desk(grant.user)
    here = settings_of(grant.organization)
    page = client.get(client.get(here)["Location"]).content.decode()
    assert "This is the demo" in page
    assert client.post(reverse("second_factor"))["Location"] == here
    assert client.get(here).status_code == 200
    assert at_desk(grant.user).get(here).status_code == 302


def test_the_api_says_so_in_its_own_way() -> None:
    answer = at_desk(holder().user).get("/api/v1/whatever/")
    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == 403


def test_htmx_leads_the_whole_page_there() -> None:
    grant = holder()
    answer = at_desk(grant.user).get(
        settings_of(grant.organization),
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/o/x/"},
    )
    assert answer["HX-Redirect"] == "/second-factor/?next=%2Fo%2Fx%2F"


def test_the_answer_is_remembered_and_costs_no_query() -> None:
    grant = holder(factor=True)
    client = at_desk(grant.user)
    client.get("/profile/")
    with CaptureQueriesContext(connection) as queries:
        client.get("/profile/")
    asked = [query["sql"] for query in queries if "mfa_authenticator" in query["sql"]]
    assert asked == []


def test_nobody_in_particular_meets_no_demand() -> None:
    assert Client().get(reverse("account_login")).status_code == 200
