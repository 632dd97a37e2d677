"""Credit before the sandbox's world began: what was used asks for what was bought.

An automatic purchase was made whenever the credit fell below its threshold at the end of a day, as
``settings["topped_up"]`` says; so payments, less use, are the balance. One purchase in seven was refused
at first, and one was made twice and given back. Who never bought owes what they used (an organization)
or was given as much and a little more (a person).
"""

from typing import NamedTuple

from ..ids import digest, ulid
from ..world import Organization, Payment, World, micros_stamp
from .ledger import DAY, HISTORY
from .usage import Books, founded, moment

CREDIT = 10_000  # millionths of a dollar that a cent buys
FAILS, GIVEN_BACK = 7, 4  # every seventh purchase, the fourth
GIFT = 10_000_000  # what people who never bought were given goes up in steps of ten dollars


class Past(NamedTuple):
    """``used`` and ``given`` in millionths of a dollar, both before the day the world began."""

    payments: tuple[Payment, ...] = ()
    used: int = 0
    given: int = 0


def is_new(world: World, owner: Organization) -> bool:
    """Whether it came after the sandbox's world began, and so has no past."""
    if owner.api == "personal":
        account = world.accounts.get(owner.id)
        return account is None or moment(account.created_at) >= world.epoch
    return moment(owner.settings["created_at"]) >= world.epoch


class Pasts:
    """The past of each owner, worked out when first asked for."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._known: dict[str, Past] = {}
        self._world: World | None = None

    def of(self, world: World, owner: Organization) -> Past:
        if self._world is not world:
            self._world = world
            self._known.clear()
        if owner.id not in self._known:
            self._known[owner.id] = Past() if is_new(world, owner) else self._work_out(world, owner)
        return self._known[owner.id]

    def _work_out(self, world: World, owner: Organization) -> Past:
        began = founded(world)
        used = {
            day: self._books.charged(world, owner, day, began * DAY)
            for day in range(began - HISTORY, began)
        }
        total = sum(used.values())
        # Of a promotion that still runs, what is gone was credit too.
        given = sum(
            one["credits"] - one["creditsRemaining"]
            for one in owner.settings.get("promotions", ())
            if moment(one["createdAt"]) < world.epoch
        )
        if "topped_up" in owner.settings:
            return Past(tuple(_bought(world, owner, used, given)), total, given)
        if owner.api == "personal":
            given += (total // GIFT + 1) * GIFT
        return Past((), total, given)


def _bought(world: World, owner: Organization, used: dict[int, int], given: int) -> list[Payment]:
    """The purchases that this use asked for, oldest first."""
    wanted = owner.settings["topped_up"]
    payments: list[Payment] = []
    left, purchases = given, 0
    for day, credits_used in used.items():
        left -= credits_used
        tries = 0
        while left < wanted["thresholdCents"] * CREDIT:
            second = day * DAY + 64_000.0 + 120 * tries
            tries += 1
            purchases += 1
            if purchases % FAILS == 0:
                payments.append(_payment(world, owner, len(payments), second - 3_600, "failed"))
            payments.append(_payment(world, owner, len(payments), second, "completed"))
            left += wanted["amountCents"] * CREDIT
            if purchases == GIVEN_BACK:
                payments.append(_payment(world, owner, len(payments), second + 41, "refunded"))
    return payments


def _payment(world: World, owner: Organization, number: int, second: float, status: str) -> Payment:
    source = digest(world.seed, "payment", owner.id, number, size=32)
    made = second + source[0] / 257
    return Payment(
        ulid("pay", number, source[16:]),
        _creator(owner),
        owner.settings["topped_up"]["amountCents"],
        status,
        micros_stamp(made),
        micros_stamp(made + 28.5),
        "card_declined" if status == "failed" else "",
    )


def _creator(owner: Organization) -> str:
    """Who bought: the person, or whoever joined the organization first."""
    if owner.api == "personal":
        return owner.id
    return next((one.user_id for one in owner.tables["members"]), "usr-none")
