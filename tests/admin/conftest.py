"""A supporter at the desk, and one of everything that Django admin shows."""

from typing import Any

import pytest
from django.contrib import admin
from django.db import transaction
from django.db.models import Model
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.audit.record import record
from apps.billing.models import Credit, CreditPoint, Payment, Subscription, TopUp
from apps.budgets.models import Budget, Standing
from apps.centres.models import Closing, CostCentre
from apps.configuration.models import RemoteConfiguration, RemoteOrganization, Version
from apps.directory.models import Directory, DirectoryGroup, DirectoryUser
from apps.incidents.models import Incident
from apps.keys.models import Key, SharedKey
from apps.notices.models import Delivery, Endpoint, Notice
from apps.organizations.models import (
    ApiToken,
    ColleagueInvitation,
    Connection,
    Grant,
    Organization,
    PersonalConnection,
    Viewing,
)
from apps.reports.models import Run, Schedule
from apps.sync.models import (
    Batch,
    Command,
    CommandState,
    QuarantinedRow,
    RemoteChange,
    Resource,
    SyncRun,
)
from apps.usage.models import (
    CallLedger,
    Coder,
    CodingDay,
    Correction,
    Dimension,
    MinuteReading,
    ReadDay,
    Report,
)
from apps.workspaces.models import RateLimit, Workspace, WorkspaceMember
from tests import factories, kicks
from tests.browsing import at_desk


@pytest.fixture(autouse=True)
def kicked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids that the workers were told of."""
    ids: list[int] = kicks.collected(monkeypatch)
    return ids


@pytest.fixture
def supporter() -> User:
    """Sam leads support, holds no Grant and is no superuser."""
    user: User = factories.UserFactory(
        name="Sam", is_staff=True, leads_support=True, second_factor=True
    )
    return user


@pytest.fixture
def desk(supporter: User) -> Client:
    """Sam's browser."""
    return at_desk(supporter)


@pytest.fixture
def organization() -> Organization:
    """One that lets support look."""
    made: Organization = factories.OrganizationFactory(name="Acme")
    return made


@pytest.fixture
def connection(organization: Organization) -> Connection:
    """An account of it."""
    made: Connection = factories.ConnectionFactory(organization=organization, name="Claude")
    return made


def resource_of(connection: Connection, name: str = "members") -> Resource:
    """A listing."""
    return Resource.objects.get_or_create(connection=connection, name=name)[0]


def run_of(connection: Connection) -> SyncRun:
    """A walk."""
    now = timezone.now()
    return SyncRun.objects.create(
        resource=resource_of(connection), fence=1, started_at=now, heartbeat_at=now
    )


def one_of(model: type[Model], connection: Connection, number: int = 0) -> Any:
    """A row of ``model`` that belongs to the connection's organization."""
    organization, now = connection.organization, timezone.now()
    person = factories.PersonFactory(organization=organization)
    owner = factories.GrantFactory(organization=organization).user
    made: dict[type[Model], Any] = {
        Organization: lambda: organization,
        User: lambda: owner,
        Grant: lambda: owner.grants.get(),
        ColleagueInvitation: lambda: factories.ColleagueInvitationFactory(
            organization=organization
        ),
        ApiToken: lambda: factories.ApiTokenFactory(organization=organization, user=owner),
        Directory: lambda: Directory.objects.create(organization=organization, asked_at=now),
        DirectoryUser: lambda: factories.DirectoryUserFactory(organization=organization),
        DirectoryGroup: lambda: factories.DirectoryGroupFactory(organization=organization),
        Connection: lambda: connection,
        PersonalConnection: lambda: PersonalConnection.objects.get(
            pk=factories.with_account(
                factories.ConnectionFactory(organization=factories.own_desk())
            ).pk
        ),
        Viewing: lambda: Viewing.objects.create(
            organization=organization,
            supporter=factories.UserFactory(is_staff=True),
            user=owner,
            reason="They see no keys.",
            ends_at=now,
        ),
        CostCentre: lambda: factories.CostCentreFactory(organization=organization),
        Closing: lambda: Closing.objects.create(
            organization=organization, month=20_000 + number, closed_at=now, closed_by=owner
        ),
        Entry: lambda: _entry(organization),
        Resource: lambda: resource_of(connection, f"listing{number}"),
        SyncRun: lambda: run_of(connection),
        QuarantinedRow: lambda: QuarantinedRow.objects.create(
            resource=resource_of(connection),
            remote_id=f"user_{number}",
            reason="no role",
            raw={"id": "user_1", "api_key": "sk-ant-admin01-canary-canary-canary"},
            first_seen_at=now,
            last_seen_at=now,
        ),
        RemoteChange: lambda: RemoteChange.objects.create(
            organization=organization,
            connection=connection,
            resource="members",
            remote_id=f"user_{number}",
            label=person.email,
            what=RemoteChange.What.CHANGED,
            difference={"role": ["user", "developer"]},
            at=now,
        ),
        Batch: lambda: factories.BatchFactory(organization=organization, actor=owner),
        Command: lambda: factories.CommandFactory(connection=connection, actor=owner),
        Workspace: lambda: factories.WorkspaceFactory(connection=connection),
        WorkspaceMember: lambda: factories.WorkspaceMemberFactory(workspace__connection=connection),
        type(person): lambda: person,
        RateLimit: lambda: factories.RateLimitFactory(connection=connection),
        RemoteOrganization: lambda: factories.RemoteOrganizationFactory(
            connection=connection, remote_id=f"org-{number}"
        ),
        Credit: lambda: factories.CreditFactory(connection=connection),
        CreditPoint: lambda: CreditPoint.objects.create(
            connection=connection, at=now, day=20_000 + number, micros=-1_500_000
        ),
        Payment: lambda: factories.PaymentFactory(connection=connection),
        Subscription: lambda: factories.SubscriptionFactory(connection=connection),
        TopUp: lambda: factories.TopUpFactory(connection=connection),
        RemoteConfiguration: lambda: factories.RemoteConfigurationFactory(
            connection=connection, remote_id=f"org-{number}"
        ),
        Version: lambda: factories.VersionFactory(connection=connection),
        Key: lambda: factories.KeyFactory(connection=connection),
        Report: lambda: factories.ReportFactory(connection=connection, name=f"usage{number}"[:10]),
        ReadDay: lambda: factories.ReadDayFactory(connection=connection, day=20_000 + number),
        CallLedger: lambda: CallLedger.objects.create(
            connection=connection, account=f"user_{number}", asked_at=now, wanted_from=now
        ),
        MinuteReading: lambda: MinuteReading.objects.create(
            connection=factories.ConnectionFactory(organization=connection.organization),
            asked_at=now,
            heartbeat_at=now,
        ),
        Correction: lambda: Correction.objects.create(
            connection=connection, report="usage", day=20_000, noted_at=now, rows=1
        ),
        Dimension: lambda: factories.DimensionFactory(connection=connection),
        CodingDay: lambda: CodingDay.objects.create(
            connection=connection,
            day=20_000 + number,
            coder=Coder.objects.get_or_create(connection=connection, email="a@example.com")[0],
        ),
        Budget: lambda: factories.BudgetFactory(organization=organization),
        Standing: lambda: factories.StandingFactory(budget__organization=organization),
        Incident: lambda: factories.IncidentFactory(connection=connection),
        Notice: lambda: factories.NoticeFactory(organization=organization),
        Endpoint: lambda: factories.EndpointFactory(organization=organization),
        Delivery: lambda: factories.DeliveryFactory(
            organization=organization,
            endpoint=factories.EndpointFactory(organization=organization),
        ),
        Schedule: lambda: factories.ScheduleFactory(organization=organization),
        Run: lambda: Run.objects.create(
            organization=organization,
            schedule=factories.ScheduleFactory(organization=organization),
            period="2026-11-30",
        ),
        SharedKey: lambda: SharedKey.objects.create(
            connection=connection, remote_id=f"litellm{number}", first_seen_at=now, changed_at=now
        ),
    }
    if model in made:
        return made[model]()
    factory = {"member": factories.MemberFactory, "invite": factories.InviteFactory}
    return factory[str(model._meta.model_name)](connection=connection, person=person)


def _entry(organization: Organization) -> Entry:
    with transaction.atomic():
        return record(organization=organization, actor="Somebody", verb="people.look")


def stuck(connection: Connection, **given: Any) -> Command:
    """A removal whose outcome nobody could tell."""
    made: Command = factories.CommandFactory(
        connection=connection, state=CommandState.OPERATOR, **given
    )
    return made


def list_of(model: type[Model]) -> str:
    """The address of a model's list."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page_of(row: Model) -> str:
    """The address of a row's page."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def act_on(row: Model, name: str) -> str:
    """The address of an act."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_act", args=[row.pk, name])


get_resolver("portal.desk_urls").url_patterns  # noqa: B018 - otherwise imported with the first request
MODELS = sorted(admin.site._registry, key=lambda model: str(model._meta))
