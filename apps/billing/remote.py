"""Purchases of credit: how each is sent, read back, and written to the mirror.

Nobody can make the provider charge once alone: it takes no key that tells one request from its repetition.
So a purchase whose outcome is not known is looked for among the payments, and never sent again by itself.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.billing.mirror import CREDIT, NAMELESS, PAYMENTS, named, with_billing
from apps.billing.models import UNPAID, Payment
from apps.billing.money import in_micros
from apps.billing.polling import FIRST_SECONDS, PAYMENT_STATES, is_final
from apps.billing.whose import ORGANIZATION, PERSON, SORTS
from apps.billing.words import usd
from apps.organizations.models import Connection
from apps.providers.errors import Forbidden, NotFound, Refused, Unclear
from apps.providers.protocol import Adapter, BillingAdapter
from apps.providers.records.billing import SETTLED, PaymentRecord
from apps.sync import schedule
from apps.sync.models import OPEN_STATES, Command, CommandState, Resource
from apps.sync.outbox.kinds import (
    Done,
    Json,
    Kind,
    Moot,
    NotDone,
    Step,
    Undecided,
    Verdict,
    page_opened_by,
    register,
)
from apps.sync.outbox.outcome import quiet_time
from apps.sync.outbox.requests import IN_PLACE_OF

PURCHASES = tuple(sort.kind("purchase") for sort in SORTS)
CHECKOUTS = tuple(sort.kind("checkout") for sort in SORTS)
PURCHASE_KIND, CHECKOUT_KIND = ORGANIZATION.kind("purchase"), ORGANIZATION.kind("checkout")
CLOCKS = timedelta(minutes=5)  # by how much theirs and ours may differ
MOST_PAGES = 10  # that are asked about before a person decides
BELATED = timedelta(days=1)  # how long after it was given up a purchase may still show


def amount_of(command: Command) -> Decimal:
    """What is to be paid, in dollars."""
    return Decimal(command.arguments["cents"]).scaleb(-2)


def _words(command: Command) -> dict[str, object]:
    return {"amount": usd(amount_of(command)), "connection": command.connection}


# --- By the stored card ---------------------------------------------------------------------------


def _listed(there: BillingAdapter) -> list[PaymentRecord]:
    """Every payment, from a listing read to its end, each with an id."""
    found: list[PaymentRecord] = []
    cursor: str | None = None
    while True:
        page = there.payments(cursor=cursor)
        found += page.rows
        cursor = page.next_cursor
        if cursor is None:
            return named(found)


def _look(adapter: Adapter, command: Command) -> Json:
    """The baseline: every payment of that amount there is right now, for the mirror may lack the latest,
    and whether an automatic purchase may bring another."""
    there, amount = with_billing(adapter), amount_of(command)
    found = [one for one in _listed(there) if one.amount_usd == amount]
    earlier = _sent_before(command)
    if earlier and _perhaps_of(earlier, found):
        raise Refused(
            _(
                "Meanwhile the provider shows a payment of this amount that may be the first one. Nothing "
                "was sent: look at the payments."
            )
        )
    ids = sorted(one.remote_id for one in found)
    try:
        automatic = _automatic(there, amount)
    except Unclear:
        automatic = True  # no reason to buy nothing: should the answer be lost, a person decides
    return {"ids": ids, "automatic": automatic}


def _result(record: PaymentRecord) -> Json:
    return {
        "remote_id": record.remote_id,
        "status": record.status,
        "creator": record.creator_id,
        "at": record.paid_at.isoformat() if record.paid_at else None,
        "credits_micros": in_micros(record.credits_usd),
    }


def _why_failed(record: PaymentRecord) -> str:
    reason = record.failure_reason or _("no reason is given")
    return _("The payment failed at the provider (%(reason)s): nothing was bought.") % {
        "reason": reason
    }


def _send_purchase(adapter: Adapter, command: Command) -> Json:
    record = with_billing(adapter).purchase_credits(amount_of(command))
    if record.status == "failed":
        raise Refused(_why_failed(record))
    return _result(record)


def _read_purchase(adapter: Adapter, command: Command) -> Verdict:
    """Exactly one new payment of that amount that nobody else made is ours. Anything else a person decides."""
    there, amount = with_billing(adapter), amount_of(command)
    listed = _listed(there)
    found = [one for one in listed if one.amount_usd == amount]
    new = _perhaps_of(command, found)
    if command.in_doubt or "ids" not in command.baseline:
        return _undecided(new)
    if len(new) != 1 or _from_a_page(there, command, {one.remote_id for one in listed}, new[0]):
        return _undecided(new)
    if _left_unknown(command):
        return _undecided(new)
    # Unknown counts as could, and so does what was so when it was sent: it may have been changed since.
    if command.baseline.get("automatic", True) or _automatic(there, amount):
        return _undecided(new)
    if new[0].status == "failed":
        return Moot(_why_failed(new[0]))
    return Done(_result(new[0]))


def _perhaps_of(command: Command, found: list[PaymentRecord]) -> list[PaymentRecord]:
    """Those of ``found``, payments of its amount, that ``command`` may have made: new since it was sent."""
    if command.in_doubt or "ids" not in command.baseline:
        since = command.created_at - CLOCKS
        new = [one for one in found if (one.paid_at or one.created_at or since) >= since]
    else:
        known = set(command.baseline["ids"])
        new = [one for one in found if one.remote_id not in known]
    return _unclaimed(command, new)


def _sent_before(command: Command) -> Command | None:
    """The purchase in whose place this one is sent, because nobody could tell what became of it."""
    uid = command.before.get(IN_PLACE_OF)
    return (
        Command.objects.filter(uid=uid, connection_id=command.connection_id).first()
        if uid
        else None
    )


def _unclaimed(command: Command, found: list[PaymentRecord]) -> list[PaymentRecord]:
    """Those that no other change of ours has made."""
    ids = [one.remote_id for one in found]
    claimed = set(
        Command.objects.filter(connection_id=command.connection_id, remote_id__in=ids)
        .exclude(pk=command.pk)
        .values_list("remote_id", flat=True)
    )
    return [one for one in found if one.remote_id not in claimed]


def _from_a_page(
    there: BillingAdapter, command: Command, listed: set[str], new: PaymentRecord
) -> bool:
    """Whether a payment page of that amount, open while ``command`` was sent or since, could have brought
    ``new``: a payment of a page cannot be told from others unless it stands in the listing under its id.

    A page of which the provider says, now that ``new`` is there, that nobody has paid cannot have brought it.
    """
    pages = Command.objects.filter(
        connection_id=command.connection_id,
        kind__in=CHECKOUTS,
        arguments__cents=command.arguments["cents"],
        attempts__gt=0,
    ).filter(Q(state=CommandState.SUCCEEDED) | Q(state__in=OPEN_STATES))
    over = Payment.objects.filter(status__in=SETTLED, changed_at__lt=command.sent_at)
    pages = pages.exclude(pk__in=over.filter(command__in=pages).values("command"))
    names = [one for one in pages.values_list("remote_id", flat=True) if one not in listed]
    named_ones = [one for one in names if one]
    if len(named_ones) < len(names) or len(names) > MOST_PAGES:
        return True  # of a page without a payment's id nothing can be asked
    return any(_may_be_paid(there, one, new) for one in named_ones)


def _may_be_paid(there: BillingAdapter, payment_id: str, new: PaymentRecord) -> bool:
    """Whether the payment of a page could be ``new``. A word that nobody knows, and no answer, count as could."""
    try:
        status = there.payment_status(payment_id).status
    except (Forbidden, NotFound, Refused):
        return True
    if status == new.status:
        return True
    return status not in UNPAID


def _left_unknown(command: Command) -> bool:
    """Whether an earlier purchase of that amount was given up unknown, so that its payment may come late."""
    return Command.objects.filter(
        connection_id=command.connection_id,
        kind__in=PURCHASES,
        arguments__cents=command.arguments["cents"],
        state=CommandState.CANCELLED,
        settled_at__gte=command.created_at - BELATED,
        events__state=CommandState.OPERATOR,
    ).exists()


def _automatic(there: BillingAdapter, amount: Decimal) -> bool:
    """Whether an automatic purchase could have brought a payment of ``amount``; so where nobody is told."""
    try:
        top_up = there.auto_top_up()
    except (Forbidden, NotFound, Refused):
        return True
    return top_up.enabled is not False and top_up.amount_usd in (None, amount)


def _undecided(found: list[PaymentRecord]) -> Undecided:
    if not found:
        return Undecided(
            _(
                "No payment of this amount has appeared at the provider, and it may still do so. "
                "Money is not sent again by itself: look there, then decide."
            )
        )
    words = _(
        "The provider shows payments of this amount, and nobody can tell whether one is this."
    )
    return Undecided(words, [{"id": one.remote_id, "label": _label(one)} for one in found])


def _label(record: PaymentRecord) -> str:
    paid = record.paid_at.strftime("%Y-%m-%d %H:%M UTC") if record.paid_at else _("not told when")
    return f"{usd(record.amount_usd)}, {record.status or _('not told')}, {paid}"


def _settle_purchase(command: Command) -> None:
    result: dict[str, Any] = command.results[-1]
    now = timezone.now()
    remote_id, status = result.get("remote_id"), result.get("status") or ""
    if remote_id:
        waits = not is_final(status) and not remote_id.startswith(NAMELESS)
        # A walk may have been faster.
        Payment.objects.update_or_create(
            connection=command.connection,
            remote_id=remote_id,
            defaults={"command": command, "gone_at": None},
            create_defaults={
                "command": command,
                "at": result.get("at") or now,
                "creator": result.get("creator") or "",
                "amount_micros": in_micros(amount_of(command)),
                "credits_micros": result.get("credits_micros"),
                "status": status,
                "poll_at": now if waits else None,
                "first_seen_at": now,
                "changed_at": now,
            },
        )
    _read_anew(command.connection)


def _read_anew(connection: Connection) -> None:
    for name in (PAYMENTS.name, CREDIT.name, PAYMENT_STATES.name):
        schedule.soon(connection, name)


PURCHASE = Kind(
    name=PURCHASE_KIND,
    label=gettext_lazy("Buy credit"),
    action=ORGANIZATION.buy,
    capability="credit.buy",
    resource=PAYMENTS.name,
    steps=(Step("purchase", _send_purchase, _read_purchase, look=_look),),
    describe=lambda command: (
        _("%(amount)s of credit at %(connection)s: the stored card is charged at once.")
        % _words(command)
    ),
    settle=_settle_purchase,
    is_money=True,
    final=True,
)


def evidence_at(command: Command) -> datetime | None:
    """When all payments were read last; None if they were not since its outcome could be known."""
    read = Resource.objects.filter(connection=command.connection_id, name=PAYMENTS.name).first()
    known_at = (command.sent_at or command.created_at) + quiet_time(command)
    return (
        read.completed_at if read and read.completed_at and read.completed_at > known_at else None
    )


def _why_not_alone(command: Command) -> str:
    """On a desk of one nobody else looks: so whoever decides must be able to."""
    if evidence_at(command) is not None:
        return ""
    schedule.soon(command.connection, PAYMENTS.name)
    return _(
        "Your payments have not been read since it was sent. They are being read now: look at them, then "
        "decide."
    )


OWN_PURCHASE = replace(
    PURCHASE, name=PERSON.kind("purchase"), action=PERSON.buy, alone=_why_not_alone
)


# --- On the provider's own page: nothing is charged before somebody pays there --------------------


def _send_checkout(adapter: Adapter, command: Command) -> Json:
    back = command.arguments.get("back", "")
    session = with_billing(adapter).credit_checkout(
        amount_of(command), redirect_url=f"{back}{command.uid}/" if back else ""
    )
    return {"remote_id": session.payment_id, "session": session.session_id, "url": session.url}


def start_anew(adapter: Adapter, command: Command) -> Verdict:
    """No operation lists such pages. One that nobody was led to is never paid, so another is made."""
    return NotDone()


def _settle_checkout(command: Command) -> None:
    payment_id, now = command.results[-1].get("remote_id"), timezone.now()
    if not payment_id:
        return  # the provider names no payment: it is seen once it is listed
    Payment.objects.create(
        connection=command.connection,
        awaited_id=payment_id,
        command=command,
        at=now,
        began_at=now,
        amount_micros=in_micros(amount_of(command)),
        status="pending",
        poll_at=now + timedelta(seconds=FIRST_SECONDS),
        first_seen_at=now,
        changed_at=now,
    )
    schedule.soon(command.connection, PAYMENT_STATES.name)


CHECKOUT = Kind(
    name=CHECKOUT_KIND,
    label=gettext_lazy("Open a payment page"),
    action=ORGANIZATION.buy,
    capability="credit.buy",
    resource=PAYMENTS.name,
    steps=(Step("checkout", _send_checkout, start_anew),),
    describe=lambda command: (
        _(
            "A payment page for %(amount)s of credit at %(connection)s. Nothing is charged before that."
        )
        % _words(command)
    ),
    settle=_settle_checkout,
    private=frozenset({"session", "url"}),  # whoever has them may pay there
)
OWN_CHECKOUT = replace(CHECKOUT, name=PERSON.kind("checkout"), action=PERSON.buy)


def page_of(payment: Payment) -> str:
    """Where a payment that waits is paid; "" where nobody knows."""
    command = payment.command
    return page_opened_by(command) if command and payment.status == "pending" else ""


def register_kinds() -> None:
    """Make the changes of this shelf known to the outbox."""
    for kind in (PURCHASE, OWN_PURCHASE, CHECKOUT, OWN_CHECKOUT):
        register(kind)
