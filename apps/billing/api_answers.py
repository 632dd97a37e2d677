"""What may be sent and asked about money over the API, and the shape of its answers.

Amounts are strings in the currency's own unit, to the last digit: the providers' cents and millionths stand
nowhere here. Null: the provider does not tell, or it was not read yet.
"""

from decimal import Decimal
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.billing.glance import Sums
from apps.billing.lists import IDLE_DAYS
from apps.billing.models import (
    Card,
    Payment,
    PlanPeriod,
    Subscription,
    TopUp,
)
from apps.billing.reconciling import Cause, Comparison, Day, Statement
from apps.billing.timeline import Happening
from apps.billing.words import STATES, card_expiry, top_up_plan
from apps.members.api import MemberSerializer
from apps.organizations.api_shapes import Moment, Shape
from apps.usage.api_answers import CoverageSerializer, Exact
from apps.usage.coming import Coming
from apps.usage.question import PRESETS


class Amount(serializers.DecimalField):
    """Dollars as a string ("250.00"), or a number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=None, decimal_places=None, **kwargs)


class OfConnection(serializers.Serializer[Any]):
    """Begins with the connection that it is about."""

    connection = serializers.UUIDField(source="connection.uid")


# --- What may be asked ---------------------------------------------------------------------------


class OneConnection(Shape):
    """A list of one connection alone."""

    connection = serializers.UUIDField(required=False)


class PaymentsAsked(Shape):
    """What the list of payments can be narrowed by, as the page's."""

    connection = serializers.UUIDField(required=False)
    status = serializers.ChoiceField(
        [*STATES, "other"], required=False, help_text="other: a word that is none of these."
    )
    since = serializers.DateTimeField(
        required=False, help_text="Paid, or begun, at that time or later."
    )
    before = serializers.DateTimeField(required=False)


class PeriodAsked(Shape):
    """A period of UTC days, and which connections."""

    range = serializers.ChoiceField(
        list(PRESETS), required=False, help_text="Instead of from and to. Default: month."
    )
    to = serializers.DateField(required=False, help_text="The last UTC day, included.")
    connection = serializers.UUIDField(required=False, help_text="May be given several times.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """ "from" is a word of Python's."""
        first = serializers.DateField(required=False, help_text="The first UTC day.")
        return {"from": first, **super().get_fields()}


class NewPurchase(Shape):
    """How much credit to buy."""

    amount = Amount(help_text="Dollars with at most two decimals.")


class TopUpChange(Shape):
    """Automatic purchases as they are to be. Off, both amounts stay as they are."""

    enabled = serializers.BooleanField()
    threshold = Amount(required=False, help_text="Dollars: below this is bought.")
    amount = Amount(required=False, help_text="Dollars: so much each time.")


class NewSeats(Shape):
    """How many seats are to be paid for."""

    seats = serializers.IntegerField(
        min_value=1, help_text="The new number of all seats, not how many more."
    )


class NewPlan(NewSeats):
    """A plan to be bought."""

    plan = serializers.CharField(max_length=200, help_text="`provider_id` of one that is on offer.")


# --- Credit, payments ----------------------------------------------------------------------------


class RunwaySerializer(serializers.Serializer[Any]):
    """How long the credit lasts at the pace of the last whole UTC days."""

    days = serializers.IntegerField(allow_null=True, help_text="Null: nobody can tell.")
    daily = Exact(allow_null=True, help_text="Dollars a day.")
    read = serializers.IntegerField(help_text="Of the days looked at, those that were read.")
    first = serializers.DateField()
    last = serializers.DateField()


class CreditSerializer(OfConnection):
    """What is left of prepaid credit at one connection."""

    amount = Exact(allow_null=True, help_text="Below zero after an overspend.")
    currency = serializers.CharField()
    changed_at = Moment(allow_null=True)
    why = serializers.CharField(allow_blank=True, help_text="Why nothing is told.")
    runway = RunwaySerializer()


class PointSerializer(serializers.Serializer[Any]):
    """Credit from a time on, until the next one: a line each time that it was found changed."""

    at = Moment()
    amount = Exact()


class HappeningSerializer(serializers.Serializer[Happening]):
    """One thing that happened to a payment."""

    at = Moment(allow_null=True)
    what = serializers.CharField()
    details = serializers.CharField(allow_blank=True)


class PaymentSerializer(serializers.Serializer[Payment]):
    """One purchase of credit."""

    id = serializers.IntegerField()
    connection = serializers.UUIDField(source="connection.uid")
    provider_id = serializers.CharField(
        source="known_as", help_text="Empty where the provider gives none."
    )
    at = Moment(allow_null=True, help_text="Paid; else begun.")
    amount = Exact(allow_null=True, help_text="Charged to the card.")
    credits = Exact(allow_null=True, help_text="Bought; null while, or because, nothing was.")
    currency = serializers.SerializerMethodField()
    status = serializers.CharField(help_text="pending, completed, failed, refunded, or another.")
    creator = serializers.CharField(help_text="The provider's id of who paid.")
    failure_reason = serializers.CharField(help_text="In the provider's words.")
    receipt_url = serializers.CharField()
    gone_at = Moment(allow_null=True, help_text="The provider does not list it any more.")
    change = serializers.UUIDField(
        source="command.uid",
        default=None,
        allow_null=True,
        help_text="Our own change that made it.",
    )

    def get_currency(self, row: Payment) -> str:
        """The contract's."""
        return "USD"


class FailureSerializer(serializers.Serializer[Any]):
    """What a failure means and what can be done about it."""

    means = serializers.CharField(allow_blank=True)
    remedy = serializers.CharField()
    notes = serializers.ListField(child=serializers.CharField())
    later = serializers.IntegerField(
        source="later.pk",
        default=None,
        allow_null=True,
        help_text="A payment of the same amount that was completed since.",
    )


class PaymentDetailSerializer(PaymentSerializer):
    """A payment with its way."""

    processor = serializers.CharField(help_text="The card processor.")
    processor_id = serializers.CharField()
    processor_status = serializers.CharField()
    where = serializers.CharField(help_text="Where it is, in words.")
    page = serializers.CharField(
        allow_blank=True, help_text="Where it is paid, while it waits and for whoever may buy."
    )
    failure = FailureSerializer(allow_null=True)
    timeline = HappeningSerializer(many=True)


# --- Promotions, plans, seats, cards, automatic purchases -----------------------------------------


class PromotionSerializer(OfConnection):
    """Credit that was given."""

    id = serializers.IntegerField(source="pk")
    provider_id = serializers.CharField(source="remote_id")
    name = serializers.CharField()
    credits = Exact(allow_null=True)
    remaining = Exact(allow_null=True)
    created_at = Moment(allow_null=True)
    expires_at = Moment(allow_null=True)
    gone_at = Moment(allow_null=True, help_text="The provider does not list it any more.")


class PlanSerializer(OfConnection):
    """A plan on offer."""

    provider_id = serializers.CharField(source="remote_id")
    name = serializers.CharField()
    kind = serializers.CharField(help_text="teams, individual")
    interval = serializers.CharField()
    seat_price = Exact(allow_null=True, help_text="Dollars a seat and interval.")
    fee = Exact(allow_null=True)
    max_seats = serializers.IntegerField(allow_null=True)
    free_seats = serializers.IntegerField(allow_null=True)
    on_sale = serializers.BooleanField(allow_null=True)
    description = serializers.CharField()
    included = serializers.ListField(child=serializers.CharField())


class PlanPeriodSerializer(serializers.Serializer[PlanPeriod]):
    """A time with one plan and one number of seats."""

    name = serializers.CharField(source="plan_name")
    interval = serializers.CharField()
    seat_price = Exact(allow_null=True)
    seats = serializers.IntegerField(allow_null=True)
    started_at = Moment(allow_null=True)
    ended_at = Moment(allow_null=True)
    cancelled_at = Moment(allow_null=True)


class SubscriptionSerializer(serializers.Serializer[Subscription]):
    """The plan that is held."""

    plan = serializers.CharField(source="plan_id_there", help_text="The provider's id of it.")
    name = serializers.CharField(source="plan_name")
    interval = serializers.CharField()
    seat_price = Exact(allow_null=True)
    seats = serializers.IntegerField(allow_null=True, help_text="Paid for.")
    seats_used = serializers.IntegerField(allow_null=True, help_text="As the provider counts them.")
    period_start = Moment(allow_null=True)
    period_end = Moment(allow_null=True)
    cancel_at = Moment(allow_null=True, help_text="Until when a cancelled one runs.")
    cancelled_at = Moment(allow_null=True)


class HeldSerializer(OfConnection):
    """What one connection is subscribed to, could be, and was."""

    subscription = SubscriptionSerializer(allow_null=True)
    price = Exact(allow_null=True, help_text="All seats for one interval.")
    plans = PlanSerializer(many=True)
    periods = PlanPeriodSerializer(many=True)
    lacks = serializers.DictField(
        child=serializers.CharField(), help_text="Why nothing is told, by listing."
    )


class SeatsSerializer(OfConnection):
    """Who holds seats at one connection, and how many are paid for."""

    members = serializers.IntegerField()
    invites = serializers.IntegerField(help_text="Pending ones hold a seat too.")
    used = serializers.IntegerField()
    paid = serializers.IntegerField(allow_null=True)
    free = serializers.IntegerField(allow_null=True)
    counted = serializers.IntegerField(allow_null=True, help_text="In use, as the provider counts.")
    idle = serializers.IntegerField(
        allow_null=True, help_text="Members without use of late; null while days are not read."
    )
    idle_days = serializers.IntegerField()
    unread_days = serializers.IntegerField()
    saving = Exact(allow_null=True, help_text="What the idle seats cost for one interval.")


class SeatHolderSerializer(MemberSerializer):
    """A member who holds a seat."""

    last_used = serializers.DateField(
        source="last_day",
        allow_null=True,
        help_text="The last UTC day with use, as far as it was read.",
    )


class SeatHoldersAsked(OneConnection):
    """What the list of them can be narrowed by, as the page's."""

    idle_days = serializers.ChoiceField(
        IDLE_DAYS, required=False, help_text="Joined before that, and nothing used since."
    )


class CardSerializer(OfConnection):
    """How an organization pays: never more than the last four digits."""

    kind = serializers.CharField()
    brand = serializers.CharField()
    last4 = serializers.CharField()
    expires_month = serializers.IntegerField(allow_null=True)
    expires_year = serializers.IntegerField(allow_null=True)
    expiry = serializers.SerializerMethodField(help_text="What is to be said of its date.")

    def get_expiry(self, row: Card) -> str:
        """In words."""
        return card_expiry(row, timezone.now())[1]


class TopUpSerializer(OfConnection):
    """Automatic purchases."""

    enabled = serializers.BooleanField(allow_null=True)
    threshold = Exact(allow_null=True, help_text="Dollars: below this is bought.")
    amount = Exact(allow_null=True, help_text="Dollars: so much each time.")
    plan = serializers.SerializerMethodField(help_text="What will be bought and when, in words.")

    def get_plan(self, row: TopUp) -> str:
        """The sentence of the page."""
        return top_up_plan(row)


# --- Spend ---------------------------------------------------------------------------------------


class SumsSerializer(serializers.Serializer[Sums]):
    """Both months. Null: nothing is known of that month."""

    currency = serializers.CharField()
    this_month = serializers.SerializerMethodField(help_text="So far, in the currency's own unit.")
    last_month = serializers.SerializerMethodField()
    same_days = Exact(
        source="same", allow_null=True, help_text="Last month, as many days as this one has had."
    )
    unread_this_month = serializers.IntegerField(
        source="unread_this", help_text="Days that are not read yet: it is at least this."
    )
    unread_last_month = serializers.IntegerField(source="unread_last")

    def get_this_month(self, row: Sums) -> str | None:
        """To the last digit."""
        return _exact(row.this) if row.this_told else None

    def get_last_month(self, row: Sums) -> str | None:
        """Likewise."""
        return _exact(row.last) if row.last_told else None


def _exact(amount: Decimal) -> str:
    return Exact().to_representation(amount)


class ForecastSerializer(serializers.Serializer[Coming]):
    """What this month comes to: an estimate."""

    amount = Exact()
    low = Exact(source="lowest")
    high = Exact(source="highest")
    days = serializers.IntegerField(source="told.days", help_text="That it rests on.")


class SpendLineSerializer(SumsSerializer):
    """What one connection has spent."""

    connection = serializers.UUIDField(source="connection.uid")
    provider = serializers.CharField(source="connection.provider")
    prepaid = serializers.BooleanField(help_text="Taken from credit; else billed afterwards.")
    forecast = ForecastSerializer(source="coming", allow_null=True)
    credit = Exact(source="credit.amount", default=None, allow_null=True)
    days_left = serializers.IntegerField(allow_null=True, help_text="That the credit lasts.")
    why = serializers.CharField(allow_blank=True, help_text="Why nothing is told.")


class WholeSerializer(SumsSerializer):
    """All spending in one currency; its two parts sum up to it."""

    prepaid = SumsSerializer()
    metered = SumsSerializer()
    forecast = ForecastSerializer(source="coming", allow_null=True)


class BoughtSerializer(serializers.Serializer[Any]):
    """Credit that was bought this month. It is in no sum of spending."""

    payments = serializers.IntegerField()
    charged = Exact()
    credits = Exact()


class SpendSerializer(serializers.Serializer[Any]):
    """Spend at a glance."""

    month = serializers.DateField(help_text="The first UTC day of this month.")
    today = serializers.DateField()
    totals = WholeSerializer(many=True, help_text="One for each currency.")
    connections = SpendLineSerializer(many=True)
    bought = BoughtSerializer()
    coverage = CoverageSerializer()
    not_included = serializers.ListField(child=serializers.CharField())


# --- Reconciliation ------------------------------------------------------------------------------


class GapCauseSerializer(serializers.Serializer[Cause]):
    """What could explain a difference."""

    words = serializers.CharField()
    most = Exact(allow_null=True, help_text="Up to so much; null: nobody can tell.")


class CountedPaymentSerializer(serializers.Serializer[Payment]):
    """A payment that brought credit."""

    id = serializers.IntegerField(source="pk")
    at = Moment()
    credits = Exact(allow_null=True)


class ChargedSerializer(serializers.Serializer[Any]):
    """What was used on one UTC day."""

    day = serializers.DateField()
    amount = Exact()


class AccountReconciliationSerializer(OfConnection):
    """opening + paid + given − charged + difference = closing."""

    opening = PointSerializer(allow_null=True)
    paid = Exact()
    given = Exact()
    charged = Exact()
    expected = Exact(allow_null=True)
    closing = PointSerializer(allow_null=True)
    difference = Exact(allow_null=True)
    verdict = serializers.ChoiceField(["none", "even", "explained", "unknown", "unexplained"])
    causes = GapCauseSerializer(many=True)
    payments = CountedPaymentSerializer(many=True)
    promotions = serializers.SerializerMethodField(help_text="The ids of those that were given.")
    charges = serializers.SerializerMethodField(help_text="What was used, by UTC day.")
    why = serializers.CharField(allow_blank=True)

    def get_promotions(self, row: Statement) -> list[int]:
        """As the list of promotions has them."""
        return [one.pk for one in row.promotions]

    @extend_schema_field(ChargedSerializer(many=True))
    def get_charges(self, row: Statement) -> list[dict[str, Any]]:
        """Oldest first."""
        rows = [{"day": day, "amount": amount} for day, amount in row.days.items()]
        return list(ChargedSerializer(rows, many=True).data)


class DaySerializer(serializers.Serializer[Day]):
    """A day on which both are not the same."""

    day = serializers.DateField()
    shared = Exact()
    billed = Exact()
    difference = Exact()


class ComparisonSerializer(serializers.Serializer[Comparison]):
    """Usage, as its cost is shared out, against the cost report."""

    connection = serializers.UUIDField(source="connection.uid")
    currency = serializers.CharField()
    shared = Exact()
    billed = Exact()
    difference = Exact()
    verdict = serializers.ChoiceField(["none", "even", "unexplained"])
    days = serializers.SerializerMethodField(help_text="How many days were compared.")
    unread = serializers.IntegerField(help_text="Days that are not read.")
    differing = DaySerializer(many=True)
    why = serializers.CharField(allow_blank=True)

    def get_days(self, row: Comparison) -> int:
        """Those that are in either."""
        return len(row.days)


class ReconciliationSerializer(serializers.Serializer[Any]):
    """Credit against what came in and went out, usage against the cost report."""

    first = serializers.DateField()
    last = serializers.DateField()
    credit = AccountReconciliationSerializer(many=True, source="statements")
    metered = ComparisonSerializer(many=True, source="comparisons")
    coverage = CoverageSerializer()
