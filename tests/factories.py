"""One of each thing, made for a test. Everything belongs to the organization it is given or makes one."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import factory
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.utils import timezone
from factory.django import DjangoModelFactory

from apps.accounts.models import User
from apps.billing.models import Card, Credit, Payment, Plan, Subscription, TopUp
from apps.budgets.models import Budget, Standing
from apps.centres.models import CostCentre, Rule
from apps.configuration.mirror import as_raw, digest
from apps.configuration.models import RemoteConfiguration, RemoteOrganization, Version
from apps.directory.models import DirectoryGroup, DirectoryUser
from apps.incidents.models import Incident
from apps.invites.models import Invite
from apps.keys.models import Key
from apps.members.models import Member, Person
from apps.notices.models import Channel, Delivery, Endpoint, Notice
from apps.organizations.factors import seal_factor
from apps.organizations.models import (
    ApiToken,
    ColleagueInvitation,
    Connection,
    Grant,
    Organization,
    Role,
)
from apps.personal.models import Account
from apps.reports.models import Schedule
from apps.sync.models import Batch, Command
from apps.usage.days import day_of
from apps.usage.models import Dimension, ReadDay, Report
from apps.usage.tuples import COLUMNS, FULL, NOT_ASKED, digest_of
from apps.workspaces.models import RateLimit, Workspace, WorkspaceMember

PASSWORD = "long enough to be a password"
TOTP_SECRET = "JBSWY3DPEHPK3PXP"


class UserFactory(DjangoModelFactory[User]):
    """A person who can sign in with ``PASSWORD``. ``second_factor=True`` gives them one."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"user{n}@example.com")
    name = factory.Sequence(lambda n: f"User {n}")
    password = factory.django.Password(PASSWORD)

    @factory.post_generation
    def second_factor(self: User, create: bool, extracted: bool | None, **kwargs: Any) -> None:
        """Add an authenticator app if asked to."""
        if create and extracted:
            Authenticator.objects.create(
                user=self,
                type=Authenticator.Type.TOTP,
                data={"secret": seal_factor(TOTP_SECRET)},
            )

    @factory.post_generation
    def address(self: User, create: bool, extracted: bool | None, **kwargs: Any) -> None:
        """Confirm the address, unless ``address=False``."""
        if create and extracted is not False:
            EmailAddress.objects.create(user=self, email=self.email, verified=True, primary=True)


class OrganizationFactory(DjangoModelFactory[Organization]):
    """A tenant."""

    class Meta:
        model = Organization

    name = factory.Sequence(lambda n: f"Organization {n}")
    slug = factory.Sequence(lambda n: f"organization-{n}")


class GrantFactory(DjangoModelFactory[Grant]):
    """A role on an organization; the holder has a second factor, so that nothing stands in the way."""

    class Meta:
        model = Grant

    organization = factory.SubFactory(OrganizationFactory)
    user = factory.SubFactory(UserFactory, second_factor=True)
    role = Role.OWNER


def own_desk(user: User | None = None) -> Organization:
    """The desk of one person's own accounts, as ``services.open_personal_desk`` opens it."""
    user = user or UserFactory(second_factor=True)
    desk: Organization = OrganizationFactory(personal_of=user, support_may_read=False)
    GrantFactory(organization=desk, user=user, role=Role.SELF)
    return desk


class ColleagueInvitationFactory(DjangoModelFactory[ColleagueInvitation]):
    """An invitation to the portal whose link still works."""

    class Meta:
        model = ColleagueInvitation

    organization = factory.SubFactory(OrganizationFactory)
    email = factory.Sequence(lambda n: f"invited{n}@example.com")
    role = Role.VIEWER
    token_hash = factory.Sequence(lambda n: f"{n:064}")
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=7))


class ApiTokenFactory(DjangoModelFactory[ApiToken]):
    """A token for the API. Its secret is ``token_services.create_token``'s to tell; this one has none."""

    class Meta:
        model = ApiToken

    organization = factory.SubFactory(OrganizationFactory)
    user = factory.SubFactory(UserFactory)
    name = "script"
    role = Role.OWNER  # whatever its maker may
    digest = factory.Sequence(lambda n: f"{n:0128}")
    token_key = factory.Sequence(lambda n: f"odk_{n:011}")


class DirectoryUserFactory(DjangoModelFactory[DirectoryUser]):
    """A person whom the identity provider has sent."""

    class Meta:
        model = DirectoryUser

    organization = factory.SubFactory(OrganizationFactory)
    user_name = factory.Sequence(lambda n: f"person{n}@example.com")
    email = factory.SelfAttribute("user_name")


class DirectoryGroupFactory(DjangoModelFactory[DirectoryGroup]):
    """A group of theirs."""

    class Meta:
        model = DirectoryGroup

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"Group {n}")


class ConnectionFactory(DjangoModelFactory[Connection]):
    """A connection that works and can do everything."""

    class Meta:
        model = Connection

    organization = factory.SubFactory(OrganizationFactory)
    provider = "anthropic"
    name = factory.Sequence(lambda n: f"Connection {n}")
    base_url = "https://api.anthropic.com"
    state = Connection.State.ACTIVE
    probe = Connection.Probe.FOUND
    remote_organization_id = factory.Sequence(lambda n: f"org-{n}")
    remote_organization_name = "Remote organization"
    capabilities = factory.LazyFunction(
        lambda: {
            name: {"ok": True, "reason": ""}
            for name in (
                "members.read",
                "members.change_role",
                "members.remove",
                "invites.read",
                "invites.create",
                "invites.withdraw",
            )
        }
    )


def with_workspaces(connection: Connection) -> Connection:
    """The same connection, saved or not, whose key may read and change workspaces, and read limits, too."""
    for name in ("workspaces.read", "workspaces.change", "limits.read"):
        connection.capabilities[name] = {"ok": True, "reason": ""}
    return connection


def with_keys(connection: Connection) -> Connection:
    """The same connection, saved or not, whose key may do with keys what its provider has."""
    cline = connection.provider == "cline"
    own = ("keys.create", "keys.delete", "shared_keys.read") if cline else ("keys.change",)
    for name in ("keys.read", "keys.change", "keys.create", "keys.delete", "shared_keys.read"):
        connection.capabilities[name] = {"ok": name in ("keys.read", *own), "reason": ""}
    return connection


def with_organization(connection: Connection) -> Connection:
    """The same connection, saved or not, whose key may do with its organization what there is to do."""
    cline = connection.provider == "cline"
    for name in (
        "settings.change",
        "organization.create",
        "organization.delete",
        "config.read",
        "config.change",
    ):
        reason = "" if cline else "Not with this provider."
        connection.capabilities[name] = {"ok": cline, "reason": reason}
    connection.capabilities["settings.read"] = {"ok": True, "reason": ""}
    return connection


BILLING = (
    "credit.read",
    "credit.buy",
    "payments.read",
    "card.read",
    "card.change",
    "top_up.read",
    "top_up.change",
    "promotions.read",
    "plans.read",
    "plan.read",
    "plan.history",
    "plan.change",
)


OWN_BILLING = tuple(
    one for one in BILLING if one not in ("plans.read", "plan.history", "plan.change")
)


def with_billing(connection: Connection) -> Connection:
    """The same connection, saved or not, whose key may do with money what its provider has."""
    if connection.provider == "cline":
        connection.capabilities |= {name: {"ok": True, "reason": ""} for name in BILLING}
    return connection


def with_account(connection: Connection) -> Connection:
    """The same connection, saved or not, as one to a person's own account."""
    connection.provider = "cline_personal"
    connection.capabilities = {
        name: {"ok": True, "reason": ""}
        for name in (
            "account.read",
            "account.change",
            "account.terms",
            "account.join",
            "account.token",
            "account.delete",
            "config.read",
            "usage.read",
            "usage.calls",
            "usage.limits",
            "budget.request",
            *OWN_BILLING,
        )
    }
    return connection


class PersonFactory(DjangoModelFactory[Person]):
    """A human of an organization."""

    class Meta:
        model = Person

    organization = factory.SubFactory(OrganizationFactory)
    email = factory.Sequence(lambda n: f"person{n}@example.com")
    name = factory.Sequence(lambda n: f"Person {n}")


class _MirroredFactory(DjangoModelFactory):
    """What every mirror row has. ``organization=`` may be given instead of connection and person."""

    class Meta:
        abstract = True

    class Params:
        organization = factory.SubFactory(OrganizationFactory)

    connection = factory.SubFactory(
        ConnectionFactory, organization=factory.SelfAttribute("..organization")
    )
    person = factory.SubFactory(
        PersonFactory, organization=factory.SelfAttribute("..connection.organization")
    )
    email = factory.SelfAttribute("person.email")
    role = "user"
    first_seen_at = factory.LazyFunction(timezone.now)
    changed_at = factory.LazyFunction(timezone.now)


class MemberFactory(_MirroredFactory):
    """A membership at a provider."""

    class Meta:
        model = Member

    remote_id = factory.Sequence(lambda n: f"user_{n:06}")
    name = factory.SelfAttribute("person.name")
    joined_at = factory.LazyFunction(timezone.now)


class InviteFactory(_MirroredFactory):
    """A pending invite at a provider."""

    class Meta:
        model = Invite

    remote_id = factory.Sequence(lambda n: f"invite_{n:06}")
    state = Invite.State.PENDING
    invited_at = factory.LazyFunction(timezone.now)
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=21))


class NoticeFactory(DjangoModelFactory[Notice]):
    """Something that was told, to nobody in particular."""

    class Meta:
        model = Notice

    organization = factory.SubFactory(OrganizationFactory)
    topic = "tests.everybody"
    cause = factory.Sequence(lambda n: f"cause:{n}")
    title = "Something happened"
    text = "Look at it."
    url = "/"


class EndpointFactory(DjangoModelFactory[Endpoint]):
    """A webhook whose secret nobody knows."""

    class Meta:
        model = Endpoint

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"Webhook {n}")
    url = "https://hooks.example/in"
    secret = "v1.x.x"
    secret_hint = "…abcd"


class DeliveryFactory(DjangoModelFactory[Delivery]):
    """A test that waits to be sent to a webhook."""

    class Meta:
        model = Delivery

    organization = factory.SubFactory(OrganizationFactory)
    kind = "test"
    subject_id = factory.Sequence(lambda n: n + 1)
    channel = Channel.WEBHOOK
    endpoint = factory.SubFactory(EndpointFactory)
    label = "Test"


class ScheduleFactory(DjangoModelFactory[Schedule]):
    """The list of people, every Monday, from nobody in particular to nobody."""

    class Meta:
        model = Schedule

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"Report {n}")
    url_name = "members:list"
    next_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=3))


class WorkspaceFactory(DjangoModelFactory[Workspace]):
    """A live workspace at a provider."""

    class Meta:
        model = Workspace

    connection = factory.SubFactory(ConnectionFactory)
    remote_id = factory.Sequence(lambda n: f"wrkspc_{n:06}")
    name = factory.Sequence(lambda n: f"Workspace {n}")
    colour = "#2563EB"
    created_at = factory.LazyFunction(timezone.now)
    default_geo = "global"
    storage_geo = "us"
    first_seen_at = factory.LazyFunction(timezone.now)
    changed_at = factory.LazyFunction(timezone.now)


class WorkspaceMemberFactory(DjangoModelFactory[WorkspaceMember]):
    """The role of ``member`` in ``workspace``, which share a connection."""

    class Meta:
        model = WorkspaceMember

    class Params:
        workspace = factory.SubFactory(WorkspaceFactory)
        member = factory.SubFactory(
            MemberFactory,
            connection=factory.SelfAttribute("..workspace.connection"),
        )

    connection = factory.SelfAttribute("workspace.connection")
    workspace_remote_id = factory.SelfAttribute("workspace.remote_id")
    user_remote_id = factory.SelfAttribute("member.remote_id")
    remote_id = factory.LazyAttribute(lambda o: f"{o.workspace_remote_id}:{o.user_remote_id}")
    role = "workspace_developer"
    first_seen_at = factory.LazyFunction(timezone.now)
    changed_at = factory.LazyFunction(timezone.now)


class KeyFactory(DjangoModelFactory[Key]):
    """A usable key at a provider, in its default workspace; ``maker`` is the Member who made it."""

    class Meta:
        model = Key

    class Params:
        maker = None

    connection = factory.SubFactory(ConnectionFactory)
    remote_id = factory.Sequence(lambda n: f"apikey_{n:06}")
    name = factory.Sequence(lambda n: f"key-{n}")
    status = "active"
    hint = factory.Sequence(lambda n: f"sk-ant-api03-h7K...{n:04}")
    workspace = ""
    creator = factory.LazyAttribute(lambda o: o.maker.remote_id if o.maker else "")
    creator_kind = "user"
    created_at = factory.LazyFunction(timezone.now)
    first_seen_at = factory.LazyFunction(timezone.now)
    changed_at = factory.LazyFunction(timezone.now)


class RateLimitFactory(DjangoModelFactory[RateLimit]):
    """A limit of an organization; of ``workspace``, if one is given."""

    class Meta:
        model = RateLimit

    class Params:
        workspace = None

    connection = factory.LazyAttribute(
        lambda o: o.workspace.connection if o.workspace else ConnectionFactory()
    )
    remote_id = factory.Sequence(lambda n: f"limit:{n:06}")
    workspace_remote_id = factory.LazyAttribute(
        lambda o: o.workspace.remote_id if o.workspace else ""
    )
    group = "model_group"
    model_names = "claude-sonnet-4-6"
    kind = "requests_per_minute"
    value = 4000
    label = factory.LazyAttribute(lambda o: f"{o.model_names or o.group} · {o.kind}")
    first_seen_at = factory.LazyFunction(timezone.now)
    changed_at = factory.LazyFunction(timezone.now)


class RemoteOrganizationFactory(DjangoModelFactory[RemoteOrganization]):
    """An organization as its provider knows it."""

    class Meta:
        model = RemoteOrganization

    connection = factory.SubFactory(ConnectionFactory)
    remote_id = factory.SelfAttribute("connection.remote_organization_id")
    name = "Northwind Robotics"
    first_seen_at = factory.LazyFunction(timezone.now)
    changed_at = factory.LazyFunction(timezone.now)


class AccountFactory(DjangoModelFactory[Account]):
    """A person's own account as its provider knows it."""

    class Meta:
        model = Account

    class Params:
        memberships = factory.LazyFunction(list)

    connection = factory.SubFactory(ConnectionFactory)
    remote_id = factory.SelfAttribute("connection.remote_organization_id")
    name = "Ada Park"
    email = "ada@northwind.example"
    takes_part_in_benchmarks = False
    active_organization_id = ""
    raw = factory.LazyAttribute(lambda o: {"memberships": o.memberships})
    first_seen_at = factory.LazyFunction(timezone.now)
    changed_at = factory.LazyFunction(timezone.now)


class RemoteConfigurationFactory(DjangoModelFactory[RemoteConfiguration]):
    """The settings that an organization hands to its members: ``document``, None for none."""

    class Meta:
        model = RemoteConfiguration

    class Params:
        document = factory.LazyFunction(lambda: {"version": "v1", "telemetryEnabled": True})

    connection = factory.SubFactory(ConnectionFactory, provider="cline")
    remote_id = factory.SelfAttribute("connection.remote_organization_id")
    enabled = True
    raw = factory.LazyAttribute(lambda o: as_raw(o.document, o.enabled))
    content = factory.LazyAttribute(lambda o: digest(o.document))
    first_seen_at = factory.LazyFunction(timezone.now)
    changed_at = factory.LazyFunction(timezone.now)


class VersionFactory(DjangoModelFactory[Version]):
    """A version of such settings."""

    class Meta:
        model = Version

    connection = factory.SubFactory(ConnectionFactory, provider="cline")
    number = factory.Sequence(lambda n: n + 1)
    document = factory.LazyFunction(lambda: {"version": "v1"})
    enabled = True
    content = factory.LazyAttribute(lambda o: digest(o.document))
    seen_at = factory.LazyFunction(timezone.now)


class _MoneyFactory(DjangoModelFactory):
    """What every mirror row of money has."""

    class Meta:
        abstract = True

    connection = factory.SubFactory(ConnectionFactory, provider="cline")
    remote_id = factory.Sequence(lambda n: f"money_{n:06}")
    first_seen_at = factory.LazyFunction(timezone.now)
    changed_at = factory.LazyFunction(timezone.now)


class PaymentFactory(_MoneyFactory):
    """A purchase of 100 dollars of credit that is complete."""

    class Meta:
        model = Payment

    at = factory.LazyFunction(timezone.now)
    amount_micros = 100_000_000
    credits_micros = 100_000_000
    status = "completed"


class CreditFactory(_MoneyFactory):
    """140 dollars that are left."""

    class Meta:
        model = Credit

    micros = 140_000_000


class SubscriptionFactory(_MoneyFactory):
    """A plan of ten seats at 20 dollars a month."""

    class Meta:
        model = Subscription

    plan_id_there = "pln_teams"
    plan_name = "Teams (Monthly)"
    interval = "Monthly"
    seat_micros = 20_000_000
    max_seats = 500
    seats = 10
    seats_used = 4


class PlanFactory(_MoneyFactory):
    """A plan on offer: seats at 20 dollars a month."""

    class Meta:
        model = Plan

    name = "Teams (Monthly)"
    kind = "teams"
    interval = "Monthly"
    seat_micros = 20_000_000
    max_seats = 500
    on_sale = True


class TopUpFactory(_MoneyFactory):
    """100 dollars are bought whenever less than 20 are left."""

    class Meta:
        model = TopUp

    enabled = True
    threshold_micros = 20_000_000
    amount_micros = 100_000_000


class CardFactory(_MoneyFactory):
    """A card that is good for long."""

    class Meta:
        model = Card

    kind = "card"
    brand = "visa"
    last4 = "4242"
    expires_month = 12
    expires_year = 2040


class BatchFactory(DjangoModelFactory[Batch]):
    """Several Commands that were asked for in one go."""

    class Meta:
        model = Batch

    organization = factory.SubFactory(OrganizationFactory)
    title = "Invite 3 people"
    nonce = factory.Sequence(lambda n: f"batch-{n}")


class CommandFactory(DjangoModelFactory[Command]):
    """A change that waits in the outbox."""

    class Meta:
        model = Command

    class Params:
        for_organization = factory.SubFactory(OrganizationFactory)

    connection = factory.SubFactory(
        ConnectionFactory, organization=factory.SelfAttribute("..for_organization")
    )
    organization = factory.SelfAttribute("connection.organization")
    kind = "members.remove"
    target = factory.Sequence(lambda n: f"members:user_{n:06}")
    label = factory.Sequence(lambda n: f"person{n}@example.com")
    nonce = factory.Sequence(lambda n: f"nonce-{n}")
    arguments = factory.LazyFunction(dict)
    arguments_hash = factory.LazyAttribute(
        lambda o: hashlib.sha256(json.dumps(o.arguments, sort_keys=True).encode()).hexdigest()
    )


class CostCentreFactory(DjangoModelFactory[CostCentre]):
    """A centre that takes nothing yet."""

    class Meta:
        model = CostCentre

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"Centre {n}")
    position = factory.Sequence(lambda n: n)


class CentreRuleFactory(DjangoModelFactory[Rule]):
    """It takes keys whose name begins so; nothing has been sorted by it."""

    class Meta:
        model = Rule

    centre = factory.SubFactory(CostCentreFactory)
    subject = "key"
    kind = "begins"
    text = factory.Sequence(lambda n: f"team{n}-")


class IncidentFactory(DjangoModelFactory[Incident]):
    """A key that cost $400 instead of $20 yesterday."""

    class Meta:
        model = Incident

    connection = factory.SubFactory(ConnectionFactory)
    kind = "key"
    value = factory.Sequence(lambda n: f"apikey_{n:06}")
    label = factory.Sequence(lambda n: f"key {n}")
    unit = "money"
    currency = "USD"
    severity = "high"
    rank = 3
    since = factory.LazyFunction(lambda: day_of(timezone.now()) - 1)
    last = factory.SelfAttribute("since")
    daily = factory.LazyAttribute(
        lambda one: {str(one.since): [400_000_000, 20_000_000, 50_000_000]}
    )
    observed = 400_000_000
    expected = 20_000_000
    excess = 380_000_000
    opened_at = factory.LazyFunction(timezone.now)
    looked_at = factory.LazyFunction(timezone.now)


class BudgetFactory(DjangoModelFactory[Budget]):
    """A thousand dollars a month for everything that an organization uses."""

    class Meta:
        model = Budget

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"Budget {n}")
    scope = "organization"
    currency = "USD"
    amount_micros = 1_000_000_000
    thresholds = factory.LazyFunction(lambda: [50, 80, 100])


class StandingFactory(DjangoModelFactory[Standing]):
    """A period that was looked at when $100 were spent in it."""

    class Meta:
        model = Standing

    budget = factory.SubFactory(BudgetFactory)
    first = factory.LazyFunction(lambda: day_of(timezone.now()) - 3)
    last = factory.LazyAttribute(lambda one: one.first + 27)
    amount_micros = 1_000_000_000
    spent_micros = 100_000_000
    percent = 10
    read_to = factory.LazyFunction(timezone.now)
    looked_at = factory.LazyFunction(timezone.now)


class ReportFactory(DjangoModelFactory[Report]):
    """How a connection's usage is read: 30 days back, none of them yet."""

    class Meta:
        model = Report

    connection = factory.SubFactory(ConnectionFactory)
    name = "usage"
    hourly = True
    backfill_to = factory.LazyFunction(lambda: day_of(timezone.now()) - 30)


class ReadDayFactory(DjangoModelFactory[ReadDay]):
    """A day of usage that is read, and will not be read again."""

    class Meta:
        model = ReadDay

    connection = factory.SubFactory(ConnectionFactory)
    report = "usage"
    day = factory.LazyFunction(lambda: day_of(timezone.now()) - 3)
    through = factory.LazyAttribute(lambda one: (one.day + 1) * 24)
    read_at = factory.LazyFunction(timezone.now)
    settled = True


class DimensionFactory(DjangoModelFactory[Dimension]):
    """What rows are told apart by; columns that are not given were not asked for."""

    class Meta:
        model = Dimension

    connection = factory.SubFactory(ConnectionFactory)
    grain = FULL.id
    key = factory.Sequence(lambda n: f"apikey_{n:06}")
    currency = "USD"
    digest = factory.LazyAttribute(
        lambda one: digest_of(tuple(getattr(one, name, NOT_ASKED) for name in COLUMNS))
    )
