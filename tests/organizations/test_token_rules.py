"""What a token may do: its role, its scope, its kind, and its maker's Grant."""

import zlib
from base64 import b64encode
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.audit.record import SYSTEM
from apps.notices.looking import look_for
from apps.notices.models import Hearing, Notice
from apps.notices.tokens import ENDED, EXPIRING, _expiring
from apps.organizations import services
from apps.organizations.api_tokens import network_of, role_of_token
from apps.organizations.models import ApiToken, Connection, Grant, Role
from apps.organizations.policy import POLICY, at_most, may, role_may, support_may
from apps.organizations.tasks import tidy_tokens
from apps.organizations.token_services import create_token, new_secret
from apps.providers.masking import MASK, mask_text
from apps.sync.models import Command
from tests.browsing import at_desk, tired
from tests.factories import ConnectionFactory, GrantFactory, MemberFactory, NoticeFactory

pytestmark = pytest.mark.django_db
Kind, Scope = ApiToken.Kind, ApiToken.Scope
BASE = "/api/v1/organizations/acme/"
SERVICE = "/o/acme/tokens/organization/"


@pytest.fixture
def owner() -> Grant:
    grant: Grant = GrantFactory(organization__slug="acme", role=Role.OWNER)
    return grant


def client_of(grant: Grant, **given: object) -> tuple[ApiToken, Client]:
    given = {"name": "nightly", **given}
    token, secret = create_token(organization=grant.organization, user=grant.user, **given)  # type: ignore[arg-type]  # of several types
    return token, Client(headers={"Authorization": f"Bearer {secret}"})


def test_a_ceiling_never_gives_more_and_takes_no_more_than_it_must() -> None:
    for held in Role:
        for ceiling in Role:
            role = at_most(held, ceiling)
            for action in POLICY:
                if role_may(role, action):
                    assert role_may(held, action), (held, ceiling, action)
                    assert role_may(ceiling, action), (held, ceiling, action)
    assert [at_most(Role.OWNER, one) for one in Role][:4] == list(Role)[:4]
    assert at_most(Role.VIEWER, Role.OWNER) == at_most(Role.ADMIN, Role.BILLING) == Role.VIEWER
    assert at_most(Role.SELF, Role.SELF) == Role.SELF
    assert at_most(Role.SELF, Role.OWNER) is None


def test_what_each_role_and_scope_may_at_the_door(owner: Grant) -> None:
    connection: Connection = ConnectionFactory(organization=owner.organization)
    member = MemberFactory(connection=connection, role="user")
    change = {"people": [member.person_id], "role": "developer"}
    for role, scope, expected in (
        (Role.OWNER, Scope.WRITE, 400),  # let in: what was sent is no invite
        (Role.ADMIN, Scope.WRITE, 400),
        (Role.BILLING, Scope.WRITE, 403),
        (Role.VIEWER, Scope.WRITE, 403),
        (Role.OWNER, Scope.READ, 403),
    ):
        token, client = client_of(owner, role=role, scope=scope)
        assert role_of_token(token) == role
        (shown,) = client.get("/api/v1/organizations/").json()
        assert shown["role"] == role
        assert client.get(f"{BASE}people/").status_code == 200
        sent = client.post(f"{BASE}invites/", change, content_type="application/json")
        assert sent.status_code == expected, (role, scope, sent.content)
        assert client.get("/api/v1/organizations/other/people/").status_code == 404
        assert client.get("/scim/v2/Users").status_code in (403, 404)
    assert not Command.objects.exists()
    _token, scim = client_of(owner, scope=Scope.SCIM, kind=Kind.SERVICE)
    for address in ("/api/v1/organizations/", f"{BASE}people/", f"{BASE}tokens/"):
        assert scim.get(address).status_code == 403
    broken = Client(headers={"Authorization": b"Bearer odk_\xff".decode("latin-1")})
    assert broken.get(f"{BASE}people/").status_code == 401


def test_a_service_signs_as_itself_and_its_maker(owner: Grant) -> None:
    connection: Connection = ConnectionFactory(organization=owner.organization)
    token, client = client_of(owner, role=Role.ADMIN, kind=Kind.SERVICE)
    sent = {"connection": str(connection.uid), "email": "new@example.com", "role": "user"}
    answer = client.post(f"{BASE}invites/", sent, content_type="application/json")
    assert answer.status_code == 202, answer.content
    assert (answer.json()["by_token"], answer.json()["asked_by"]) == ("nightly", owner.user.email)
    command = Command.objects.select_related("actor").get()
    assert (command.by_token, command.actor) == ("nightly", owner.user)
    assert command.asked_by == f"token nightly, made by {owner.user}"
    line = Entry.objects.get(command_id=command.pk)
    assert (line.actor_id, line.actor) == (
        owner.user_id,
        f"token nightly, made by {owner.user.email}",
    )
    token.refresh_from_db()
    assert token.last_used_at
    assert token.last_used_from == "127.0.0.0/24"
    assert network_of("2001:db8:1:2::3") == "2001:db8:1::/48"


def test_tokens_end_with_what_their_maker_loses(owner: Grant) -> None:
    admin = GrantFactory(organization=owner.organization, role=Role.ADMIN)
    kept, kept_client = client_of(admin, name="kept", role=Role.VIEWER)
    client_of(admin, name="own", role=Role.ADMIN)
    _service, service_client = client_of(
        admin, name="job", role=Role.VIEWER, kind=Kind.SERVICE, scope=Scope.READ
    )
    assert service_client.get(f"{BASE}people/").status_code == 200
    services.change_grant(grant=admin, role=Role.BILLING, actor=owner.user)
    assert list(ApiToken.objects.all()) == [kept]
    assert kept_client.get(f"{BASE}people/").status_code == 200
    assert service_client.get(f"{BASE}people/").status_code == 401
    notice = Notice.objects.get(topic=ENDED.name)
    assert "job" in notice.title
    assert list(Hearing.objects.values_list("user", flat=True)) == [owner.user_id]
    ended = Entry.objects.filter(verb="tokens.end_with_role")
    assert {line.target for line in ended} == {"own", "job"}
    services.remove_grant(grant=Grant.objects.get(pk=admin.pk), actor=owner.user)
    assert kept_client.get(f"{BASE}people/").status_code == 401
    # A Grant that went another way, and a closed account, leave a token nothing either.
    token, client = client_of(owner, kind=Kind.SERVICE)
    Grant.objects.filter(pk=owner.pk).update(role=Role.VIEWER)
    assert role_of_token(token) is None
    assert client.get(f"{BASE}people/").status_code == 403
    owner.user.is_active = False
    owner.user.save()
    assert client.get(f"{BASE}people/").status_code == 401


def test_owners_are_told_a_week_before_a_services_time_is_over(owner: Grant) -> None:
    client_of(owner, kind=Kind.SERVICE, name="soon", days=6)
    client_of(owner, kind=Kind.SERVICE, name="later", days=30)
    client_of(owner, name="own", days=6)
    look_for(EXPIRING.name, _expiring, timezone.now())
    assert "soon" in Notice.objects.get(settled_at=None).title
    look_for(EXPIRING.name, _expiring, timezone.now() + timedelta(days=7))
    assert Notice.objects.get().settled_at is not None


def test_the_pages_of_the_organizations_tokens(owner: Grant) -> None:
    admin = GrantFactory(organization=owner.organization, role=Role.ADMIN, user__name="Ada")
    client = at_desk(admin.user)
    asked = {"name": "job", "scope": "read", "role": "viewer", "days": "date"}
    assert "Say until when" in client.post(SERVICE, asked).content.decode()
    far = asked | {"until": str(timezone.localdate() + timedelta(days=400))}
    assert "a year from now." in client.post(SERVICE, far).content.decode()
    for more in ({"role": "owner"}, {"role": "billing"}, {"scope": "scim"}):
        client.post(SERVICE, asked | {"days": "7"} | more)
    assert not ApiToken.objects.exists()
    assert "reauthenticate" in tired(at_desk(admin.user)).post(SERVICE, asked)["Location"]
    page = client.post(SERVICE, asked | {"until": str(timezone.localdate() + timedelta(days=12))})
    token = ApiToken.objects.get()
    assert (token.kind, token.scope, token.role) == ("service", "read", "viewer")
    assert token.expiry.date() == (timezone.now() + timedelta(days=12)).date()
    assert page["Cache-Control"] == "no-store"
    secret = page.content.decode().split('id="new-token">')[1].split("<")[0]
    theirs = at_desk(owner.user)
    listed = theirs.get(SERVICE).content.decode()
    assert "Ada" in listed
    assert token.hint in listed
    assert secret not in listed
    assert "job" not in theirs.get("/o/acme/tokens/").content.decode()
    theirs.post(f"{SERVICE}{token.token_key}/rename/", {"name": "night job"})
    assert "night job" in theirs.get(f"{SERVICE}{token.token_key}/end/").content.decode()
    theirs.post(f"{SERVICE}{token.token_key}/end/")
    assert not ApiToken.objects.exists()
    lines = Entry.objects.filter(verb__startswith="tokens.").order_by("sequence")
    assert [(line.verb, line.target, line.actor_id) for line in lines] == [
        ("tokens.create", "job", admin.user_id),
        ("tokens.rename", "night job", owner.user_id),
        ("tokens.revoke", "night job", owner.user_id),
    ]
    assert at_desk(GrantFactory(organization=owner.organization).user).get(SERVICE)


def test_all_of_ones_own_end_at_once_and_nobody_elses(owner: Grant) -> None:
    admin = GrantFactory(organization=owner.organization, role=Role.ADMIN)
    theirs, _client = client_of(admin)
    service, _client = client_of(owner, kind=Kind.SERVICE)
    client_of(owner, name="one"), client_of(owner, name="two")
    client = at_desk(owner.user)
    asked = client.get("/o/acme/tokens/end-all/").content.decode()
    assert "one" in asked
    assert "nightly" not in asked
    client.post("/o/acme/tokens/end-all/")
    assert set(ApiToken.objects.all()) == {theirs, service}


def test_the_api_lists_and_ends_what_one_may_see(owner: Grant) -> None:
    admin = GrantFactory(organization=owner.organization, role=Role.ADMIN)
    viewer = GrantFactory(organization=owner.organization, role=Role.VIEWER)
    service, by_service = client_of(owner, name="job", kind=Kind.SERVICE, role=Role.VIEWER)
    own, by_admin = client_of(admin, name="own")
    _token, by_viewer = client_of(viewer, name="look")
    names = {
        who: [one["name"] for one in client.get(f"{BASE}tokens/").json()]
        for who, client in (("admin", by_admin), ("viewer", by_viewer), ("job", by_service))
    }
    assert names == {"admin": ["own", "job"], "viewer": ["look"], "job": []}
    shown = by_admin.get(f"{BASE}tokens/").json()[1]
    assert (shown["id"], shown["made_by"]) == (service.token_key, owner.user.email)
    assert by_viewer.delete(f"{BASE}tokens/{own.token_key}/").status_code == 404
    assert by_admin.delete(f"{BASE}tokens/{service.token_key}/").status_code == 204
    assert by_admin.delete(f"{BASE}tokens/{own.token_key}/").status_code == 204
    assert by_admin.get(f"{BASE}tokens/").status_code == 401


def test_a_secret_carries_its_sum() -> None:
    secret = new_secret()
    body, total = secret.removeprefix("odk_")[:-8], secret[-8:]
    assert int(total, 16) == zlib.crc32(body.encode())
    assert new_secret() != secret


def test_a_persons_own_token_is_named_where_it_acts(owner: Grant) -> None:
    _token, client = client_of(owner, name="laptop")
    _other, second = client_of(owner, name="spare")
    key = ApiToken.objects.get(name="laptop").token_key
    assert second.delete(f"{BASE}tokens/{key}/").status_code == 204
    assert client.get(f"{BASE}tokens/").status_code == 401
    line = Entry.objects.get(verb="tokens.revoke")
    assert (line.actor_id, line.actor) == (owner.user_id, f"{owner.user.email}, by token spare")


def test_no_token_has_what_support_may(owner: Grant) -> None:
    owner.user.is_staff = owner.user.is_superuser = True
    owner.user.save()
    owner.organization.support_may_read = True
    owner.organization.save()
    assert support_may(owner.user, "audit.read", owner.organization)
    token, _client = client_of(owner, role=Role.VIEWER)
    user = User.objects.get(pk=owner.user_id)
    user.acting = token
    assert not any(support_may(user, action, owner.organization) for action in POLICY)
    assert may(user, "people.read", owner.organization)


def test_what_expired_is_cleared_away_a_month_later(owner: Grant) -> None:
    now = timezone.now()
    mine, _client = client_of(owner, name="mine", days=1)
    old, _client = client_of(owner, name="old", days=1, kind=Kind.SERVICE)
    elsewhere, _client = client_of(GrantFactory(), name="elsewhere", days=1)
    client_of(owner, name="works")
    for token, days in ((mine, 29), (old, 31), (elsewhere, 31)):
        ApiToken.objects.filter(pk=token.pk).update(expiry=now - timedelta(days=days))
    page = at_desk(owner.user).get("/o/acme/tokens/").content.decode()
    assert page.count("tone-warning") == 1
    tidy_tokens()
    assert set(ApiToken.objects.values_list("name", flat=True)) == {"mine", "works"}
    lines = Entry.objects.filter(verb="tokens.tidy").order_by("target")
    assert [(line.target, line.organization_id, line.actor) for line in lines] == [
        ("elsewhere", elsewhere.organization_id, SYSTEM),
        ("old", owner.organization_id, SYSTEM),
    ]
    tidy_tokens()
    assert Entry.objects.filter(verb="tokens.tidy").count() == 2


def test_a_tokens_notices_are_those_of_its_role_and_organization(owner: Grant) -> None:
    told = NoticeFactory(organization=owner.organization, topic="connections.failing")
    money = NoticeFactory(organization=owner.organization, topic="notices.webhook_failed")
    elsewhere = GrantFactory(user=owner.user)
    NoticeFactory(organization=elsewhere.organization, topic="connections.failing")

    def seen(role: Role) -> set[int]:
        token, _client = client_of(owner, role=role, scope="read")
        user = User.objects.get(pk=owner.user_id)
        user.acting = token
        return set(Notice.objects.visible_to(user).values_list("pk", flat=True))

    assert seen(Role.OWNER) == {told.pk, money.pk}
    # What a viewer may not read is not read by a viewer's token either, whoever made it.
    assert seen(Role.VIEWER) == {told.pk}


def test_what_this_portal_hands_out_itself_is_hidden_like_a_providers_key() -> None:
    made = {"token": new_secret(), "signing": f"whsec_{b64encode(b'x' * 32).decode()}"}
    for name, text in made.items():
        assert mask_text(f"sent with {text}, twice") == f"sent with {MASK}, twice", name
    assert mask_text("a token begins with odk_, a secret with whsec_") == (
        "a token begins with odk_, a secret with whsec_"
    )
