"""What is wrong, as the support desk is told: the cause, what it rests on, and the next step."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.invites.models import Invite
from apps.organizations.models import Connection, Organization, Role
from apps.sync.models import CommandState, QuarantinedRow, Resource
from apps.workspaces.models import Workspace
from tests import factories
from tests.admin.conftest import act_on, page_of, resource_of

pytestmark = pytest.mark.django_db
S = CommandState


def asked(desk: Client, question: str, pk: int, **given: Any) -> dict[str, list[str]]:
    """The answers in words, by level; what each rests on is on the page too."""
    answer = desk.get(f"/admin/diagnosis/{question}/{pk}/", given)
    assert answer.status_code == 200
    found: dict[str, list[str]] = {"cause": [], "unknown": [], "fine": []}
    for one in answer.context["answers"]:
        found[one["level"]].append(str(one["words"]))
    return found


def says(lines: list[str], *parts: str) -> bool:
    """Whether each part is in one of the lines."""
    return all(any(part in line for line in lines) for part in parts)


def test_why_somebody_cannot_join(desk: Client, organization: Organization) -> None:
    owner = factories.GrantFactory(organization=organization, user__email="boss@acme.example").user
    viewer = factories.GrantFactory(organization=organization, role=Role.VIEWER).user
    nobody = asked(desk, "join", organization.pk, email="new@acme.example")
    assert says(nobody["cause"], "connected no provider")

    connection = factories.ConnectionFactory(
        organization=organization, name="Cline", provider="cline"
    )
    listing = resource_of(connection, "invites")
    Resource.objects.filter(pk=listing.pk).update(completed_at=timezone.now())
    nobody = asked(desk, "join", organization.pk, email="New@acme.example")
    assert says(nobody["cause"], "Nobody has invited this address")
    assert says(nobody["unknown"], "single sign-on", "how many seats are free is not known")
    page = desk.get(f"/admin/diagnosis/join/{organization.pk}/", {"email": "new@acme.example"})
    text = page.content.decode()
    assert f"http://testserver/o/{organization.slug}/invites/new/" in text
    assert f"mailto:{owner.email}?" in text
    assert viewer.email not in text

    person = factories.PersonFactory(organization=organization, email="ada@acme.example")
    mine: dict[str, Any] = {"connection": connection, "person": person}
    invite = factories.InviteFactory(**mine, expires_at=timezone.now() - timedelta(days=1))
    factories.SubscriptionFactory(connection=connection, seats=4, seats_used=4)
    refused = factories.CommandFactory(
        connection=connection,
        kind="invites.invite",
        target=invite.target,
        label=person.email,
        state=S.REJECTED,
        error="no seat left for <them>",
        error_code="email_domain_not_allowed",
    )
    found = asked(desk, "join", organization.pk, email=person.email)
    assert says(found["cause"], "has expired", "no seat is free", "this one is not in it")
    text = desk.get(page_of(person)).content.decode()
    assert f"/admin/diagnosis/join/{organization.pk}/" in text
    page = desk.get(f"/admin/diagnosis/join/{organization.pk}/", {"email": person.email})
    text = page.content.decode()
    assert "no seat left for &lt;them&gt;" in text
    assert f"http://testserver/o/{organization.slug}/people/{person.pk}/" in text
    assert page_of(refused) in text

    for state, words in {
        Invite.State.PENDING: "is pending",
        Invite.State.WITHDRAWN: "was withdrawn",
        Invite.State.REFUSED: "refused the invite",
        Invite.State.SENDING: "on its way",
        Invite.State.UNKNOWN: "nobody can tell",
    }.items():
        Invite.objects.update(state=state, expires_at=None)
        found = asked(desk, "join", organization.pk, email=person.email)
        assert says(found["cause"], words), state
    member = factories.MemberFactory(**mine)
    found = asked(desk, "join", organization.pk, email=person.email)
    assert says(found["fine"], "a member of Cline already")
    member.gone_at = timezone.now()
    member.save()
    found = asked(desk, "join", organization.pk, email=person.email)
    assert says(found["cause"], "are not any more")
    Connection.objects.update(state=Connection.State.PAUSED)
    text = desk.get(
        f"/admin/diagnosis/join/{organization.pk}/", {"email": person.email}
    ).content.decode()
    assert act_on(connection, "resume") in text
    factories.ColleagueInvitationFactory(
        organization=organization, email=person.email, expires_at=timezone.now()
    )
    found = asked(desk, "join", organization.pk, email=person.email)
    assert says(found["cause"], "Paused", "invitation into this portal has expired")

    assert not desk.get(f"/admin/diagnosis/join/{organization.pk}/").context["answers"]
    assert desk.get(f"/admin/diagnosis/marry/{organization.pk}/").status_code == 404
    Organization.objects.update(support_may_read=False)
    assert desk.get(f"/admin/diagnosis/join/{organization.pk}/").status_code == 404


def test_why_a_key_fails(desk: Client, connection: Connection) -> None:
    member = factories.MemberFactory(connection=connection)
    resource = resource_of(connection, "members")
    Resource.objects.filter(pk=resource.pk).update(completed_at=timezone.now())
    place = factories.WorkspaceFactory(connection=connection)
    key = factories.KeyFactory(connection=connection, workspace=place.remote_id, maker=member)
    assert says(asked(desk, "key", key.pk)["fine"], "calls it active")
    assert f"/admin/diagnosis/key/{key.pk}/" in desk.get(page_of(key)).content.decode()
    changes: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"status": "inactive"}, "cause", "switched off"),
        ({"status": "archived"}, "cause", "archived, which is final"),
        ({"status": "paused?"}, "unknown", "nobody here knows"),
        ({"status": "active", "expires_at": timezone.now()}, "cause", "has expired"),
        ({"gone_at": timezone.now()}, "cause", "does not list it any more"),
    )
    for change, level, words in changes:
        type(key).objects.filter(pk=key.pk).update(**change)
        assert says(asked(desk, "key", key.pk)[level], words), change
    member.gone_at = timezone.now()
    member.save()
    Workspace.objects.update(state=Workspace.State.ARCHIVED)
    connection.frozen_at, connection.frozen_reason = timezone.now(), "invalid x-api-key"
    connection.save()
    found = asked(desk, "key", key.pk)
    assert says(found["unknown"], "no longer a member", "rate limit")
    assert says(found["cause"], "workspace is archived", "refuses the key")
    assert "invalid x-api-key" in desk.get(f"/admin/diagnosis/key/{key.pk}/").content.decode()
    factories.CreditFactory(connection=connection, micros=-5)
    assert says(asked(desk, "key", key.pk)["cause"], "credit is used up")


def test_whether_it_is_up_to_date(desk: Client, connection: Connection) -> None:
    organization, now = connection.organization, timezone.now()
    well, failing = resource_of(connection, "members"), resource_of(connection, "invites")
    Resource.objects.update(completed_at=now, rows=7)
    Resource.objects.filter(pk=failing.pk).update(failures=3, error="timed out")
    QuarantinedRow.objects.create(
        resource=well, reason="no role", first_seen_at=now, last_seen_at=now
    )
    found = asked(desk, "stale", organization.pk)
    assert says(found["fine"], "Members: up to date", "has room for")
    assert says(found["cause"], "Invites: the last walks failed")
    text = desk.get(f"/admin/diagnosis/stale/{organization.pk}/").content.decode()
    assert "timed out" in text
    assert "1 row could not be read" in text
    assert act_on(failing, "walk") in text
    Resource.objects.filter(pk=well.pk).update(completed_at=now - timedelta(days=3))
    assert says(asked(desk, "stale", organization.pk)["cause"], "longer ago than it should be")
    other = factories.ConnectionFactory(organization=organization, name="Second")
    only = asked(desk, "stale", organization.pk, connection=other.pk)
    assert not says([*only["cause"], *only["fine"]], "Claude")
    assert says(only["cause"], "Second: The first sync") or says(only["fine"], "Second")


def test_where_a_payment_is(desk: Client, connection: Connection) -> None:
    stuck = factories.CommandFactory(
        connection=connection,
        kind="billing.purchase",
        target="billing:credit",
        is_money=True,
        state=S.OPERATOR,
        arguments={"cents": 5_000},
        candidates=[{"id": "pay_1", "label": "$50.00"}],
        error="two payments of that amount",
    )
    payment = factories.PaymentFactory(connection=connection, remote_id="pay_1")
    found = asked(desk, "payment", payment.pk)
    assert says(found["fine"], "It is complete")
    assert says(found["unknown"], "not asked for here")
    text = desk.get(f"/admin/diagnosis/payment/{payment.pk}/").content.decode()
    assert "two payments of that amount" in text
    assert act_on(stuck, "adopt") in text
    payment.status, payment.failure_reason = "failed", "card declined"
    payment.save()
    assert says(asked(desk, "payment", payment.pk)["cause"], "card declined")
    payment.gone_at = timezone.now()
    payment.save()
    assert says(asked(desk, "payment", payment.pk)["unknown"], "does not list it any more")
