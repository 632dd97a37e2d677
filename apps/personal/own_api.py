"""The API's way to what one's own account has used and costs, and to buying for it: to nobody else."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.billing import views
from apps.billing.api import PaymentViewSet, credit_of
from apps.billing.api_answers import (
    CardSerializer,
    CreditSerializer,
    HeldSerializer,
    NewPurchase,
    PaymentDetailSerializer,
    PaymentsAsked,
    TopUpChange,
    TopUpSerializer,
)
from apps.billing.change_api import PurchaseViewSet, TopUpViewSet
from apps.billing.models import Card, TopUp
from apps.members.api import ASKING
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_problems import answers
from apps.organizations.api_shapes import Moment, written
from apps.organizations.models import Connection
from apps.personal.models import Allowance
from apps.personal.usage_views import OwnAsking, allowances_of
from apps.sync.api import ASKING_ANSWERS
from apps.usage.api import UsageView, checked
from apps.usage.api_answers import Exact, UsageAsked, UsageSerializer
from apps.usage.call_lists import Place
from apps.usage.closer_api import CallsAsked, CallsMixin, LedgerSerializer, LedgersWanted
from apps.usage.models import ReportName
from apps.usage.views import kept_from


class OwnMixin(DeskAPIMixin):
    """Mix into a view about one connection of the person whose desk it is."""

    def connection(self, uid: str) -> Connection:
        """It; 404 for any other."""
        mine = Connection.objects.visible_to(self.actor).confirmed()
        rows = mine.filter(organization=self.organization).select_related("organization")
        return get_object_or_404(rows, uid=uid)


# --- Usage ---------------------------------------------------------------------------------------


class AllowanceSerializer(serializers.Serializer[Allowance]):
    """How much of one window of the plan is used."""

    window = serializers.CharField(source="remote_id", help_text="The provider's name of it.")
    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name
    percent = Exact(allow_null=True, help_text="May pass 100. Null: the provider does not say.")
    resets_at = Moment(allow_null=True, help_text="Null while nothing is used.")


@extend_schema(tags=["own accounts"])
class OwnUsageView(OwnMixin, UsageView):
    """What one's own account has used."""

    actions: ClassVar[dict[str, str]] = {"get": "account.read"}

    @extend_schema(
        operation_id="accounts_usage", parameters=[UsageAsked], responses=UsageSerializer
    )
    def get(self, request: Request, slug: str, uid: str) -> Response:  # type: ignore[override]  # of one account
        """Tokens and list price by day, week or month, model and operation: what its page can be asked."""
        asked = checked(UsageAsked, request)
        mine = [self.connection(uid)]
        params = request.query_params.copy()
        params["compare"] = "1" if asked.get("compare") else ""
        params.setdefault("group", "")
        kept = kept_from(mine, ReportName.USAGE)
        asking = OwnAsking(params, kept_from=kept, connections=mine)
        return self.told(asking, asked, mine, [ReportName.USAGE])


@extend_schema(tags=["own accounts"])
class OwnAllowancesView(OwnMixin):
    """The plan's allowance."""

    actions: ClassVar[dict[str, str]] = {"get": "account.read"}
    serializer_class = AllowanceSerializer

    @extend_schema(
        operation_id="accounts_allowances_list", responses=AllowanceSerializer(many=True)
    )
    def get(self, request: Request, slug: str, uid: str) -> Response:
        """How much of each window of the plan is used, the shortest first."""
        return Response(written(AllowanceSerializer, allowances_of(self.connection(uid))))


@extend_schema(tags=["own accounts"])
class OwnCallsViewSet(OwnMixin, CallsMixin):
    """One's own single calls."""

    actions: ClassVar[dict[str, str]] = {"*": "account.read"}
    reads = "account.read"

    def places(self, **which: Any) -> list[Place]:
        """The one ledger of the account."""
        connection = self.connection(which["uid"])
        return [Place(connection, connection.remote_organization_id)]

    @extend_schema(operation_id="accounts_calls_list", parameters=[CallsAsked])
    def list(self, request: Request, slug: str, uid: str) -> Response:
        """One's own single calls, as far as they were read; what was read last comes first."""
        return self._calls(request, self.places(uid=uid))

    @extend_schema(operation_id="accounts_call_ledgers_list", responses=LedgerSerializer(many=True))
    def ledgers(self, request: Request, slug: str, uid: str) -> Response:
        """How far they are read."""
        return self._ledgers(self.places(uid=uid))

    @extend_schema(
        operation_id="accounts_calls_read",
        request=LedgersWanted,
        responses=answers(LedgerSerializer(many=True), 202),
    )
    def read(self, request: Request, slug: str, uid: str) -> Response:
        """Have them read back to a day."""
        return self._read(request, self.places(uid=uid))


# --- Money ---------------------------------------------------------------------------------------


class OwnMoneySerializer(serializers.Serializer[Any]):
    """What is left, the plan, what is bought automatically, and with which card. Null: not told or not read."""

    credit = CreditSerializer()
    plan = HeldSerializer()
    top_up = TopUpSerializer(allow_null=True)
    card = CardSerializer(allow_null=True)


@extend_schema(tags=["own accounts"])
class OwnMoneyView(OwnMixin):
    """The money of one's own account."""

    actions: ClassVar[dict[str, str]] = {"get": "account.money"}
    serializer_class = OwnMoneySerializer

    @extend_schema(operation_id="accounts_money", responses=OwnMoneySerializer)
    def get(self, request: Request, slug: str, uid: str) -> Response:
        """Credit and how long it lasts, the plan, automatic purchases, the card's last four digits."""
        connection = self.connection(uid)
        present = {"connection": connection, "gone_at__isnull": True}
        (credit,), (plan,) = credit_of([connection]), views.holdings([connection])
        told = {
            "credit": credit,
            "plan": plan,
            "top_up": TopUp.objects.filter(**present).select_related("connection").first(),
            "card": Card.objects.filter(**present).select_related("connection").first(),
        }
        return Response(OwnMoneySerializer(told).data)


@extend_schema(tags=["own accounts"])
class OwnPaymentViewSet(OwnMixin, PaymentViewSet):
    """Payments of one's own account."""

    actions: ClassVar[dict[str, str]] = {"*": "account.money"}
    buys = "account.buy"

    def get_queryset(self) -> QuerySet[Any]:
        """The account's alone."""
        return super().get_queryset().filter(connection=self.connection(self.kwargs["uid"]))

    @extend_schema(operation_id="accounts_payments_list", parameters=[PaymentsAsked])
    def list(self, request: Request, slug: str, uid: str) -> Response:  # type: ignore[override]  # of one account
        """One's own payments, the newest first."""
        return self._listed(request)

    @extend_schema(operation_id="accounts_payments_retrieve", responses=PaymentDetailSerializer)
    def retrieve(self, request: Request, slug: str, uid: str, pk: int) -> Response:  # type: ignore[override]  # likewise
        """One payment with its way; one that has failed explains itself."""
        return self._shown(get_object_or_404(self.get_queryset(), pk=pk))


@extend_schema(tags=["own accounts"])
class OwnTopUpViewSet(OwnMixin, TopUpViewSet):
    """What is bought automatically for one's own account."""

    actions: ClassVar[dict[str, str]] = {
        "retrieve": "account.money",
        "update": "account.top_up",
    }

    @extend_schema(operation_id="accounts_top_up_retrieve")
    def retrieve(self, request: Request, slug: str, uid: str) -> Response:
        """Whether credit is bought automatically for oneself, when, and how much."""
        return super().retrieve(request, slug, uid)

    @extend_schema(
        operation_id="accounts_top_up_change",
        parameters=ASKING,
        request=TopUpChange,
        responses=ASKING_ANSWERS,
    )
    def update(self, request: Request, slug: str, uid: str) -> Response:
        """Have credit bought automatically, otherwise, or no more. Not by token."""
        return super().update(request, slug, uid)


@extend_schema(tags=["own accounts"])
class OwnPurchaseViewSet(OwnMixin, PurchaseViewSet):
    """Buying credit for one's own account, and having another card stored. Not by token."""

    actions: ClassVar[dict[str, str]] = {"*": "account.buy", "card": "account.card"}

    @extend_schema(
        operation_id="accounts_credit_purchase",
        parameters=ASKING,
        request=NewPurchase,
        responses=ASKING_ANSWERS,
    )
    def purchase(self, request: Request, slug: str, uid: str) -> Response:
        """Charge one's own stored card for credit. Sent again with the same Idempotency-Key, it buys once."""
        return super().purchase(request, slug, uid)

    @extend_schema(
        operation_id="accounts_credit_checkout",
        parameters=ASKING,
        request=NewPurchase,
        responses=ASKING_ANSWERS,
    )
    def checkout(self, request: Request, slug: str, uid: str) -> Response:
        """Open a page of the provider's where credit is paid. Its address is in the change, as `page`."""
        return super().checkout(request, slug, uid)

    @extend_schema(
        operation_id="accounts_card_change",
        parameters=ASKING,
        request=None,
        responses=ASKING_ANSWERS,
    )
    def card(self, request: Request, slug: str, uid: str) -> Response:
        """Open a page of the provider's where another card is stored. Its address is in the change, as `page`."""
        return super().card(request, slug, uid)
