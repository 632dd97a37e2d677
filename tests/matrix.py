"""Who may do what at which address: the expectations that ``test_matrix.py`` walks every URL with.

**You have added a page?** Add its URL name to ``PAGES`` and say what it takes:

- ``Desk(read="people.read", change="people.remove", objects={"pk": "member"})`` – a page below
  ``/o/<slug>/`` behind ``desk_view``: GET needs ``read``, POST needs ``change`` (``None``: there is no
  such method). ``methods={…}`` says it method by method. The actions are ``policy.POLICY``'s.
- ``Api(methods={"GET": "people.read", "POST": "people.remove"}, objects=…)`` – an address of the API
  below one organization, behind ``DeskAPIMixin``.
- ``Provisioned(methods=…)`` – an address of SCIM, which no sign-in opens.
- ``SignedIn()`` – needs a signed-in user and no organization. ``Open()`` – needs nobody.
  ``Closed()`` – is a 404 for everybody.

``objects`` names, for every other parameter of the address, an entry of ``OBJECTS`` ("member", or
"command.uid" for another attribute than the parameter's name). ``OBJECTS`` makes one such thing for a
tenant: the walk then also tries another tenant's and one that never was, and wants the same 404.
What belongs to one person alone stands in ``PERSONAL`` too: then a colleague's is tried as well.
``data`` is what a POST sends; by default nothing, which no page may answer with a crash.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.test.client import ClientHandler
from django.utils import timezone

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.audit.record import record
from apps.billing.models import Plan, TopUp
from apps.configuration.models import RemoteOrganization
from apps.incidents.models import Incident
from apps.notices import topics
from apps.notices.models import Notice
from apps.notices.topics import Topic
from apps.organizations.models import Connection, Organization, Role
from apps.personal.models import Account
from apps.sync.models import Command, CommandState, Resource, SyncRun
from apps.ui.models import SavedView
from apps.usage.models import Dimension
from apps.usage.tuples import CUBES
from tests import factories
from tests.browsing import at_desk, sign_in_again

# --- The people -----------------------------------------------------------------------------------

ROLES = tuple(role.value for role in Role)
OUTSIDER, STAFF, ANONYMOUS = "outsider", "staff", "anonymous"
ACTORS = (*ROLES, OUTSIDER, STAFF, ANONYMOUS)


@dataclass(frozen=True)
class Tenant:
    """An organization and its owner."""

    organization: Organization
    owner: User


@dataclass(frozen=True)
class World:
    """Two tenants, and everybody who might knock at the door of the first."""

    acme: Tenant
    other: Tenant
    users: Mapping[str, User]
    keys: Mapping[str, str]  # of the session that each has signed in with, and looked around
    # Each client would make all the middleware anew.
    handler: ClientHandler = field(default_factory=lambda: ClientHandler(enforce_csrf_checks=False))

    def browser_of(self, actor: str) -> Client:
        """The actor's browser, whose sign-in stays fresh."""
        client = Client()
        client.handler = self.handler
        if actor in self.keys:
            client.cookies[settings.SESSION_COOKIE_NAME] = self.keys[actor]
        return client

    def tenant_of(self, actor: str) -> Tenant:
        """Where the actor's own things are."""
        return self.other if actor == OUTSIDER else self.acme


def make_world() -> World:
    """Everybody has a second factor and recovery codes, so that nothing but the policy stops them."""
    acme, other = factories.OrganizationFactory(slug="acme"), factories.OrganizationFactory()
    users = {role: factories.GrantFactory(organization=acme, role=role).user for role in ROLES}
    users[OUTSIDER] = factories.GrantFactory(organization=other, role=Role.OWNER).user
    users[STAFF] = factories.UserFactory(second_factor=True, is_staff=True, is_superuser=True)
    for user in users.values():
        RecoveryCodes.activate(user)
    keys = {actor: _looked_around(user) for actor, user in users.items()}
    return World(Tenant(acme, users[Role.OWNER]), Tenant(other, users[OUTSIDER]), users, keys)


def _looked_around(user: User) -> str:
    """The key of a session that holds what the first page of every visit asks the database for."""
    client = at_desk(user)
    sign_in_again(client, user, at=time.time() + 3600)  # later than any test that knocks here
    client.get("/nobody-has-this")
    return client.cookies[settings.SESSION_COOKIE_NAME].value


# --- The things -----------------------------------------------------------------------------------


def _session(tenant: Tenant, user: User) -> UserSession:
    number = UserSession.objects.count()
    return UserSession.objects.create(
        user=user, ip="127.0.0.1", session_key=f"session{number}", user_agent="Browser"
    )


def _key(tenant: Tenant, user: User) -> Authenticator:
    return Authenticator.objects.create(
        user=user,
        type=Authenticator.Type.WEBAUTHN,
        data={"name": "Key", "credential": {"clientExtensionResults": {}}},
    )


def _entry(tenant: Tenant, user: User) -> Entry:
    with transaction.atomic():
        return record(organization=tenant.organization, actor=user, verb="tests.happened")


def _notice(tenant: Tenant, user: User) -> Notice:
    """Of a topic that everybody may hear of."""
    topics.register(Topic("tests.everybody", "Everything", frozenset()))
    made: Notice = factories.NoticeFactory(organization=tenant.organization)
    return made


def _sudden_loss(tenant: Tenant, user: User) -> SyncRun:
    """Of the list of members."""
    listing = Resource.objects.create(
        connection=factories.ConnectionFactory(organization=tenant.organization), name="members"
    )
    now = timezone.now()
    return SyncRun.objects.create(
        resource=listing,
        fence=1,
        state=SyncRun.State.ASKING,
        started_at=now,
        heartbeat_at=now,
        would_remove=30,
    )


def _with_workspaces(tenant: Tenant) -> Connection:
    connection = factories.with_workspaces(
        factories.ConnectionFactory(organization=tenant.organization)
    )
    connection.save()
    return connection


def _remote_organization(tenant: Tenant, user: User) -> RemoteOrganization:
    """With settings and a version of them."""
    connection = factories.ConnectionFactory(organization=tenant.organization, provider="cline")
    factories.RemoteConfigurationFactory(connection=connection)
    factories.VersionFactory(connection=connection, number=1)
    made: RemoteOrganization = factories.RemoteOrganizationFactory(connection=connection)
    return made


def _incident(tenant: Tenant, user: User) -> Incident:
    """Of a key that can be switched off."""
    connection = factories.with_keys(factories.ConnectionFactory(organization=tenant.organization))
    connection.save()
    key = factories.KeyFactory(connection=connection)
    made: Incident = factories.IncidentFactory(connection=connection, value=key.remote_id)
    return made


def _own_account(tenant: Tenant, user: User) -> Account:
    connection = factories.with_account(
        factories.ConnectionFactory(organization=tenant.organization)
    )
    connection.save()
    made: Account = factories.AccountFactory(connection=connection)
    return made


def _own_topping(tenant: Tenant, user: User) -> TopUp:
    made: TopUp = factories.TopUpFactory(connection=_own_account(tenant, user).connection)
    return made


def _of_own_account(kind: str) -> Callable[[Tenant, User], Command]:
    """A change of the money of somebody's own account."""

    def make(tenant: Tenant, user: User) -> Command:
        connection = _own_account(tenant, user).connection
        made: Command = factories.CommandFactory(
            connection=connection, actor=user, kind=kind, arguments={"cents": 2_500}
        )
        return made

    return make


def _used_model(tenant: Tenant, user: User) -> Dimension:
    """A model that only this tenant has used."""
    grain = next(one.id for one in CUBES if one.name == "model")
    made: Dimension = factories.DimensionFactory(
        connection__organization=tenant.organization,
        grain=grain,
        model=f"house/{tenant.organization.slug}",
    )
    return made


def _selling(tenant: Tenant) -> Connection:
    connection = factories.with_billing(
        factories.ConnectionFactory(organization=tenant.organization, provider="cline")
    )
    connection.save()
    return connection


def _topping(tenant: Tenant, user: User) -> TopUp:
    made: TopUp = factories.TopUpFactory(connection=_selling(tenant))
    return made


def _plan(tenant: Tenant, user: User) -> Plan:
    made: Plan = factories.PlanFactory(connection=_selling(tenant))
    return made


# Makes one thing of a tenant, for (tenant, user of it).
OBJECTS: dict[str, Callable[[Tenant, User], Any]] = {
    "grant": lambda tenant, user: factories.GrantFactory(
        organization=tenant.organization, role=Role.VIEWER
    ),
    "invitation": lambda tenant, user: factories.ColleagueInvitationFactory(
        organization=tenant.organization
    ),
    "directory_user": lambda tenant, user: factories.DirectoryUserFactory(
        organization=tenant.organization
    ),
    "directory_group": lambda tenant, user: factories.DirectoryGroupFactory(
        organization=tenant.organization
    ),
    "token": lambda tenant, user: factories.ApiTokenFactory(
        organization=tenant.organization, user=user
    ),
    "service_token": lambda tenant, user: factories.ApiTokenFactory(
        organization=tenant.organization, user=tenant.owner, kind="service"
    ),
    "session": _session,
    "key": _key,
    "connection": lambda tenant, user: factories.ConnectionFactory(
        organization=tenant.organization
    ),
    "told_by_minute": lambda tenant, user: factories.ConnectionFactory(
        organization=tenant.organization, capabilities={"usage.read": {"ok": True, "reason": ""}}
    ),
    "draft": lambda tenant, user: factories.ConnectionFactory(
        organization=tenant.organization, state=Connection.State.DRAFT
    ),
    "listing": lambda tenant, user: Resource.objects.create(
        connection=factories.ConnectionFactory(organization=tenant.organization), name="members"
    ),
    "entry": _entry,
    "notice": _notice,
    "endpoint": lambda tenant, user: factories.EndpointFactory(organization=tenant.organization),
    "delivery": lambda tenant, user: factories.DeliveryFactory(
        organization=tenant.organization,
        endpoint=factories.EndpointFactory(organization=tenant.organization),
    ),
    "own_report": lambda tenant, user: factories.ScheduleFactory(
        organization=tenant.organization, owner=user
    ),
    "saved_view": lambda tenant, user: SavedView.objects.create(
        organization=tenant.organization,
        owner=user,
        list_name="people",
        name=f"View {SavedView.objects.count()}",
    ),
    "sudden_loss": _sudden_loss,
    "report": lambda tenant, user: factories.ScheduleFactory(organization=tenant.organization),
    "person": lambda tenant, user: factories.PersonFactory(organization=tenant.organization),
    "member": lambda tenant, user: factories.MemberFactory(organization=tenant.organization),
    "invite": lambda tenant, user: factories.InviteFactory(organization=tenant.organization),
    "own_account": _own_account,
    "opened_organization": lambda tenant, user: factories.CommandFactory(
        connection=factories.ConnectionFactory(organization=tenant.organization, provider="cline"),
        actor=user,
        kind="configuration.create_organization",
        state=CommandState.SUCCEEDED,
        remote_id=f"org-{Connection.objects.count()}",
    ),
    "remote_organization": _remote_organization,
    "api_key": lambda tenant, user: factories.KeyFactory(
        connection=factories.ConnectionFactory(organization=tenant.organization)
    ),
    "payment": lambda tenant, user: factories.PaymentFactory(
        connection=factories.ConnectionFactory(organization=tenant.organization, provider="cline")
    ),
    "own_payment": lambda tenant, user: factories.PaymentFactory(
        connection=_own_account(tenant, user).connection
    ),
    "own_topping": _own_topping,
    "own_purchase": _of_own_account("billing.own_purchase"),
    "usage_model": _used_model,
    "topping": _topping,
    "plan": _plan,
    "subscription": lambda tenant, user: factories.SubscriptionFactory(connection=_selling(tenant)),
    "purchase": lambda tenant, user: factories.CommandFactory(
        for_organization=tenant.organization,
        actor=user,
        kind="billing.purchase",
        arguments={"cents": 2_500},
    ),
    "usage_report": lambda tenant, user: factories.ReportFactory(
        connection=factories.ConnectionFactory(organization=tenant.organization)
    ),
    "workspace": lambda tenant, user: factories.WorkspaceFactory(
        connection=_with_workspaces(tenant)
    ),
    "incident": _incident,
    "budget": lambda tenant, user: factories.BudgetFactory(organization=tenant.organization),
    "centre": lambda tenant, user: factories.CostCentreFactory(organization=tenant.organization),
    "centre_rule": lambda tenant, user: factories.CentreRuleFactory(
        centre__organization=tenant.organization
    ),
    "command": lambda tenant, user: factories.CommandFactory(
        for_organization=tenant.organization, actor=user
    ),
    "batch": lambda tenant, user: factories.BatchFactory(
        organization=tenant.organization, actor=user
    ),
}

# Belongs to one person: a colleague of the same organization gets a 404 too.
PERSONAL = {"token", "session", "key", "saved_view"}
# Numbered within each organization: another tenant's number is one of one's own.
NUMBERED = {"entry"}


# --- The expectations -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """What one address takes. ``objects``: parameter → entry of OBJECTS, perhaps with an attribute."""

    objects: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    # Parameters that name nothing: {"provider": "anthropic"}
    given: Mapping[str, Any] = field(default_factory=dict)
    query: str = ""  # "?views=new"


@dataclass(frozen=True)
class _Organized(Page):
    methods: Mapping[str, str] = field(default_factory=dict)
    read: str | None = None
    change: str | None = None
    # What the thing itself asks for besides: a change is decided by who may ask for it.
    besides: str = ""

    def needs(self) -> dict[str, str]:
        """Method → action."""
        told = {"GET": self.read, "POST": self.change}
        return {**{method: action for method, action in told.items() if action}, **self.methods}


@dataclass(frozen=True)
class Desk(_Organized):
    """A page of one organization."""


@dataclass(frozen=True)
class Api(_Organized):
    """An address of the API below one organization."""


@dataclass(frozen=True)
class Provisioned(Page):
    """An address of SCIM: nobody's sign-in opens it, a token for the directory alone does.

    What such a token may do there, ``tests/directory/test_door.py`` tells.
    """

    methods: tuple[str, ...] = ("GET",)


@dataclass(frozen=True)
class SignedIn(Page):
    """A page of whoever is signed in."""

    methods: tuple[str, ...] = ("GET", "POST")


@dataclass(frozen=True)
class Open(Page):
    """A page for anybody."""

    methods: tuple[str, ...] = ("GET",)


@dataclass(frozen=True)
class Closed(Page):
    """A 404 for everybody."""


# A list's own POST keeps a saved view of it, for whoever may read the list.
SAVED_VIEW = "?views=new"

PAGES: dict[str, Page] = {
    # --- The way in
    "home": Open(),
    "start": Closed(),  # as soon as somebody can sign in
    "accept_invitation": Closed(given={"token": "nobody-knows-this-token"}),
    "second_factor": SignedIn(methods=("GET",)),
    "viewing_end": SignedIn(methods=("POST",)),
    "healthz": Open(),
    "readyz": Open(),
    "metrics": Closed(),  # where neither a token nor a network is set
    # --- One's own account
    "accounts:profile": SignedIn(),
    "accounts:end_session": SignedIn(objects={"pk": "session"}, methods=("POST",)),
    "account_login": Open(methods=("GET", "POST")),
    "account_logout": Open(methods=("GET", "POST")),
    "account_inactive": Open(),
    "account_signup": Open(),
    "account_reauthenticate": SignedIn(),
    "account_email": SignedIn(),
    "account_email_verification_sent": Open(),
    "account_change_password": SignedIn(),
    "account_set_password": SignedIn(),
    "account_reset_password": Open(methods=("GET", "POST")),
    "account_confirm_login_code": Closed(),
    "account_confirm_email": Open(given={"key": "nobody-knows"}),
    "account_reset_password_from_key_done": Open(),
    "account_reset_password_from_key": Open(given={"uidb36": "1", "key": "nobody-knows"}),
    "account_reset_password_done": Open(),
    "mfa_index": SignedIn(methods=("GET",)),
    "mfa_authenticate": Open(
        methods=("GET", "POST")
    ),  # leads to the sign-in without its first half
    "mfa_reauthenticate": SignedIn(),
    "mfa_activate_totp": SignedIn(),
    "mfa_deactivate_totp": SignedIn(),
    "mfa_view_recovery_codes": SignedIn(methods=("GET",)),
    "mfa_generate_recovery_codes": SignedIn(),
    "mfa_download_recovery_codes": SignedIn(methods=("GET",)),
    "mfa_list_webauthn": SignedIn(methods=("GET",)),
    "mfa_add_webauthn": SignedIn(),
    "mfa_reauthenticate_webauthn": SignedIn(),
    "mfa_remove_webauthn": SignedIn(objects={"pk": "key"}),
    "mfa_edit_webauthn": SignedIn(objects={"pk": "key"}),
    "mfa_login_webauthn": Open(methods=("GET", "POST")),
    "usersessions_list": SignedIn(),
    "socialaccount_login_cancelled": Open(),
    "socialaccount_login_error": Open(),
    "socialaccount_signup": Closed(),
    "socialaccount_connections": Closed(),
    "openid_connect_login": Closed(given={"provider_id": "oidc"}),  # until it is configured
    "openid_connect_callback": Closed(given={"provider_id": "oidc"}),
    "accounts/3rdparty/": Closed(),
    "accounts/3rdparty/signup/": Closed(),
    "accounts/login/code/confirm/": Closed(),
    "accounts/social/signup/": Closed(),
    "accounts/social/connections/": Closed(),
    "accounts/social/login/cancelled/": Open(),
    "accounts/social/login/error/": Open(),
    # --- Overview, audit log
    "overview": Desk(read="organization.read"),
    "audit:list": Desk(read="audit.read", change="audit.read", query=SAVED_VIEW),
    "audit:verify": Desk(
        read="audit.read", change="audit.read"
    ),  # changes nothing but a progress bar
    "audit:entry": Desk(read="audit.read", objects={"sequence": "entry"}),
    # --- Reports
    "reports:list": Desk(read="reports.read", change="reports.read", query=SAVED_VIEW),
    "reports:new": Desk(
        read="reports.own",
        change="reports.own",
        query="?page=/o/acme/people/&list=people",
    ),
    "reports:report": Desk(read="reports.read", objects={"pk": "report"}),
    "reports:change": Desk(
        read="reports.own", change="reports.own", besides="reports.change", objects={"pk": "report"}
    ),
    "reports:pause": Desk(change="reports.own", besides="reports.change", objects={"pk": "report"}),
    "reports:send_now": Desk(
        change="reports.own", besides="reports.change", objects={"pk": "report"}
    ),
    "reports:leave": Desk(change="reports.read", objects={"pk": "report"}),
    "reports:delete": Desk(
        read="reports.own", change="reports.own", besides="reports.change", objects={"pk": "report"}
    ),
    # --- Notices
    "notices:list": Desk(read="notices.read", change="notices.read", query=SAVED_VIEW),
    "notices:notice": Desk(read="notices.read", objects={"pk": "notice"}),
    "notices:acknowledge": Desk(change="notices.acknowledge", objects={"pk": "notice"}),
    "notices:bulk_acknowledge": Desk(change="notices.acknowledge"),
    "notices:bulk_read": Desk(change="notices.own"),
    "notices:own": Desk(read="notices.own", change="notices.own"),
    "notices:deliveries": Desk(
        read="notices.deliveries", change="notices.deliveries", query=SAVED_VIEW
    ),
    "notices:delivery": Desk(read="notices.deliveries", objects={"pk": "delivery"}),
    "notices:send_again": Desk(change="notices.send_again", objects={"pk": "delivery"}),
    "notices:webhooks": Desk(read="notices.deliveries"),
    "notices:new_webhook": Desk(read="notices.webhooks", change="notices.webhooks"),
    "notices:webhook": Desk(read="notices.deliveries", objects={"pk": "endpoint"}),
    "notices:change_webhook": Desk(
        read="notices.webhooks", change="notices.webhooks", objects={"pk": "endpoint"}
    ),
    "notices:renew_secret": Desk(
        read="notices.webhooks", change="notices.webhooks", objects={"pk": "endpoint"}
    ),
    "notices:pause_webhook": Desk(change="notices.webhooks", objects={"pk": "endpoint"}),
    "notices:test_webhook": Desk(change="notices.send_again", objects={"pk": "endpoint"}),
    "notices:delete_webhook": Desk(
        read="notices.webhooks", change="notices.webhooks", objects={"pk": "endpoint"}
    ),
    # --- Organizations at their providers
    "configuration:list": Desk(read="configuration.read"),
    "configuration:organization": Desk(
        read="configuration.read", objects={"uid": "remote_organization.connection.uid"}
    ),
    "configuration:rename": Desk(
        read="configuration.rename",
        change="configuration.rename",
        objects={"uid": "remote_organization.connection.uid"},
    ),
    "configuration:new": Desk(
        read="configuration.create_organization",
        change="configuration.create_organization",
        objects={"uid": "remote_organization.connection.uid"},
    ),
    "configuration:connect_new": Desk(
        change="connections.connect",
        objects={
            "uid": "opened_organization.connection.uid",
            "command": "opened_organization.uid",
        },
    ),
    "configuration:delete": Desk(
        read="configuration.delete_organization",
        change="configuration.delete_organization",
        objects={"uid": "remote_organization.connection.uid"},
    ),
    "configuration:edit": Desk(
        read="configuration.change",
        change="configuration.change",
        objects={"uid": "remote_organization.connection.uid"},
    ),
    "configuration:compare": Desk(
        read="configuration.read", objects={"uid": "remote_organization.connection.uid"}
    ),
    "configuration:version": Desk(
        read="configuration.read",
        objects={"uid": "remote_organization.connection.uid"},
        given={"number": 1},
    ),
    # --- A person's own account
    "own_account": SignedIn(),
    "personal:account": Desk(read="account.read"),
    "personal:detail": Desk(read="account.read", objects={"uid": "own_account.connection.uid"}),
    "personal:profile": Desk(
        read="account.change",
        change="account.change",
        objects={"uid": "own_account.connection.uid"},
    ),
    "personal:terms": Desk(
        read="account.change",
        change="account.change",
        objects={"uid": "own_account.connection.uid"},
    ),
    "personal:join": Desk(
        read="account.change",
        change="account.change",
        objects={"uid": "own_account.connection.uid"},
    ),
    "personal:activate": Desk(
        read="account.change",
        change="account.change",
        objects={"uid": "own_account.connection.uid"},
    ),
    "personal:refresh": Desk(
        read="account.token", change="account.token", objects={"uid": "own_account.connection.uid"}
    ),
    "personal:delete": Desk(
        read="account.delete",
        change="account.delete",
        objects={"uid": "own_account.connection.uid"},
    ),
    "personal:usage": Desk(read="account.read", objects={"uid": "own_account.connection.uid"}),
    "personal:request_budget": Desk(
        read="account.change",
        change="account.change",
        objects={"uid": "own_account.connection.uid"},
    ),
    "personal:calls": Desk(
        read="account.read",
        change="account.read",
        objects={"uid": "own_account.connection.uid"},
        query=SAVED_VIEW,
    ),
    "personal:read_calls": Desk(
        change="account.read", objects={"uid": "own_account.connection.uid"}
    ),
    "own_billing:overview": Desk(
        read="account.money", objects={"uid": "own_account.connection.uid"}
    ),
    "own_billing:payments": Desk(
        read="account.money",
        change="account.money",
        objects={"uid": "own_account.connection.uid"},
        query=SAVED_VIEW,
    ),
    "own_billing:payment": Desk(
        read="account.money",
        objects={"uid": "own_payment.connection.uid", "pk": "own_payment"},
    ),
    "own_billing:buy": Desk(
        read="account.buy", change="account.buy", objects={"uid": "own_account.connection.uid"}
    ),
    "own_billing:begun": Desk(
        read="account.money",
        objects={"uid": "own_purchase.connection.uid", "command": "own_purchase.uid"},
    ),
    "own_billing:top_up": Desk(
        read="account.top_up",
        change="account.top_up",
        objects={"uid": "own_topping.connection.uid"},
    ),
    "own_billing:card": Desk(
        read="account.card", change="account.card", objects={"uid": "own_account.connection.uid"}
    ),
    # --- Limits
    "limits:list": Desk(read="limits.read", change="limits.read", query=SAVED_VIEW),
    # --- Settings, colleagues, tokens
    "organizations:settings": Desk(read="organization.read", change="organization.change"),
    "organizations:grants": Desk(read="grants.read"),
    "organizations:grant_invite": Desk(read="grants.change", change="grants.change"),
    "organizations:grant_change": Desk(
        read="grants.change", change="grants.change", objects={"pk": "grant"}
    ),
    "organizations:grant_remove": Desk(
        read="grants.change", change="grants.change", objects={"pk": "grant"}
    ),
    "organizations:invitation_resend": Desk(change="grants.change", objects={"pk": "invitation"}),
    "organizations:invitation_withdraw": Desk(change="grants.change", objects={"pk": "invitation"}),
    "organizations:tokens": Desk(read="tokens.own", change="tokens.create"),
    # --- Directory
    "directory:directory": Desk(read="grants.read"),
    "directory:people": Desk(read="grants.read", change="grants.read", query=SAVED_VIEW),
    "directory:person": Desk(read="grants.read", objects={"pk": "directory_user"}),
    "directory:hand_over": Desk(change="grants.change", objects={"pk": "directory_user"}),
    "directory:group": Desk(
        read="grants.change", change="grants.change", objects={"pk": "directory_group"}
    ),
    "scim:configuration": Provisioned(),
    "scim:types": Provisioned(),
    "scim:type": Provisioned(given={"name": "User"}),
    "scim:schemas": Provisioned(),
    "scim:schema": Provisioned(given={"name": "urn:ietf:params:scim:schemas:core:2.0:User"}),
    "scim:users": Provisioned(methods=("GET", "POST")),
    "scim:user": Provisioned(
        methods=("GET", "PUT", "PATCH", "DELETE"), objects={"uid": "directory_user"}
    ),
    "scim:groups": Provisioned(methods=("GET", "POST")),
    "scim:group": Provisioned(
        methods=("GET", "PUT", "PATCH", "DELETE"), objects={"uid": "directory_group"}
    ),
    "scim:nothing": Provisioned(given={"rest": "Bulk"}),
    "organizations:tokens_end_all": Desk(read="tokens.own", change="tokens.own"),
    "organizations:token_end": Desk(
        read="tokens.own", change="tokens.own", objects={"key": "token.token_key"}
    ),
    "organizations:token_rename": Desk(
        read="tokens.own", change="tokens.own", objects={"key": "token.token_key"}
    ),
    "organizations:service_tokens": Desk(read="tokens.service", change="tokens.make_service"),
    "organizations:service_token_end": Desk(
        read="tokens.end_service",
        change="tokens.end_service",
        objects={"key": "service_token.token_key"},
    ),
    "organizations:service_token_rename": Desk(
        read="tokens.end_service",
        change="tokens.end_service",
        objects={"key": "service_token.token_key"},
    ),
    # --- Connections
    "organizations:connections": Desk(read="connections.read"),
    "organizations:connect": Desk(read="connections.connect"),
    "organizations:connect_paste": Desk(
        read="connections.connect", change="connections.connect", given={"provider": "anthropic"}
    ),
    "organizations:connection": Desk(read="connections.read", objects={"uid": "connection"}),
    "organizations:connect_wizard": Desk(
        read="connections.change", change="connections.connect", objects={"uid": "draft"}
    ),
    "organizations:connect_paste_again": Desk(
        read="connections.connect", change="connections.connect", objects={"uid": "draft"}
    ),
    "organizations:connect_choose": Desk(change="connections.connect", objects={"uid": "draft"}),
    "organizations:connect_discard": Desk(change="connections.connect", objects={"uid": "draft"}),
    "organizations:connection_ask_again": Desk(
        change="connections.change", objects={"uid": "connection"}
    ),
    "organizations:connection_rename": Desk(
        read="connections.change", change="connections.change", objects={"uid": "connection"}
    ),
    "organizations:connection_rotate": Desk(
        read="connections.rotate", change="connections.rotate", objects={"uid": "connection"}
    ),
    "organizations:connection_drop_new_key": Desk(
        change="connections.rotate", objects={"uid": "connection"}
    ),
    "organizations:connection_pause": Desk(
        change="connections.pause", objects={"uid": "connection"}
    ),
    "organizations:connection_resume": Desk(
        change="connections.pause", objects={"uid": "connection"}
    ),
    "organizations:connection_disconnect": Desk(
        read="connections.disconnect",
        change="connections.disconnect",
        objects={"uid": "connection"},
    ),
    # --- Incidents
    "centres:list": Desk(read="centres.read"),
    "centres:new": Desk(read="centres.change", change="centres.change"),
    "centres:unallocated": Desk(read="centres.read"),
    "centres:give": Desk(
        read="centres.change",
        change="centres.change",
        objects={"item": "person.pk"},
        given={"subject": "person"},
    ),
    "centres:one": Desk(read="centres.read", objects={"pk": "centre"}),
    "centres:change": Desk(
        read="centres.change", change="centres.change", objects={"pk": "centre"}
    ),
    "centres:move": Desk(change="centres.change", objects={"pk": "centre"}),
    "centres:remove": Desk(
        read="centres.change", change="centres.change", objects={"pk": "centre"}
    ),
    "centres:rule_new": Desk(
        read="centres.change", change="centres.change", objects={"pk": "centre"}
    ),
    "centres:rule_change": Desk(
        read="centres.change", change="centres.change", objects={"pk": "centre_rule"}
    ),
    "centres:rule_move": Desk(change="centres.change", objects={"pk": "centre_rule"}),
    "centres:rule_remove": Desk(
        read="centres.change", change="centres.change", objects={"pk": "centre_rule"}
    ),
    "centres:statements": Desk(read="centres.read"),
    "centres:month": Desk(read="centres.read", given={"month": "2026-01"}),
    "centres:close": Desk(read="centres.close", change="centres.close", given={"month": "2026-01"}),
    "centres:statement": Desk(
        read="centres.read", objects={"centre": "centre.pk"}, given={"month": "2026-01"}
    ),
    "incidents:list": Desk(read="incidents.read", change="incidents.read", query=SAVED_VIEW),
    "incidents:one": Desk(read="incidents.read", objects={"pk": "incident"}),
    "incidents:acknowledge": Desk(change="incidents.change", objects={"pk": "incident"}),
    "incidents:resolve": Desk(
        read="incidents.change", change="incidents.change", objects={"pk": "incident"}
    ),
    "incidents:mute": Desk(
        read="incidents.change", change="incidents.change", objects={"pk": "incident"}
    ),
    "incidents:take_up": Desk(change="incidents.change", objects={"pk": "incident"}),
    "incidents:deactivate": Desk(
        read="keys.change", change="keys.change", objects={"pk": "incident"}
    ),
    # --- Budgets
    "budgets:list": Desk(read="budgets.read", change="budgets.read", query=SAVED_VIEW),
    "budgets:new": Desk(read="budgets.change", change="budgets.change"),
    "budgets:one": Desk(read="budgets.read", objects={"pk": "budget"}),
    "budgets:change": Desk(
        read="budgets.change", change="budgets.change", objects={"pk": "budget"}
    ),
    "budgets:delete": Desk(
        read="budgets.change", change="budgets.change", objects={"pk": "budget"}
    ),
    # --- Walks
    "sync:progress": Desk(read="connections.read", objects={"uid": "connection"}),
    "sync:start": Desk(change="sync.start", objects={"uid": "connection"}),
    "backfill:pause": Desk(
        change="usage.backfill",
        objects={"uid": "usage_report.connection.uid"},
        given={"report": "usage"},
    ),
    "backfill:resume": Desk(
        change="usage.backfill",
        objects={"uid": "usage_report.connection.uid"},
        given={"report": "usage"},
    ),
    "sync:loss": Desk(
        read="connections.read",
        change="sync.decide",
        objects={"uid": "listing.connection.uid"},
        given={"listing": "members"},
    ),
    "sync:unreadable": Desk(
        read="connections.read",
        objects={"uid": "listing.connection.uid"},
        given={"listing": "members"},
    ),
    # --- Changes under way
    "sync:activity": Desk(read="activity.read", change="activity.read", query=SAVED_VIEW),
    "sync:activity_rows": Desk(read="activity.read"),
    "sync:remote_changes": Desk(read="activity.read", change="activity.read", query=SAVED_VIEW),
    "sync:in_flight": Desk(read="activity.read"),
    "sync:stopped": Desk(read="activity.read", change="organization.resume_sending"),
    "sync:batch": Desk(read="activity.read", objects={"uid": "batch"}),
    "sync:confirm_batch": Desk(change="commands.decide", objects={"uid": "batch"}),
    "sync:discard_batch": Desk(change="commands.decide", objects={"uid": "batch"}),
    "sync:command": Desk(read="activity.read", objects={"uid": "command"}),
    "sync:secret": Desk(change="activity.read", objects={"uid": "command"}),
    "sync:approve": Desk(
        change="commands.approve",
        objects={"uid": "command"},
        data={"decision": "approve"},
        besides="people.remove",
    ),
    "sync:decide": Desk(
        change="commands.decide",
        objects={"uid": "command"},
        data={"decision": "cancel"},
        besides="people.remove",
    ),
    "sync:again": Desk(change="commands.decide", objects={"uid": "command"}),
    # --- People
    "members:list": Desk(read="people.read", change="people.read", query=SAVED_VIEW),
    "members:rows": Desk(read="people.read"),
    "members:person": Desk(read="people.read", objects={"pk": "person"}),
    "members:change_role": Desk(
        change="people.change_role", objects={"pk": "member.person.pk", "member": "member.pk"}
    ),
    "members:remove": Desk(
        read="people.remove",
        change="people.remove",
        objects={"pk": "member.person.pk", "member": "member.pk"},
    ),
    "members:bulk_change_role": Desk(change="people.change_role"),
    "members:bulk_remove": Desk(change="people.remove"),
    # --- Invites
    "invites:list": Desk(read="invites.read", change="invites.read", query=SAVED_VIEW),
    "invites:rows": Desk(read="invites.read"),
    "invites:new": Desk(read="invites.invite", change="invites.invite"),
    "invites:bulk_resend": Desk(change="invites.resend"),
    "invites:bulk_withdraw": Desk(change="invites.withdraw"),
    "invites:resend": Desk(change="invites.resend", objects={"pk": "invite"}),
    "invites:withdraw": Desk(
        read="invites.withdraw", change="invites.withdraw", objects={"pk": "invite"}
    ),
    # --- Workspaces
    "workspaces:list": Desk(read="workspaces.read", change="workspaces.read", query=SAVED_VIEW),
    "workspaces:rows": Desk(read="workspaces.read"),
    "workspaces:new": Desk(read="workspaces.create", change="workspaces.create"),
    "workspaces:one": Desk(
        read="workspaces.read",
        change="workspaces.read",
        objects={"pk": "workspace"},
        query=SAVED_VIEW,
    ),
    "workspaces:rename": Desk(
        read="workspaces.change", change="workspaces.change", objects={"pk": "workspace"}
    ),
    "workspaces:residency": Desk(
        read="workspaces.change", change="workspaces.change", objects={"pk": "workspace"}
    ),
    "workspaces:archive": Desk(
        read="workspaces.archive", change="workspaces.archive", objects={"pk": "workspace"}
    ),
    "workspaces:member_rows": Desk(read="workspaces.read", objects={"pk": "workspace"}),
    "workspaces:add_members": Desk(
        read="workspaces.read", change="workspaces.change_members", objects={"pk": "workspace"}
    ),
    "workspaces:change_members": Desk(
        change="workspaces.change_members", objects={"pk": "workspace"}
    ),
    "workspaces:remove_members": Desk(
        change="workspaces.change_members", objects={"pk": "workspace"}
    ),
    "workspaces:add_people": Desk(change="workspaces.change_members"),
    "workspaces:matrix": Desk(read="workspaces.read", change="workspaces.read", query=SAVED_VIEW),
    "workspaces:matrix_page": Desk(change="workspaces.change_members"),
    "workspaces:matrix_review": Desk(change="workspaces.change_members"),
    "workspaces:matrix_import": Desk(
        read="workspaces.change_members", change="workspaces.change_members"
    ),
    # --- Keys
    "keys:list": Desk(read="keys.read", change="keys.read", query=SAVED_VIEW),
    "keys:rows": Desk(read="keys.read"),
    "keys:hygiene": Desk(read="keys.read"),
    "keys:new": Desk(read="keys.create", change="keys.create"),
    "keys:bulk_deactivate": Desk(change="keys.change"),
    "keys:bulk_activate": Desk(change="keys.change"),
    "keys:bulk_rename": Desk(change="keys.change"),
    "keys:bulk_archive": Desk(change="keys.archive"),
    "keys:bulk_delete": Desk(change="keys.delete"),
    "keys:key": Desk(read="keys.read", objects={"pk": "api_key"}),
    "keys:rename": Desk(read="keys.change", change="keys.change", objects={"pk": "api_key"}),
    "keys:deactivate": Desk(change="keys.change", objects={"pk": "api_key"}),
    "keys:activate": Desk(change="keys.change", objects={"pk": "api_key"}),
    "keys:archive": Desk(read="keys.archive", change="keys.archive", objects={"pk": "api_key"}),
    "keys:delete": Desk(read="keys.delete", change="keys.delete", objects={"pk": "api_key"}),
    # --- Usage and cost
    "usage:usage": Desk(read="usage.read", change="usage.read", query=SAVED_VIEW),
    "usage:coding": Desk(read="usage.read", change="usage.read", query=SAVED_VIEW),
    "usage:minutes": Desk(read="usage.read"),
    "usage:read_minutes": Desk(change="sync.start", objects={"uid": "connection"}),
    "usage:calls": Desk(
        read="usage.read", change="usage.read", objects={"pk": "person"}, query=SAVED_VIEW
    ),
    "usage:model": Desk(read="usage.read", objects={"model": "usage_model.model"}),
    "usage:read_calls": Desk(change="usage.read", objects={"pk": "person"}),
    # --- Billing
    "spend:glance": Desk(read="billing.read"),
    "spend:reconciliation": Desk(read="billing.read"),
    "billing:overview": Desk(read="billing.read"),
    "billing:payments": Desk(read="billing.read", change="billing.read", query=SAVED_VIEW),
    "billing:payment": Desk(read="billing.read", objects={"pk": "payment"}),
    "billing:buy": Desk(read="billing.buy", change="billing.buy"),
    "billing:begun": Desk(read="billing.read", objects={"uid": "purchase"}),
    "billing:top_up": Desk(
        read="billing.top_up", change="billing.top_up", objects={"uid": "topping.connection.uid"}
    ),
    "billing:card": Desk(
        read="billing.card", change="billing.card", objects={"uid": "topping.connection.uid"}
    ),
    "billing:plans": Desk(read="billing.read"),
    "billing:subscribe": Desk(
        read="billing.plan",
        change="billing.plan",
        objects={"uid": "plan.connection.uid", "pk": "plan.pk"},
    ),
    "billing:set_seats": Desk(
        read="billing.plan", change="billing.plan", objects={"uid": "subscription.connection.uid"}
    ),
    "billing:cancel_plan": Desk(
        read="billing.plan", change="billing.plan", objects={"uid": "subscription.connection.uid"}
    ),
    "billing:reclaim": Desk(change="people.remove", data={"id": "1"}),
    "billing:seats": Desk(read="billing.read", change="billing.read", query=SAVED_VIEW),
    # --- The API
    "api:schema": SignedIn(methods=("GET",)),
    "api:docs": SignedIn(methods=("GET",)),
    "api:profile": SignedIn(methods=("GET", "PATCH")),
    "api:sessions": SignedIn(methods=("GET",)),
    "api:other_sessions": SignedIn(methods=("DELETE",)),
    "api:session": SignedIn(objects={"pk": "session"}, methods=("DELETE",)),
    "api:organizations": SignedIn(methods=("GET",)),
    "api:nothing": Closed(given={"rest": "peolpe/"}),
    "api:tokens": Api(read="tokens.own", change="tokens.create", data={"name": "Nightly"}),
    "api:own_tokens": Api(methods={"DELETE": "tokens.own"}),
    "api:service_tokens": Api(change="tokens.make_service", data={"name": "Nightly"}),
    "api:token": Api(
        methods={"PATCH": "tokens.own", "DELETE": "tokens.own"},
        objects={"key": "token.token_key"},
        data={"name": "Nightly"},
    ),
    "api/v1/": Closed(),
    "api:connections": Api(read="connections.read"),
    "api:connection": Api(
        read="connections.read",
        methods={"PATCH": "connections.change", "DELETE": "connections.disconnect"},
        objects={"uid": "connection"},
    ),
    "api:connection_providers": Api(read="connections.change"),
    "api:connection_drafts": Api(read="connections.change", change="connections.connect"),
    "api:connection_draft": Api(
        read="connections.change",
        methods={"DELETE": "connections.connect"},
        objects={"uid": "draft"},
    ),
    "api:connection_draft_key": Api(
        methods={"PUT": "connections.connect"}, objects={"uid": "draft"}
    ),
    "api:connection_draft_organization": Api(
        methods={"PUT": "connections.connect"}, objects={"uid": "draft"}
    ),
    "api:connection_draft_check": Api(change="connections.change", objects={"uid": "draft"}),
    "api:connection_draft_confirm": Api(change="connections.connect", objects={"uid": "draft"}),
    "api:connection_new_key": Api(
        methods={"PUT": "connections.rotate", "DELETE": "connections.rotate"},
        objects={"uid": "connection"},
    ),
    "api:connection_check": Api(change="connections.change", objects={"uid": "connection"}),
    "api:connection_pause": Api(
        methods={"PUT": "connections.pause", "DELETE": "connections.pause"},
        objects={"uid": "connection"},
    ),
    "api:listings": Api(
        read="connections.read", change="sync.start", objects={"uid": "connection"}
    ),
    "api:loss": Api(
        methods={"GET": "connections.read", "PUT": "sync.decide"},
        objects={"uid": "sudden_loss.resource.connection.uid"},
        given={"listing": "members"},
    ),
    "api:unreadable": Api(
        read="connections.read",
        objects={"uid": "listing.connection.uid"},
        given={"listing": "members"},
    ),
    "api:backfill": Api(read="usage.read", objects={"uid": "usage_report.connection.uid"}),
    "api:backfill_pause": Api(
        methods={"PUT": "usage.backfill", "DELETE": "usage.backfill"},
        objects={"uid": "usage_report.connection.uid"},
        given={"report": "usage"},
    ),
    "api:organization": Api(read="organization.read", methods={"PATCH": "organization.change"}),
    "api:colleagues": Api(read="grants.read"),
    "api:colleague": Api(
        methods={"PATCH": "grants.change", "DELETE": "grants.change"},
        objects={"pk": "grant"},
        data={"role": "viewer"},
    ),
    "api:invitations": Api(change="grants.change"),
    "api:invitation": Api(methods={"DELETE": "grants.change"}, objects={"pk": "invitation"}),
    "api:invitation_resend": Api(change="grants.change", objects={"pk": "invitation"}),
    "api:directory_groups": Api(read="grants.read"),
    "api:directory_group": Api(
        methods={"GET": "grants.read", "PATCH": "grants.change"},
        objects={"uid": "directory_group.uid"},
        data={"role": ""},
    ),
    "api:directory_hand_over": Api(change="grants.change", objects={"uid": "directory_user.uid"}),
    "api:directory_people": Api(read="grants.read"),
    "api:directory_person": Api(read="grants.read", objects={"uid": "directory_user.uid"}),
    "api:saved_views": Api(read="activity.read", change="activity.read"),
    "api:saved_view": Api(
        methods={"PATCH": "activity.read", "DELETE": "activity.read"},
        objects={"pk": "saved_view"},
    ),
    "api:audit": Api(read="audit.read"),
    "api:audit_verification": Api(read="audit.read", change="audit.read"),
    "api:audit_entry": Api(read="audit.read", objects={"sequence": "entry"}),
    "api:roles": Api(read="people.read", objects={"uid": "connection"}),
    "api:people": Api(read="people.read"),
    "api:person": Api(read="people.read", objects={"pk": "person"}),
    "api:member": Api(
        read="people.read",
        methods={"PATCH": "people.change_role", "DELETE": "people.remove"},
        objects={"pk": "member"},
        data={"role": "developer"},
    ),
    "api:invites": Api(read="invites.read", change="invites.invite"),
    "api:invite": Api(
        read="invites.read", methods={"DELETE": "invites.withdraw"}, objects={"pk": "invite"}
    ),
    "api:invite_resend": Api(change="invites.resend", objects={"pk": "invite"}),
    "api:workspaces": Api(read="workspaces.read", change="workspaces.create"),
    "api:workspace": Api(
        read="workspaces.read", methods={"PATCH": "workspaces.change"}, objects={"pk": "workspace"}
    ),
    "api:workspace_archive": Api(change="workspaces.archive", objects={"pk": "workspace"}),
    "api:workspace_roles": Api(change="workspaces.change_members"),
    "api:workspace_members": Api(
        read="workspaces.read", change="workspaces.change_members", objects={"pk": "workspace"}
    ),
    "api:workspace_member": Api(
        methods={"PATCH": "workspaces.change_members", "DELETE": "workspaces.change_members"},
        objects={"pk": "workspace", "member": "member.pk"},
        data={"role": "workspace_user"},
    ),
    "api:keys": Api(read="keys.read", change="keys.create"),
    "api:key_findings": Api(read="keys.read"),
    "api:key": Api(
        read="keys.read",
        methods={"PATCH": "keys.change", "DELETE": "keys.delete"},
        objects={"pk": "api_key"},
        data={"status": "inactive"},
    ),
    "api:key_archive": Api(change="keys.archive", objects={"pk": "api_key"}),
    "api:remote_organization": Api(
        read="configuration.read",
        change="configuration.create_organization",
        methods={
            "PATCH": "configuration.rename",
            "DELETE": "configuration.delete_organization",
        },
        objects={"uid": "remote_organization.connection.uid"},
    ),
    "api:opened_organization": Api(
        change="connections.connect",
        objects={
            "uid": "opened_organization.connection.uid",
            "change": "opened_organization.uid",
        },
    ),
    "api:configuration": Api(
        read="configuration.read",
        methods={"PUT": "configuration.change"},
        objects={"uid": "remote_organization.connection.uid"},
    ),
    "api:configuration_versions": Api(
        read="configuration.read", objects={"uid": "remote_organization.connection.uid"}
    ),
    "api:centres": Api(read="centres.read", change="centres.change"),
    "api:centre": Api(
        read="centres.read",
        methods={"PATCH": "centres.change", "DELETE": "centres.change"},
        objects={"pk": "centre"},
    ),
    "api:centre_rules": Api(change="centres.change", objects={"pk": "centre"}),
    "api:centre_rule": Api(
        methods={"PATCH": "centres.change", "DELETE": "centres.change"},
        objects={"pk": "centre_rule"},
    ),
    "api:statement_close": Api(change="centres.close", given={"month": "2026-01"}),
    "api:allocations": Api(read="centres.read"),
    "api:statements": Api(read="centres.read"),
    "api:statement": Api(read="centres.read", given={"month": "2026-01"}),
    "api:usage": Api(read="usage.read"),
    "api:claude_code": Api(read="usage.read"),
    "api:minutes": Api(
        methods={"GET": "usage.read", "POST": "sync.start"}, objects={"uid": "told_by_minute"}
    ),
    "api:person_calls": Api(read="usage.read", change="usage.read", objects={"pk": "person"}),
    "api:person_ledgers": Api(read="usage.read", objects={"pk": "person"}),
    "api:budgets": Api(read="budgets.read", change="budgets.change"),
    "api:budget": Api(
        read="budgets.read",
        methods={"PATCH": "budgets.change", "DELETE": "budgets.change"},
        objects={"pk": "budget"},
    ),
    "api:budget_periods": Api(read="budgets.read", objects={"pk": "budget"}),
    "api:spend": Api(read="billing.read"),
    "api:reconciliation": Api(read="billing.read"),
    "api:credit": Api(read="billing.read"),
    "api:credit_history": Api(read="billing.read", objects={"uid": "connection"}),
    "api:credit_purchase": Api(change="billing.buy", objects={"uid": "connection"}),
    "api:credit_checkout": Api(change="billing.buy", objects={"uid": "connection"}),
    "api:top_up": Api(
        methods={"GET": "billing.read", "PUT": "billing.top_up"},
        objects={"uid": "topping.connection.uid"},
    ),
    "api:card": Api(change="billing.card", objects={"uid": "topping.connection.uid"}),
    "api:plan": Api(
        methods={"POST": "billing.plan", "PATCH": "billing.plan", "DELETE": "billing.plan"},
        objects={"uid": "subscription.connection.uid"},
    ),
    "api:payments": Api(read="billing.read"),
    "api:payment": Api(read="billing.read", objects={"pk": "payment"}),
    "api:promotions": Api(read="billing.read"),
    "api:plans": Api(read="billing.read"),
    "api:seats": Api(read="billing.read"),
    "api:seat_holders": Api(read="billing.read"),
    "api:cards": Api(read="billing.read"),
    "api:incidents": Api(read="incidents.read"),
    "api:incident": Api(read="incidents.read", objects={"pk": "incident"}),
    "api:incident_acknowledge": Api(change="incidents.change", objects={"pk": "incident"}),
    "api:incident_resolve": Api(change="incidents.change", objects={"pk": "incident"}),
    "api:incident_mute": Api(change="incidents.change", objects={"pk": "incident"}),
    "api:incident_take_up": Api(change="incidents.change", objects={"pk": "incident"}),
    "api:limits": Api(read="limits.read"),
    "api:stop": Api(read="activity.read", methods={"DELETE": "organization.resume_sending"}),
    "api:changes": Api(read="activity.read"),
    "api:change": Api(read="activity.read", objects={"uid": "command"}),
    "api:change_secret": Api(change="activity.read", objects={"uid": "command"}),
    "api:accounts": Api(read="account.read"),
    "api:account": Api(
        methods={"GET": "account.read", "PATCH": "account.change", "DELETE": "account.delete"},
        objects={"uid": "own_account.connection.uid"},
    ),
    "api:account_cap": Api(change="account.change", objects={"uid": "own_account.connection.uid"}),
    "api:account_token": Api(change="account.token", objects={"uid": "own_account.connection.uid"}),
    "api:account_terms": Api(
        change="account.change", objects={"uid": "own_account.connection.uid"}
    ),
    "api:account_join": Api(change="account.change", objects={"uid": "own_account.connection.uid"}),
    "api:account_active": Api(
        methods={"PUT": "account.change"}, objects={"uid": "own_account.connection.uid"}
    ),
    "api:account_usage": Api(read="account.read", objects={"uid": "own_account.connection.uid"}),
    "api:account_allowances": Api(
        read="account.read", objects={"uid": "own_account.connection.uid"}
    ),
    "api:account_calls": Api(
        read="account.read", change="account.read", objects={"uid": "own_account.connection.uid"}
    ),
    "api:account_ledgers": Api(read="account.read", objects={"uid": "own_account.connection.uid"}),
    "api:account_money": Api(read="account.money", objects={"uid": "own_account.connection.uid"}),
    "api:account_payments": Api(
        read="account.money", objects={"uid": "own_account.connection.uid"}
    ),
    "api:account_payment": Api(
        read="account.money", objects={"uid": "own_payment.connection.uid", "pk": "own_payment"}
    ),
    "api:account_purchase": Api(
        change="account.buy", objects={"uid": "own_account.connection.uid"}
    ),
    "api:account_checkout": Api(
        change="account.buy", objects={"uid": "own_account.connection.uid"}
    ),
    "api:account_top_up": Api(
        methods={"GET": "account.money", "PUT": "account.top_up"},
        objects={"uid": "own_topping.connection.uid"},
    ),
    "api:account_card": Api(change="account.card", objects={"uid": "own_account.connection.uid"}),
    "api:change_cancel": Api(
        change="commands.decide", objects={"uid": "command"}, besides="people.remove"
    ),
    "api:change_approve": Api(
        change="commands.approve", objects={"uid": "command"}, besides="people.remove"
    ),
    "api:change_refuse": Api(
        change="commands.approve", objects={"uid": "command"}, besides="people.remove"
    ),
    "api:change_decision": Api(
        change="commands.decide",
        objects={"uid": "command"},
        data={"decision": "resend"},
        besides="people.remove",
    ),
    "api:change_again": Api(change="commands.decide", objects={"uid": "command"}),
    "api:remote_changes": Api(read="activity.read"),
    "api:batches": Api(read="activity.read"),
    "api:batch": Api(
        read="activity.read", methods={"DELETE": "commands.decide"}, objects={"uid": "batch"}
    ),
    "api:batch_confirm": Api(change="commands.decide", objects={"uid": "batch"}),
    "api:notices": Api(read="notices.read"),
    "api:notices_read": Api(change="notices.own"),
    "api:notices_own": Api(methods={"GET": "notices.own", "PUT": "notices.own"}),
    "api:notice": Api(read="notices.read", objects={"pk": "notice"}),
    "api:notice_acknowledge": Api(change="notices.acknowledge", objects={"pk": "notice"}),
    "api:webhooks": Api(read="notices.deliveries", change="notices.webhooks"),
    "api:webhook": Api(
        read="notices.deliveries",
        methods={"PATCH": "notices.webhooks", "DELETE": "notices.webhooks"},
        objects={"pk": "endpoint"},
    ),
    "api:webhook_pause": Api(
        methods={"PUT": "notices.webhooks", "DELETE": "notices.webhooks"},
        objects={"pk": "endpoint"},
    ),
    "api:webhook_secret": Api(change="notices.webhooks", objects={"pk": "endpoint"}),
    "api:webhook_test": Api(change="notices.send_again", objects={"pk": "endpoint"}),
    "api:deliveries": Api(read="notices.deliveries"),
    "api:delivery": Api(read="notices.deliveries", objects={"pk": "delivery"}),
    "api:delivery_again": Api(change="notices.send_again", objects={"pk": "delivery"}),
    "api:reports": Api(read="reports.read", change="reports.own"),
    "api:report": Api(
        methods={"GET": "reports.read", "PATCH": "reports.own", "DELETE": "reports.own"},
        objects={"pk": "own_report"},
    ),
    "api:report_send": Api(
        change="reports.own", besides="reports.change", objects={"pk": "report"}
    ),
    "api:report_pause": Api(
        methods={"PUT": "reports.own", "DELETE": "reports.own"},
        besides="reports.change",
        objects={"pk": "report"},
    ),
    "api:report_leave": Api(methods={"DELETE": "reports.read"}, objects={"pk": "report"}),
}
