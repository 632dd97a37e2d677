"""What a run on PostgreSQL leaves to the one on SQLite: most of a table that proves one thing many times.

A database makes a difference to a row or a column, hardly to one field of them. So SQLite runs every
field and PostgreSQL one of ``APART``, with ``EVERY_CASE=1`` it runs them all too.
"""

import os
from collections.abc import Sequence
from typing import Any

from django.conf import settings

APART = 4
_values: dict[tuple[str, str], dict[int, int]] = {}  # by table and parameter, as they come
EVERY_CASE = bool(settings.SQLITE) or os.environ.get("EVERY_CASE") == "1"


def number(table: str, parameter: str, value: object) -> int:
    """The number of a row or a column: of its value among those that the parameter takes in this table.

    Not pytest's own ``indices``: where parameters are crossed, those count the fields.
    """
    values = _values.setdefault((table, parameter), {})
    return values.setdefault(id(value), len(values))


def is_run(place: int, apart: int = APART) -> bool:
    """Whether this run has the field at ``place``, the sum of its row's and its column's number."""
    return EVERY_CASE or place % apart == 0


def share(fields: Sequence[Any], offset: int = 0) -> list[Any]:
    """The ones that this run has. Neighbours in ``offset`` have other ones, so that four have them all."""
    return [one for place, one in enumerate(fields) if is_run(place + offset)]
