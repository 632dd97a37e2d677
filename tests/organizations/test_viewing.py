"""Support looks through a colleague's eyes: read-only, told, and for as long as it is allowed."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import StaffRole, User
from apps.audit.models import Entry
from apps.notices.models import Hearing, Notice
from apps.organizations import staff, viewing
from apps.organizations.models import Grant, Organization, Role, Viewing
from apps.organizations.services import Refused
from tests import factories
from tests.browsing import at_desk, tired

pytestmark = pytest.mark.django_db


@pytest.fixture
def grant() -> Grant:
    """Ada is an admin of Acme, which lets support view as a colleague."""
    made: Grant = factories.GrantFactory(
        organization=factories.OrganizationFactory(
            name="Acme", slug="acme", support_may_view_as=True
        ),
        user=factories.UserFactory(name="Ada", email="ada@example.com", second_factor=True),
        role=Role.ADMIN,
    )
    return made


@pytest.fixture
def lead() -> User:
    """Sam leads support."""
    user: User = factories.UserFactory(
        name="Sam",
        email="sam@example.com",
        is_staff=True,
        leads_support=True,
        second_factor=True,
    )
    return user


def asking(row: Any) -> str:
    """The address of the page that asks why."""
    return reverse(
        f"admin:{row._meta.app_label}_{row._meta.model_name}_act", args=[row.pk, "view_as"]
    )


def viewing_as(lead: User, grant: Grant) -> Client:
    """Sam's browser, in which they view as Ada."""
    client = at_desk(lead)
    answer = client.post(asking(grant), {"reason": "They see no keys."})
    assert answer["Location"] == "/o/acme/"
    return client


def test_it_begins_with_a_reason_is_written_down_and_told_to_the_owners(
    lead: User, grant: Grant
) -> None:
    owner = factories.GrantFactory(organization=grant.organization, role=Role.OWNER).user
    client = at_desk(lead)
    assert "owners are told" in client.get(asking(grant)).text
    assert client.post(asking(grant), {"reason": " "}).status_code == 200
    assert not Viewing.objects.exists()
    seen = grant.user.last_login
    client.post(asking(grant), {"reason": "They see no keys."})
    page = client.get("/o/acme/")
    assert "Sam views as Ada (ada@example.com) at Acme." in page.text
    assert "Reason: They see no keys." in page.text
    assert 1700 < int(page["Refresh"]) <= 1801
    assert "no-store" in page["Cache-Control"]
    begun = Entry.objects.get(verb="support.view_begin")
    assert (begun.actor, begun.target) == ("sam@example.com", "ada@example.com")
    assert begun.organization_id == grant.organization_id
    assert begun.details["reason"] == "They see no keys."
    told = Notice.objects.get(topic="support.viewed_as")
    assert "Sam" in told.title
    assert "They see no keys." in told.text
    assert [one.user for one in Hearing.objects.filter(notice=told)] == [owner]
    assert told.settled_at is None
    # Nothing of it is the colleague's: neither a session nor a sign-in.
    assert not UserSession.objects.filter(user=grant.user).exists()
    grant.user.refresh_from_db()
    assert grant.user.last_login == seen
    answer = client.post("/view-as/end/")
    assert answer["Location"] == reverse("admin:accounts_user_change", args=[grant.user.pk])
    assert "You no longer view as Ada" in client.get(answer["Location"]).text
    ended = Entry.objects.get(verb="support.view_end")
    assert (ended.actor, ended.target) == ("sam@example.com", "ada@example.com")
    assert ended.details["how"] == "ended"
    told.refresh_from_db()
    assert told.settled_at is not None
    assert client.get("/o/acme/").status_code == 404


def test_one_organization_is_shown_and_nothing_read_for_the_colleague(
    lead: User, grant: Grant
) -> None:
    other = factories.GrantFactory(
        user=grant.user, role=Role.OWNER, organization__support_may_view_as=True
    ).organization
    notice = factories.NoticeFactory(organization=grant.organization, topic="support.viewed_as")
    Hearing.objects.create(organization=grant.organization, notice=notice, user=grant.user)
    client = viewing_as(lead, grant)
    people = client.get("/o/acme/people/")
    assert people.status_code == 200
    assert other.name not in people.text
    assert client.get(f"/o/acme/notices/{notice.pk}/").status_code == 200
    assert Hearing.objects.get(notice=notice, user=grant.user).read_at is None
    assert client.get("/api/v1/organizations/acme/people/").status_code == 200
    assert client.get("/")["Location"] == "/o/acme/"
    assert client.get(f"/o/{other.slug}/").status_code == 404
    assert client.get(f"/api/v1/organizations/{other.slug}/people/").status_code == 404


def test_only_looking_is_open(lead: User, grant: Grant) -> None:
    client = viewing_as(lead, grant)
    for address in ("/o/acme/people/?export=csv", "/o/acme/people/?export=xlsx"):
        assert client.get(address).status_code == 403
        assert client.head(address).status_code == 403
    # Whose request it was: the log of requests asks on the way out.
    assert client.get("/o/acme/people/").wsgi_request.user == lead
    refused = client.post("/o/acme/invites/new/", {"emails": "eve@example.com"})
    assert refused.status_code == 403
    assert "Sam views as Ada" in refused.text
    assert "nothing can be changed" in refused.text
    # A page that writes though it is only looked at is stopped at the database.
    with pytest.MonkeyPatch.context() as patch:
        write = "UPDATE organizations_organization SET name = 'Eve'"
        patch.setattr("portal.views.render", lambda *args: connection.cursor().execute(write))
        assert client.get("/o/acme/").status_code == 403
    assert Organization.objects.get(slug="acme").name == "Acme"
    client.post("/accounts/logout/")
    assert Viewing.objects.get().ending == Viewing.Ending.SIGNED_OUT
    assert client.get("/o/acme/")["Location"].startswith("/accounts/login/")


def test_it_ends_by_itself(lead: User, grant: Grant) -> None:
    client = viewing_as(lead, grant)
    with time_machine.travel(timezone.now() + timedelta(minutes=31)):
        answer = client.get("/o/acme/people/")
        assert answer["Location"] == "/admin/"
        assert "The time was over" in client.get("/admin/").text
        assert client.get("/o/acme/").status_code == 404
        one = Viewing.objects.get()
        assert one.ending == Viewing.Ending.TIME
        assert Entry.objects.get(verb="support.view_end").details["support"] == "sam@example.com"
        # Of those who never come back nobody asks any more: the clock ends it.
        late = Viewing.objects.create(
            supporter=lead,
            user=grant.user,
            organization=grant.organization,
            reason="x",
            ends_at=timezone.now(),
        )
        assert viewing.end_overdue() == 1
        assert viewing.end_overdue() == 0
        late.refresh_from_db()
        assert late.ending == Viewing.Ending.TIME


@pytest.mark.parametrize("what", ["setting", "looking", "grant", "role", "staff", "out"])
def test_it_ends_as_soon_as_it_is_not_allowed_any_more(lead: User, grant: Grant, what: str) -> None:
    client = viewing_as(lead, grant)
    if what == "grant":
        grant.delete()
    elif what == "staff":
        User.objects.filter(pk=grant.user.pk).update(is_staff=True)
    elif what == "out":
        User.objects.filter(pk=lead.pk).update(is_active=False)
    elif what == "role":
        User.objects.filter(pk=lead.pk).update(leads_support=False)
    else:
        name = {"setting": "support_may_view_as", "looking": "support_may_read"}[what]
        Organization.objects.update(**{name: False})
    assert client.get("/o/acme/")["Location"] == "/admin/"
    assert Viewing.objects.get().ending == Viewing.Ending.WITHDRAWN
    left = client.post("/o/acme/invites/new/", {"emails": "a@example.com"})
    assert left.status_code == (302 if what == "out" else 404)


def test_who_and_whom(lead: User, grant: Grant) -> None:
    def refused(actor: User, user: User, organization: Organization) -> bool:
        try:
            viewing.begin(user=user, organization=organization, reason="x", actor=actor)
        except (Refused, PermissionDenied):
            return not Viewing.objects.exists()
        return False

    acme = grant.organization
    helper = factories.UserFactory(is_staff=True, second_factor=True)
    closed = factories.GrantFactory(user=grant.user)
    colleague = factories.GrantFactory(organization=acme, user=factories.UserFactory(is_staff=True))
    boss = factories.GrantFactory(organization=acme, user=factories.UserFactory(is_superuser=True))
    own = factories.own_desk(grant.user)
    Organization.objects.filter(pk=own.pk).update(support_may_view_as=True)
    assert refused(helper, grant.user, acme)
    assert refused(grant.user, grant.user, acme)
    assert refused(lead, colleague.user, acme)
    assert refused(lead, boss.user, acme)
    assert refused(lead, grant.user, closed.organization)
    assert refused(lead, grant.user, own)
    assert refused(lead, factories.UserFactory(), acme)
    labels = at_desk(helper).get(reverse("admin:organizations_grant_change", args=[grant.pk]))
    assert labels.context["acts"] == []
    # From the user's page the organization is chosen: among those that allow it.
    client = at_desk(lead)
    choice = client.get(asking(grant.user)).context["form"].fields["grant"].queryset
    assert list(choice) == [grant]
    answer = client.post(asking(grant.user), {"reason": "x", "grant": closed.pk})
    assert answer.status_code == 200
    # Not without a sign-in just now.
    again = tired(at_desk(lead)).post(asking(grant.user), {"reason": "x", "grant": grant.pk})
    assert "/reauthenticate/" in again["Location"]
    assert not Viewing.objects.exists()
    assert client.post(asking(grant.user), {"reason": "x", "grant": grant.pk}).status_code == 302
    assert Viewing.objects.get().organization == acme


def test_an_owner_allows_it_and_the_log_says_so(grant: Grant) -> None:
    owner = factories.GrantFactory(organization=grant.organization, role=Role.OWNER).user
    Organization.objects.update(support_may_view_as=False, demand_mfa=False)
    fields = {"name": "Acme", "time_zone": "UTC", "support_may_read": "on"}
    at_desk(owner).post("/o/acme/settings/", fields | {"support_may_view_as": "on"})
    assert Organization.objects.get().support_may_view_as
    changes = Entry.objects.get(verb="organizations.change").details["changes"]
    assert changes == {"support_may_view_as": [False, True]}


def test_what_support_looks_at_is_counted_neither_for_the_colleague_nor_the_organization(
    lead: User, grant: Grant, settings: Any
) -> None:
    settings.API_REQUESTS_A_MINUTE = {
        **settings.API_REQUESTS_A_MINUTE,
        "caller": 3,
        "organization": 1,
    }
    client, here = viewing_as(lead, grant), "/api/v1/organizations/acme/people/"
    one_minute = timezone.now().replace(second=0) + timedelta(minutes=1)
    with time_machine.travel(one_minute, tick=False):
        answers = [client.get(here) for _ in range(4)]
        theirs = at_desk(grant.user).get(here)
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert answers[0]["RateLimit-Policy"] == '"caller";q=3;w=60'
    assert theirs["RateLimit"].startswith('"caller";r=2;')
    assert '"organization";r=0;' in theirs["RateLimit"]


# --- Staff ---------------------------------------------------------------------------------------


def test_superusers_say_who_is_staff(lead: User) -> None:
    boss = factories.UserFactory(is_staff=True, is_superuser=True, second_factor=True)
    client, page = at_desk(boss), reverse("admin:accounts_user_new_staff")
    form = {"email": "New@Example.com", "name": "Nia", "role": "support"}
    assert page in client.get(reverse("admin:accounts_user_changelist")).text
    assert at_desk(lead).post(page, form).status_code == 403
    assert "/reauthenticate/" in tired(at_desk(boss)).post(page, form)["Location"]
    assert client.post(page, form).status_code == 302
    made = User.objects.get(email="new@example.com")
    assert (made.staff_role, made.has_usable_password()) == (StaffRole.SUPPORT, False)
    link = next(line for line in mail.outbox[0].body.splitlines() if "/reset/" in line)
    chosen = Client().get(link.removeprefix("http://localhost:8000"), follow=True)
    assert "assword" in chosen.text
    assert chosen.status_code == 200
    assert client.post(page, form).status_code == 200  # the address is taken
    act = reverse("admin:accounts_user_act", args=[lead.pk, "staff_role"])
    client.post(act, {"role": "superuser"})
    lead.refresh_from_db()
    assert lead.staff_role == StaffRole.SUPERUSER
    epoch = lead.session_epoch
    client.post(act, {"role": ""})
    former = User.objects.get(pk=lead.pk)
    assert former.staff_role is None
    assert former.session_epoch == epoch + 1
    lines = Entry.objects.filter(verb__startswith="staff.").order_by("pk")
    assert [(one.organization_id, one.actor, one.target) for one in lines] == [
        (0, boss.email, made.email),
        (0, boss.email, lead.email),
        (0, boss.email, lead.email),
    ]
    with pytest.raises(Refused, match="their own"):
        staff.change_staff_role(user=boss, role=None, actor=boss)
    with pytest.raises(Refused, match="last superuser"):
        staff.change_staff_role(user=boss, role=StaffRole.LEAD, actor=None)
    with pytest.raises(PermissionDenied):
        staff.change_staff_role(user=made, role=StaffRole.LEAD, actor=former)


def test_the_first_superuser_comes_from_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from django.core.management import CommandError, call_command

    call_command("make_staff", "first@example.com", name="First")
    first = User.objects.get(email="first@example.com")
    assert first.staff_role == StaffRole.SUPERUSER
    assert "/accounts/password/reset/key/" in capsys.readouterr().out
    line = Entry.objects.get(verb="staff.make")
    assert (line.source, line.details["role"]) == ("command line", [None, "superuser"])
    with pytest.raises(CommandError, match="last superuser"):
        call_command("make_staff", "first@example.com", role="none")


def test_whoever_becomes_staff_needs_a_second_factor_at_once() -> None:
    user = factories.UserFactory()
    client = at_desk(user)
    assert client.get("/profile/").status_code == 200
    staff.change_staff_role(user=user, role=StaffRole.SUPPORT, actor=None)
    assert client.get("/admin/")["Location"].startswith("/second-factor/")
