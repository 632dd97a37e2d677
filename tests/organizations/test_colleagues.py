"""Colleagues: who may act for an organization, and how they come and go."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.organizations import services
from apps.organizations.models import ApiToken, ColleagueInvitation, Grant, Organization, Role
from apps.organizations.policy import is_demotion
from apps.organizations.token_services import create_token
from tests.browsing import at_desk
from tests.factories import PASSWORD, GrantFactory, OrganizationFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Organization:
    organization: Organization = OrganizationFactory(name="Acme", slug="acme")
    return organization


@pytest.fixture
def alice(acme: Organization) -> Grant:
    """The owner."""
    grant: Grant = GrantFactory(organization=acme, role=Role.OWNER, user__name="Alice")
    return grant


@pytest.fixture
def bob(acme: Organization) -> Grant:
    """An admin."""
    grant: Grant = GrantFactory(organization=acme, role=Role.ADMIN, user__name="Bob")
    return grant


def page(name: str, **kwargs: Any) -> str:
    return reverse(f"organizations:{name}", kwargs={"slug": "acme", **kwargs})


def entries(organization: Organization) -> list[str]:
    lines = Entry.objects.filter(organization_id=organization.pk).order_by("sequence")
    return [entry.verb for entry in lines]


def test_everyone_sees_who_may_act_here(alice: Grant, bob: Grant) -> None:
    html = at_desk(bob.user).get(page("grants")).content.decode()
    assert "Alice" in html
    assert alice.user.email in html
    assert "Change role" not in html
    assert "Change role" in at_desk(alice.user).get(page("grants")).content.decode()


def test_the_list_takes_as_many_queries_for_twenty_colleagues_as_for_two(
    acme: Organization, alice: Grant, django_assert_num_queries: Any
) -> None:
    client = at_desk(alice.user)
    client.get(page("grants"))
    with CaptureQueriesContext(connection) as few:
        client.get(page("grants"))
    for _number in range(20):
        GrantFactory(organization=acme, role=Role.VIEWER)
    with django_assert_num_queries(len(few)):
        client.get(page("grants"))


def test_an_owner_gives_a_colleague_another_role(
    acme: Organization, alice: Grant, bob: Grant
) -> None:
    client = at_desk(alice.user)
    assert "signed out everywhere" in client.get(page("grant_change", pk=bob.pk)).content.decode()
    answer = client.post(page("grant_change", pk=bob.pk), {"role": "viewer"})
    assert answer["Location"] == page("grants")
    bob.refresh_from_db()
    assert bob.role == Role.VIEWER
    entry = Entry.objects.get(organization_id=acme.pk)
    assert (entry.verb, entry.target, entry.details) == (
        "grants.change",
        bob.user.email,
        {"role": ["admin", "viewer"]},
    )


def test_a_demotion_ends_sessions_tokens_and_offers(
    acme: Organization, alice: Grant, bob: Grant
) -> None:
    Grant.objects.filter(pk=bob.pk).update(role=Role.OWNER)
    browser = at_desk(bob.user)
    assert browser.get(page("grants")).status_code == 200
    create_token(organization=acme, user=bob.user, name="script", days=7)
    services.invite_colleague(
        organization=acme, email="friend@example.com", role=Role.OWNER, actor=bob.user
    )
    services.change_grant(grant=bob, role=Role.VIEWER, actor=alice.user)
    assert browser.get(page("grants")).status_code == 302
    assert not ApiToken.objects.exists()
    assert not ColleagueInvitation.objects.exists()


def test_a_promotion_leaves_sessions_open(alice: Grant, bob: Grant) -> None:
    browser = at_desk(bob.user)
    services.change_grant(grant=bob, role=Role.OWNER, actor=alice.user)
    assert browser.get(page("grants")).status_code == 200


def test_admin_to_billing_is_a_demotion_although_billing_may_do_other_things() -> None:
    assert is_demotion(Role.ADMIN, Role.BILLING)
    assert not is_demotion(Role.VIEWER, Role.ADMIN)
    assert not is_demotion(Role.ADMIN, Role.OWNER)


def test_the_last_owner_can_be_neither_removed_nor_demoted(alice: Grant, bob: Grant) -> None:
    client = at_desk(alice.user)
    html = client.post(page("grant_change", pk=alice.pk), {"role": "viewer"}).content.decode()
    assert "last owner" in html
    html = client.post(page("grant_remove", pk=alice.pk)).content.decode()
    assert html.count("last owner") == 1, "said once, above the question"
    alice.refresh_from_db()
    assert alice.role == Role.OWNER


def test_an_owner_whose_account_is_closed_counts_for_nothing(
    acme: Organization, alice: Grant
) -> None:
    GrantFactory(organization=acme, role=Role.OWNER, user__is_active=False)
    with pytest.raises(services.Refused):
        services.remove_grant(grant=alice, actor=alice.user)


def test_one_of_two_owners_may_step_down_and_is_signed_out(
    acme: Organization, alice: Grant
) -> None:
    GrantFactory(organization=acme, role=Role.OWNER)
    client = at_desk(alice.user)
    answer = client.post(page("grant_change", pk=alice.pk), {"role": "viewer"})
    assert answer["Location"] == reverse("account_login")
    assert client.get(page("grants")).status_code == 302


def test_removing_a_colleague_says_what_happens_and_then_does_it(
    acme: Organization, alice: Grant, bob: Grant
) -> None:
    browser = at_desk(bob.user)
    client = at_desk(alice.user)
    html = client.get(page("grant_remove", pk=bob.pk)).content.decode()
    assert "signed out everywhere" in html
    assert Grant.objects.filter(pk=bob.pk).exists()
    client.post(page("grant_remove", pk=bob.pk))
    assert not Grant.objects.filter(pk=bob.pk).exists()
    assert browser.get(page("grants")).status_code == 302
    assert User.objects.filter(pk=bob.user.pk).exists()
    assert entries(acme) == ["grants.remove"]


@pytest.mark.parametrize("role", [Role.ADMIN, Role.BILLING, Role.VIEWER])
def test_only_owners_change_colleagues(
    acme: Organization, alice: Grant, bob: Grant, role: Role
) -> None:
    grant = GrantFactory(organization=acme, role=role)
    client = at_desk(grant.user)
    assert client.post(page("grant_change", pk=bob.pk), {"role": "viewer"}).status_code == 403
    assert client.post(page("grant_remove", pk=bob.pk)).status_code == 403
    assert client.post(page("grant_invite"), {"email": "x@example.com"}).status_code == 403
    assert not mail.outbox


def test_what_the_page_allowed_a_moment_ago_is_asked_again(alice: Grant, bob: Grant) -> None:
    with pytest.raises(PermissionDenied):
        services.change_grant(grant=alice, role=Role.VIEWER, actor=bob.user)


def invite(client: Client, email: str = "carol@example.com", role: str = "admin") -> str:
    client.post(page("grant_invite"), {"email": email, "role": role})
    found = re.search(r"http://testserver(/invitation/\S+/)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def test_an_invited_colleague_makes_an_account_and_joins(acme: Organization, alice: Grant) -> None:
    link = invite(at_desk(alice.user))
    assert mail.outbox[0].to == ["carol@example.com"]
    visitor = Client()
    assert "carol@example.com" in visitor.get(link).content.decode()
    form = {"name": "Carol", "password": "three unrelated words", "time_zone": "Asia/Tokyo"}
    answer = visitor.post(link, form)
    assert answer.status_code == 302
    carol = User.objects.get(email="carol@example.com")
    assert Grant.objects.get(user=carol).role == Role.ADMIN
    assert visitor.session["_auth_user_id"] == str(carol.pk)
    assert entries(acme) == ["grants.invite", "grants.accept_invitation"]
    assert Client().get(link).status_code == 404


def test_who_has_an_account_signs_in_and_joins(acme: Organization, alice: Grant) -> None:
    carol = UserFactory(email="carol@example.com")
    link = invite(at_desk(alice.user), "Carol@Example.com", "viewer")
    visitor = Client()
    assert visitor.get(link)["Location"].startswith(reverse("account_login"))
    answer = visitor.post(
        reverse("account_login"), {"login": carol.email, "password": PASSWORD, "next": link}
    )
    assert answer["Location"] == link
    assert "Join" in visitor.get(link).content.decode()
    visitor.post(link)
    assert Grant.objects.get(user=carol, organization=acme).role == Role.VIEWER


def test_somebody_else_cannot_accept(acme: Organization, alice: Grant) -> None:
    mallory = UserFactory()
    link = invite(at_desk(alice.user))
    client = at_desk(mallory)
    assert "Sign out" in client.get(link).content.decode()
    client.post(link)
    assert not Grant.objects.filter(user=mallory).exists()


def test_an_invitation_does_not_change_the_role_of_who_is_here_already(
    acme: Organization, alice: Grant, bob: Grant
) -> None:
    with pytest.raises(services.Refused, match="colleague already"):
        services.invite_colleague(
            organization=acme, email=bob.user.email, role=Role.OWNER, actor=alice.user
        )


def test_the_link_stops_working_after_seven_days(alice: Grant) -> None:
    link = invite(at_desk(alice.user))
    ColleagueInvitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    answer = Client().get(link)
    assert answer.status_code == 404
    assert "no longer works" in answer.content.decode()
    assert "expired" in at_desk(alice.user).get(page("grants")).content.decode()
    # An expired invitation does not stand in the way of a new one.
    assert invite(at_desk(alice.user)) != link


def test_sending_again_replaces_the_link(alice: Grant) -> None:
    client = at_desk(alice.user)
    first = invite(client)
    invitation = ColleagueInvitation.objects.get()
    client.post(page("invitation_resend", pk=invitation.pk))
    assert len(mail.outbox) == 2
    assert Client().get(first).status_code == 404


def test_a_withdrawn_invitation_no_longer_works(acme: Organization, alice: Grant) -> None:
    client = at_desk(alice.user)
    link = invite(client)
    invitation = ColleagueInvitation.objects.get()
    client.post(page("invitation_withdraw", pk=invitation.pk))
    assert Client().get(link).status_code == 404
    assert entries(acme) == ["grants.invite", "grants.withdraw_invitation"]


def test_inviting_twice_says_so(alice: Grant) -> None:
    client = at_desk(alice.user)
    invite(client)
    again = client.post(page("grant_invite"), {"email": "carol@example.com", "role": "viewer"})
    assert "invited already" in again.content.decode()
    assert len(mail.outbox) == 1


def test_the_token_of_an_invitation_is_not_kept(alice: Grant) -> None:
    token = invite(at_desk(alice.user)).split("/")[2]
    invitation = ColleagueInvitation.objects.get()
    assert token not in str(vars(invitation))
    assert invitation.token_hash == services.hash_of(token)


def test_a_mail_server_that_fails_is_said_aloud_and_the_invitation_is_kept(
    alice: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> int:
        raise ConnectionRefusedError

    monkeypatch.setattr("apps.organizations.mail.send_mail", refuse)
    client = at_desk(alice.user)
    answer = client.post(
        page("grant_invite"), {"email": "carol@example.com", "role": "viewer"}, follow=True
    )
    assert "did not take the message" in answer.content.decode()
    assert ColleagueInvitation.objects.filter(email="carol@example.com").exists()


def test_settings_change_the_name_and_never_the_address(acme: Organization, alice: Grant) -> None:
    client = at_desk(alice.user)
    fields = {"name": "Acme International", "time_zone": "UTC", "demand_mfa": "on"}
    fields["support_may_read"] = "on"
    assert client.post(page("settings"), fields)["Location"] == page("settings")
    acme.refresh_from_db()
    assert (acme.name, acme.slug) == ("Acme International", "acme")
    assert Entry.objects.get(organization_id=acme.pk).details == {
        "changes": {"name": ["Acme", "Acme International"]}
    }


def test_a_page_of_settings_from_before_a_colleagues_change_undoes_nothing_of_it(
    acme: Organization, alice: Grant
) -> None:
    client = at_desk(alice.user)
    html = client.get(page("settings")).content.decode()
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', one)) for one in re.findall("<input[^>]*>", html)]
    shown = {
        one["name"]: one.get("value", "") for one in inputs if "initial-" in one.get("name", "")
    }
    assert shown["initial-demand_second_person"] == "False"
    Organization.objects.update(
        name="Acme Two", demand_second_person=True, support_may_read=False, second_person_cents=500
    )

    fields = {"name": "Acme", "time_zone": "Asia/Tokyo", "demand_mfa": "on"}
    fields |= {"support_may_read": "on", "support_may_view_as": "on", "second_person_above": ""}
    client.post(page("settings"), shown | fields)
    acme.refresh_from_db()
    assert (acme.name, acme.time_zone, acme.support_may_view_as) == ("Acme Two", "Asia/Tokyo", True)
    assert (acme.demand_second_person, acme.support_may_read) == (True, False)
    assert acme.second_person_cents == 500

    client.post(page("settings"), shown | fields | {"name": "Acme Three", "demand_mfa": ""})
    acme.refresh_from_db()
    assert (acme.name, acme.demand_mfa) == ("Acme Three", False)


def test_the_amount_above_which_a_second_person_is_needed_is_kept_to_the_cent(
    acme: Organization, alice: Grant
) -> None:
    client = at_desk(alice.user)
    fields = {"name": "Acme", "time_zone": "UTC", "demand_mfa": "on", "support_may_read": "on"}
    for typed in ("-1", "10.001", "ten"):
        answer = client.post(page("settings"), fields | {"second_person_above": typed})
        assert 'aria-invalid="true"' in answer.content.decode()
    client.post(page("settings"), fields | {"second_person_above": "1250.07"})
    acme.refresh_from_db()
    assert acme.second_person_cents == 125_007
    assert Entry.objects.get(organization_id=acme.pk).details == {
        "changes": {"second_person_cents": [None, 125_007]}
    }
    assert 'value="1250.07"' in client.get(page("settings")).content.decode()
    client.post(page("settings"), fields | {"second_person_above": ""})
    acme.refresh_from_db()
    assert acme.second_person_cents is None


def test_who_may_not_change_settings_reads_them(acme: Organization, bob: Grant) -> None:
    client = at_desk(bob.user)
    html = client.get(page("settings")).content.decode()
    assert "Only an owner" in html
    assert client.post(page("settings"), {"name": "Mine now"}).status_code == 403


def test_home_leads_to_the_oldest_organization_and_back_to_the_one_used_last(
    acme: Organization,
) -> None:
    user = GrantFactory(organization=acme, role=Role.VIEWER).user
    other = OrganizationFactory(name="AAA", slug="aaa")
    GrantFactory(user=user, organization=other, role=Role.VIEWER)
    # A colleague has been there for longer: that says nothing of this reader.
    colleague = GrantFactory(organization=other)
    Grant.objects.filter(pk=colleague.pk).update(created_at=timezone.now() - timedelta(days=9))
    client = at_desk(user)
    assert client.get("/")["Location"].startswith("/o/acme/")
    client.get(reverse("organizations:grants", kwargs={"slug": "aaa"}))
    assert client.get("/")["Location"].startswith("/o/aaa/")


def test_without_an_organization_home_says_so() -> None:
    answer = at_desk(UserFactory()).get("/")
    assert answer.status_code == 200
    assert "No organization" in answer.content.decode()
