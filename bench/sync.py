"""Walking 100,000 members: the first time, and again with 1 % changed, on each database.

The floor fetches the same pages over one plain connection, reads them into typed structs and writes
them once into an empty narrow table by the fastest known way (executemany, COPY).
"""

import json
from collections.abc import Iterable

from bench import surroundings
from bench.figures import Figure, against_floor, at_most

FIRST = {"sqlite": 3.5, "postgresql": 7.0}  # times the floor (GOALS)
AGAIN = 1.0


def run() -> Iterable[Figure]:
    """Each database in a process of its own, contender and floor in turn."""
    with surroundings.sandbox("large") as sandbox:
        for database in surroundings.databases():
            with surroundings.environment(database, sandbox.base_url) as environ:
                lines = surroundings.child(
                    "bench.sync_child", environ, sandbox.base_url, sandbox.anthropic_key
                )
                for line in lines:
                    if line.startswith("{"):  # the rest is the log
                        yield from _figures(database, json.loads(line))


def _figures(database: str, found: dict[str, float]) -> Iterable[Figure]:
    rows = int(found["rows"])
    yield against_floor(
        f"sync.first.{rows}.{database}", found["first"], found["floor_first"], FIRST[database]
    )
    yield against_floor(
        f"sync.one_percent.{rows}.{database}", found["again"], found["floor_again"], AGAIN
    )
    fewest = -(-rows // 1000)
    yield Figure(
        f"sync.requests.{rows}.{database}",
        found["requests"],
        "requests",
        floor=fewest,
        goal="the fewest there are",
        met=found["requests"] <= fewest,
    )
    yield at_most(f"sync.memory_over_idle.{database}", found["memory"], 160, "MB")
    yield at_most(f"sync.other_writers_p95.{database}", found["clicks_p95"], 50, "ms")
