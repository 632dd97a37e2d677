"""The settings of an organization over the API: all that its page has, changed one by one."""

import pytest

from apps.organizations import services
from apps.organizations.desk_api import SettingsChange
from apps.organizations.forms import OrganizationForm
from apps.organizations.models import Grant, Organization
from tests.api.conftest import pointers, send
from tests.browsing import at_desk

pytestmark = pytest.mark.django_db


def test_settings_are_changed_one_by_one_and_what_is_not_said_stays(owner: Grant) -> None:
    desk, place = at_desk(owner.user), f"/api/v1/organizations/{owner.organization.slug}/"
    told = desk.get(place).json()
    for change in (
        {"name": "Acme International"},
        {"support_may_view_as": not told["support_may_view_as"]},
        {"second_person_cents": 125_007, "demand_second_person": True},
        {"second_person_cents": None},
        {"time_zone": "Europe/London"},
    ):
        answer = send(desk, "patch", place, change)
        told |= change
        assert (answer.status_code, answer.json()) == (200, told), change
    assert pointers(send(desk, "patch", place, {"slug": "elsewhere"})) == {"#/slug"}


def test_who_changes_one_thing_leaves_what_another_has_changed_meanwhile(owner: Grant) -> None:
    seen_before = Organization.objects.get(pk=owner.organization_id)
    services.change_organization(
        organization=owner.organization, actor=owner.user, name="New", demand_mfa=False
    )
    services.change_organization(organization=seen_before, actor=owner.user, support_may_read=False)
    now = Organization.objects.get(pk=owner.organization_id)
    assert (now.name, now.demand_mfa, now.support_may_read) == ("New", False, False)


def test_whatever_the_page_of_settings_changes_a_program_can_change() -> None:
    shown = {"second_person_above": "second_person_cents"}
    page = {shown.get(name, name) for name in OrganizationForm.base_fields}
    assert page == set(SettingsChange().fields)
