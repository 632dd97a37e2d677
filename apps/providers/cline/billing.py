"""Credit of an organization or a person: balance, payments, purchases, top-up, card, promotions.

The two mirror each other, as the reference page says. Balances and lists were recorded; the rest is
inferred, so it is read field by field and ``missing`` tells what was not there. Money arrives as
millionths of a dollar (balances, credits) and as cents (card amounts), and leaves as cents.
"""

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from apps.providers.cline.answers import data_of, read
from apps.providers.cline.client import ORGANIZATION, SHORT_ORGANIZATION, USER, Client
from apps.providers.decoding import LONGEST_STATUS, Missing
from apps.providers.http import Answer
from apps.providers.money import CENTS, MICROS
from apps.providers.reading import DocumentReader, Reading, cents
from apps.providers.records import Page
from apps.providers.records.billing import (
    AutoTopUp,
    Balance,
    HostedSession,
    PaymentMethod,
    PaymentRecord,
    PaymentStatus,
    ProcessorPayment,
    Promotion,
)


def _balance(reading: Reading, owner: str) -> Balance:
    owner = reading.id(owner, needed=True)
    amount = reading.usd("balance", unit=MICROS, needed=True)
    return Balance(owner, amount, reading.missing)


def _payment(reading: Reading, raw: bytes) -> PaymentRecord:
    return PaymentRecord(
        reading.id("id", "paymentId", needed=True),
        reading.moment("paidAt", needed=True),
        reading.id("creatorId", needed=True),
        reading.usd("amountCents", unit=CENTS, needed=True),
        reading.usd("credits", unit=MICROS, needed=True),
        reading.text("status", longest=LONGEST_STATUS, needed=True),
        reading.moment("createdAt"),
        reading.web_address("receiptUrl"),
        reading.text("failureReason", longest=500),
        raw,
        reading.missing,
    )


def _status(reading: Reading, raw: bytes) -> PaymentStatus:
    remote_id = reading.id("id", "paymentId", needed=True)
    status = reading.text("status", longest=LONGEST_STATUS, needed=True)
    return PaymentStatus(remote_id, status, reading.missing)


def _processor_payment(reading: Reading, raw: bytes) -> ProcessorPayment:
    return ProcessorPayment(
        reading.text("provider", needed=True),
        reading.id("providerPaymentId", "id", needed=True),
        reading.id("paymentId"),
        reading.text("status", longest=LONGEST_STATUS, needed=True),
        reading.usd("amountCents", unit=CENTS),
        reading.text("currency", longest=8),
        reading.web_address("receiptUrl"),
        raw,
        reading.missing,
    )


def _session(reading: Reading, raw: bytes) -> HostedSession:
    url = reading.web_address("url", "checkoutUrl")
    if not url:
        raise Missing(_("it has no %(field)s") % {"field": "url"})
    session_id = reading.id("sessionId", "id", needed=True)
    return HostedSession(url, session_id, reading.id("paymentId"), reading.missing)


def _auto_top_up(reading: Reading, raw: bytes) -> AutoTopUp:
    enabled = reading.flag("enabled", needed=True)
    threshold = reading.usd("thresholdCents", unit=CENTS, needed=enabled is True)
    amount = reading.usd("amountCents", unit=CENTS, needed=enabled is True)
    return AutoTopUp(enabled, threshold, amount, reading.missing)


def _payment_method(reading: Reading, raw: bytes) -> PaymentMethod:
    return PaymentMethod(
        reading.id("id", needed=True),
        reading.text("type", longest=LONGEST_STATUS, needed=True),
        reading.text("brand", longest=LONGEST_STATUS),
        reading.text("last4", longest=4),
        reading.count("expMonth"),
        reading.count("expYear"),
        raw,
        reading.missing,
    )


def _promotion(reading: Reading, raw: bytes) -> Promotion:
    return Promotion(
        reading.id("id", needed=True),
        reading.text("name", needed=True),
        reading.usd("credits", unit=MICROS, needed=True),
        reading.usd("creditsRemaining", unit=MICROS),
        reading.moment("expiresAt"),
        reading.moment("createdAt"),
        raw,
        reading.missing,
    )


OF_ORGANIZATION = DocumentReader(lambda reading, _raw: _balance(reading, "organizationId"))
OF_USER = DocumentReader(lambda reading, _raw: _balance(reading, "userId"))
PAYMENTS = DocumentReader(_payment)
STATUS = DocumentReader(_status)
PROCESSOR_PAYMENT = DocumentReader(_processor_payment)
SESSION = DocumentReader(_session)
AUTO_TOP_UP = DocumentReader(_auto_top_up)
PAYMENT_METHOD = DocumentReader(_payment_method)
PROMOTIONS = DocumentReader(_promotion)


class OrganizationBilling(Client):
    """Credit that the members of the organization share. Forbidden (403) for too weak a role."""

    def get_organization_balance(self) -> Balance:
        """get_organization_balance."""
        return read(OF_ORGANIZATION, self._list(f"{ORGANIZATION}/balance"))

    def list_organization_payments(self, *, cursor: str | None = None) -> Page[PaymentRecord]:
        """list_organization_payments: purchases of credit. Not known to page."""
        return self._page(PAYMENTS, f"{ORGANIZATION}/payments", cursor=cursor)

    def get_organization_payment(self, payment_id: str) -> PaymentRecord:
        """get_organization_payment. NotFound if there is none of that id."""
        template = f"{ORGANIZATION}/payments/{{paymentId}}"
        return read(PAYMENTS, self._call("GET", template, paymentId=payment_id))

    def get_organization_payment_status(self, payment_id: str) -> PaymentStatus:
        """get_organization_payment_status. NotFound if there is no payment of that id."""
        template = f"{ORGANIZATION}/payments/{{paymentId}}/status"
        return read(STATUS, self._call("GET", template, paymentId=payment_id))

    def get_organization_provider_payment(self, payment_id: str) -> ProcessorPayment:
        """get_organization_provider_payment. NotFound if there is no payment of that id."""
        template = f"{ORGANIZATION}/payments/provider/{{paymentId}}"
        return read(PROCESSOR_PAYMENT, self._call("GET", template, paymentId=payment_id))

    def create_organization_credit_checkout(
        self, amount_usd: Decimal, *, redirect_url: str = ""
    ) -> HostedSession:
        """create_organization_credit_checkout: a page where the person pays, and comes back from."""
        body = _purchase(amount_usd, redirect_url)
        return read(SESSION, self._call("POST", f"{ORGANIZATION}/credits/checkout", body=body))

    def purchase_organization_credits(self, amount_usd: Decimal) -> PaymentRecord:
        """purchase_organization_credits: charges the stored card. Refused with 402 where it is
        declined or there is none."""
        body = _purchase(amount_usd)
        return read(PAYMENTS, self._call("POST", f"{ORGANIZATION}/credits/purchase", body=body))

    def get_organization_auto_top_up(self) -> AutoTopUp:
        """get_organization_auto_top_up."""
        return read(AUTO_TOP_UP, self._list(f"{ORGANIZATION}/auto-top-up"))

    def set_organization_auto_top_up(self, wanted: AutoTopUp) -> AutoTopUp:
        """set_organization_auto_top_up: ``wanted`` if the answer does not say. Refused with 409
        without a stored card."""
        answer = self._call("PUT", f"{ORGANIZATION}/auto-top-up", body=_top_up_body(wanted))
        return _told(answer, wanted)

    def get_organization_default_payment_method(self) -> PaymentMethod | None:
        """get_organization_default_payment_method: the stored card; None if there is none."""
        return _card(self._list(f"{ORGANIZATION}/payment-method/default"))

    def create_organization_payment_method_setup_session(
        self, *, redirect_url: str = ""
    ) -> HostedSession:
        """create_organization_payment_method_setup_session: a page where the person stores a card."""
        template = f"{ORGANIZATION}/payment-method/setup-session"
        return read(SESSION, self._call("POST", template, body=_redirect(redirect_url)))

    def list_organization_promotions(self, *, cursor: str | None = None) -> Page[Promotion]:
        """list_organization_promotions: those in force. Not known to page."""
        template = f"{SHORT_ORGANIZATION}/promotions"
        return self._page(PROMOTIONS, template, cursor=cursor, id=self._organization)


class PersonalBilling(Client):
    """Credit of the key's owner. ``user_id`` is theirs, from get_current_user; Forbidden for another's."""

    def get_user_balance(self, user_id: str) -> Balance:
        """get_user_balance."""
        return read(OF_USER, self._list(f"{USER}/balance", id=user_id))

    def list_user_payments(self, user_id: str, *, cursor: str | None = None) -> Page[PaymentRecord]:
        """list_user_payments: purchases of credit. Not known to page."""
        return self._page(PAYMENTS, f"{USER}/payments", cursor=cursor, id=user_id)

    def get_user_payment(self, user_id: str, payment_id: str) -> PaymentRecord:
        """get_user_payment. NotFound if there is none of that id."""
        template = f"{USER}/payments/{{paymentId}}"
        return read(PAYMENTS, self._call("GET", template, id=user_id, paymentId=payment_id))

    def get_user_payment_status(self, user_id: str, payment_id: str) -> PaymentStatus:
        """get_user_payment_status. NotFound if there is no payment of that id."""
        template = f"{USER}/payments/{{paymentId}}/status"
        return read(STATUS, self._call("GET", template, id=user_id, paymentId=payment_id))

    def get_user_provider_payment(self, user_id: str, payment_id: str) -> ProcessorPayment:
        """get_user_provider_payment. NotFound if there is no payment of that id."""
        template = f"{USER}/payments/provider/{{paymentId}}"
        return read(
            PROCESSOR_PAYMENT, self._call("GET", template, id=user_id, paymentId=payment_id)
        )

    def create_user_credit_checkout(
        self, amount_usd: Decimal, *, redirect_url: str = ""
    ) -> HostedSession:
        """create_user_credit_checkout: a page where the person pays; for the key's owner alone."""
        body = _purchase(amount_usd, redirect_url)
        return read(SESSION, self._call("POST", "/api/v1/users/credits/checkout", body=body))

    def purchase_user_credits(self, user_id: str, amount_usd: Decimal) -> PaymentRecord:
        """purchase_user_credits: charges the stored card. Refused with 402 where it is declined or
        there is none."""
        body = _purchase(amount_usd)
        return read(PAYMENTS, self._call("POST", f"{USER}/credits/purchase", body=body, id=user_id))

    def get_user_auto_top_up(self, user_id: str) -> AutoTopUp:
        """get_user_auto_top_up."""
        return read(AUTO_TOP_UP, self._list(f"{USER}/auto-top-up", id=user_id))

    def set_user_auto_top_up(self, user_id: str, wanted: AutoTopUp) -> AutoTopUp:
        """set_user_auto_top_up: ``wanted`` if the answer does not say. Refused with 409 without a
        stored card."""
        body = _top_up_body(wanted)
        return _told(self._call("PUT", f"{USER}/auto-top-up", body=body, id=user_id), wanted)

    def get_user_default_payment_method(self, user_id: str) -> PaymentMethod | None:
        """get_user_default_payment_method: the stored card; None if there is none."""
        return _card(self._list(f"{USER}/payment-method/default", id=user_id))

    def create_user_payment_method_setup_session(
        self, user_id: str, *, redirect_url: str = ""
    ) -> HostedSession:
        """create_user_payment_method_setup_session: a page where the person stores a card."""
        template = f"{USER}/payment-method/setup-session"
        answer = self._call("POST", template, body=_redirect(redirect_url), id=user_id)
        return read(SESSION, answer)

    def list_user_promotions(self, user_id: str, *, cursor: str | None = None) -> Page[Promotion]:
        """list_user_promotions: those in force. Not known to page."""
        return self._page(PROMOTIONS, f"{USER}/promotions", cursor=cursor, id=user_id)


def _redirect(url: str) -> dict[str, Any]:
    return {"redirectUrl": url} if url else {}


def _purchase(amount_usd: Decimal, redirect_url: str = "") -> dict[str, Any]:
    return {"amountCents": cents(amount_usd), **_redirect(redirect_url)}


def _top_up_body(wanted: AutoTopUp) -> dict[str, Any]:
    amounts = {"thresholdCents": wanted.threshold_usd, "amountCents": wanted.amount_usd}
    known = {name: cents(amount) for name, amount in amounts.items() if amount is not None}
    return {"enabled": bool(wanted.enabled), **known}


def _told(answer: Answer, wanted: AutoTopUp) -> AutoTopUp:
    """The settings in the answer to a change: a 2xx, so where it says nothing they are as wanted."""
    found = AUTO_TOP_UP.attempt(data_of(answer) or b"null")
    return found if isinstance(found, AutoTopUp) and found.enabled is not None else wanted


def _card(answer: Answer) -> PaymentMethod | None:
    return None if data_of(answer) is None else read(PAYMENT_METHOD, answer)
