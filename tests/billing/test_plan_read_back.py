"""A plan whose answer was lost: when what the provider shows is taken for ours, and when a person has to say."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.utils import timezone

from apps.billing import subscribing
from apps.billing.subscribing import CANCEL, SEATS, SUBSCRIBE
from apps.providers.errors import Forbidden
from apps.providers.records import Page
from apps.providers.records.billing import Plan, PlanPeriod, Subscription
from apps.sync.models import Command
from apps.sync.outbox.kinds import Done, Kind, Moot, NotDone, Undecided, Verdict
from tests.factories import CommandFactory

pytestmark = pytest.mark.django_db
NOW = timezone.now()
LATER, OVER = NOW + timedelta(days=20), NOW - timedelta(days=1)


def plan(remote_id: str) -> Plan:
    """A plan of which nothing but its id and name is told."""
    told: Any = msgspec.structs.fields(Plan)
    given = {one.name: None for one in told if one.required} | {"remote_id": remote_id}
    return Plan(**given | {"name": "Teams"})


def held(seats: int = 5, *, of: str = "teams", history: str = "oph_2", **more: Any) -> Subscription:
    """A plan as the provider tells of it."""
    ends = {"cancel_at": None, "cancelled_at": None} | more
    return Subscription("org", plan(of), history, "sub", None, None, **ends, seats=seats)


@dataclass
class Seller:
    """As much of a provider as is looked at. ``history`` None: it does not tell."""

    now: Subscription | None
    history: tuple[str, ...] | None = ("oph_1",)

    def plan(self) -> Subscription | None:
        return self.now

    def list_organization_plan_history(self, cursor: str | None = None) -> Page[PlanPeriod]:
        if self.history is None:
            raise Forbidden("not yours")
        nothing: list[Any] = [None] * 5
        return Page([PlanPeriod(one, *nothing) for one in self.history], None)


def sent(kind: Kind, **more: Any) -> Command:
    """A change that was sent and never answered."""
    made: Command = CommandFactory(
        kind=kind.name,
        state="unknown",
        arguments={"plan": "teams", "seats": 5},
        before={"seats": 3},
        **more,
    )
    return made


@pytest.fixture(autouse=True)
def sold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribing, "with_billing", lambda adapter: adapter)


def read_back(kind: Kind, seller: Any, command: Command) -> Verdict:
    return kind.steps[0].read_back(seller, command)


@pytest.mark.parametrize(
    ("found", "history", "more", "ours"),
    [
        (held(), ("oph_1",), {}, True),
        (None, ("oph_1",), {}, False),
        (held(cancel_at=OVER), ("oph_1",), {}, False),
        (held(4), ("oph_1",), {}, False),
        (held(of="other"), ("oph_1",), {}, False),
        (held(history="oph_1"), ("oph_1",), {}, False),
        (held(history=""), ("oph_1",), {}, False),
        (held(), None, {}, False),
        (held(), ("oph_1",), {"in_doubt": True}, False),
    ],
)
def test_a_plan_is_ours_where_it_is_as_wanted_and_has_begun_since(
    found: Subscription | None, history: Any, more: dict[str, Any], ours: bool
) -> None:
    command = sent(SUBSCRIBE, **more)
    assert SUBSCRIBE.steps[0].look
    command.baseline = SUBSCRIBE.steps[0].look(Seller(None, history), command)
    verdict = read_back(SUBSCRIBE, Seller(found, history), command)
    if ours:
        assert isinstance(verdict, Done)
        assert verdict.result["remote_id"] == "oph_2"
        CommandFactory(connection=command.connection, remote_id="oph_2")
        verdict = read_back(SUBSCRIBE, Seller(found, history), command)
        assert isinstance(verdict, Done)
        assert "remote_id" not in verdict.result, "another change has it"
    else:
        assert isinstance(verdict, Undecided)
        shown = found is not None and found.cancel_at is None and bool(found.history_id)
        assert len(verdict.candidates) == shown


@pytest.mark.parametrize(
    ("found", "verdict"), [(held(5), Done), (held(3), Undecided), (None, Undecided)]
)
def test_seats_are_done_where_they_are_as_wanted_and_never_sent_again(
    found: Subscription | None, verdict: type[Verdict]
) -> None:
    assert isinstance(read_back(SEATS, Seller(found), sent(SEATS)), verdict)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (held(), NotDone),
        (held(cancel_at=LATER, cancelled_at=NOW), Done),
        (held(cancel_at=OVER, cancelled_at=OVER), Done),
        (None, Done),
        (held(of="other"), Moot),
    ],
)
def test_the_end_of_a_plan_is_looked_at_and_sent_again_where_it_has_not_come(
    found: Subscription | None, verdict: type[Verdict]
) -> None:
    assert isinstance(read_back(CANCEL, Seller(found), sent(CANCEL)), verdict)
