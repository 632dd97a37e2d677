"""What this shelf tells people by itself: a card that ends, a payment that failed, credit that runs out.

Each walk that ends looks, in its own transaction, at what it has just read. Told once is told: a notice's
cause names the card and how near its end is, the payment, the day on which credit ran short.
"""

from datetime import UTC, datetime, timedelta

from django.db.models import F, Q
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.billing.mirror import CARD, CREDIT, NAMELESS, PAYMENTS, TOP_UP
from apps.billing.models import Card, Credit, Payment, TopUp
from apps.billing.polling import PAYMENT_STATES
from apps.billing.runway import DAYS, SHORT, Pace, paces
from apps.billing.whose import PERSON, sort_of
from apps.billing.words import usd
from apps.notices import services as notices
from apps.notices import topics
from apps.notices.models import Notice, Severity
from apps.notices.topics import Topic
from apps.organizations.models import Connection
from apps.organizations.policy import SPENDERS
from apps.sync import mirrors

CARD_ENDS, PAYMENT_FAILED, RUNS_OUT = (
    "billing.card_ends",
    "billing.payment_failed",
    "billing.runs_out",
)
TOPICS = (
    Topic(
        CARD_ENDS,
        gettext_lazy("A card expires"),
        SPENDERS,
        "billing.read",
        gettext_lazy("A stored card expires within 60, 30 or 7 days, or has; once for each."),
    ),
    Topic(
        PAYMENT_FAILED,
        gettext_lazy("A payment failed"),
        SPENDERS,
        "billing.read",
        gettext_lazy("A payment of the last week failed; once for each, with the reason."),
    ),
    Topic(
        RUNS_OUT,
        gettext_lazy("Credit runs out"),
        SPENDERS,
        "billing.read",
        gettext_lazy("Credit lasts less than two weeks, and nothing is bought automatically."),
    ),
)
THRESHOLDS = (7, 30, 60)  # days before a card's last day is over
LATELY = timedelta(days=7)  # a payment that failed longer ago is no news
REASON_WITHIN = timedelta(minutes=10)  # how long the reason of a failure is waited for
ENOUGH = DAYS // 2  # days of use to have read before anybody is told that credit runs short
EASED = SHORT + 3  # days that it must last before it counts as over: not to tell it twice a week


def register() -> None:
    """Make the topics known, and look whenever what they speak of was read."""
    for topic in TOPICS:
        topics.register(topic)
    for name, look in (
        (CARD.name, look_at_card),
        (PAYMENTS.name, look_at_payments),
        (PAYMENT_STATES.name, look_at_payments),
        (CREDIT.name, look_at_runway),
        (TOP_UP.name, look_at_runway),
    ):
        if look not in mirrors.listeners(name):
            mirrors.after_complete(name, look)


def _nobody_hears(connection: Connection) -> bool:
    """Whether it is a person's own account: these topics are an organization's, and so are their pages."""
    return sort_of(connection) is PERSON


def _page(connection: Connection, name: str = "billing:overview", **more: object) -> str:
    return reverse(name, kwargs={"slug": connection.organization.slug, **more})


def _open(connection: Connection, topic: str, prefix: str) -> list[Notice]:
    """What was told of ``topic`` with a cause that begins so, and is not over."""
    rows = Notice.objects.filter(organization=connection.organization_id, topic=topic)
    return list(rows.filter(cause__startswith=prefix, settled_at__isnull=True))


def _is_over(connection: Connection, told: list[Notice]) -> None:
    for one in told:
        notices.settle(topic=one.topic, organization=connection.organization, cause=one.cause)


# --- The card -------------------------------------------------------------------------------------


def last_moment(card: Card) -> datetime | None:
    """When a card's last month is over, in UTC; None where the provider tells no date."""
    if not card.expires_year or not card.expires_month:
        return None
    years, month = divmod(card.expires_month, 12)
    try:
        return datetime(card.expires_year + years, month + 1, 1, tzinfo=UTC)
    except ValueError:
        return None


def look_at_card(connection: Connection, now: datetime) -> None:
    """Tell of a card that expires; of one that is there no more, that it is over."""
    if _nobody_hears(connection):
        return
    cards = Card.objects.filter(connection=connection, gone_at__isnull=True)
    keep = [prefix for card in cards if (prefix := _tell_of_card(connection, card, now))]
    told = _open(connection, CARD_ENDS, f"card:{connection.pk}:")
    _is_over(connection, [one for one in told if not one.cause.startswith(tuple(keep))])


def _tell_of_card(connection: Connection, card: Card, now: datetime) -> str:
    """What the causes of this card begin with; "" where there is nothing to tell."""
    end = last_moment(card)
    if end is None:
        return ""
    left = (end - now).days
    if end > now and left >= max(THRESHOLDS):
        return ""
    prefix = f"card:{connection.pk}:{card.last4}:{card.expires_year}-{card.expires_month}:"
    until = f"{card.expires_month:02}/{card.expires_year}"
    given = {"card": card, "connection": connection.name, "until": until}
    if end <= now:
        near, severity = "expired", Severity.URGENT
        title = _("%(card)s of %(connection)s has expired") % given
        text = _(
            "It was valid until %(until)s. Whatever is charged to it fails: credit bought by card or "
            "automatically, and the plan."
        )
    else:
        near = str(next(one for one in THRESHOLDS if left < one))
        severity = Severity.WARNING
        title = _("%(card)s of %(connection)s expires") % given
        text = _("It is valid until %(until)s. After that, whatever is charged to it fails.")
    notices.tell(
        topic=CARD_ENDS,
        organization=connection.organization,
        cause=prefix + near,
        title=title,
        text=text % given + " " + _("Store another one in time, under Payment method."),
        url=_page(connection),
        severity=severity,
    )
    return prefix


# --- Payments -------------------------------------------------------------------------------------


def look_at_payments(connection: Connection, now: datetime) -> None:
    """Tell of payments that have failed of late, with the reason if it comes soon."""
    if _nobody_hears(connection):
        return
    since = now - LATELY
    followed = Q(changed_at__gte=since, changed_at__gt=F("first_seen_at"))
    failed = Payment.objects.filter(
        Q(at__gte=since) | followed, connection=connection, status="failed", gone_at__isnull=True
    )
    nobody_says = Q(remote_id__startswith=NAMELESS) | Q(changed_at__lte=now - REASON_WITHIN)
    ready = list(
        failed.filter(Q(detailed_at__isnull=False) | nobody_says).order_by("changed_at", "pk")
    )
    if not ready:
        return
    causes = {_cause(connection, one): one for one in ready}
    known = Notice.objects.filter(
        organization=connection.organization_id, topic=PAYMENT_FAILED, cause__in=list(causes)
    ).values_list("cause", flat=True)
    told = set(known)
    for cause, payment in causes.items():
        if cause not in told:
            _tell_of_failure(connection, payment, cause)


def _cause(connection: Connection, payment: Payment) -> str:
    # Not its row: the one that was waited with and the one that is listed may be two for a moment.
    return f"payment:{connection.pk}:{payment.remote_id or payment.awaited_id}"


def _tell_of_failure(connection: Connection, payment: Payment, cause: str) -> None:
    given = {"amount": usd(payment.amount), "connection": connection.name}
    why = (
        _("In the provider's words: %(reason)s.") % {"reason": payment.failure_reason}
        if payment.failure_reason
        else _("The provider gives no reason.")
    )
    notices.tell(
        topic=PAYMENT_FAILED,
        organization=connection.organization,
        cause=cause,
        title=_("A payment of %(amount)s for %(connection)s failed") % given,
        text=" ".join(
            (
                _("Nothing was bought."),
                why,
                _("Look at the stored card, or buy with another one; it is not tried again here."),
            )
        ),
        url=_page(connection, "billing:payment", pk=payment.pk),
        severity=Severity.URGENT,
    )


# --- Runway ---------------------------------------------------------------------------------------


def look_at_runway(connection: Connection, now: datetime) -> None:
    """Tell that credit runs short with nothing bought automatically; and once that is over, that it is."""
    if _nobody_hears(connection):
        return
    present = {"connection": connection, "gone_at__isnull": True}
    prefix = f"runway:{connection.pk}:"
    top_up = TopUp.objects.filter(**present).first()
    told = _open(connection, RUNS_OUT, prefix)
    if top_up is None or top_up.enabled is not False:
        _is_over(connection, told)
        return
    credit = Credit.objects.filter(**present).first()
    pace = paces([connection])[connection.pk]
    days = pace.days_left(credit.amount if credit else None)
    if days is None or pace.read < ENOUGH:
        return
    if told:
        _is_over(connection, told if days >= EASED else [])
    elif days < SHORT and credit is not None:
        _tell_of_runway(connection, credit, pace, days, f"{prefix}{now:%Y-%m-%d}")


def _tell_of_runway(
    connection: Connection, credit: Credit, pace: Pace, days: int, cause: str
) -> None:
    until = date_format(datetime.now(UTC) + timedelta(days=days), "j M Y")
    notices.tell(
        topic=RUNS_OUT,
        organization=connection.organization,
        cause=cause,
        title=_("Credit of %(connection)s runs out, and nothing is bought automatically")
        % {"connection": connection.name},
        text=_(
            "%(left)s are left. At the pace of the last %(read)d days (%(daily)s a day) that lasts until "
            "%(until)s. Buy credit, or have it bought automatically."
        )
        % {
            "left": usd(credit.amount),
            "read": pace.read,
            "daily": usd(pace.daily),
            "until": until,
        },
        url=_page(connection),
        severity=Severity.URGENT if days < 3 else Severity.WARNING,
    )
