"""Pages of the money of a person's own account: those of an organization's billing, for one account alone."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from apps.billing import buying, card_views, topping_views, views
from apps.billing.lists import PaymentList
from apps.billing.mirror import SUBSCRIPTION
from apps.billing.models import Payment, Subscription, TopUp
from apps.billing.whose import Pages, fresh, pages_about
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.personal.views import METHODS, connection_of
from apps.providers.catalogue import PROVIDERS
from apps.ui.filters import Filter
from apps.ui.listing import Empty


def _pages(request: DeskRequest, connection: Connection) -> Pages:
    return pages_about(connection, request.organization.slug)


def _places(request: DeskRequest, connection: Connection) -> list[Connection]:
    """The account, where credit may be bought for it."""
    live = connection.state != Connection.State.DISCONNECTED
    may = live and connection.can("credit.buy") and request.may("account.buy")
    return [connection] if may else []


@require_safe
@desk_view("account.money")
@never_cache
def overview(request: DeskRequest, uid: Any) -> HttpResponse:
    """What is left, how long it lasts, the plan, what is bought by itself, and with which card."""
    connection = connection_of(request, uid)
    pages = _pages(request, connection)
    live = connection.state != Connection.State.DISCONNECTED
    context = {
        **views.what_there_is(request, pages, [connection], _places(request, connection)),
        "title": _("Your credit"),
        "may_store_card": live and request.may("account.card"),
        "plan": Subscription.objects.present().filter(connection=connection).first(),
        "why_no_plan": views.lacking([connection], [SUBSCRIPTION])[connection.pk].get(
            SUBSCRIPTION.name
        ),
        "why_no_change": PROVIDERS[connection.provider].cannot.get("plan.change", ""),
    }
    return render(request, "personal/credit.html", context)


class OwnPayments(PaymentList):
    """The payments of one account: ``request.connection``."""

    name = "own_payments"
    columns = [one for one in PaymentList.columns if one.key != "connection"]
    filters: ClassVar[Sequence[Filter]] = [
        one for one in PaymentList.filters if one.key != "connection"
    ]

    @cached_property
    def pages(self) -> Pages:
        """Those of the account."""
        return _pages(self.request, self.request.connection)

    def rows(self) -> QuerySet[Payment]:
        """The account's alone, should there be several."""
        return super().rows().filter(connection=self.request.connection)

    def person_url(self, row: Payment) -> str:
        """Nobody has a page on a desk of one."""
        return ""

    def context(self) -> dict[str, Any]:
        """How fresh the list is."""
        return {
            "title": _("Your payments"),
            "tab": "payments",
            "pages": self.pages,
            "freshness": fresh(self.request, self.pages, "payments"),
        }

    def nothing_yet(self) -> Empty:
        """No payment, or a key that may not read any."""
        connection = self.request.connection
        told = connection.can("payments.read")
        title = _("No payment yet") if told else _("Your payments cannot be read")
        return Empty(
            icon="credit-card",
            title=title,
            text="" if told else connection.why_not("payments.read"),
        )


@require_http_methods(METHODS)
@desk_view("account.money")
@never_cache
def payments(request: Any, uid: Any) -> HttpResponseBase:
    """The list; a POST keeps, changes or deletes a saved view of it."""
    request.connection = connection_of(request, uid)
    return OwnPayments.respond(request)


@require_safe
@desk_view("account.money")
@never_cache
def payment(request: DeskRequest, uid: Any, pk: int) -> HttpResponse:
    """One payment: where it is, and how it came there."""
    return views.answer_payment(request, _pages(request, connection_of(request, uid)), pk)


@require_http_methods(METHODS)
@desk_view("account.buy")
@never_cache
def buy(request: DeskRequest, uid: Any) -> HttpResponse:
    """Say how much; then see what will happen; then have it done."""
    connection = connection_of(request, uid)
    places = _places(request, connection)
    return buying.answer_buy(request, _pages(request, connection), places)


@require_safe
@desk_view("account.money")
@never_cache
def begun(request: DeskRequest, uid: Any, command: Any) -> HttpResponse:
    """Where a purchase or another card leads, and whoever comes back from the provider's page."""
    return buying.answer_begun(request, _pages(request, connection_of(request, uid)), command)


@require_http_methods(METHODS)
@desk_view("account.top_up")
@never_cache
def top_up(request: DeskRequest, uid: Any) -> HttpResponse:
    """Have credit bought automatically, otherwise, or no more."""
    connection = connection_of(request, uid)
    rows = TopUp.objects.present().filter(connection=connection)
    row = get_object_or_404(rows.select_related("connection__organization"))
    return topping_views.answer(request, _pages(request, connection), row)


@require_http_methods(METHODS)
@desk_view("account.card")
@never_cache
def card(request: DeskRequest, uid: Any) -> HttpResponse:
    """Have a page opened where another card is stored."""
    connection = connection_of(request, uid)
    return card_views.answer_change(request, _pages(request, connection), connection)
