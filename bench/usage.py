"""Usage: a million rows taken in, and what dashboards ask of ten million, on each database.

The floor of ingest fetches the same pages over one plain connection, reads them into typed structs and
writes them once into an empty narrow table by the fastest known way (executemany, COPY); it makes no
rollups. A dashboard's time is that of its queries, and of the
whole reading with how fresh and complete it is.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from bench import surroundings
from bench.figures import Figure, against_floor, at_most

INGEST = {"sqlite": 1.3, "postgresql": 1.5}  # times the floor (GOALS)
ROWS_AN_HOUR = 1_389  # a million in thirty days


@contextmanager
def reports() -> Iterator[str]:
    """The address of a server of usage reports."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.usage_server", str(ROWS_AN_HOUR)],
        cwd=surroundings.ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process.stdout.readline().strip() if process.stdout else ""
    finally:
        process.terminate()
        process.wait(10)


def run() -> Iterable[Figure]:
    """Each database in a process of its own."""
    with reports() as address:
        for database in surroundings.databases():
            for what in ("ingest", "dashboards"):
                with surroundings.environment(database, address) as environ:
                    yield from _said(database, "bench.usage_child", environ, address, what)
            with surroundings.environment(database) as environ:
                yield from _said(database, "bench.coding_child", environ)
            with surroundings.environment(database) as environ:
                yield from _said(database, "bench.export_child", environ)


def _said(database: str, module: str, environ: dict[str, str], *arguments: str) -> Iterator[Figure]:
    """What a child measures, as figures."""
    for line in surroundings.child(module, environ, *arguments):
        if line.startswith("{"):  # the rest is the log
            yield from _figures(database, json.loads(line))


def _figures(database: str, found: dict[str, float]) -> Iterable[Figure]:
    if "export" in found:
        name = f"usage.export.{int(found['export'])}.csv.{database}"
        yield Figure(name, found["seconds"], "s")
        yield at_most(f"{name}.memory_over_idle", found["memory"], 40, "MB")
        return
    rows = int(found["rows"])
    if "name" in found:
        name = f"usage.{found['name']}.{rows}.{database}"
        yield at_most(name, found["ms"], 10, "ms")
        yield at_most(f"{name}.whole", found["whole_ms"], 50, "ms")
        yield Figure(f"{name}.processor", found["processor_ms"], "ms")
        return
    yield against_floor(
        f"usage.ingest.{rows}.{database}", found["ingest"], found["floor"], INGEST[database]
    )
    yield Figure(f"usage.late_window_again.{database}", found["again"], "s")
    yield at_most(f"usage.memory_over_idle.{database}", found["memory"], 160, "MB")
    yield at_most(f"usage.other_writers_p95.{database}", found["clicks_p95"], 50, "ms")
