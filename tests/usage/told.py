"""What the sandbox itself says was used, and what we say: to be held against each other."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from apps.organizations.models import Connection
from apps.usage import reads
from apps.usage.tuples import NONE
from tests.desk import Desk
from tests.usage.conftest import DAYS

TOKENS = ("uncached_input", "cache_write_5m", "cache_write_1h", "cache_read", "output")


def settled_days() -> tuple[date, date]:
    """Days that do not grow any more while a test runs, both ends included."""
    today = datetime.now(UTC).date()
    return today - timedelta(days=DAYS), today - timedelta(days=2)


def told(desk: Desk, path: str, first: date, last: date, *group_by: str) -> list[Any]:
    """A report as the sandbox itself answers it, a day a bucket."""
    query = [("starting_at", f"{first}T00:00:00Z"), ("limit", "31")]
    query += [("ending_at", f"{last + timedelta(days=1)}T00:00:00Z")]
    query += [("group_by[]", name) for name in group_by]
    status, _, answer = desk.sandbox.anthropic("GET", f"{path}?{urlencode(query)}")
    assert status == 200, answer
    assert not answer["has_more"]
    return list(answer["data"])


def tokens_told(desk: Desk) -> dict[Any, list[int]]:
    """Tokens and searches by day, workspace and model, as the sandbox sums them."""
    first, last = settled_days()
    expected: dict[Any, list[int]] = defaultdict(lambda: [0] * 6)
    buckets = told(desk, "/usage_report/messages", first, last, "workspace_id", "model")
    for bucket in buckets:
        for row in bucket["results"]:
            key = (bucket["starting_at"][:10], row["workspace_id"] or NONE, row["model"])
            cache = row["cache_creation"]
            for at, count in enumerate(
                (
                    row["uncached_input_tokens"],
                    cache["ephemeral_5m_input_tokens"],
                    cache["ephemeral_1h_input_tokens"],
                    row["cache_read_input_tokens"],
                    row["output_tokens"],
                    row["server_tool_use"]["web_search_requests"],
                )
            ):
                expected[key][at] += count
    return expected


def tokens_found(connection: Connection) -> dict[Any, list[int]]:
    """The same as we have them."""
    first, last = settled_days()
    names = ("day", "workspace", "model")
    return {
        (row.group["day"].isoformat(), row.group["workspace"], row.group["model"]): [
            *(getattr(row, name) for name in TOKENS),
            row.web_searches,
        ]
        for row in reads.totals([connection], first, last, names).rows
        if row.tokens or row.web_searches  # others are money alone
    }
