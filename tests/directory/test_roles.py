"""What the directory's groups make of people here, and what they can never do."""

from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.directory import letters, services
from apps.directory.lists import standing, with_roles
from apps.directory.models import DirectoryUser
from apps.organizations.models import ApiToken, ColleagueInvitation, Grant, Organization, Role
from apps.organizations.services import (
    Refused,
    accept_invitation,
    change_grant,
    invite_colleague,
    remove_grant,
)
from tests.browsing import at_desk
from tests.directory.conftest import Provider, secret_for
from tests.factories import PASSWORD, GrantFactory, UserFactory

pytestmark = pytest.mark.django_db


def role_of(address: str) -> str | None:
    """What the holder of an address is at acme."""
    grant = Grant.objects.filter(organization__slug="acme", user__email=address).first()
    return grant.role if grant else None


def by_directory(address: str) -> bool:
    """Whether the directory has given it."""
    return Grant.objects.get(organization__slug="acme", user__email=address).from_directory


def where_is(person: DirectoryUser) -> str:
    """What the list says of them."""
    return standing(with_roles(DirectoryUser.objects.filter(pk=person.pk)).get())[1]


def add(*people: DirectoryUser) -> dict[str, Any]:
    """These come into a group."""
    return {"op": "add", "path": "members", "value": [{"value": str(one.uid)} for one in people]}


def remove(person: DirectoryUser) -> dict[str, Any]:
    """This one goes out of a group."""
    return {"op": "remove", "path": f'members[value eq "{person.uid}"]'}


def active(value: bool) -> dict[str, Any]:
    """They are, or are not any more."""
    return {"op": "replace", "value": {"active": value}}


def test_somebody_new_gets_an_account_a_letter_and_the_largest_role(
    provider: Provider,
    kicked: list[str],
    settings: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:
    person = provider.person("Ann@Example.com", displayName="Ann A")
    viewers, admins = (
        provider.group("Viewers", role="viewer"),
        provider.group("Admins", role="admin"),
    )
    assert not User.objects.filter(email="ann@example.com").exists()  # nobody gave them anything
    assert where_is(person) == "No role"
    with django_capture_on_commit_callbacks(execute=True):
        provider.patch(f"Groups/{viewers.uid}", add(person))
    user = User.objects.get(email="ann@example.com")
    assert (user.name, user.has_usable_password(), user.is_staff) == ("Ann A", False, False)
    assert not EmailAddress.objects.get(user=user).verified  # nobody has shown that it is theirs
    assert (role_of(user.email), by_directory(user.email)) == ("viewer", True)
    assert kicked == [letters.TASK]
    letters.send_due()
    letters.send_due()
    (letter,) = mail.outbox
    assert letter.to == ["ann@example.com"]
    assert f"{settings.PORTAL_URL}/accounts/password/reset/" in letter.body
    # They set a password by the way that everybody has who has forgotten theirs.
    Client().post("/accounts/password/reset/", {"email": "ann@example.com"})
    assert mail.outbox[-1].to == ["ann@example.com"]
    assert "/accounts/password/reset/key/" in mail.outbox[-1].body

    provider.patch(f"Groups/{admins.uid}", add(person))
    assert role_of(user.email) == "admin"
    session = at_desk(User.objects.get(pk=user.pk))
    assert session.get("/o/acme/directory/").status_code in (200, 302)
    provider.patch(f"Groups/{admins.uid}", remove(person))
    assert role_of(user.email) == "viewer"
    assert session.get("/o/acme/directory/")["Location"].startswith("/accounts/login/")
    provider.ask("delete", f"Groups/{viewers.uid}")
    assert role_of(user.email) is None
    assert User.objects.filter(pk=user.pk).exists()
    lines = Entry.objects.filter(verb__startswith="grants.", target="ann@example.com")
    assert [(one.verb, one.details["role"], one.actor) for one in lines.order_by("pk")] == [
        ("grants.give", [None, "viewer"], "Directory (token Okta)"),
        ("grants.change", ["viewer", "admin"], "Directory (token Okta)"),
        ("grants.change", ["admin", "viewer"], "Directory (token Okta)"),
        ("grants.remove", ["viewer", None], "Directory (token Okta)"),
    ]


def test_a_letter_whose_worker_has_died_is_sent_by_another(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = provider.person("ann@example.com")
    provider.group("Team", person, role="viewer")
    with time_machine.travel("2030-01-31 12:00:00Z", tick=False) as clock:

        def dies(person: DirectoryUser) -> bool:
            raise SystemExit

        with monkeypatch.context() as dying:
            dying.setattr(letters, "_send", dies)
            with pytest.raises(SystemExit):
                letters.send_due()
        letters.send_due()
        assert not mail.outbox, "the one that has it may still be at it"
        clock.shift(letters.LEASE)
        # What the mail server does not take comes later, too.
        with monkeypatch.context() as away:
            away.setattr(letters, "_send", lambda person: False)
            letters.send_due()
        clock.shift(letters.LEASE)
        Organization.objects.update(sending_stopped_at=timezone.now())
        letters.send_due()
        assert not mail.outbox, "a backup was put back: it may have been sent"
        Organization.objects.update(sending_stopped_at=None)
        letters.send_due()
        assert [letter.to for letter in mail.outbox] == [["ann@example.com"]]
        clock.shift(letters.LEASE)
        letters.send_due()
        assert len(mail.outbox) == 1


def test_a_letter_that_is_asked_for_while_one_is_sent_is_sent_too(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = provider.person("ann@example.com")
    provider.group("Team", person, role="viewer")
    sent = []

    def sending(one: DirectoryUser) -> bool:
        sent.append(one.pk)
        DirectoryUser.objects.filter(pk=one.pk).update(letter_due_at=timezone.now())
        return True

    monkeypatch.setattr(letters, "_send", sending)
    letters.send_due()
    letters.send_due()
    assert sent == [person.pk, person.pk]


def test_who_is_not_active_loses_role_sessions_and_tokens_at_once(provider: Provider) -> None:
    person = provider.person("ann@example.com")
    provider.group("Admins", person, role="admin")
    grant = Grant.objects.get(user__email="ann@example.com")
    session = at_desk(grant.user)
    secret = secret_for(grant, "read", "personal")
    headers = {"Authorization": f"Bearer {secret}"}
    assert Client().get("/api/v1/organizations/", headers=headers).status_code == 200
    for ending, again in (
        (lambda: provider.patch(f"Users/{person.uid}", active(False)), True),
        (lambda: provider.ask("delete", f"Users/{person.uid}"), False),
    ):
        assert ending().status_code in (200, 204)
        assert role_of("ann@example.com") is None
        assert Client().get("/api/v1/organizations/", headers=headers).status_code == 401
        assert session.get("/o/acme/settings/").status_code == 302
        assert not ApiToken.objects.filter(user=grant.user).exists()
        if again:
            provider.patch(f"Users/{person.uid}", active(True))
            assert (role_of("ann@example.com"), by_directory("ann@example.com")) == ("admin", True)
    assert {*Entry.objects.filter(target_type="directoryuser").values_list("verb", flat=True)} == {
        "directory.create_person",
        "directory.deactivate_person",
        "directory.activate_person",
        "directory.delete_person",
    }


def test_somebody_elses_account_is_asked_and_never_changed(provider: Provider) -> None:
    """Vera works for another customer and has never heard of acme."""
    theirs = GrantFactory(user__email="vera@example.com", user__name="Vera", role=Role.ADMIN)
    vera = theirs.user
    before = User.objects.filter(pk=vera.pk).values().get()
    person = provider.person("vera@example.com", displayName="Mallory", password="taken over 123")
    group = provider.group("Owners", person, role="owner")
    # Nothing but an offer, and nothing of what she is elsewhere can be seen from here.
    assert (role_of(vera.email), where_is(person)) == (None, "Has not accepted yet")
    assert "Vera" not in provider.get(f"Users/{person.uid}").content.decode()
    provider.patch(f"Users/{person.uid}", {"op": "replace", "path": "displayName", "value": "Moll"})
    provider.patch(f"Users/{person.uid}", active(False))
    assert not ColleagueInvitation.objects.exists()
    provider.patch(f"Users/{person.uid}", active(True))
    provider.patch(f"Groups/{group.uid}", remove(person))
    lesser = provider.group("Viewers", person, role="viewer")
    assert ColleagueInvitation.objects.get().role == "viewer"
    assert User.objects.filter(pk=vera.pk).values().get() == before
    assert theirs.__class__.objects.get(pk=theirs.pk).role == Role.ADMIN
    letters.send_due()
    (letter,) = mail.outbox
    token = (
        letter.body.split("/invitations/")[1].split("/")[0]
        if "/invitations/" in letter.body
        else ""
    )
    token = token or letter.body.split("http")[1].split()[0].rstrip("/").rsplit("/", 1)[1]
    accept_invitation(token=token, user=vera)
    assert (role_of(vera.email), by_directory(vera.email)) == ("viewer", True)
    # From now on the directory decides what she is here, and here alone.
    for change in (
        {"op": "replace", "path": "userName", "value": "boss@example.org"},
        {"op": "replace", "path": "displayName", "value": "Mallory"},
        {"op": "replace", "path": "emails", "value": [{"value": "mallory@example.org"}]},
        active(False),
        active(True),
    ):
        assert provider.patch(f"Users/{person.uid}", change).status_code == 200
    assert role_of(vera.email) == "viewer"
    provider.ask("delete", f"Groups/{lesser.uid}")
    provider.ask("delete", f"Users/{person.uid}")
    assert role_of(vera.email) is None
    after = User.objects.filter(pk=vera.pk).values().get()
    for name in ("email", "name", "password", "is_active", "is_staff"):
        assert after[name] == before[name]
    assert Client().login(email=vera.email, password=PASSWORD)
    assert Grant.objects.get(pk=theirs.pk).role == Role.ADMIN
    assert not User.objects.filter(email__contains="example.org").exists()


def test_a_role_held_by_hand_stays_until_the_leaving(owner: Grant, provider: Provider) -> None:
    carol = GrantFactory(
        organization=owner.organization, user__email="carol@example.com", role=Role.BILLING
    )
    person = provider.person("CAROL@example.com")
    group = provider.group("Viewers", person, role="viewer")
    assert (role_of("carol@example.com"), by_directory("carol@example.com")) == ("billing", False)
    provider.patch(f"Groups/{group.uid}", remove(person))
    assert role_of("carol@example.com") == "billing"
    services.hand_over(person=person, actor=owner.user)
    assert role_of("carol@example.com") is None  # no group gives anything
    provider.patch(f"Groups/{group.uid}", add(person))
    assert role_of("carol@example.com") == "viewer"
    # An owner decides otherwise: from then on it is held by hand.
    change_grant(grant=Grant.objects.get(user=carol.user), role=Role.ADMIN, actor=owner.user)
    provider.patch(f"Groups/{group.uid}", remove(person))
    assert (role_of("carol@example.com"), by_directory("carol@example.com")) == ("admin", False)
    # Taken off by hand, nothing that the directory says gives it back.
    remove_grant(grant=Grant.objects.get(user=carol.user), actor=owner.user)
    for change in (active(False), active(True)):
        provider.patch(f"Users/{person.uid}", change)
    provider.patch(f"Groups/{group.uid}", add(person))
    assert (role_of("carol@example.com"), where_is(person)) == (None, "Taken off by hand")
    services.hand_over(person=person, actor=owner.user)
    assert (role_of("carol@example.com"), by_directory("carol@example.com")) == ("viewer", True)
    change_grant(grant=Grant.objects.get(user=carol.user), role=Role.ADMIN, actor=owner.user)
    provider.patch(f"Users/{person.uid}", active(False))
    assert role_of("carol@example.com") is None


def test_an_invitation_by_hand_stays_by_hand(owner: Grant, provider: Provider) -> None:
    dan = UserFactory(email="dan@example.com")
    _invitation, token = invite_colleague(
        organization=owner.organization, email=dan.email, role=Role.BILLING, actor=owner.user
    )
    person = provider.person("dan@example.com")
    group = provider.group("Viewers", person, role="viewer")
    assert ColleagueInvitation.objects.get().role == "billing"
    accept_invitation(token=token, user=dan)
    provider.patch(f"Groups/{group.uid}", remove(person))
    assert (role_of(dan.email), by_directory(dan.email)) == ("billing", False)
    provider.patch(f"Users/{person.uid}", active(False))
    assert role_of(dan.email) is None


def test_the_last_owner_stays_whatever_the_directory_says(owner: Grant, provider: Provider) -> None:
    olga = provider.person("olga@example.com")
    for request in (
        lambda: provider.patch(f"Users/{olga.uid}", active(False)),
        lambda: provider.ask("delete", f"Users/{olga.uid}"),
    ):
        answer = request()
        assert answer.status_code == 409
        assert "last owner" in answer.json()["detail"]
        olga.refresh_from_db()
        assert olga.active
    owners = provider.group("Owners", olga, role="owner")
    services.hand_over(person=olga, actor=owner.user)
    for request in (
        lambda: provider.patch(f"Groups/{owners.uid}", remove(olga)),
        lambda: provider.ask("put", f"Groups/{owners.uid}", {"displayName": "O", "members": []}),
        lambda: provider.ask("delete", f"Groups/{owners.uid}"),
    ):
        assert request().status_code == 409
        assert owners.memberships.count() == 1
    with pytest.raises(Refused, match="last owner"):
        services.map_group(group=owners, role=Role.ADMIN, actor=owner.user)
    assert role_of("olga@example.com") == "owner"
    # One who comes takes the place of one who goes, in the same request.
    heir = provider.person("heir@example.com")
    swap = provider.patch(f"Groups/{owners.uid}", remove(olga), add(heir))
    assert swap.status_code == 204
    assert (role_of("olga@example.com"), role_of("heir@example.com")) == (None, "owner")
    # With Olga's role her token has ended.
    assert provider.get("Users").status_code == 401


def test_a_group_maps_for_all_of_its_people_at_once(
    owner: Grant, provider: Provider, django_assert_max_num_queries: Any
) -> None:
    people = DirectoryUser.objects.bulk_create(
        DirectoryUser(organization=owner.organization, user_name=f"p{n}@x.org", email=f"p{n}@x.org")
        for n in range(120)
    )
    lost = provider.person("no address")
    twin = provider.person("another", emails=[{"value": "p7@x.org"}])
    group = provider.group("Everybody")
    group.members.add(*people, lost, twin)
    with django_assert_max_num_queries(40):
        services.map_group(group=group, role=Role.VIEWER, actor=owner.user)
    given = Grant.objects.filter(organization=owner.organization, from_directory=True)
    assert given.count() == 120
    assert (where_is(lost), where_is(twin)) == ("No role", "No role")
    assert Entry.objects.filter(verb="grants.give").count() == 120
    services.map_group(group=group, role=None, actor=owner.user)
    assert not given.exists()


def test_the_pages_say_what_is_and_owners_change_it(owner: Grant, provider: Provider) -> None:
    desk = at_desk(owner.user)
    empty = desk.get("/o/acme/directory/").content.decode()
    assert "/scim/v2/acme" in empty
    assert "No group was sent yet" in empty
    person = provider.person("ann@example.com", displayName="Ann <b>")
    group = provider.group("Admins & co", person)
    page = desk.get("/o/acme/directory/").content.decode()
    assert "Admins &amp; co" in page
    where = f"/o/acme/directory/groups/{group.pk}/"
    assert "1 person is in this group" in desk.get(where).content.decode()
    assert desk.post(where, {"role": "sultan"}).status_code == 200
    assert desk.post(where, {"role": "admin"}).status_code == 302
    assert role_of("ann@example.com") == "admin"
    assert (
        "directory" in desk.get("/o/acme/colleagues/").content.decode().split("ann@example.com")[1]
    )
    people = desk.get("/o/acme/directory/people/?state=in").content.decode()
    assert "ann@example.com" in people
    assert (
        "ann@example.com" not in desk.get("/o/acme/directory/people/?state=waits").content.decode()
    )
    one = f"/o/acme/directory/people/{person.pk}/"
    said = desk.get(one).content.decode()
    assert "Ann &lt;b&gt;" in said
    assert "Their groups give them this role." in said
    remove_grant(grant=Grant.objects.get(user__email="ann@example.com"), actor=owner.user)
    assert "Let the directory decide" in desk.get(one).content.decode()
    assert desk.post(f"{one}hand-over/").status_code == 302
    assert role_of("ann@example.com") == "admin"
    provider.ask("post", "Users", {"userName": "ann@example.com"})
    assert (
        "There is a person of that userName already."
        in desk.get("/o/acme/directory/").content.decode()
    )


def test_an_offer_to_a_corrected_address_is_withdrawn(owner: Grant, provider: Provider) -> None:
    wrong, right = (UserFactory(email=f"{name}@example.com") for name in ("wrong", "right"))
    person = provider.person("wrong@example.com")
    provider.group("Owners", person, role="owner")
    first = ColleagueInvitation.objects.get()
    for name, invited in ((right.email, [right.email]), ("new@example.com", [])):
        said = {"op": "replace", "path": "userName", "value": name}
        assert provider.patch(f"Users/{person.uid}", said).status_code == 200
        found = ColleagueInvitation.objects.values_list("email", flat=True)
        assert list(found) == invited
    assert Entry.objects.filter(verb="grants.withdraw_invitation").count() == 2
    assert not Grant.objects.filter(user__in=[wrong, right]).exists()
    letters.send_due()
    assert [letter.to for letter in mail.outbox] == [["new@example.com"]]
    assert not ColleagueInvitation.objects.filter(token_hash=first.token_hash).exists()
    assert role_of("new@example.com") == "owner"
