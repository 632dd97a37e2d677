"""``make chaos``: hundreds of changes under faults, killed workers, a killed Redis and a killed sandbox.

Prints a table for each database and ends with an error if one change was lost or done twice, by the
sandbox's journal. ``N`` changes (300), ``WORKERS`` Celery workers (2), ``SEED`` for the dice;
PostgreSQL takes part where ``surroundings.server()`` knows of one.
"""

import base64
import os
import random
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bench import surroundings
from portal.embedded_redis import NoRedisError
from tests.doomed import Nursery
from tests.plant import Plant

if TYPE_CHECKING:
    from tests.faults.changes import Change

CHANGES = int(os.environ.get("N", "300"))
WORKERS = int(os.environ.get("WORKERS", "2"))
SEED = os.environ.get("SEED", "")
DEADLINE = 1.0
# A worker waits seconds where it would wait minutes; it never gives up, so that "given up" is a loss.
QUICK = {
    "PROVIDER_CALL_DEADLINE": DEADLINE,
    "OUTBOX_QUIET_SECONDS": 0.3,
    "OUTBOX_LEASE_SECONDS": 4.0,
    "OUTBOX_BACKOFF_BASE_SECONDS": 0.05,
    "OUTBOX_BACKOFF_CAP_SECONDS": 1.0,
    "OUTBOX_MAX_TRIES": 1000,
    "OUTBOX_HOLD_SECONDS": 0.5,
    "OUTBOX_KICK_AGAIN_SECONDS": 2.0,
    "BREAKER_SECONDS": 0.3,
    "BREAKER_CAP_SECONDS": 1.0,
}
PAUSES = (0.2, 2.0)  # seconds between two kills
# Kinds that act on the organization or account itself, or on what it has one of: one change of each.
ONE_OF_EACH = ("configuration.", "personal.", "billing.top_up", "billing.own_top_up")
# Of all requests, reads included: 39 of 100 meet one of these.
FAULTS: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("reset_before", 5, {}),
    ("reset_after", 6, {}),
    ("timeout", 2, {"seconds": 2 * DEADLINE}),
    ("timeout", 2, {"seconds": 2 * DEADLINE, "effect": False}),
    ("429", 4, {"retry_after": 0}),
    ("500", 4, {}),
    ("500", 4, {"effect": True}),
    ("529", 2, {}),
    ("html_error", 3, {"effect": True}),
    ("garbage", 3, {}),
    ("truncated_json", 2, {}),
    ("cut", 2, {}),
)


class Storm:
    """Real Celery workers, killed and replaced all the time; Redis and the sandbox are killed once."""

    def __init__(self, plant: Plant, nursery: Nursery) -> None:
        self.plant, self.nursery = plant, nursery
        self.dice = random.Random(SEED or None)
        self.killed: Counter[str] = Counter()
        self._number = 0
        self._log = plant.folder / "workers.log"
        self.workers = [self._new_worker() for _ in range(WORKERS)]
        self._enough = threading.Event()
        self._rage_over = ThreadPoolExecutor(1).submit(self._rage)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._enough.set()
        self._rage_over.result()  # what went wrong with the storm itself is raised here

    def _new_worker(self) -> tuple[int, str]:
        self._number += 1
        name = f"w{self._number}"
        pid = self.nursery.start_worker(
            *("--pool", "threads", "--concurrency", "3", "--queues", "actions,walks"),
            *("--without-mingle", "--without-gossip", "--without-heartbeat"),
            *("--hostname", f"{name}@%h", "--loglevel", "info"),
            log=self._log,
        )
        return pid, name

    def _is_up(self, name: str) -> bool:
        """Whether it has taken tasks: on a busy machine nothing would ever happen otherwise."""
        return re.search(rf"\b{name}@\S+ ready\.", self._log.read_text()) is not None

    def _rage(self) -> None:
        began = time.monotonic()
        once = {"Redis": 10.0, "sandbox": 20.0}  # seconds from the beginning
        while not self._enough.wait(self.dice.uniform(*PAUSES)):
            for name in [name for name, at in once.items() if time.monotonic() - began > at]:
                del once[name]
                self._kill_once(name)
            at = self.dice.randrange(len(self.workers))
            pid, name = self.workers[at]
            if self._is_up(name):
                self.nursery.kill_worker(pid)
                self.killed["workers"] += 1
                self.workers[at] = self._new_worker()

    def _kill_once(self, name: str) -> None:
        self.killed[name] += 1
        if name == "Redis":
            self.plant.redis.stop()  # it keeps nothing on disk: every kick is lost
            time.sleep(0.5)
            _insist(self.plant.redis.start)
        else:
            self.plant.sandbox.kill()
            time.sleep(0.5)
            _insist(self.plant.sandbox.start)
            set_faults(self.plant)


def _insist(start: Callable[[], None]) -> None:
    """A busy machine may take longer to start something than it is given."""
    for _ in range(5):
        try:
            start()
        except (NoRedisError, AssertionError) as error:
            print(f"once more: {error}", file=sys.stderr)
        else:
            return
    raise RuntimeError("what the storm killed does not start again")


def set_faults(plant: Plant) -> None:
    """Have the sandbox spoil its share of all requests, each by its share of those that are left."""
    left = 100
    for kind, share, options in FAULTS:
        plant.sandbox.control.fault("*", kind, count=None, probability=share / left, **options)
        left -= share


@dataclass(slots=True)
class Verdict:
    """What became of every change."""

    done: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)


def judge(changes: "list[Change]", plant: Plant) -> Verdict:
    """Hold every change against the sandbox's journal, the remote and the mirror."""
    from apps.sync.models import CommandState

    journal = plant.sandbox.control.journal()
    verdict = Verdict()
    for change in changes:
        change.command.refresh_from_db()
        name = f"{change.kind} at {change.provider}"
        state, effects = change.command.state, change.effects(journal)
        verdict.states[state] += 1
        if any(count > 1 for count in effects.values()):
            verdict.doubled.append(f"{name} {change.email}: {dict(effects)}")
        elif state != CommandState.SUCCEEDED or set(effects) != set(change.operations):
            verdict.lost.append(f"{name} {change.email}: {state}, {dict(effects)}")
        else:
            try:
                change.assert_mirrored()
                verdict.done[name] += 1
            except AssertionError as difference:
                verdict.lost.append(f"{name} {change.email}: the mirror differs: {difference}")
    return verdict


def survive(database: str, plant: Plant, nursery: Nursery) -> bool:
    """Ask for the changes while everything is being killed; whether all of them came through."""
    from tests.desk import open_desk
    from tests.faults.changes import OPERATIONS, prepare

    desk = open_desk(plant.sandbox)
    once = [one for one in OPERATIONS if one[0].startswith(ONE_OF_EACH)]
    often = [one for one in OPERATIONS if one not in once]
    subjects = once + [often[number % len(often)] for number in range(CHANGES - len(once))]
    wishes = [prepare(desk, kind, provider) for kind, provider in subjects]
    plant.beat()
    set_faults(plant)
    began = time.monotonic()
    with Storm(plant, nursery) as storm:
        changes = []
        for wish in wishes:
            changes.append(wish())
            time.sleep(0.02)
        wait(database, storm, began)
    took = time.monotonic() - began
    plant.sandbox.control.clear_faults()
    verdict = judge(changes, plant)
    print_table(database, verdict, took, storm.killed)
    return not verdict.lost and not verdict.doubled


def wait(database: str, storm: Storm, began: float) -> None:
    """Until every change is settled or waits for a person, or the time is over."""
    from apps.sync.models import Command, CommandState

    on_their_way = Command.objects.open().exclude(state=CommandState.OPERATOR)
    while (left := on_their_way.count()) and time.monotonic() - began < 120 + 2 * CHANGES:
        killed = sum(storm.killed.values())
        print(f"{database}: {left} of {CHANGES} on their way, {killed} kills", file=sys.stderr)
        time.sleep(2)


def print_table(database: str, verdict: Verdict, seconds: float, killed: Counter[str]) -> None:
    """What happened, and every change that did not come through."""
    from apps.sync.models import Command, CommandEvent, CommandState

    unknown = CommandEvent.objects.filter(state=CommandState.UNKNOWN)
    facts: dict[str, object] = {
        **{f"done once: {name}": count for name, count in sorted(verdict.done.items())},
        "times that a request may have left": sum(
            Command.objects.values_list("attempts", flat=True)
        ),
        "changes whose outcome was unknown for a while": unknown.values("command")
        .distinct()
        .count(),
        **{f"times killed: {name}": count for name, count in killed.items()},
        "seconds": round(seconds),
        "LOST": len(verdict.lost),
        "DOUBLED": len(verdict.doubled),
    }
    print(f"\n{database}: {CHANGES} changes")
    for name, value in facts.items():
        print(f"  {name:<48}{value:>8}")
    for line in [*verdict.lost, *verdict.doubled]:
        print(f"  ! {line}")


def one_database(database: str, url: str) -> int:
    """The storm on one database, in this process; the exit status."""
    with tempfile.TemporaryDirectory(prefix="orgdesk-chaos-") as folder:
        at = Path(folder)
        environ = {
            "DATABASE_URL": url or f"sqlite:///{at / 'chaos.sqlite3'}",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "CREDENTIAL_KEYS": "1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            **{name: str(value) for name, value in QUICK.items()},
        }
        size = "small" if CHANGES <= 300 else "medium"  # as many seats as it takes
        with Plant(at, environ, size) as plant:
            os.environ |= plant.environ
            import django

            django.setup()
            from django.core.management import call_command

            call_command("migrate", verbosity=0)
            with Nursery(plant.environ) as nursery:
                return 0 if survive(database, plant, nursery) else 1


def main(arguments: list[str]) -> int:
    """Each database in a process of its own, because settings are read once; the exit status."""
    if arguments:
        return one_database(*arguments)
    results = [run_alone("SQLite", "")]
    if surroundings.server():
        with surroundings.postgresql() as url:
            results.append(run_alone("PostgreSQL", url))
    else:
        print("PostgreSQL takes no part: no server is named or found.", file=sys.stderr)
    return int(any(results))


def run_alone(database: str, url: str) -> int:
    """This module again, for one database."""
    return subprocess.run(
        [sys.executable, "-m", "bench.chaos", database, url], check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
