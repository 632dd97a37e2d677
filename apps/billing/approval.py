"""What is said of the second person before money is asked for."""

from decimal import Decimal

from django.utils.translation import gettext as _

from apps.billing.words import usd
from apps.organizations.models import Organization
from apps.organizations.policy import POLICY
from apps.sync.outbox.kinds import KINDS
from apps.sync.outbox.requests import waits_for_second


def rule(kind: str, organization: Organization) -> str:
    """When a second person is needed for changes of ``kind``, beside the form; "" where never."""
    if organization.demand_second_person and POLICY[KINDS[kind].action].irreversible:
        return _("A second person must approve it before it is sent.")
    cents = organization.second_person_cents
    if cents is None:
        return ""
    return _("Above %(amount)s a second person must approve it before it is sent.") % {
        "amount": usd(Decimal(cents).scaleb(-2))
    }


def this_one(kind: str, organization: Organization, cents: int | None) -> str:
    """That a second person is needed for a change that costs so much; "" where not."""
    if not waits_for_second(KINDS[kind], organization, {"cents": cents}):
        return ""
    if cents is None and not organization.demand_second_person:
        return _(
            "What it costs is not known, so a second person must approve it before it is sent."
        )
    return _("A second person must approve it before it is sent.")
