"""Asking an organization's admins for a higher spend cap: sent once, and nothing tells of it afterwards."""

from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User
from apps.personal.mirror import with_account
from apps.personal.models import Account
from apps.personal.services import about
from apps.providers.protocol import Adapter
from apps.sync.models import Command, CommandState
from apps.sync.outbox.kinds import Json, Kind, Moot, Step, Verdict
from apps.sync.outbox.requests import ask

KIND = "personal.request_budget"
# What the provider's own client allows; the provider itself may say more, or less.
ONCE_IN = timedelta(minutes=5)


def _row(command: Command) -> Account | None:
    found: Account | None = Account.objects.present().filter(pk=command.row_id or 0).first()
    return found


def _send(adapter: Adapter, command: Command) -> Json:
    with_account(adapter).request_budget_increase()
    return {}


def _read_back(adapter: Adapter, command: Command) -> Verdict:
    """Nothing there lists requests, and a second one would bother the admins again: never sent twice."""
    return Moot(
        _(
            "The answer was lost, and nothing at the provider tells whether your admins were asked. Ask "
            "them, or send it again in five minutes."
        )
    )


def _check(command: Command) -> str:
    """The same organization must still be billed as when it was asked for."""
    row = _row(command)
    if row is None:
        return _("This account is gone.")
    if row.active_organization_id != command.before.get("organization_id"):
        return _("Meanwhile use is billed to another account.")
    return ""


def _describe(command: Command) -> str:
    if name := command.arguments["name"]:
        return _("The admins of %(name)s are asked for a higher spend cap for you.") % {
            "name": name
        }
    return _("The admins of the organization that is billed are asked for a higher spend cap.")


REQUEST_BUDGET = Kind(
    name=KIND,
    label=gettext_lazy("Ask for a higher spend cap"),
    action="account.change",
    capability="budget.request",
    resource="account",
    steps=(Step("ask", _send, _read_back),),
    describe=_describe,
    settle=lambda command: None,
    check=_check,
)


def last_request(account: Account) -> Command | None:
    """The newest request of this account, whatever became of it. One query."""
    asked = Command.objects.filter(connection=account.connection_id, kind=KIND)
    return asked.order_by("-created_at", "-pk").first()


def why_not(account: Account, last: Command | None) -> str:
    """Why no request can be sent now, "" if one can; ``last``: the newest one."""
    if account.active_organization_id == "":
        return _("Use is billed to you yourself: no organization has set you a cap.")
    sent = last is not None and last.state == CommandState.SUCCEEDED
    if sent and last and last.settled_at and timezone.now() - last.settled_at < ONCE_IN:
        return _("You have asked within the last five minutes.")
    return ""


def request_increase(*, account: Account, actor: User, nonce: str) -> Command:
    """Ask the admins for a higher spend cap. Raises RequestRefused."""
    place = account.place(account.active_organization_id or "")
    why = why_not(account, last_request(account))
    arguments = {"name": place.name if place else ""}
    before = {"organization_id": account.active_organization_id}
    return ask(about(KIND, account, why, arguments, **before), actor=actor, nonce=nonce)
