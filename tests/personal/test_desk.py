"""A desk of one: nobody else gets there, whatever they are elsewhere."""

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.organizations import connections
from apps.organizations.adapters import allowed_base_urls
from apps.organizations.models import Connection, Grant, Organization, Role
from apps.organizations.policy import POLICY
from apps.organizations.sealing import Secret
from apps.organizations.services import Refused, open_personal_desk
from apps.personal.models import Account
from tests import factories
from tests.browsing import at_desk

pytestmark = pytest.mark.django_db
KEY = "sk_personal_canary_0123456789"


def test_the_profile_menu_leads_to_a_desk_that_is_opened_once(ada: Client, person: User) -> None:
    assert 'href="/own-account/"' in ada.get(f"/o/{person.grants.get().organization.slug}/").text
    asked = ada.get("/own-account/")
    assert "It is yours alone" in asked.text
    assert not Organization.objects.filter(personal_of=person).exists(), "looking opens nothing"
    opened = ada.post("/own-account/")
    desk = Organization.objects.get(personal_of=person)
    assert opened["Location"] == reverse("organizations:connect", args=[desk.slug])
    assert not desk.support_may_read
    assert desk.grants.get().role == Role.SELF
    assert Entry.objects.get(organization_id=desk.pk).verb == "organizations.open_personal"
    ada.post("/own-account/")
    assert open_personal_desk(person) == desk
    assert ada.get("/own-account/")["Location"] == f"/o/{desk.slug}/account/"


def test_an_own_account_is_connected_on_the_own_desk_alone(
    ada: Client, person: User, viewer: Grant
) -> None:
    slug = open_personal_desk(person).slug
    offered = ada.get(f"/o/{slug}/connections/new/")
    assert "Cline (own account)" in offered.text
    assert "Anthropic" not in offered.text
    assert ada.get(f"/o/{slug}/connections/new/anthropic/").status_code == 404
    pasted = ada.post(f"/o/{slug}/connections/new/cline_personal/", {"credential": KEY})
    draft = Connection.objects.get(organization__slug=slug)
    assert pasted.status_code == 302
    assert (draft.provider, draft.state) == ("cline_personal", Connection.State.DRAFT)
    assert KEY not in draft.credential
    assert draft.base_url in allowed_base_urls("cline")
    owner = at_desk(factories.GrantFactory(organization=viewer.organization).user)
    theirs = f"/o/{viewer.organization.slug}/connections/new/"
    assert "own account" not in owner.get(theirs).text.replace("Own Cline account", "")
    assert owner.get(f"{theirs}cline_personal/").status_code == 404


def _addresses(account: Account) -> list[str]:
    slug, uid = account.connection.organization.slug, account.connection.uid
    own = ["", "profile/", "terms/", "join/", "activate/", "token/", "delete/"]
    return [
        f"/o/{slug}/account/",
        *(f"/o/{slug}/account/{uid}/{place}" for place in own),
        f"/o/{slug}/connections/",
        f"/o/{slug}/connections/{uid}/",
        f"/o/{slug}/connections/{uid}/provider/",
        f"/o/{slug}/connections/{uid}/sync/",
        f"/o/{slug}/activity/",
        f"/o/{slug}/audit/",
        f"/api/v1/organizations/{slug}/accounts/",
        f"/api/v1/organizations/{slug}/accounts/{uid}/",
        f"/api/v1/organizations/{slug}/connections/",
    ]


@pytest.mark.parametrize("role", ["owner", "admin", "billing", "viewer", "another", "staff"])
def test_everybody_else_finds_nothing_there(
    account: Account, viewer: Grant, ada: Client, role: str
) -> None:
    """Colleagues in her organization, somebody with a desk of their own, and support."""
    if role == "another":
        user = factories.own_desk().personal_of
    elif role == "staff":
        user = factories.UserFactory(is_staff=True, is_superuser=True, second_factor=True)
    else:
        user = factories.GrantFactory(organization=viewer.organization, role=role).user
    browser = at_desk(user)
    for address in _addresses(account):
        assert browser.get(address).status_code == 404, address
        assert ada.get(address).status_code in (200, 302), address
    for address in _addresses(account)[1:8]:
        assert browser.post(address, {"name": "x"}).status_code == 404, address
    page = browser.get("/", follow=True).text
    assert account.connection.organization.slug not in page
    listed = browser.get("/api/v1/organizations/").json()
    assert account.connection.organization.slug not in {one["slug"] for one in listed}


@pytest.mark.parametrize(
    "place", ["", "people/", "invites/", "keys/", "settings/", "colleagues/", "limits/"]
)
def test_what_only_organizations_have_is_not_there_on_the_own_desk(
    ada: Client, account: Account, place: str
) -> None:
    assert ada.get(f"/o/{account.connection.organization.slug}/{place}").status_code == 404


def test_support_can_never_be_let_in(person: User) -> None:
    desk = open_personal_desk(person)
    with pytest.raises(IntegrityError), transaction.atomic():
        Organization.objects.filter(pk=desk.pk).update(support_may_read=True)


def test_the_own_desk_is_kept_out_of_the_switch_and_its_owner_comes_home(
    ada: Client, account: Account, viewer: Grant
) -> None:
    shared = ada.get(f"/o/{viewer.organization.slug}/").text
    assert account.connection.organization.slug not in shared
    own = ada.get(f"/o/{account.connection.organization.slug}/account/", follow=True)
    assert viewer.organization.name in own.text, "the way back"
    assert ada.get("/", follow=True).request["PATH_INFO"] == own.request["PATH_INFO"]
    alone = factories.own_desk()
    home = at_desk(alone.personal_of).get("/")
    assert home["Location"] == f"/o/{alone.slug}/account/"


def test_an_organization_has_nothing_of_a_persons_own(viewer: Grant) -> None:
    owner = factories.GrantFactory(organization=viewer.organization).user
    assert at_desk(owner).get(f"/o/{viewer.organization.slug}/account/").status_code == 404
    own_alone = {action for action in POLICY if action.startswith("account.")}
    assert all(POLICY[action].roles == {Role.SELF} for action in own_alone)


def test_a_person_who_may_write_on_their_own_desk_needs_a_second_factor(db: None) -> None:
    user = factories.UserFactory()
    browser = at_desk(user)
    assert browser.get("/own-account/").status_code == 200
    browser.post("/own-account/")
    assert browser.get("/own-account/")["Location"].startswith("/second-factor/")


def test_organizations_refuse_the_account_of_a_person(viewer: Grant) -> None:
    owner = factories.GrantFactory(organization=viewer.organization).user
    with pytest.raises(Refused, match="not connected here"):
        connections.begin(
            organization=viewer.organization,
            actor=owner,
            provider="cline_personal",
            base_url=allowed_base_urls("cline")[0],
            credential=Secret(KEY),
        )
