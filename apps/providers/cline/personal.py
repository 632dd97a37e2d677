"""One person's own Cline account, spoken to with that person's API key."""

from datetime import UTC, date, datetime, timedelta

from django.utils.translation import gettext as _

from apps.providers.abilities import Needs, Reads, look
from apps.providers.catalogue import CLINE_PERSONAL
from apps.providers.cline.adapter import ClineAdapter, by_day
from apps.providers.cline.purse import OwnPurse
from apps.providers.errors import Unclear
from apps.providers.records import Found, Page, RemoteOrganization
from apps.providers.records.configuration import RemoteConfig
from apps.providers.records.reports import UsageBucket
from apps.providers.records.usage import UsageRecord

_ME = ("get_current_user",)
_PAYMENTS, _CARD = "list_user_payments", "get_user_default_payment_method"
# Writes are not tried: whoever may read their own account may change it.
NEEDS: Needs = {
    "account.read": _ME,
    "account.change": _ME,
    "account.terms": _ME,
    "account.join": _ME,
    "account.token": _ME,
    "account.delete": _ME,
    "config.read": ("get_current_user_remote_config",),
    "usage.read": ("list_user_daily_usages",),
    "usage.calls": ("list_user_usages",),
    "usage.limits": ("get_current_user_plan_usage_limits",),
    "budget.request": _ME,
    "credit.read": ("get_user_balance",),
    "credit.buy": (_PAYMENTS, _CARD),
    "payments.read": (_PAYMENTS,),
    "card.read": (_CARD,),
    "card.change": (_CARD,),
    "top_up.read": ("get_user_auto_top_up",),
    "top_up.change": ("get_user_auto_top_up", _CARD),
    "promotions.read": ("list_user_promotions",),
    "plan.read": ("get_current_user_plan",),
}


class PersonalClineAdapter(OwnPurse, ClineAdapter):
    """What ``protocol.AccountAdapter`` names stands in ``account``, what has to do with money in ``purse``;
    below is what else differs.

    Where an organization's adapter has an organization, this one has the person: the provider's id of
    the user is the connection's ``remote_organization_id``.
    """

    NEEDS = NEEDS

    def __repr__(self) -> str:
        return f"<PersonalClineAdapter {self._organization or 'of whoever has the key'}>"

    def probe(self) -> Found:
        """get_current_user, and one cheap read for each capability."""
        caller = self.get_current_user()
        account = caller.email or caller.name or caller.remote_id
        me, today = caller.remote_id, datetime.now(UTC).date()
        reads: Reads = {
            "get_current_user": lambda: None,
            "get_current_user_remote_config": self.get_current_user_remote_config,
            "list_user_daily_usages": lambda: self.list_user_daily_usages(me, today, today),
            "list_user_usages": lambda: self.list_user_usages(me, limit=1),
            "get_current_user_plan_usage_limits": self.get_current_user_plan_usage_limits,
            "get_user_balance": lambda: self.get_user_balance(me),
            _PAYMENTS: lambda: self.list_user_payments(me),
            _CARD: lambda: self.get_user_default_payment_method(me),
            "get_user_auto_top_up": lambda: self.get_user_auto_top_up(me),
            "list_user_promotions": lambda: self.list_user_promotions(me),
            "get_current_user_plan": self.get_current_user_plan,
        }
        abilities = look(NEEDS, reads) | CLINE_PERSONAL.impossible
        return Found(account, (RemoteOrganization(caller.remote_id, account, ()),), abilities)

    def configuration(self) -> RemoteConfig | None:
        """get_current_user_remote_config. Unclear if one applies and cannot be read."""
        found = self.get_current_user_remote_config()
        if found is not None and found.missing:
            raise Unclear(_("The remote config cannot be read."))
        return found

    usage_dimensions = ("model", "operation")
    usage_groupings = (usage_dimensions,)
    usage_days = 31

    def usage(
        self, start: datetime, end: datetime, group_by: tuple[str, ...], cursor: str | None = None
    ) -> Page[UsageBucket]:
        """list_user_daily_usages: list prices alone, and no charges; it does not page."""
        last: date = (end - timedelta(days=1)).date()
        page = self.list_user_daily_usages(self._organization, start.date(), last)
        return by_day(page)

    def calls(self, account: str, cursor: str | None = None) -> Page[UsageRecord]:
        """list_user_usages: the owner's own, billed to themselves."""
        return self.list_user_usages(account, cursor=cursor)
