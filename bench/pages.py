"""People at 100,000 members against Django admin's own changelist over the same table, on each database."""

import json
from collections.abc import Iterable

from bench import surroundings
from bench.figures import Figure, against_peer

FRAGMENT, PAGE = 0.1, 0.3  # times the changelist (GOALS)


def run() -> Iterable[Figure]:
    """Each database in a process of its own, page and changelist in turn."""
    for database in surroundings.databases():
        with surroundings.environment(database) as environ:
            given = environ | {"DJANGO_SETTINGS_MODULE": "bench.pages_settings"}
            for line in surroundings.child("bench.pages_child", given):
                found = json.loads(line)
                most = PAGE if found["whole"] else FRAGMENT
                yield against_peer(
                    f"people.{found['name']}.{database}", found["ours"], found["peer"], most, "ms"
                )
