"""Money by the protocol's own names: the same for an organization and for one person's own account.

Each method is one operation, which of the two is said by the class.
"""

from decimal import Decimal

from apps.providers.cline.billing import OrganizationBilling, PersonalBilling
from apps.providers.cline.plans import Plans
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
    Subscription,
)


class OrganizationPurse(OrganizationBilling, Plans):
    """What ``protocol.BillingAdapter`` names, of an organization."""

    sells_seats = True

    def balance(self) -> Balance:
        """get_organization_balance."""
        return self.get_organization_balance()

    def payments(self, *, cursor: str | None = None) -> Page[PaymentRecord]:
        """list_organization_payments."""
        return self.list_organization_payments(cursor=cursor)

    def payment(self, payment_id: str) -> PaymentRecord:
        """get_organization_payment."""
        return self.get_organization_payment(payment_id)

    def payment_status(self, payment_id: str) -> PaymentStatus:
        """get_organization_payment_status."""
        return self.get_organization_payment_status(payment_id)

    def processor_payment(self, payment_id: str) -> ProcessorPayment:
        """get_organization_provider_payment."""
        return self.get_organization_provider_payment(payment_id)

    def credit_checkout(self, amount_usd: Decimal, *, redirect_url: str = "") -> HostedSession:
        """create_organization_credit_checkout."""
        return self.create_organization_credit_checkout(amount_usd, redirect_url=redirect_url)

    def purchase_credits(self, amount_usd: Decimal) -> PaymentRecord:
        """purchase_organization_credits."""
        return self.purchase_organization_credits(amount_usd)

    def auto_top_up(self) -> AutoTopUp:
        """get_organization_auto_top_up."""
        return self.get_organization_auto_top_up()

    def set_auto_top_up(self, wanted: AutoTopUp) -> AutoTopUp:
        """set_organization_auto_top_up."""
        return self.set_organization_auto_top_up(wanted)

    def default_payment_method(self) -> PaymentMethod | None:
        """get_organization_default_payment_method."""
        return self.get_organization_default_payment_method()

    def payment_method_setup_session(self, *, redirect_url: str = "") -> HostedSession:
        """create_organization_payment_method_setup_session."""
        return self.create_organization_payment_method_setup_session(redirect_url=redirect_url)

    def promotions(self, *, cursor: str | None = None) -> Page[Promotion]:
        """list_organization_promotions."""
        return self.list_organization_promotions(cursor=cursor)

    def plan(self) -> Subscription | None:
        """get_organization_plan."""
        return self.get_organization_plan()


class OwnPurse(PersonalBilling, Plans):
    """What ``protocol.BillingAdapter`` names, of the key's owner, whose id stands where an organization's
    would."""

    sells_seats = False

    def balance(self) -> Balance:
        """get_user_balance."""
        return self.get_user_balance(self._organization)

    def payments(self, *, cursor: str | None = None) -> Page[PaymentRecord]:
        """list_user_payments."""
        return self.list_user_payments(self._organization, cursor=cursor)

    def payment(self, payment_id: str) -> PaymentRecord:
        """get_user_payment."""
        return self.get_user_payment(self._organization, payment_id)

    def payment_status(self, payment_id: str) -> PaymentStatus:
        """get_user_payment_status."""
        return self.get_user_payment_status(self._organization, payment_id)

    def processor_payment(self, payment_id: str) -> ProcessorPayment:
        """get_user_provider_payment."""
        return self.get_user_provider_payment(self._organization, payment_id)

    def credit_checkout(self, amount_usd: Decimal, *, redirect_url: str = "") -> HostedSession:
        """create_user_credit_checkout."""
        return self.create_user_credit_checkout(amount_usd, redirect_url=redirect_url)

    def purchase_credits(self, amount_usd: Decimal) -> PaymentRecord:
        """purchase_user_credits."""
        return self.purchase_user_credits(self._organization, amount_usd)

    def auto_top_up(self) -> AutoTopUp:
        """get_user_auto_top_up."""
        return self.get_user_auto_top_up(self._organization)

    def set_auto_top_up(self, wanted: AutoTopUp) -> AutoTopUp:
        """set_user_auto_top_up."""
        return self.set_user_auto_top_up(self._organization, wanted)

    def default_payment_method(self) -> PaymentMethod | None:
        """get_user_default_payment_method."""
        return self.get_user_default_payment_method(self._organization)

    def payment_method_setup_session(self, *, redirect_url: str = "") -> HostedSession:
        """create_user_payment_method_setup_session."""
        return self.create_user_payment_method_setup_session(
            self._organization, redirect_url=redirect_url
        )

    def promotions(self, *, cursor: str | None = None) -> Page[Promotion]:
        """list_user_promotions."""
        return self.list_user_promotions(self._organization, cursor=cursor)

    def plan(self) -> Subscription | None:
        """get_current_user_plan."""
        return self.get_current_user_plan()
