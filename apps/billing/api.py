"""The API's way to money: what is left, paid, planned and spent. What moves it stands in ``change_api``."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.billing import (
    failures,
    glance,
    reconciling,
    spend_views,
    timeline,
    views,
    words,
)
from apps.billing.api_answers import (
    CardSerializer,
    CreditSerializer,
    HeldSerializer,
    OneConnection,
    PaymentDetailSerializer,
    PaymentsAsked,
    PaymentSerializer,
    PeriodAsked,
    PointSerializer,
    PromotionSerializer,
    ReconciliationSerializer,
    SeatHoldersAsked,
    SeatHolderSerializer,
    SeatsSerializer,
    SpendSerializer,
)
from apps.billing.lists import RECLAIMABLE, give_last_days, idle, in_state
from apps.billing.models import Card, Credit, CreditPoint, Payment, Promotion
from apps.billing.money import CURRENCY
from apps.billing.remote import page_of
from apps.billing.runway import Pace, paces
from apps.billing.sellers import sells, why_not
from apps.members.models import Member
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_shapes import Cursors, NewestFirst, Shape, asked_of_list, written
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.usage import missing_words, reads
from apps.usage.views import READ


class BillingMixin(DeskAPIMixin):
    """What is about the organization's connections whose providers sell credit."""

    pagination_class: Any = None

    def _connections(self) -> QuerySet[Connection]:
        visible = Connection.objects.visible_to(self.request.user).confirmed()
        return visible.filter(organization=self.organization).select_related("organization")

    def sellers(self, asked: Mapping[str, Any]) -> list[Connection]:
        """Those that are not disconnected, by name; the one that was asked for, if one was."""
        rows = self._connections().exclude(state=Connection.State.DISCONNECTED)
        rows = rows.order_by("name", "pk")
        if "connection" in asked:
            rows = rows.filter(uid=asked["connection"])
        return [one for one in rows if sells(one)]

    def connection(self, uid: str) -> Connection:
        """One of the organization's; 404 for any other."""
        return get_object_or_404(self._connections(), uid=uid)


# --- Credit ---------------------------------------------------------------------------------------


def _runway(pace: Pace, credit: Credit | None) -> dict[str, Any]:
    return {
        "days": pace.days_left(credit.amount) if credit and pace.read else None,
        "daily": pace.daily if pace.read else None,
        "read": pace.read,
        "first": pace.first,
        "last": pace.last,
    }


def credit_of(sellers: Sequence[Connection]) -> list[dict[str, Any]]:
    """What is left at each of ``sellers``, for ``CreditSerializer``; ``why`` where it is not known."""
    present = Credit.objects.filter(connection__in=sellers, gone_at__isnull=True)
    left = {row.connection_id: row for row in present}
    told = paces(sellers)
    rows = []
    for one in sellers:
        row = left.get(one.pk)
        why = "" if row else (why_not(one, "credit.read") or _("Not read yet."))
        rows.append(
            {
                "connection": one,
                "amount": row.amount if row else None,
                "currency": CURRENCY,
                "changed_at": row.changed_at if row else None,
                "why": why,
                "runway": _runway(told[one.pk], row),
            }
        )
    return rows


@extend_schema(tags=["billing"])
class CreditViewSet(BillingMixin, viewsets.GenericViewSet[Credit]):
    """Prepaid credit: what is left, how long it lasts, what it was."""

    actions: ClassVar[dict[str, str]] = {"*": "billing.read"}
    serializer_class = CreditSerializer

    @extend_schema(
        operation_id="credit_list",
        parameters=[OneConnection],
        responses=CreditSerializer(many=True),
    )
    def list(self, request: Request, slug: str) -> Response:
        """What is left at each connection that sells credit, and how long it lasts."""
        return Response(
            written(
                CreditSerializer, credit_of(self.sellers(asked_of_list(OneConnection, request)))
            )
        )


@extend_schema(tags=["billing"])
class CreditHistoryViewSet(BillingMixin, viewsets.GenericViewSet[Any]):
    """What the credit was."""

    actions: ClassVar[dict[str, str]] = {"*": "billing.read"}
    serializer_class = PointSerializer
    pagination_class = NewestFirst

    @extend_schema(operation_id="credit_history_list")
    def list(self, request: Request, slug: str, uid: str) -> Response:
        """The credit each time that it was found changed, the newest first."""
        asked_of_list(Shape, request)
        points = CreditPoint.objects.filter(connection=self.connection(uid))
        page = self.paginate_queryset(points)
        return self.get_paginated_response(written(PointSerializer, page))


# --- Payments -------------------------------------------------------------------------------------


@extend_schema(tags=["billing"])
class PaymentViewSet(BillingMixin, viewsets.GenericViewSet[Payment]):
    """Purchases of credit."""

    actions: ClassVar[dict[str, str]] = {"*": "billing.read"}
    serializer_class = PaymentSerializer
    shapes: ClassVar[dict[str, Any]] = {"retrieve": PaymentDetailSerializer}
    pagination_class = NewestFirst
    buys: ClassVar[str] = "billing.buy"  # whoever may is led to the provider's page

    def get_queryset(self) -> QuerySet[Any]:
        """Those of the organization."""
        rows = Payment.objects.visible_to(self.request.user)
        mine = rows.filter(connection__organization=self.organization)
        return mine.select_related("connection", "command__actor")

    @extend_schema(operation_id="payments_list", parameters=[PaymentsAsked])
    def list(self, request: Request, slug: str) -> Response:
        """Payments, the newest first."""
        return self._listed(request)

    def _listed(self, request: Request) -> Response:
        asked = asked_of_list(PaymentsAsked, request)
        lookups = {"connection": "connection__uid", "since": "at__gte", "before": "at__lt"}
        narrowed = {lookups[name]: asked[name] for name in lookups if name in asked}
        rows = self.get_queryset().filter(gone_at__isnull=True, **narrowed)
        if "status" in asked:
            rows = rows.filter(in_state(asked["status"]))
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(written(PaymentSerializer, page))

    @extend_schema(operation_id="payments_retrieve", responses=PaymentDetailSerializer)
    def retrieve(self, request: Request, slug: str, pk: int) -> Response:
        """One payment with its way; one that has failed explains itself."""
        return self._shown(get_object_or_404(self.get_queryset(), pk=pk))

    def _shown(self, row: Any) -> Response:
        row.where = words.whereabouts(row)
        row.page = page_of(row) if self.may(self.buys) else ""
        row.failure = failures.explained(row)
        row.timeline = timeline.of(row)
        return Response(PaymentDetailSerializer(row).data)


# --- Promotions, cards ----------------------------------------------------------------------------


@extend_schema(tags=["billing"])
class PromotionViewSet(BillingMixin, viewsets.GenericViewSet[Promotion]):
    """Credit that was given."""

    actions: ClassVar[dict[str, str]] = {"*": "billing.read"}
    serializer_class = PromotionSerializer
    pagination_class = NewestFirst

    @extend_schema(operation_id="promotions_list", parameters=[OneConnection])
    def list(self, request: Request, slug: str) -> Response:
        """Promotions, the newest first, those that have ended too."""
        rows = Promotion.objects.filter(
            connection__in=self.sellers(asked_of_list(OneConnection, request))
        )
        page = self.paginate_queryset(rows.select_related("connection"))
        return self.get_paginated_response(written(PromotionSerializer, page))


@extend_schema(tags=["billing"])
class CardViewSet(BillingMixin, viewsets.GenericViewSet[Card]):
    """Payment methods, masked."""

    actions: ClassVar[dict[str, str]] = {"*": "billing.read"}
    serializer_class = CardSerializer

    @extend_schema(
        operation_id="cards_list", parameters=[OneConnection], responses=CardSerializer(many=True)
    )
    def list(self, request: Request, slug: str) -> Response:
        """The stored card of each connection: never more than its last four digits."""
        rows = Card.objects.filter(
            connection__in=self.sellers(asked_of_list(OneConnection, request)), gone_at__isnull=True
        )
        return Response(written(CardSerializer, rows.select_related("connection").order_by("pk")))


# --- Plans and seats ------------------------------------------------------------------------------


@extend_schema(tags=["billing"])
class PlanViewSet(BillingMixin, viewsets.GenericViewSet[Any]):
    """Plans and seats."""

    actions: ClassVar[dict[str, str]] = {"*": "billing.read"}
    serializer_class = HeldSerializer
    shapes: ClassVar[dict[str, Any]] = {"seats": SeatsSerializer}

    @extend_schema(
        operation_id="plans_list", parameters=[OneConnection], responses=HeldSerializer(many=True)
    )
    def list(self, request: Request, slug: str) -> Response:
        """The plan that each connection holds, those on offer, and those before."""
        rows = views.holdings(self.sellers(asked_of_list(OneConnection, request)))
        return Response(written(HeldSerializer, rows))

    @extend_schema(
        operation_id="seats_list",
        parameters=[OneConnection],
        responses=SeatsSerializer(many=True),
    )
    def seats(self, request: Request, slug: str) -> Response:
        """How many seats each connection pays for, and who holds them."""
        seated = [
            one
            for one in self.sellers(asked_of_list(OneConnection, request))
            if PROVIDERS[one.provider].holds_seats
        ]
        rows = []
        for one in views.seats_of({connection.pk: connection for connection in seated}):
            held = one.subscription
            rows.append(
                {
                    "connection": one.connection,
                    "members": one.members,
                    "invites": one.invites,
                    "used": one.used,
                    "paid": held.seats if held else None,
                    "free": one.free,
                    "counted": held.seats_used if held else None,
                    "idle": None if one.unread else one.idle,
                    "idle_days": RECLAIMABLE,
                    "unread_days": one.unread,
                    "saving": one.saving,
                }
            )
        return Response(written(SeatsSerializer, rows))


@extend_schema(tags=["billing"])
class SeatHolderViewSet(BillingMixin, viewsets.GenericViewSet[Member]):
    """Who holds the seats."""

    actions: ClassVar[dict[str, str]] = {"*": "billing.read"}
    serializer_class = SeatHolderSerializer
    pagination_class = Cursors

    @extend_schema(operation_id="seat_holders_list", parameters=[SeatHoldersAsked])
    def list(self, request: Request, slug: str) -> Response:
        """Members who hold a seat, with when they used it last. A seat is taken back by removing its member."""
        asked = asked_of_list(SeatHoldersAsked, request)
        seated = {one.pk: one for one in self.sellers(asked) if PROVIDERS[one.provider].holds_seats}
        members = Member.objects.visible_to(request.user)
        rows = members.filter(connection__in=seated, gone_at__isnull=True)
        if "idle_days" in asked:
            rows = rows.filter(idle(asked["idle_days"]))
        page = self.paginate_queryset(rows)
        give_last_days(page or [], seated)
        return self.get_paginated_response(written(SeatHolderSerializer, page))


# --- Spend ----------------------------------------------------------------------------------------


class SpendView(DeskAPIMixin):
    """Spend at a glance."""

    actions: ClassVar[dict[str, str]] = {"get": "billing.read"}
    serializer_class = SpendSerializer

    @extend_schema(operation_id="spend_retrieve", tags=["billing"], responses=SpendSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """This month, last month and what this one will come to; prepaid and metered apart, each once."""
        asked_of_list(Shape, request)
        connections = reads.connections_of(request.user, self.organization)
        found = glance.at_a_glance(connections)
        answer = {
            "month": found.months.first,
            "today": found.months.today,
            "totals": found.wholes,
            "connections": found.lines,
            "bought": found.bought,
            "coverage": found.coverage,
            "not_included": [
                *missing_words.sentences(found.coverage),
                *missing_words.by_nature(connections, *READ),
            ],
        }
        return Response(SpendSerializer(answer).data)


class ReconciliationView(DeskAPIMixin):
    """Reconciliation."""

    actions: ClassVar[dict[str, str]] = {"get": "billing.read"}
    serializer_class = ReconciliationSerializer

    @extend_schema(
        operation_id="reconciliation_retrieve",
        tags=["billing"],
        parameters=[PeriodAsked],
        responses=ReconciliationSerializer,
    )
    def get(self, request: Request, slug: str) -> Response:
        """Credit against what came in and went out, usage against the cost report, over a period."""
        asked_of_list(PeriodAsked, request)
        connections = reads.connections_of(request.user, self.organization)
        question = spend_views.question_of(_params(request, connections), connections)
        if question.errors:
            raise serializers.ValidationError({n: [why] for n, why in question.errors.items()})
        mine = spend_views.chosen(question, connections)
        found = reconciling.reconcile(mine, question.first, question.last)
        return Response(ReconciliationSerializer(found).data)


def _params(request: Request, connections: Sequence[Connection]) -> Any:
    """The address as the page has it: connections by the number that stands there."""
    params = request.query_params.copy()
    known = {str(one.uid): str(one.pk) for one in connections}
    wanted = [one.lower() for one in params.getlist("connection")]
    if any(one not in known for one in wanted):
        raise serializers.ValidationError({"connection": [_("There is no such connection.")]})
    params.setlist("connection", [known[one] for one in wanted])
    return params
