"""The Claude Code report: what each person and each key did on one UTC day, from one kind of terminal.

A person's tokens are those of their stream in the usage report, so the two agree where the work is
paid by use.
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from ..app import Answer, Call, operation
from ..world import DAY, Organization, seconds_stamp
from .console import invalid, limit_in
from .prices import CENT, token_prices
from .reports import Reports, cursor_at, place_of
from .rhythm import HISTORY, MINUTES, mixed
from .rows import coding_workspace
from .traffic import DIMENSIONS, Share, Stream, Traffic, shares_of

DELAY = 3_600  # seconds until activity shows
TERMINALS = ("vscode", "iTerm.app", "tmux", "cursor", "WarpTerminal", "Apple_Terminal", "pycharm")
TOOLS = {"edit_tool": 5, "multi_edit_tool": 13, "write_tool": 11, "notebook_edit_tool": 90}
PRICED_BY = [
    DIMENSIONS.index(name)
    for name in ("model", "service_tier", "context_window", "inference_geo", "speed")
]


class Worker(NamedTuple):
    """A person or a key that uses Claude Code."""

    actor: dict[str, str]
    plan: str
    stream: Stream


def day_in(call: Call) -> int:
    """The day asked for, counted from 1970."""
    text = call.query.get("starting_at", "")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise invalid("starting_at: must be a date, YYYY-MM-DD")
    try:
        return (date.fromisoformat(text) - date(1970, 1, 1)).days
    except ValueError:
        raise invalid("starting_at: is no day of the calendar") from None


def workers(organization: Organization, traffic: Traffic) -> Iterator[Worker]:
    """People in the order in which they came to the organization, then keys."""
    for coder in organization.tables["coders"]:
        actor = {"email_address": coder.email, "type": "user_actor"}
        yield Worker(actor, coder.plan, traffic.coding(coder))
    workspace = coding_workspace(organization)
    for stream in traffic.streams():
        if workspace is not None and stream.api_key and stream.workspace == workspace.id:
            name = organization.tables["api_keys"].get(stream.api_key).name  # type: ignore[union-attr]  # the stream was made of it
            yield Worker({"api_key_name": name, "type": "api_actor"}, "api", stream)


def usage_of(share: Share, count: int) -> dict[str, Any]:
    """``ClaudeCodeModelUsage`` of the contract: tokens, and their price in cents."""
    uncached, read, five_minutes, an_hour, output = (count * each for each in share.tokens)
    tier = [str(share.dimensions[place]) for place in PRICED_BY]
    counts = (uncached, read, five_minutes, an_hour, output)
    prices = token_prices(*tier)
    cost = sum(tokens * price for tokens, price in zip(counts, prices, strict=True))
    return {
        "estimated_cost": {"amount": round(cost / CENT, 4), "currency": "USD"},
        "model": share.dimensions[DIMENSIONS.index("model")],
        "tokens": {
            "cache_creation": five_minutes + an_hour,
            "cache_read": read,
            "input": uncached,
            "output": output,
        },
    }


def metrics(requests: int) -> dict[str, Any]:
    """``ClaudeCodeCoreMetrics`` of the contract; they grow with the day."""
    added = requests * 11 // 2
    return {
        "commits_by_claude_code": requests // 28,
        "lines_of_code": {"added": added, "removed": added * 3 // 10},
        "num_sessions": 1 + requests // 45,
        "pull_requests_by_claude_code": requests // 110,
    }


def tool_actions(requests: int, accepted_of_100: int) -> dict[str, Any]:
    """What was proposed, and how much of it people took."""
    found = {}
    for tool, one_in in TOOLS.items():
        if proposed := requests // one_in:
            accepted = proposed * accepted_of_100 // 100
            found[tool] = {"accepted": accepted, "rejected": proposed - accepted}
    return found


class ClaudeCode(Reports):
    """A quarter of the tag "Usage and cost" of the contract."""

    @operation("GET", "/v1/organizations/usage_report/claude_code", "getClaudeCodeUsageReport")
    def get_claude_code_usage_report(self, call: Call) -> Answer:
        day, limit = day_in(call), limit_in(call, 20, 1000)
        records = self._records(call, day)
        page, start = call.query.get("page"), 0
        if page:
            place = place_of(call, page)
            start = int(place) if place.isdecimal() else len(records) + 1
        if start > len(records):
            raise invalid("page: no such page")
        end = start + limit
        next_page = cursor_at(call, str(end)) if end < len(records) else None
        start = max(0, start - call.overlap)
        shown = {"data": records[start:end], "has_more": next_page is not None}
        return Answer({**shown, "next_page": next_page})

    def _records(self, call: Call, day: int) -> list[dict[str, Any]]:
        organization, traffic = self.organization(call), self.traffic(call)
        until = min(MINUTES, int(call.now - DELAY - day * DAY) // 60)
        found: list[dict[str, Any]] = []
        for worker in workers(organization, traffic):
            counted = []
            for share in shares_of(worker.stream, day, traffic.first_day):
                first, after = share.between(0, until)
                if after > first:
                    counted.append((share, after - first))
            if counted:
                days = day - traffic.first_day
                found += self._of_worker(organization.id, worker, day, days, counted)
        return found

    def _of_worker(
        self,
        organization_id: str,
        worker: Worker,
        day: int,
        days: int,
        counted: list[tuple[Share, int]],
    ) -> Iterator[dict[str, Any]]:
        """One record, or two where the person worked in two terminals."""
        chance, people = worker.stream.chance, worker.actor["type"] == "user_actor"
        terminal = TERMINALS[chance % len(TERMINALS)] if people else "non-interactive"
        parts = [(terminal, counted)]
        if people and mixed(chance, day + 7) % 6 == 0:
            other = TERMINALS[(chance + 1) % len(TERMINALS)]
            little = [(share, count // 5) for share, count in counted if count >= 5]
            rest = [(share, count - count // 5) for share, count in counted]
            parts = [(terminal, rest), (other, little)] if little else parts
        # People come to accept more as the months go by.
        accepted = 66 + chance % 22 + max(0, 10 * (days + HISTORY) // HISTORY)
        seat = ("team", "enterprise")[chance >> 5 & 1] if worker.plan == "subscription" else None
        for where, shares in parts:
            requests = sum(count for _, count in shares)
            yield {
                "actor": worker.actor,
                "core_metrics": metrics(requests if people else 0)
                | {"num_sessions": 1 + requests // 45},
                "customer_type": worker.plan,
                "date": seconds_stamp(day * DAY),
                "model_breakdown": [usage_of(share, count) for share, count in shares],
                "organization_id": organization_id,
                "terminal_type": where,
                "tool_actions": tool_actions(requests, min(98, accepted)) if people else {},
                "subscription_type": seat,
            }
