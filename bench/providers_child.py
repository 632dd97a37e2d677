"""The process that walks and decodes: ``python -m bench.providers_child <sandbox's first line>``.

Prints one line of JSON a measurement; ``bench.providers`` makes figures of them.
"""

import http.client
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import django
import msgspec

ROUNDS, ROWS = 31, 1000
ANSWER_LIMIT = 32 << 20  # bytes, as the settings have it
CONSOLE_PAGE, CLINE_PAGE = 1000, 200  # rows, the most that the contracts allow


class User(msgspec.Struct):
    """What the floor reads of an Anthropic user."""

    id: str
    email: str
    name: str
    role: str
    added_at: str
    type: str


class Member(msgspec.Struct, rename="camel"):
    """What the floor reads of a Cline member."""

    member_id: str
    user_id: str
    organization_id: str
    email: str
    display_name: str
    roles: list[str]
    created_at: str
    updated_at: str


def say(**found: Any) -> None:
    """One measurement."""
    print(json.dumps(found), flush=True)


def requests_of(base_url: str) -> int:
    """How many requests the sandbox has answered; those to its control path, as this one, not counted."""
    parts = urlsplit(base_url)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port)
    line.request("GET", "/_control/counters")
    total: int = json.loads(line.getresponse().read())["total"]
    line.close()
    return total


def walk(page_at: Callable[[str | None], Any]) -> int:
    """Read a list to its end, and count its rows."""
    rows, cursor = 0, None
    while True:
        page = page_at(cursor)
        if page.unreadable:
            raise RuntimeError(page.unreadable[0].reason)
        rows += len(page.rows)
        cursor = page.next_cursor
        if cursor is None:
            return rows


def lists_of_the_console(adapter: Any) -> dict[str, tuple[Callable[[str | None], Any], int | None]]:
    """Each list's page by its cursor, and the most rows a page may have; None where it has no limit."""
    workspace = adapter.list_workspaces(limit=1, include_archived=False).rows[0].remote_id
    yesterday = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday -= timedelta(days=1)
    return {
        "users": (lambda cursor: adapter.list_users(after_id=cursor), CONSOLE_PAGE),
        "invites": (lambda cursor: adapter.list_invites(after_id=cursor), CONSOLE_PAGE),
        "workspaces": (lambda cursor: adapter.list_workspaces(after_id=cursor), CONSOLE_PAGE),
        "workspace_members": (
            lambda cursor: adapter.list_workspace_members(workspace, after_id=cursor),
            CONSOLE_PAGE,
        ),
        "keys": (lambda cursor: adapter.list_api_keys(after_id=cursor), CONSOLE_PAGE),
        "rate_limits": (lambda cursor: adapter.list_organization_rate_limits(page=cursor), None),
        "workspace_rate_limits": (
            lambda cursor: adapter.list_workspace_rate_limits(workspace, page=cursor),
            None,
        ),
        "claude_code_day": (
            lambda cursor: adapter.get_claude_code_usage_report(yesterday.date(), page=cursor),
            CONSOLE_PAGE,
        ),
    }


def lists_at_cline(adapter: Any) -> dict[str, tuple[Callable[[str | None], Any], int | None]]:
    """The like; only members and ledgers have pages."""
    user = adapter.get_current_user().remote_id
    member = adapter.list_members().rows[0].remote_id
    whole = {
        "invites": lambda _: adapter.list_invites(),
        "payments": lambda _: adapter.list_organization_payments(),
        "own_payments": lambda _: adapter.list_user_payments(user),
        "promotions": lambda _: adapter.list_organization_promotions(),
        "plans": lambda _: adapter.list_plans(),
        "plan_history": lambda _: adapter.list_organization_plan_history(),
        "keys": lambda _: adapter.list_api_keys(),
    }
    return {
        "members": (lambda cursor: adapter.list_members(cursor=cursor), CLINE_PAGE),
        "member_usages": (
            lambda cursor: adapter.list_member_usages(member, cursor=cursor),
            CLINE_PAGE,
        ),
        "own_usages": (lambda cursor: adapter.list_user_usages(user, cursor=cursor), CLINE_PAGE),
        **{name: (page_at, None) for name, page_at in whole.items()},
    }


def walks(provider: str, base_url: str, lists: dict[str, Any]) -> None:
    """Walk every list to its end and count what it took."""
    for name, (page_at, most) in lists.items():
        before, began = requests_of(base_url), time.perf_counter()
        rows = walk(page_at)
        seconds = time.perf_counter() - began
        say(
            kind="walk",
            name=f"{provider}.{name}",
            rows=rows,
            requests=requests_of(base_url) - before,
            fewest=max(1, -(-rows // most)) if most else 1,
            seconds=seconds,
        )


def heavy_report(base_url: str, adapter: Any) -> None:
    """A day of hourly buckets by key and model: more than an answer may hold, so it comes in pages."""
    from apps.providers.records.reports import UsageQuery

    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    query = UsageQuery(
        end - timedelta(days=1), end, "1h", group_by=("api_key_id", "model"), buckets=24
    )
    for turn in ("first", "again"):
        before, began = requests_of(base_url), time.perf_counter()
        buckets = walk(lambda page: adapter.get_messages_usage_report(query, page=page))
        say(
            kind="report",
            name=turn,
            buckets=buckets,
            requests=requests_of(base_url) - before,
            seconds=time.perf_counter() - began,
        )


def decoding(name: str, reader: Any, row_type: type, rows: list[bytes]) -> None:
    """The adapter's reading of a page's rows against typed structs alone and the standard library."""
    page = b'{"data":[' + b",".join(rows) + b"]}"
    raws = msgspec.json.Decoder(dict[str, list[msgspec.Raw]])
    typed = msgspec.json.Decoder(msgspec.defstruct("Page", [("data", list[row_type])]))  # type: ignore[valid-type]  # made at run time
    ways: dict[str, Callable[[], object]] = {
        "adapter": lambda: reader.read(raws.decode(page)["data"]),
        "typed": lambda: typed.decode(page),
        "json": lambda: json.loads(page),
    }
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, run in ways.items():  # in turn, so that other loads hit all alike
            began = time.perf_counter()
            run()
            taken[way].append(time.perf_counter() - began)
    medians = {
        way: statistics.median(found) * 1000 / len(rows) * ROWS for way, found in taken.items()
    }
    say(kind="decode", name=name, **medians)


def main(line: str) -> None:
    """Walks first, then the report, then decoding."""
    django.setup()
    logging.disable()
    from apps.providers.adapters import open_adapter
    from apps.providers.anthropic.people import USERS
    from apps.providers.cline.people import MEMBERS
    from apps.providers.guard import worker_scope

    keys = json.loads(line)
    base_url = keys["base_url"]
    options = {"base_url": base_url, "deadline": 600.0, "answer_limit": ANSWER_LIMIT}
    with worker_scope():
        console: Any = open_adapter(
            "anthropic", credential=keys["anthropic"][0]["api_key"], **options
        )
        walks("anthropic", base_url, lists_of_the_console(console))
        heavy_report(base_url, console)
        users = [one.raw for one in console.list_users().rows]
        console.close()
        owner = keys["cline"][0]
        cline: Any = open_adapter(
            "cline",
            credential=owner["api_key"],
            remote_organization_id=owner["organization_id"],
            **options,
        )
        walks("cline", base_url, lists_at_cline(cline))
        members = [one.raw for one in cline.list_members().rows]
        cline.close()
    decoding("anthropic.users", USERS, User, users)
    decoding("cline.members", MEMBERS, Member, members)


if __name__ == "__main__":
    main(sys.argv[1])
