"""Requests of a full walk of every list against the fewest there are, and what reading rows costs.

In the sandbox's ``large`` world, which has to start in seconds and stay under 1 GiB meanwhile.
"""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench import surroundings
from bench.figures import Figure, at_most

START_SECONDS, MEMORY_MB = 10.0, 1024
READING = 1.0  # times what json.loads alone takes


def run() -> Iterable[Figure]:
    """One sandbox, one child; the sandbox's memory is read last, at its highest."""
    began = time.monotonic()
    with surroundings.sandbox("large") as sandbox:
        yield at_most("sandbox.large.start", time.monotonic() - began, START_SECONDS, "s")
        with surroundings.environment("sqlite", sandbox.base_url) as environ:
            line = json.dumps({"base_url": sandbox.base_url, **sandbox.keys})
            for told in surroundings.child("bench.providers_child", environ, line):
                if told.startswith("{"):  # the rest is the log
                    yield from _figures(json.loads(told))
        yield at_most("sandbox.large.memory", _highest(sandbox.pid), MEMORY_MB, "MB")


def _figures(found: dict[str, Any]) -> Iterable[Figure]:
    name = found["name"]
    if found["kind"] == "walk":
        requests, fewest = found["requests"], found["fewest"]
        yield Figure(
            f"providers.requests.{name}.{found['rows']}",
            requests,
            "requests",
            floor=fewest,
            goal="the fewest there are",
            met=requests <= fewest,
        )
    elif found["kind"] == "report":
        whole = found["buckets"] == 24
        yield Figure(
            f"providers.report_by_key_and_model.{name}",
            found["requests"],
            "requests",
            goal="whole",
            met=whole,
        )
        yield Figure(f"providers.report_by_key_and_model.{name}.time", found["seconds"], "s")
    else:
        yield Figure(
            f"providers.decode_1000.{name}",
            found["adapter"],
            "ms",
            found["typed"],
            found["json"],
            f"≤ {READING}× peer",
            found["adapter"] <= READING * found["json"],
        )


def _highest(pid: int) -> float:
    """The most memory that a process has held so far, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
