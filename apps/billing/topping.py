"""What is bought automatically: how a change of it is asked for, sent, read back, and written to the mirror."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User
from apps.billing import services
from apps.billing.mirror import TOP_UP, with_billing
from apps.billing.models import TopUp
from apps.billing.money import in_micros
from apps.billing.whose import ORGANIZATION, PERSON, sort_of
from apps.billing.words import top_up_plan
from apps.providers.protocol import Adapter
from apps.providers.records.billing import AutoTopUp
from apps.sync.models import Command
from apps.sync.outbox.kinds import Done, Json, Kind, NotDone, Step, Verdict, register
from apps.sync.outbox.requests import RequestRefused, Wish, ask

COLUMNS = ("enabled", "threshold_micros", "amount_micros")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Automatic purchases as somebody wants them, in dollars; off, both amounts stay as they are."""

    enabled: bool
    threshold: Decimal | None = None
    amount: Decimal | None = None

    def as_row(self) -> TopUp:
        """The same as the mirror would hold it, not saved."""
        return TopUp(
            enabled=self.enabled,
            threshold_micros=in_micros(self.threshold),
            amount_micros=in_micros(self.amount),
        )


def why_no_threshold(threshold: Decimal) -> str:
    """What is wrong with a threshold; "" if nothing is: zero buys once nothing is left."""
    return "" if threshold == 0 else services.why_not(threshold)


def change(*, top_up: TopUp, wanted: Wanted, actor: User, nonce: str) -> Command:
    """Have credit bought automatically as ``wanted``, or no more. Raises RequestRefused."""
    if wanted.enabled:
        if wanted.threshold is None or wanted.amount is None:
            raise RequestRefused(_("Say below what is bought, and how much."))
        if why := why_no_threshold(wanted.threshold) or services.why_not(wanted.amount):
            raise RequestRefused(why)
    row = wanted.as_row()
    if all(getattr(row, name) == getattr(top_up, name) for name in COLUMNS):
        raise RequestRefused(_("It is so already."))
    wish = Wish(
        kind=sort_of(top_up.connection).kind("top_up"),
        connection=top_up.connection,
        target=f"{TOP_UP.name}:{top_up.remote_id}",
        label=str(_("Automatic purchases")),
        arguments={name: getattr(row, name) for name in COLUMNS},
        before={name: getattr(top_up, name) for name in COLUMNS},
        row_id=top_up.pk,
    )
    return ask(wish, actor=actor, nonce=nonce)


# --- Carrying it out ------------------------------------------------------------------------------


def _row(arguments: dict[str, Any]) -> TopUp:
    return TopUp(**{name: arguments.get(name) for name in COLUMNS})


def _check(command: Command) -> str:
    """The before-image: what the person saw must still be so."""
    row = TopUp.objects.filter(pk=command.row_id or 0, gone_at__isnull=True).first()
    if row is None:
        return _("The provider tells nothing of automatic purchases any more.")
    if any(getattr(row, name) != command.before.get(name) for name in COLUMNS):
        return _("Meanwhile it was changed at the provider: %(now)s") % {"now": top_up_plan(row)}
    return ""


def _send(adapter: Adapter, command: Command) -> Json:
    row = _row(command.arguments)
    wanted = AutoTopUp(bool(row.enabled), row.threshold, row.amount)
    with_billing(adapter).set_auto_top_up(wanted)
    return {}


def _read_back(adapter: Adapter, command: Command) -> Verdict:
    found = with_billing(adapter).auto_top_up()
    row = _row(command.arguments)
    if not row.enabled:
        return NotDone() if found.enabled else Done()
    as_wanted = (True, row.threshold, row.amount)
    told = (found.enabled, found.threshold_usd, found.amount_usd)
    return Done() if told == as_wanted else NotDone()


def _settle(command: Command) -> None:
    wanted = {name: command.arguments.get(name) for name in COLUMNS}
    TopUp.objects.filter(pk=command.row_id or 0).update(
        **wanted, changed_at=timezone.now(), fingerprint=0
    )


CHANGE = Kind(
    name=ORGANIZATION.kind("top_up"),
    label=gettext_lazy("Change automatic purchases"),
    action=ORGANIZATION.top_up,
    capability="top_up.change",
    resource=TOP_UP.name,
    steps=(Step("change", _send, _read_back),),
    describe=lambda command: top_up_plan(_row(command.arguments)),
    settle=_settle,
    check=_check,
)
OWN_CHANGE = replace(CHANGE, name=PERSON.kind("top_up"), action=PERSON.top_up)


def register_kinds() -> None:
    """Make the changes known to the outbox."""
    register(CHANGE)
    register(OWN_CHANGE)
