"""Payments asked for one by one: how far each has come until that is final, then what became of it.

No listing tells of a checkout that nobody has paid yet, nor of receipts, reasons and the card processor's
own word. So this is a series: it reads what is due and comes back when the next one is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy

from apps.billing.mirror import CREDIT, NAMELESS, PAYMENTS, become, with_billing
from apps.billing.models import Payment
from apps.organizations import health
from apps.organizations.adapters import budget_of
from apps.providers import errors
from apps.providers.catalogue import PROVIDERS
from apps.providers.protocol import Adapter
from apps.providers.records.billing import SETTLED, PaymentRecord, PaymentStatus, ProcessorPayment
from apps.sync import leases, schedule
from apps.sync.mirrors import Series
from apps.sync.walk import Errand, Fetcher

FIRST_SECONDS, LONGEST_SECONDS = 5, 3600
DETAILS = 10  # payments whose details one walk reads, of those that are final
KEPT_SHARE = 3  # of the rate budget, what reading details leaves to others
IN_A_ROW = 3  # unclear answers, after which it is not about one payment any more
FAR_OFF = timedelta(days=1)  # asked for so long in vain: once a day is enough

Answer = TypeVar("Answer")


def next_poll(polls: int, began: datetime, now: datetime) -> datetime:
    """When a payment that is not final is asked for again, after ``polls`` times."""
    if now - began > FAR_OFF * 2:
        return now + FAR_OFF
    return now + timedelta(seconds=min(FIRST_SECONDS * 2**polls, LONGEST_SECONDS))


def is_final(status: str) -> bool:
    """Whether nothing more will happen by itself; an unknown word counts as open."""
    return status in SETTLED


def _of_one(ask: Callable[[], Answer]) -> Callable[[], tuple[Answer | errors.Unclear | None]]:
    """``ask``, with None for a payment of which this key is told nothing, and with what is unclear of
    one as its answer: the others are asked for all the same."""

    def asked() -> tuple[Answer | errors.Unclear | None]:
        try:
            return (ask(),)
        except (errors.NotFound, errors.Forbidden, errors.Refused):
            return (None,)
        except errors.Unclear as error:
            return (error,)

    return asked


class _Polling:
    """One walk over what is due."""

    def __init__(self, errand: Errand, adapter: Adapter, fetcher: Fetcher) -> None:
        self.errand, self.fetcher = errand, fetcher
        self.connection = errand.connection
        self.there = with_billing(adapter)
        self.detailed: set[int] = set()  # payments whose details were asked for
        self.unclear = self.undetailed = (
            0  # payments in a row, asked in vain how far, and for details
        )

    def _payments(self) -> Any:
        return Payment.objects.filter(connection=self.connection, gone_at__isnull=True)

    def go(self) -> None:
        """Ask for what is open, then for some details."""
        due = self._payments().filter(poll_at__lte=timezone.now()).order_by("poll_at", "pk")
        for payment in list(due):
            self._poll(payment)
        self._rest_of_the_details()
        self.errand.again_at = (
            self._payments()
            .filter(poll_at__isnull=False)
            .order_by("poll_at")
            .values_list("poll_at", flat=True)
            .first()
        )

    def _rest_of_the_details(self) -> None:
        """Of what is final without them: first what was never asked for, then what was longest ago."""
        final = self._payments().filter(status__in=SETTLED, detailed_at__isnull=True)
        named = final.exclude(remote_id__isnull=True, awaited_id="")
        named = named.exclude(remote_id__startswith=NAMELESS).exclude(pk__in=self.detailed)
        for payment in list(
            named.order_by(F("polled_at").asc(nulls_first=True), "-at", "-pk")[:DETAILS]
        ):
            if self._in_the_way() or self.undetailed >= IN_A_ROW:
                break
            self._detail(payment)

    def _in_the_way(self) -> bool:
        room = budget_of(self.connection).room(write=False)
        return bool(room.requests < self.connection.requests_per_minute // KEPT_SHARE)

    def _ask(self, ask: Callable[[], Answer]) -> Answer | errors.Unclear | None:
        call = _of_one(ask)
        self.fetcher.ask(call)
        (found,) = self.errand.receive(self.fetcher, call, begun=False)
        self.errand.run.requests += 1
        return found  # type: ignore[no-any-return]  # what the fetcher brings has no type

    def _poll(self, payment: Payment) -> None:
        name = payment.known_as
        found = self._ask(lambda: self.there.payment_status(name))
        self.errand.run.seen += 1
        self.unclear = self.unclear + 1 if isinstance(found, errors.Unclear) else 0
        status = found.status if isinstance(found, PaymentStatus) else ""
        if is_final(status):
            self._settle(payment, status)
            if self.undetailed < IN_A_ROW:
                self._detail(payment)
            return
        now = timezone.now()
        began = payment.began_at or payment.at or payment.first_seen_at
        changes: dict[str, Any] = {
            "poll_at": next_poll(payment.polls, began, now),
            "polls": payment.polls + 1,
            "polled_at": now,
        }
        if status and status != payment.status:
            changes |= {"status": status, "changed_at": now, "fingerprint": 0}
        with self._transaction(now):
            Payment.objects.filter(pk=payment.pk).update(**changes)
        if isinstance(found, errors.Unclear):
            health.note_failure(self.connection, found)
            if self.unclear >= IN_A_ROW:
                raise found  # the next walk begins with others

    def _settle(self, payment: Payment, status: str) -> None:
        """It has become final: what was paid stands in the listing from now on, and in the credit.

        Written down at once: what became of it in detail may not be told for a long time.
        """
        now = timezone.now()
        with self._transaction(now):
            current = Payment.objects.filter(pk=payment.pk).first()
            if current is None:
                return
            _write(
                current,
                {
                    "status": status,
                    "poll_at": None,
                    "polled_at": now,
                    "changed_at": now,
                    "fingerprint": 0,
                },
            )
            if current.remote_id is None and status != "failed":
                self._list(current)
            for mirror in (PAYMENTS, CREDIT):
                schedule.soon(self.connection, mirror.name)

    def _list(self, payment: Payment) -> None:
        """Let it stand among what is listed, as the row that is there already if a walk was faster."""
        listed = Payment.objects.filter(
            connection=self.connection, remote_id=payment.awaited_id
        ).first()
        if listed:
            become(payment, listed)
        else:
            _write(payment, {"remote_id": payment.awaited_id})

    def _detail(self, payment: Payment) -> None:
        """Both records of a payment that is final. What is unclear of them is asked for again."""
        name = payment.known_as
        self.detailed.add(payment.pk)
        whole = self._ask(lambda: self.there.payment(name))
        processed = self._ask(lambda: self.there.processor_payment(name))
        now = timezone.now()
        changes: dict[str, Any] = {"polled_at": now}
        if isinstance(whole, errors.Unclear) or isinstance(processed, errors.Unclear):
            self.undetailed += 1
        else:
            self.undetailed, changes["detailed_at"] = 0, now
        told = _told(
            whole if isinstance(whole, PaymentRecord) else None,
            processed if isinstance(processed, ProcessorPayment) else None,
        )
        with self._transaction(now):
            current = Payment.objects.filter(pk=payment.pk).first()
            if current is not None:
                _write(current, changes | told)

    @contextmanager
    def _transaction(self, now: datetime) -> Iterator[None]:
        """A transaction under the errand's lease."""
        with transaction.atomic(durable=True):
            leases.hold(self.errand.resource.pk, self.errand.run.fence, now)
            yield


def _told(whole: PaymentRecord | None, processed: ProcessorPayment | None) -> dict[str, Any]:
    """What the two records say beyond the listing."""
    told: dict[str, Any] = {}
    if whole:
        told["began_at"] = whole.created_at
        told["at"] = whole.paid_at
        told["receipt_url"] = whole.receipt_url
        told["failure_reason"] = whole.failure_reason
    if processed:
        told["processor"] = processed.processor
        told["processor_id"] = processed.processor_id
        told["processor_status"] = processed.status
        told["receipt_url"] = told.get("receipt_url") or processed.receipt_url
    return {name: value for name, value in told.items() if value}


def _write(payment: Payment, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(payment, name, value)
    payment.save(update_fields=list(changes))


def _read(errand: Errand, adapter: Adapter, fetcher: Fetcher) -> None:
    _Polling(errand, adapter, fetcher).go()


PAYMENT_STATES = Series(
    name="payment_states",
    label=gettext_lazy("States of payments"),
    capability="payments.read",
    read=_read,
    method="payment_status",
    also=("payment", "processor_payment"),
    has=lambda provider: PROVIDERS[provider].sells_credit,
)
