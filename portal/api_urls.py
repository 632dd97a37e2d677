"""Every address of the API, below ``/api/v1/``."""

from threading import Lock
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404
from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.billing.api import (
    CardViewSet,
    CreditHistoryViewSet,
    CreditViewSet,
    PaymentViewSet,
    PlanViewSet,
    PromotionViewSet,
    ReconciliationView,
    SeatHolderViewSet,
    SpendView,
)
from apps.billing.change_api import PlanChangeViewSet, PurchaseViewSet, TopUpViewSet
from apps.budgets.api import BudgetPeriodViewSet, BudgetViewSet
from apps.centres.api import AllocationsView, MonthsView, StatementsView
from apps.centres.change_api import CentreViewSet, ClosingView, RuleViewSet
from apps.configuration.api import (
    ConfigurationViewSet,
    OpenedOrganizationViewSet,
    RemoteOrganizationViewSet,
    VersionViewSet,
)
from apps.directory.api import DirectoryGroupViewSet, DirectoryPersonViewSet
from apps.incidents.api import IncidentViewSet
from apps.invites.api import InviteViewSet
from apps.keys.api import FindingViewSet, KeyViewSet
from apps.members.api import MemberViewSet, PersonViewSet, RoleViewSet
from apps.notices.api import NoticeViewSet, OwnView
from apps.notices.webhook_api import DeliveryViewSet, WebhookViewSet
from apps.organizations.api import ConnectionViewSet, OrganizationViewSet
from apps.organizations.audit_api import EntryViewSet, VerificationView
from apps.organizations.colleague_api import (
    ColleaguesView,
    ColleagueViewSet,
    InvitationViewSet,
)
from apps.organizations.connecting_api import DraftViewSet, ProvidersView
from apps.organizations.desk_api import SavedViewViewSet, SettingsViewSet
from apps.organizations.profile_api import ProfileView, SessionViewSet
from apps.organizations.token_api import TokenMakingViewSet
from apps.personal.api import AccountViewSet
from apps.personal.own_api import (
    OwnAllowancesView,
    OwnCallsViewSet,
    OwnMoneyView,
    OwnPaymentViewSet,
    OwnPurchaseViewSet,
    OwnTopUpViewSet,
    OwnUsageView,
)
from apps.reports.api import ReportViewSet
from apps.sync.api import ChangeViewSet
from apps.sync.decision_api import BatchViewSet, DecisionViewSet
from apps.sync.outbox.restored_api import StopView
from apps.sync.walk_api import ListingViewSet, LossViewSet, RemoteChangeViewSet, UnreadableViewSet
from apps.usage.api import CodingView, UsageView
from apps.usage.backfill_api import BackfillViewSet
from apps.usage.closer_api import MinutesView, PersonCallsViewSet
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


@extend_schema(exclude=True)
class Schema(SpectacularAPIView):
    """The API's description, drawn for one at a time.

    What it is drawn with the library looks up with the first, and two at the same time break each other's; and
    each that is drawn beside others is 10 MB of a process for good.
    """

    drawing = Lock()

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with self.drawing:
            drawn: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]  # theirs
        return drawn


docs = login_required(
    SpectacularSwaggerSplitView.as_view(url_name="api:schema", template_name="api/docs.html")
)
ONE = "organizations/<slug:slug>/"

app_name = "api"
urlpatterns: list[URLPattern] = [
    path("schema/", Schema.as_view(), name="schema"),
    path("docs/", docs, name="docs"),
    path("me/", ProfileView.as_view(), name="profile"),
    path("me/sessions/", SessionViewSet.as_view({"get": "list"}), name="sessions"),
    path(
        "me/sessions/others/",
        SessionViewSet.as_view({"delete": "destroy_others"}),
        name="other_sessions",
    ),
    path("me/sessions/<int:pk>/", SessionViewSet.as_view({"delete": "destroy"}), name="session"),
    path("organizations/", OrganizationViewSet.as_view({"get": "list"}), name="organizations"),
    path(
        ONE,
        SettingsViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="organization",
    ),
    path(f"{ONE}colleagues/", ColleaguesView.as_view(), name="colleagues"),
    path(
        f"{ONE}colleagues/<int:pk>/",
        ColleagueViewSet.as_view({"patch": "partial_update", "delete": "destroy"}),
        name="colleague",
    ),
    path(
        f"{ONE}colleagues/invitations/",
        InvitationViewSet.as_view({"post": "create"}),
        name="invitations",
    ),
    path(
        f"{ONE}colleagues/invitations/<int:pk>/",
        InvitationViewSet.as_view({"delete": "destroy"}),
        name="invitation",
    ),
    path(
        f"{ONE}colleagues/invitations/<int:pk>/resend/",
        InvitationViewSet.as_view({"post": "resend"}),
        name="invitation_resend",
    ),
    path(
        f"{ONE}directory/groups/",
        DirectoryGroupViewSet.as_view({"get": "list"}),
        name="directory_groups",
    ),
    path(
        f"{ONE}directory/groups/<uuid:uid>/",
        DirectoryGroupViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="directory_group",
    ),
    path(
        f"{ONE}directory/people/",
        DirectoryPersonViewSet.as_view({"get": "list"}),
        name="directory_people",
    ),
    path(
        f"{ONE}directory/people/<uuid:uid>/",
        DirectoryPersonViewSet.as_view({"get": "retrieve"}),
        name="directory_person",
    ),
    path(
        f"{ONE}directory/people/<uuid:uid>/hand-over/",
        DirectoryPersonViewSet.as_view({"post": "hand_over"}),
        name="directory_hand_over",
    ),
    path(
        f"{ONE}saved-views/",
        SavedViewViewSet.as_view({"get": "list", "post": "create"}),
        name="saved_views",
    ),
    path(
        f"{ONE}saved-views/<int:pk>/",
        SavedViewViewSet.as_view({"patch": "partial_update", "delete": "destroy"}),
        name="saved_view",
    ),
    path(f"{ONE}audit/", EntryViewSet.as_view({"get": "list"}), name="audit"),
    path(f"{ONE}audit/verification/", VerificationView.as_view(), name="audit_verification"),
    path(
        f"{ONE}audit/<int:sequence>/",
        EntryViewSet.as_view({"get": "retrieve"}),
        name="audit_entry",
    ),
    path(
        f"{ONE}tokens/",
        TokenMakingViewSet.as_view({"get": "list", "post": "create"}),
        name="tokens",
    ),
    path(
        f"{ONE}tokens/own/",
        TokenMakingViewSet.as_view({"delete": "destroy_own"}),
        name="own_tokens",
    ),
    path(
        f"{ONE}tokens/service/",
        TokenMakingViewSet.as_view({"post": "create_service"}),
        name="service_tokens",
    ),
    path(
        f"{ONE}tokens/<str:key>/",
        TokenMakingViewSet.as_view({"patch": "partial_update", "delete": "destroy"}),
        name="token",
    ),
    path(f"{ONE}connections/", ConnectionViewSet.as_view({"get": "list"}), name="connections"),
    path(f"{ONE}connections/providers/", ProvidersView.as_view(), name="connection_providers"),
    path(
        f"{ONE}connections/drafts/",
        DraftViewSet.as_view({"get": "list", "post": "create"}),
        name="connection_drafts",
    ),
    path(
        f"{ONE}connections/drafts/<uuid:uid>/",
        DraftViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
        name="connection_draft",
    ),
    path(
        f"{ONE}connections/drafts/<uuid:uid>/key/",
        DraftViewSet.as_view({"put": "paste"}),
        name="connection_draft_key",
    ),
    path(
        f"{ONE}connections/drafts/<uuid:uid>/organization/",
        DraftViewSet.as_view({"put": "choose"}),
        name="connection_draft_organization",
    ),
    path(
        f"{ONE}connections/drafts/<uuid:uid>/check/",
        DraftViewSet.as_view({"post": "check"}),
        name="connection_draft_check",
    ),
    path(
        f"{ONE}connections/drafts/<uuid:uid>/confirm/",
        DraftViewSet.as_view({"post": "confirm"}),
        name="connection_draft_confirm",
    ),
    path(
        f"{ONE}connections/<uuid:uid>/",
        ConnectionViewSet.as_view(
            {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
        ),
        name="connection",
    ),
    path(
        f"{ONE}connections/<uuid:uid>/check/",
        ConnectionViewSet.as_view({"post": "check"}),
        name="connection_check",
    ),
    path(
        f"{ONE}connections/<uuid:uid>/new-key/",
        ConnectionViewSet.as_view({"put": "rotate", "delete": "keep_key"}),
        name="connection_new_key",
    ),
    path(
        f"{ONE}connections/<uuid:uid>/pause/",
        ConnectionViewSet.as_view({"put": "pause", "delete": "resume"}),
        name="connection_pause",
    ),
    path(
        f"{ONE}connections/<uuid:uid>/listings/",
        ListingViewSet.as_view({"get": "list", "post": "create"}),
        name="listings",
    ),
    path(
        f"{ONE}connections/<uuid:uid>/listings/<slug:listing>/loss/",
        LossViewSet.as_view({"get": "retrieve", "put": "update"}),
        name="loss",
    ),
    path(
        f"{ONE}connections/<uuid:uid>/listings/<slug:listing>/unreadable/",
        UnreadableViewSet.as_view({"get": "list"}),
        name="unreadable",
    ),
    path(
        f"{ONE}connections/<uuid:uid>/backfill/",
        BackfillViewSet.as_view({"get": "list"}),
        name="backfill",
    ),
    path(
        f"{ONE}connections/<uuid:uid>/backfill/<slug:report>/pause/",
        BackfillViewSet.as_view({"put": "pause", "delete": "resume"}),
        name="backfill_pause",
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
    path(
        f"{ONE}connections/<uuid:uid>/organization/opened/<uuid:change>/",
        OpenedOrganizationViewSet.as_view({"post": "connect"}),
        name="opened_organization",
    ),
    path(f"{ONE}accounts/", AccountViewSet.as_view({"get": "list"}), name="accounts"),
    path(
        f"{ONE}accounts/<uuid:uid>/",
        AccountViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
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
        f"{ONE}accounts/<uuid:uid>/cap/",
        AccountViewSet.as_view({"post": "request_budget"}),
        name="account_cap",
    ),
    path(
        f"{ONE}accounts/<uuid:uid>/token/",
        AccountViewSet.as_view({"post": "refresh_token"}),
        name="account_token",
    ),
    path(f"{ONE}accounts/<uuid:uid>/usage/", OwnUsageView.as_view(), name="account_usage"),
    path(
        f"{ONE}accounts/<uuid:uid>/allowances/",
        OwnAllowancesView.as_view(),
        name="account_allowances",
    ),
    path(
        f"{ONE}accounts/<uuid:uid>/calls/",
        OwnCallsViewSet.as_view({"get": "list", "post": "read"}),
        name="account_calls",
    ),
    path(
        f"{ONE}accounts/<uuid:uid>/calls/ledgers/",
        OwnCallsViewSet.as_view({"get": "ledgers"}),
        name="account_ledgers",
    ),
    path(f"{ONE}accounts/<uuid:uid>/money/", OwnMoneyView.as_view(), name="account_money"),
    path(
        f"{ONE}accounts/<uuid:uid>/payments/",
        OwnPaymentViewSet.as_view({"get": "list"}),
        name="account_payments",
    ),
    path(
        f"{ONE}accounts/<uuid:uid>/payments/<int:pk>/",
        OwnPaymentViewSet.as_view({"get": "retrieve"}),
        name="account_payment",
    ),
    path(
        f"{ONE}accounts/<uuid:uid>/credit/purchase/",
        OwnPurchaseViewSet.as_view({"post": "purchase"}),
        name="account_purchase",
    ),
    path(
        f"{ONE}accounts/<uuid:uid>/credit/checkout/",
        OwnPurchaseViewSet.as_view({"post": "checkout"}),
        name="account_checkout",
    ),
    path(
        f"{ONE}accounts/<uuid:uid>/top-up/",
        OwnTopUpViewSet.as_view({"get": "retrieve", "put": "update"}),
        name="account_top_up",
    ),
    path(
        f"{ONE}accounts/<uuid:uid>/card/",
        OwnPurchaseViewSet.as_view({"post": "card"}),
        name="account_card",
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
    path(
        f"{ONE}centres/", CentreViewSet.as_view({"get": "list", "post": "create"}), name="centres"
    ),
    path(
        f"{ONE}centres/<int:pk>/",
        CentreViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="centre",
    ),
    path(
        f"{ONE}centres/<int:pk>/rules/",
        CentreViewSet.as_view({"post": "add_rule"}),
        name="centre_rules",
    ),
    path(
        f"{ONE}centres/rules/<int:pk>/",
        RuleViewSet.as_view({"patch": "partial_update", "delete": "destroy"}),
        name="centre_rule",
    ),
    path(f"{ONE}allocations/", AllocationsView.as_view(), name="allocations"),
    path(f"{ONE}statements/", MonthsView.as_view(), name="statements"),
    path(f"{ONE}statements/<slug:month>/", StatementsView.as_view(), name="statement"),
    path(f"{ONE}statements/<slug:month>/close/", ClosingView.as_view(), name="statement_close"),
    path(f"{ONE}usage/", UsageView.as_view(), name="usage"),
    path(f"{ONE}usage/claude-code/", CodingView.as_view(), name="claude_code"),
    path(f"{ONE}connections/<uuid:uid>/minutes/", MinutesView.as_view(), name="minutes"),
    path(
        f"{ONE}people/<int:pk>/calls/",
        PersonCallsViewSet.as_view({"get": "list", "post": "read"}),
        name="person_calls",
    ),
    path(
        f"{ONE}people/<int:pk>/calls/ledgers/",
        PersonCallsViewSet.as_view({"get": "ledgers"}),
        name="person_ledgers",
    ),
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
    path(
        f"{ONE}connections/<uuid:uid>/card/",
        PurchaseViewSet.as_view({"post": "card"}),
        name="card",
    ),
    path(
        f"{ONE}connections/<uuid:uid>/plan/",
        PlanChangeViewSet.as_view(
            {"post": "create", "patch": "partial_update", "delete": "destroy"}
        ),
        name="plan",
    ),
    path(f"{ONE}payments/", PaymentViewSet.as_view({"get": "list"}), name="payments"),
    path(f"{ONE}payments/<int:pk>/", PaymentViewSet.as_view({"get": "retrieve"}), name="payment"),
    path(f"{ONE}promotions/", PromotionViewSet.as_view({"get": "list"}), name="promotions"),
    path(f"{ONE}plans/", PlanViewSet.as_view({"get": "list"}), name="plans"),
    path(f"{ONE}seats/", PlanViewSet.as_view({"get": "seats"}), name="seats"),
    path(
        f"{ONE}seats/members/",
        SeatHolderViewSet.as_view({"get": "list"}),
        name="seat_holders",
    ),
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
    path(f"{ONE}changes/stop/", StopView.as_view(), name="stop"),
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
    path(
        f"{ONE}changes/<uuid:uid>/decision/",
        DecisionViewSet.as_view({"post": "decide"}),
        name="change_decision",
    ),
    path(
        f"{ONE}changes/<uuid:uid>/again/",
        DecisionViewSet.as_view({"post": "again"}),
        name="change_again",
    ),
    path(
        f"{ONE}remote-changes/",
        RemoteChangeViewSet.as_view({"get": "list"}),
        name="remote_changes",
    ),
    path(f"{ONE}batches/", BatchViewSet.as_view({"get": "list"}), name="batches"),
    path(
        f"{ONE}batches/<uuid:uid>/",
        BatchViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
        name="batch",
    ),
    path(
        f"{ONE}batches/<uuid:uid>/confirm/",
        BatchViewSet.as_view({"post": "confirm"}),
        name="batch_confirm",
    ),
    path(f"{ONE}notices/", NoticeViewSet.as_view({"get": "list"}), name="notices"),
    path(f"{ONE}notices/read/", NoticeViewSet.as_view({"post": "read"}), name="notices_read"),
    path(f"{ONE}notices/own/", OwnView.as_view(), name="notices_own"),
    path(f"{ONE}notices/<int:pk>/", NoticeViewSet.as_view({"get": "retrieve"}), name="notice"),
    path(
        f"{ONE}notices/<int:pk>/acknowledge/",
        NoticeViewSet.as_view({"post": "acknowledge"}),
        name="notice_acknowledge",
    ),
    path(
        f"{ONE}webhooks/",
        WebhookViewSet.as_view({"get": "list", "post": "create"}),
        name="webhooks",
    ),
    path(
        f"{ONE}webhooks/<int:pk>/",
        WebhookViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="webhook",
    ),
    path(
        f"{ONE}webhooks/<int:pk>/pause/",
        WebhookViewSet.as_view({"put": "pause", "delete": "resume"}),
        name="webhook_pause",
    ),
    path(
        f"{ONE}webhooks/<int:pk>/secret/",
        WebhookViewSet.as_view({"post": "secret"}),
        name="webhook_secret",
    ),
    path(
        f"{ONE}webhooks/<int:pk>/test/",
        WebhookViewSet.as_view({"post": "test"}),
        name="webhook_test",
    ),
    path(f"{ONE}deliveries/", DeliveryViewSet.as_view({"get": "list"}), name="deliveries"),
    path(
        f"{ONE}deliveries/<int:pk>/", DeliveryViewSet.as_view({"get": "retrieve"}), name="delivery"
    ),
    path(
        f"{ONE}deliveries/<int:pk>/again/",
        DeliveryViewSet.as_view({"post": "again"}),
        name="delivery_again",
    ),
    path(
        f"{ONE}reports/", ReportViewSet.as_view({"get": "list", "post": "create"}), name="reports"
    ),
    path(
        f"{ONE}reports/<int:pk>/",
        ReportViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="report",
    ),
    path(
        f"{ONE}reports/<int:pk>/send/", ReportViewSet.as_view({"post": "send"}), name="report_send"
    ),
    path(
        f"{ONE}reports/<int:pk>/pause/",
        ReportViewSet.as_view({"put": "pause", "delete": "resume"}),
        name="report_pause",
    ),
    path(
        f"{ONE}reports/<int:pk>/receiving/",
        ReportViewSet.as_view({"delete": "leave"}),
        name="report_leave",
    ),
    path("", Nothing.as_view()),
    path("<path:rest>", Nothing.as_view(), name="nothing"),
]
