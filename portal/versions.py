"""Which versions are at work here: of the portal, its libraries, the database and its schema."""

import platform
from collections.abc import Iterator
from importlib.metadata import distributions
from typing import Any

from django.db import connection

from apps.organizations.evidence import Span
from portal import migrated
from portal.version import VERSION


def schema() -> dict[str, str]:
    """The last migration of each application."""
    return dict(sorted(migrated.applied()))  # the last of each wins


def evidence(span: Span) -> Iterator[dict[str, Any]]:
    """One row, for a file of evidence."""
    yield {
        "orgdesk": VERSION,
        "python": platform.python_version(),
        "database": connection.vendor,
        "server": ".".join(map(str, connection.get_database_version())),
        "libraries": {one.name: one.version for one in sorted(distributions(), key=_name)},
        "schema": schema(),
    }


def _name(one: Any) -> str:
    return str(one.name).lower()
