"""The Claude Code report."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from apps.providers.anthropic.client import PAGE_LIMIT
from apps.providers.anthropic.reports import Count, Reports, count_in, inside
from apps.providers.decoding import (
    LONGEST_EMAIL,
    LONGEST_ID,
    LONGEST_NAME,
    NOT_READ,
    Fields,
    Missing,
    RowReader,
    moment,
    text,
)
from apps.providers.money import CENTS, money
from apps.providers.records import Page
from apps.providers.records.reports import CodingDayRecord, ModelUsage, ToolActions

CLAUDE_CODE = "/v1/organizations/usage_report/claude_code"


class _Closed(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A row that fits keeps nothing that we have not read."""


class ActorRow(_Closed):
    """``ClaudeCodeActor`` of the contract: a person or a key."""

    type: str
    email_address: str = ""
    api_key_name: str = ""


class LinesRow(_Closed):
    """``ClaudeCodeLinesOfCode``."""

    added: Count
    removed: Count


class MetricsRow(_Closed):
    """``ClaudeCodeCoreMetrics``."""

    commits_by_claude_code: Count
    lines_of_code: LinesRow
    num_sessions: Count
    pull_requests_by_claude_code: Count


class CostRow(_Closed):
    """``ClaudeCodeEstimatedCost``: cents, as a JSON number."""

    amount: Decimal
    currency: str


class TokensRow(_Closed):
    """``ClaudeCodeModelTokens``."""

    cache_creation: Count
    cache_read: Count
    input: Count
    output: Count


class ModelRow(_Closed):
    """``ClaudeCodeModelUsage``."""

    estimated_cost: CostRow
    model: str
    tokens: TokensRow


class ToolRow(_Closed):
    """``ToolActionCounts``."""

    accepted: Count
    rejected: Count


class CodingRow(_Closed):
    """``ClaudeCodeUsageRecord`` of the contract."""

    actor: ActorRow
    core_metrics: MetricsRow
    customer_type: str
    date: str
    model_breakdown: list[ModelRow]
    terminal_type: str
    tool_actions: dict[str, ToolRow]
    subscription_type: str | None = None
    organization_id: msgspec.Raw = NOT_READ
    is_remote: msgspec.Raw = NOT_READ
    lacks: tuple[str, ...] = ()


PARTS = {"core_metrics": dict, "model_breakdown": list, "tool_actions": dict}


def _coding(row: CodingRow, raw: bytes) -> CodingDayRecord:
    actor, metrics = row.actor, row.core_metrics
    email, key_name = actor.email_address[:LONGEST_EMAIL], actor.api_key_name[:LONGEST_NAME]
    if not email and not key_name:
        raise msgspec.ValidationError(_("nobody says who it was"))
    midnight = moment(row.date)  # written as a day or as its midnight
    if midnight is None:
        raise msgspec.ValidationError(_("nobody says of which day it is"))
    day = midnight.date()
    named = (email or key_name, day.isoformat(), row.terminal_type, row.customer_type)
    return CodingDayRecord(
        " ".join(named)[:LONGEST_ID],
        day,
        email,
        key_name,
        row.customer_type[:LONGEST_NAME],
        (row.subscription_type or "")[:LONGEST_NAME],
        row.terminal_type[:LONGEST_NAME],
        metrics.num_sessions,
        metrics.lines_of_code.added,
        metrics.lines_of_code.removed,
        metrics.commits_by_claude_code,
        metrics.pull_requests_by_claude_code,
        tuple(map(_model, row.model_breakdown)),
        tuple(
            ToolActions(name, one.accepted, one.rejected) for name, one in row.tool_actions.items()
        ),
        raw,
    )


def _model(row: ModelRow) -> ModelUsage:
    tokens, cost = row.tokens, row.estimated_cost
    try:
        dollars = money(cost.amount, CENTS)
    except ValueError as error:
        raise msgspec.ValidationError(str(error)) from None
    return ModelUsage(
        row.model[:LONGEST_NAME],
        tokens.input,
        tokens.cache_read,
        tokens.cache_creation,
        tokens.output,
        dollars,
        cost.currency[:LONGEST_NAME],
    )


def _lenient_coding(fields: Fields) -> CodingRow:
    actor, metrics = inside(fields, "actor"), inside(fields, "core_metrics")
    lines, models = inside(metrics, "lines_of_code"), fields.get("model_breakdown")
    tools = inside(fields, "tool_actions")
    written = text(fields.get("date"))
    if moment(written) is None:
        raise Missing(_("nobody says of which day it is"))
    person, key_name = text(actor.get("email_address")), text(actor.get("api_key_name"))
    if not person and not key_name:
        raise Missing(_("nobody says who it was"))
    return CodingRow(
        actor=ActorRow(text(actor.get("type")), person, key_name),
        core_metrics=MetricsRow(
            count_in(metrics, "commits_by_claude_code"),
            LinesRow(count_in(lines, "added"), count_in(lines, "removed")),
            count_in(metrics, "num_sessions"),
            count_in(metrics, "pull_requests_by_claude_code"),
        ),
        customer_type=text(fields.get("customer_type")),
        date=written,
        model_breakdown=[_lenient_model(one) for one in models if isinstance(one, dict)]
        if isinstance(models, list)
        else [],
        terminal_type=text(fields.get("terminal_type")),
        tool_actions={
            name[:LONGEST_NAME]: ToolRow(count_in(one, "accepted"), count_in(one, "rejected"))
            for name, one in tools.items()
            if isinstance(one, dict)
        },
        subscription_type=text(fields.get("subscription_type")),
        lacks=tuple(name for name, kind in PARTS.items() if not isinstance(fields.get(name), kind)),
    )


def _lenient_model(fields: Fields) -> ModelRow:
    tokens, cost = inside(fields, "tokens"), inside(fields, "estimated_cost")
    try:
        amount: Any = cost.get("amount")
        money(amount if isinstance(amount, str | int | float) else "", CENTS)
    except ValueError:
        amount = 0
    return ModelRow(
        CostRow(
            Decimal(repr(amount) if isinstance(amount, float) else amount),
            text(cost.get("currency")) or "USD",
        ),
        text(fields.get("model")),
        TokensRow(
            count_in(tokens, "cache_creation"),
            count_in(tokens, "cache_read"),
            count_in(tokens, "input"),
            count_in(tokens, "output"),
        ),
    )


CODING_DAYS = RowReader(CodingRow, _coding, _lenient_coding, ("date",))


class Coding(Reports):
    """The Claude Code part of the tag "Usage and cost"."""

    def get_claude_code_usage_report(
        self, day: date, *, page: str | None = None, limit: int = PAGE_LIMIT
    ) -> Page[CodingDayRecord]:
        """getClaudeCodeUsageReport: one page of one UTC day; a range is a call for each day.

        What is younger than about an hour is not in it, so today's answer is partial and grows.
        """
        return self.page(
            f"GET {CLAUDE_CODE}",
            self.sender(CLAUDE_CODE),
            CODING_DAYS,
            cursor=("page", page),
            starting_at=day.isoformat(),
            limit=limit,
        )
