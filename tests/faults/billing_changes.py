"""The change of what is bought automatically; purchases, which nobody repeats, stand in ``test_purchases``."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from apps.billing import topping
from apps.billing.models import TopUp
from apps.organizations.models import Connection
from tests.desk import Desk
from tests.factories import TopUpFactory, with_billing
from tests.faults.changes import OWN_TOP_UP, Change
from tests.faults.own_account_changes import key_of, own_account
from tests.sandbox_server import call

PATH = "/organizations/{org}/auto-top-up"
OWN_PATH = "/users/{}/auto-top-up"


class TopUpChange(Change):
    """``before`` and ``after`` are cents below which is bought."""

    def assert_mirrored(self) -> None:
        """It has happened, and the mirror shows what the remote has."""
        self.desk.sandbox.control.clear_faults()
        self._assert_both(int(self.after))

    def assert_untouched(self, why: str) -> None:
        """Nothing has happened, and the mirror shows what was before."""
        self.desk.sandbox.control.clear_faults()
        assert self.effects() == {}
        self._assert_both(int(self.before))

    def _there(self) -> Any:
        return self.desk.sandbox.cline("GET", PATH)[2]

    def _assert_both(self, cents: int) -> None:
        answer = self._there()
        wanted = {"enabled": True, "thresholdCents": cents, "amountCents": 20_000}
        assert answer["data"] == wanted
        row = TopUp.objects.get(connection=self.command.connection)
        assert (row.enabled, row.threshold_micros) == (True, cents * 10_000)
        assert row.amount_micros == 200_000_000

    def _is_about_us(self, entry: dict[str, Any]) -> bool:
        return f'"thresholdCents": {self.after}' in json.dumps(entry["arguments"])


class OwnTopUpChange(TopUpChange):
    """Of a person's own account."""

    def _there(self) -> Any:
        connection = self.command.connection
        path = OWN_PATH.format(connection.remote_organization_id)
        return self.desk.sandbox.cline("GET", path, key=key_of(connection))[2]


def own_account_with_card(desk: Desk, email: str) -> Connection:
    """Somebody with an account of their own, a card in it, and a desk of their own here."""
    connection: Connection = own_account(desk, email, joined=False).connection
    body = {"redirectUrl": "https://portal.example/"}
    path = f"/users/{connection.remote_organization_id}/payment-method/setup-session"
    made = desk.sandbox.cline("POST", path, body, key=key_of(connection))[2]["data"]
    assert call(desk.sandbox.base_url, "POST", urlsplit(made["url"]).path, b"outcome=pay")[0] == 303
    return connection


def _prepare_own(desk: Desk, kind: str, provider: str, name: str) -> Callable[[], Change]:
    connection = own_account_with_card(desk, name)
    before, after = 1_000, 4_000  # cents
    path = OWN_PATH.format(connection.remote_organization_id)
    body = {"enabled": True, "thresholdCents": before, "amountCents": 20_000}
    assert desk.sandbox.cline("PUT", path, body, key=key_of(connection))[0] == 200
    row = TopUpFactory.create(
        connection=connection, threshold_micros=before * 10_000, amount_micros=200_000_000
    )
    began = desk.sandbox.control.journal_end()
    user = connection.organization.personal_of
    assert user is not None

    def ask() -> Change:
        wanted = topping.Wanted(True, Decimal(after) / 100, Decimal(200))
        command = topping.change(top_up=row, wanted=wanted, actor=user, nonce=name)
        return OwnTopUpChange(
            desk, kind, provider, command, name, began, before=str(before), after=str(after)
        )

    return ask


def prepare_top_up(desk: Desk, kind: str, provider: str, name: str) -> Callable[[], Change]:
    """Put it into the remote and the mirror; what is returned asks for its change."""
    if kind == OWN_TOP_UP:
        return _prepare_own(desk, kind, provider, name)
    connection = with_billing(desk.connections[provider])
    connection.save()
    number = int("".join(filter(str.isdigit, name)))
    before, after = 1_000 + number, 4_000 + number  # cents: no test uses another's
    body = {"enabled": True, "thresholdCents": before, "amountCents": 20_000}
    assert desk.sandbox.cline("PUT", PATH, body)[0] == 200
    row = TopUpFactory.create(
        connection=connection, threshold_micros=before * 10_000, amount_micros=200_000_000
    )
    began = desk.sandbox.control.journal_end()

    def ask() -> Change:
        wanted = topping.Wanted(True, Decimal(after) / 100, Decimal(200))
        command = topping.change(top_up=row, wanted=wanted, actor=desk.owner, nonce=name)
        return TopUpChange(
            desk, kind, provider, command, name, began, before=str(before), after=str(after)
        )

    return ask
