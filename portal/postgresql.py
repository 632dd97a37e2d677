"""PostgreSQL for pages, each of which reads little: it plans as if every statement were a report.

Beginning parallel workers and compiling a plan cost more than what a page reads; the planner, which
takes a lookup in memory for one on a disk, begins them nonetheless. Measured on the dashboards of ten
million facts: 3 ms without, 15 to 20 ms with.
"""

from typing import Any
from weakref import WeakSet

from django.db.backends.base.base import BaseDatabaseWrapper

_told: "WeakSet[Any]" = WeakSet()


def set_up(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Have a new connection do without both; for the signal ``connection_created``.

    The signal comes each time that one is taken out of the pool; a request would wait for the same words
    to be said again.
    """
    if connection.vendor != "postgresql" or connection.connection in _told:
        return
    with connection.connection.cursor() as cursor:
        cursor.execute("SET max_parallel_workers_per_gather = 0; SET jit = off")
    _told.add(connection.connection)
