"""A change from click to applied, and a batch of a thousand: real web server, worker, beat and sandbox.

The click is the form on a person's page, sent as a browser sends it and followed to the page that shows
the change settled; the remote takes 150 ms. Its floor is that call alone, made with nothing around it;
its peer makes the same call through the adapter, as a portal without an outbox would in the request.

The batch meets a budget of 500 requests a minute, and a sandbox that enforces it. What the budget allows
is known of each change from those before it: the one that is 500 places further may leave a minute
later. ``budget_unused`` is the time that passed beyond that.
"""

import json
from collections.abc import Iterable
from typing import Any

from bench import surroundings
from bench.figures import Figure, at_most

OVER_REMOTE_MS = 50.0  # GOALS
UNUSED_PERCENT = 5.0


def run() -> Iterable[Figure]:
    """Both on each database, in a process of their own."""
    for database in surroundings.databases():
        with surroundings.environment(database) as environ:
            for line in surroundings.child("bench.outbox_child", environ):
                if line.startswith("{"):  # the rest is the log
                    yield from _figures(database, json.loads(line))


def _figures(database: str, found: dict[str, Any]) -> Iterable[Figure]:
    if found["name"] == "click":
        for share in ("p50", "p95"):
            value, floor = found["ours"][share], found["floor"][share]
            yield Figure(
                f"outbox.click_to_applied.{share}.{database}",
                value,
                "ms",
                floor,
                found["peer"][share],
                f"≤ floor + {OVER_REMOTE_MS:.0f} ms" if share == "p95" else "",
                value <= floor + OVER_REMOTE_MS if share == "p95" else None,
            )
        return
    name = f"outbox.batch_of_{found['changes']}"
    yield Figure(f"{name}.{database}", found["seconds"], "s", found["allowed"])
    yield at_most(f"{name}.budget_unused.{database}", found["unused"] * 100, UNUSED_PERCENT, "%")
    yield at_most(f"{name}.answered_429.{database}", found["refused"], 0, "answers")
    yield Figure(f"{name}.while_there_is_budget.{database}", found["rate"], "changes/s")
