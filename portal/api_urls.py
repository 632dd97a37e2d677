"""Every address of the API, below ``/api/v1/``."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404
from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.billing.api import (
    CardViewSet,
    CreditHistoryViewSet,
    CreditViewSet,
    PaymentViewSet,
    PlanViewSet,
    PromotionViewSet,
    PurchaseViewSet,
    ReconciliationView,
    SpendView,
    TopUpViewSet,
)
from apps.budgets.api import BudgetPeriodViewSet, BudgetViewSet
from apps.centres.api import AllocationsView, CentresView, MonthsView, StatementsView
from apps.configuration.api import (
    ConfigurationViewSet,
    RemoteOrganizationViewSet,
    VersionViewSet,
)
from apps.incidents.api import IncidentViewSet
from apps.invites.api import InviteViewSet
from apps.keys.api import FindingViewSet, KeyViewSet
from apps.members.api import MemberViewSet, PersonViewSet, RoleViewSet
from apps.organizations.api import ConnectionViewSet, OrganizationViewSet, TokenViewSet
from apps.personal.api import AccountViewSet
from apps.sync.api import BatchViewSet, ChangeViewSet
from apps.usage.api import CodingView, UsageView
from apps.workspaces.api import (
    WorkspaceMemberViewSet,
    WorkspaceRolesViewSet,
    WorkspaceViewSet,
)
from apps.workspaces.limit_api import LimitViewSet


@extend_schema(exclude=True)
class Nothing(APIView):
    """What is at no address, said as the API says it, to everybody."""

    authentication_classes = ()
    permission_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Whatever the method."""
        raise Http404


docs = login_required(
    SpectacularSwaggerSplitView.as_view(url_name="api:schema", template_name="api/docs.html")
)
ONE = "organizations/<slug:slug>/"

app_name = "api"
urlpatterns: list[URLPattern] = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", docs, name="docs"),
    path("organizations/", OrganizationViewSet.as_view({"get": "list"}), name="organizations"),
    path(f"{ONE}tokens/", TokenViewSet.as_view({"get": "list"}), name="tokens"),
    path(f"{ONE}tokens/<str:key>/", TokenViewSet.as_view({"delete": "destroy"}), name="token"),
    path(f"{ONE}connections/", ConnectionViewSet.as_view({"get": "list"}), name="connections"),
    path(
        f"{ONE}connections/<uuid:uid>/",
        ConnectionViewSet.as_view({"get": "retrieve"}),
        name="connection",
    ),
    path(f"{ONE}connections/<uuid:uid>/roles/", RoleViewSet.as_view({"get": "list"}), name="roles"),
    path(f"{ONE}people/", PersonViewSet.as_view({"get": "list"}), name="people"),
    path(f"{ONE}people/<int:pk>/", PersonViewSet.as_view({"get": "retrieve"}), name="person"),
    path(
        f"{ONE}members/<int:pk>/",
        MemberViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="member",
    ),
    path(
        f"{ONE}invites/", InviteViewSet.as_view({"get": "list", "post": "create"}), name="invites"
    ),
    path(
        f"{ONE}invites/<int:pk>/",
        InviteViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
        name="invite",
    ),
    path(
        f"{ONE}invites/<int:pk>/resend/",
        InviteViewSet.as_view({"post": "resend"}),
        name="invite_resend",
    ),
    path(
        f"{ONE}workspaces/",
        WorkspaceViewSet.as_view({"get": "list", "post": "create"}),
        name="workspaces",
    ),
    path(
        f"{ONE}workspaces/roles/",
        WorkspaceRolesViewSet.as_view({"post": "create"}),
        name="workspace_roles",
    ),
    path(
        f"{ONE}workspaces/<int:pk>/",
        WorkspaceViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="workspace",
    ),
    path(
        f"{ONE}workspaces/<int:pk>/archive/",
        WorkspaceViewSet.as_view({"post": "archive"}),
        name="workspace_archive",
    ),
    path(
        f"{ONE}workspaces/<int:pk>/members/",
        WorkspaceMemberViewSet.as_view({"get": "list", "post": "create"}),
        name="workspace_members",
    ),
    path(
        f"{ONE}workspaces/<int:pk>/members/<int:member>/",
        WorkspaceMemberViewSet.as_view({"patch": "partial_update", "delete": "destroy"}),
        name="workspace_member",
    ),
    path(f"{ONE}keys/", KeyViewSet.as_view({"get": "list", "post": "create"}), name="keys"),
    path(f"{ONE}keys/findings/", FindingViewSet.as_view({"get": "list"}), name="key_findings"),
    path(
        f"{ONE}keys/<int:pk>/",
        KeyViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="key",
    ),
    path(
        f"{ONE}keys/<int:pk>/archive/", KeyViewSet.as_view({"post": "archive"}), name="key_archive"
    ),
    path(
        f"{ONE}connections/<uuid:uid>/organization/",
        RemoteOrganizationViewSet.as_view(
            {
                "get": "retrieve",
                "patch": "partial_update",
                "post": "create",
                "delete": "destroy",
            }
        ),
        name="remote_organization",
    ),
    path(f"{ONE}accounts/", AccountViewSet.as_view({"get": "list"}), name="accounts"),
    path(
        f"{ONE}accounts/<uuid:uid>/",
        AccountViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="account",
    ),
    path(
        f"{ONE}accounts/<uuid:uid>/terms/",
        AccountViewSet.as_view({"post": "terms"}),
        name="account_terms",
    ),
    path(
        f"{ONE}accounts/<uuid:uid>/join/",
        AccountViewSet.as_view({"post": "join"}),
        name="account_join",
    ),
    path(
        f"{ONE}accounts/<uuid:uid>/active/",
        AccountViewSet.as_view({"put": "activate"}),
        name="account_active",
    ),
    path(
        f"{ONE}connections/<uuid:uid>/configuration/",
        ConfigurationViewSet.as_view({"get": "retrieve", "put": "update"}),
        name="configuration",
    ),
    path(
        f"{ONE}connections/<uuid:uid>/configuration/versions/",
        VersionViewSet.as_view({"get": "list"}),
        name="configuration_versions",
    ),
    path(f"{ONE}centres/", CentresView.as_view(), name="centres"),
    path(f"{ONE}allocations/", AllocationsView.as_view(), name="allocations"),
    path(f"{ONE}statements/", MonthsView.as_view(), name="statements"),
    path(f"{ONE}statements/<slug:month>/", StatementsView.as_view(), name="statement"),
    path(f"{ONE}usage/", UsageView.as_view(), name="usage"),
    path(f"{ONE}usage/claude-code/", CodingView.as_view(), name="claude_code"),
    path(
        f"{ONE}budgets/", BudgetViewSet.as_view({"get": "list", "post": "create"}), name="budgets"
    ),
    path(
        f"{ONE}budgets/<int:pk>/",
        BudgetViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="budget",
    ),
    path(
        f"{ONE}budgets/<int:pk>/periods/",
        BudgetPeriodViewSet.as_view({"get": "list"}),
        name="budget_periods",
    ),
    path(f"{ONE}spend/", SpendView.as_view(), name="spend"),
    path(f"{ONE}spend/reconciliation/", ReconciliationView.as_view(), name="reconciliation"),
    path(f"{ONE}credit/", CreditViewSet.as_view({"get": "list"}), name="credit"),
    path(
        f"{ONE}connections/<uuid:uid>/credit/history/",
        CreditHistoryViewSet.as_view({"get": "list"}),
        name="credit_history",
    ),
    path(
        f"{ONE}connections/<uuid:uid>/credit/purchase/",
        PurchaseViewSet.as_view({"post": "purchase"}),
        name="credit_purchase",
    ),
    path(
        f"{ONE}connections/<uuid:uid>/credit/checkout/",
        PurchaseViewSet.as_view({"post": "checkout"}),
        name="credit_checkout",
    ),
    path(
        f"{ONE}connections/<uuid:uid>/top-up/",
        TopUpViewSet.as_view({"get": "retrieve", "put": "update"}),
        name="top_up",
    ),
    path(f"{ONE}payments/", PaymentViewSet.as_view({"get": "list"}), name="payments"),
    path(f"{ONE}payments/<int:pk>/", PaymentViewSet.as_view({"get": "retrieve"}), name="payment"),
    path(f"{ONE}promotions/", PromotionViewSet.as_view({"get": "list"}), name="promotions"),
    path(f"{ONE}plans/", PlanViewSet.as_view({"get": "list"}), name="plans"),
    path(f"{ONE}seats/", PlanViewSet.as_view({"get": "seats"}), name="seats"),
    path(f"{ONE}cards/", CardViewSet.as_view({"get": "list"}), name="cards"),
    path(f"{ONE}incidents/", IncidentViewSet.as_view({"get": "list"}), name="incidents"),
    path(
        f"{ONE}incidents/<int:pk>/",
        IncidentViewSet.as_view({"get": "retrieve"}),
        name="incident",
    ),
    *(
        path(
            f"{ONE}incidents/<int:pk>/{act.replace('_', '-')}/",
            IncidentViewSet.as_view({"post": act}),
            name=f"incident_{act}",
        )
        for act in ("acknowledge", "resolve", "mute", "take_up")
    ),
    path(f"{ONE}limits/", LimitViewSet.as_view({"get": "list"}), name="limits"),
    path(f"{ONE}changes/", ChangeViewSet.as_view({"get": "list"}), name="changes"),
    path(f"{ONE}changes/<uuid:uid>/", ChangeViewSet.as_view({"get": "retrieve"}), name="change"),
    path(
        f"{ONE}changes/<uuid:uid>/secret/",
        ChangeViewSet.as_view({"post": "secret"}),
        name="change_secret",
    ),
    path(
        f"{ONE}changes/<uuid:uid>/cancel/",
        ChangeViewSet.as_view({"post": "cancel"}),
        name="change_cancel",
    ),
    path(
        f"{ONE}changes/<uuid:uid>/approve/",
        ChangeViewSet.as_view({"post": "approve"}),
        name="change_approve",
    ),
    path(
        f"{ONE}changes/<uuid:uid>/refuse/",
        ChangeViewSet.as_view({"post": "refuse"}),
        name="change_refuse",
    ),
    path(f"{ONE}batches/<uuid:uid>/", BatchViewSet.as_view({"get": "retrieve"}), name="batch"),
    path("<path:rest>", Nothing.as_view(), name="nothing"),
]
