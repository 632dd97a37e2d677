"""The change of what is bought automatically; purchases, which nobody repeats, stand in ``test_purchases``."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from apps.billing import topping
from apps.billing.models import TopUp
from tests.desk import Desk
from tests.factories import TopUpFactory, with_billing
from tests.faults.changes import Change

PATH = "/organizations/{org}/auto-top-up"


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

    def _assert_both(self, cents: int) -> None:
        _, _, answer = self.desk.sandbox.cline("GET", PATH)
        wanted = {"enabled": True, "thresholdCents": cents, "amountCents": 20_000}
        assert answer["data"] == wanted
        row = TopUp.objects.get(connection=self._connection)
        assert (row.enabled, row.threshold_micros) == (True, cents * 10_000)
        assert row.amount_micros == 200_000_000

    def _is_about_us(self, entry: dict[str, Any]) -> bool:
        return f'"thresholdCents": {self.after}' in json.dumps(entry["arguments"])


def prepare_top_up(desk: Desk, kind: str, provider: str, name: str) -> Callable[[], Change]:
    """Put it into the remote and the mirror; what is returned asks for its change."""
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
