"""The API's way to move money: automatic purchases, credit, the card, plans. Same services as the pages.

All of it asks for a fresh sign-in, which no token can give: scripts read, people pay.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.billing import cards, services, subscribing, topping
from apps.billing.api import BillingMixin
from apps.billing.api_answers import (
    NewPlan,
    NewPurchase,
    NewSeats,
    TopUpChange,
    TopUpSerializer,
)
from apps.billing.models import Plan, Subscription, TopUp
from apps.billing.whose import pages_about
from apps.members.api import ASKING
from apps.organizations.api_shapes import sent
from apps.organizations.models import Connection
from apps.sync.api import ASKING_ANSWERS, AskingMixin
from apps.sync.models import Command

# --- Automatic purchases --------------------------------------------------------------------------


@extend_schema(tags=["billing"])
class TopUpViewSet(AskingMixin, BillingMixin, viewsets.GenericViewSet[TopUp]):
    """What is bought automatically at one connection."""

    actions: ClassVar[dict[str, str]] = {"retrieve": "billing.read", "update": "billing.top_up"}
    serializer_class = TopUpSerializer

    def _row(self, uid: str) -> TopUp:
        connection = self.connection(uid)
        row = TopUp.objects.present().filter(connection=connection).first()
        if row is None:
            raise Http404
        row.connection = connection
        return row

    @extend_schema(operation_id="top_up_retrieve")
    def retrieve(self, request: Request, slug: str, uid: str) -> Response:
        """Whether credit is bought automatically, when, and how much."""
        return Response(TopUpSerializer(self._row(uid)).data)

    @extend_schema(
        operation_id="top_up_change",
        parameters=ASKING,
        request=TopUpChange,
        responses=ASKING_ANSWERS,
    )
    def update(self, request: Request, slug: str, uid: str) -> Response:
        """Have credit bought automatically, otherwise, or no more. Not by token."""
        row = self._row(uid)
        return self.asked_once(
            lambda nonce: topping.change(
                top_up=row,
                wanted=_wanted(row, sent(TopUpChange, request)),
                actor=self.actor,
                nonce=nonce,
            )
        )


def _wanted(row: TopUp, given: Mapping[str, Any]) -> topping.Wanted:
    """Off, both amounts stay at the provider, as the page has it."""
    if not given["enabled"]:
        return topping.Wanted(False, row.threshold, row.amount)
    return topping.Wanted(True, given.get("threshold"), given.get("amount"))


# --- Credit, the card -----------------------------------------------------------------------------


@extend_schema(tags=["billing"])
class PurchaseViewSet(AskingMixin, BillingMixin, viewsets.GenericViewSet[Command]):
    """Buying credit, and having another card stored. Not by token: it asks for a fresh sign-in."""

    actions: ClassVar[dict[str, str]] = {"*": "billing.buy", "card": "billing.card"}

    @extend_schema(
        operation_id="credit_purchase",
        parameters=ASKING,
        request=NewPurchase,
        responses=ASKING_ANSWERS,
    )
    def purchase(self, request: Request, slug: str, uid: str) -> Response:
        """Charge the stored card for credit. Sent again with the same Idempotency-Key, it buys once."""
        connection = self.connection(uid)
        return self.asked_once(
            lambda nonce: services.purchase(
                connection=connection, amount=_amount(request), actor=self.actor, nonce=nonce
            )
        )

    @extend_schema(
        operation_id="credit_checkout",
        parameters=ASKING,
        request=NewPurchase,
        responses=ASKING_ANSWERS,
    )
    def checkout(self, request: Request, slug: str, uid: str) -> Response:
        """Open a page of the provider's where credit is paid. Its address is in the change, as `page`."""
        connection = self.connection(uid)
        return self.asked_once(
            lambda nonce: services.checkout(
                connection=connection,
                amount=_amount(request),
                back=self._back(connection),
                actor=self.actor,
                nonce=nonce,
            )
        )

    @extend_schema(
        operation_id="cards_change", parameters=ASKING, request=None, responses=ASKING_ANSWERS
    )
    def card(self, request: Request, slug: str, uid: str) -> Response:
        """Open a page of the provider's where another card is stored. Its address is in the change, as `page`."""
        connection = self.connection(uid)
        return self.asked_once(
            lambda nonce: cards.open_page(
                connection=connection, back=self._back(connection), actor=self.actor, nonce=nonce
            )
        )

    def _back(self, connection: Connection) -> str:
        """Where the provider's page leads back to, as the portal's own pages have it."""
        overview = pages_about(connection, self.organization.slug).url("overview")
        return self.request.build_absolute_uri(f"{overview}begun/")


def _amount(request: Request) -> Any:
    amount = sent(NewPurchase, request)["amount"]
    if why := services.why_not(amount):
        raise serializers.ValidationError({"amount": [why]})
    return amount


# --- Plans ----------------------------------------------------------------------------------------


@extend_schema(tags=["billing"])
class PlanChangeViewSet(AskingMixin, BillingMixin, viewsets.GenericViewSet[Command]):
    """A connection's plan and its seats. Not by token: it asks for a fresh sign-in."""

    actions: ClassVar[dict[str, str]] = {"*": "billing.plan"}

    def _held(self, uid: str) -> Subscription:
        connection = self.connection(uid)
        rows = Subscription.objects.present().filter(connection=connection)
        return get_object_or_404(rows.select_related("connection__organization"))

    @extend_schema(
        operation_id="plans_subscribe",
        parameters=ASKING,
        request=NewPlan,
        responses=ASKING_ANSWERS,
    )
    def create(self, request: Request, slug: str, uid: str) -> Response:
        """Buy one of the plans on offer. A first payment that is made at the provider is in the change, as `page`."""
        connection = self.connection(uid)

        def ask(nonce: str) -> Command:
            given = sent(NewPlan, request)
            plans = Plan.objects.present().filter(connection=connection)
            plan = plans.filter(remote_id=given["plan"]).first()
            if plan is None:
                raise serializers.ValidationError({"plan": [_("There is no such plan.")]})
            plan.connection = connection
            return subscribing.subscribe(
                plan=plan, seats=given["seats"], actor=self.actor, nonce=nonce
            )

        return self.asked_once(ask)

    @extend_schema(
        operation_id="seats_change",
        parameters=ASKING,
        request=NewSeats,
        responses=ASKING_ANSWERS,
    )
    def partial_update(self, request: Request, slug: str, uid: str) -> Response:
        """Pay for more or fewer seats of the plan that is held."""
        row = self._held(uid)
        return self.asked_once(
            lambda nonce: subscribing.set_seats(
                row=row, seats=sent(NewSeats, request)["seats"], actor=self.actor, nonce=nonce
            )
        )

    @extend_schema(operation_id="plans_cancel", parameters=ASKING, responses=ASKING_ANSWERS)
    def destroy(self, request: Request, slug: str, uid: str) -> Response:
        """Have the plan end with what is paid for."""
        row = self._held(uid)
        return self.asked_once(
            lambda nonce: subscribing.cancel(row=row, actor=self.actor, nonce=nonce)
        )
