"""What people may ask for with money. Each function checks, then hands a Command to the outbox."""

from decimal import Decimal

from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.billing.whose import sort_of
from apps.billing.words import usd
from apps.organizations.models import Connection
from apps.sync.models import Command
from apps.sync.outbox.requests import RequestRefused, Wish, ask

CENT = Decimal("0.01")
MOST = Decimal(1_000_000)  # dollars in one go: more is a slip of the finger


def why_not(amount: Decimal) -> str:
    """What is wrong with an amount of dollars to be paid; "" if nothing is, as far as the portal knows."""
    if not amount.is_finite() or amount <= 0:
        return _("Say how much, more than nothing.")
    if amount > MOST:  # first: of very many digits there is no remainder
        return _("At most %(most)s in one go.") % {"most": usd(MOST)}
    if amount % CENT:
        return _("An amount has two decimals at most.")
    return ""


def purchase(*, connection: Connection, amount: Decimal, actor: User, nonce: str) -> Command:
    """Charge the stored card with ``amount`` dollars for credit. Raises RequestRefused."""
    wish = _wish("purchase", connection, amount)
    return ask(wish, actor=actor, nonce=nonce)


def checkout(
    *, connection: Connection, amount: Decimal, back: str, actor: User, nonce: str
) -> Command:
    """Open a page where ``amount`` dollars are paid. Whoever paid is led to ``back`` and the Command's uid.

    Raises RequestRefused.
    """
    wish = _wish("checkout", connection, amount, back=back)
    return ask(wish, actor=actor, nonce=nonce)


def _wish(name: str, connection: Connection, amount: Decimal, **more: str) -> Wish:
    if why := why_not(amount):
        raise RequestRefused(why)
    kind = sort_of(connection).kind(name)
    return Wish(
        kind=kind,
        connection=connection,
        target=kind.replace(".", ":"),
        label=usd(amount),
        arguments={"cents": int(amount / CENT), **more},
    )
