"""The messages usage report: tokens in buckets of a minute, an hour or a day."""

from collections.abc import Callable
from typing import Any

import msgspec

from ..app import Answer, Call, operation
from .console import invalid
from .reports import (
    WIDTHS,
    Bucket,
    Reports,
    choices_in,
    envelope,
    in_order,
    key_by,
    window_of,
)
from .traffic import DIMENSIONS, Dimensions, Share

SPEED_BETA = "fast-mode-2026-02-01"
MOST_DIMENSIONS = 7  # one more is too fine a grouping, whatever the page
CONTEXTS = ("0-200k", "200k-1M")
TIERS = ("standard", "batch", "priority", "priority_on_demand", "flex", "flex_discount")
# parameter -> the dimension it filters, and its values where they are listed
FILTERS: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "account_ids[]": ("account_id", None),
    "api_key_ids[]": ("api_key_id", None),
    "context_window[]": ("context_window", CONTEXTS),
    "inference_geos[]": ("inference_geo", ("global", "us", "not_available")),
    "models[]": ("model", None),
    "service_account_ids[]": ("service_account_id", None),
    "service_tiers[]": ("service_tier", TIERS),
    "speeds[]": ("speed", ("standard", "fast")),
    "workspace_ids[]": ("workspace_id", None),
}


class CacheCreation(msgspec.Struct, gc=False):
    ephemeral_1h_input_tokens: int
    ephemeral_5m_input_tokens: int


class ServerToolUse(msgspec.Struct, gc=False):
    web_search_requests: int


class UsageResult(msgspec.Struct, gc=False):
    """``MessagesUsageResult`` of the contract; ``speed`` is there when it is grouped by."""

    uncached_input_tokens: int
    cache_read_input_tokens: int
    cache_creation: CacheCreation
    output_tokens: int
    server_tool_use: ServerToolUse
    api_key_id: str | None = None
    workspace_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    context_window: str | None = None
    inference_geo: str | None = None
    account_id: str | None = None
    service_account_id: str | None = None
    speed: str | msgspec.UnsetType | None = msgspec.UNSET


def sums(
    shares: list[Share], bucket: Bucket, key_of: Callable[[Dimensions], Dimensions]
) -> dict[Dimensions, list[int]]:
    """Tokens by type and web searches of one bucket, by what rows are told apart by."""
    found: dict[Dimensions, list[int]] = {}
    for share in shares:
        first, after = share.between(bucket.begins, bucket.ends)
        count = after - first
        if not count:
            continue
        row = found.setdefault(key_of(share.dimensions), [0, 0, 0, 0, 0, 0])
        for place, tokens in enumerate(share.tokens):
            row[place] += count * tokens
        row[5] += after * share.searches // 1000 - first * share.searches // 1000
    return found


class Usage(Reports):
    """Half of the tag "Usage and cost" of the contract."""

    @operation("GET", "/v1/organizations/usage_report/messages", "getMessagesUsageReport")
    def get_messages_usage_report(self, call: Call) -> Answer:
        window = window_of(call, WIDTHS)
        grouped = choices_in(call, "group_by[]", DIMENSIONS)
        filters = [
            (DIMENSIONS.index(dimension), frozenset(values))
            for name, (dimension, known) in FILTERS.items()
            if (values := choices_in(call, name, known) if known else call.values(name))
        ]
        self._check_beta(call, grouped)
        if len(grouped) > MOST_DIMENSIONS:
            raise invalid("group_by[]: too many dimensions; group by fewer of them")
        buckets, next_page = window.page(call, call.now)
        traffic = self.traffic(call)
        days = {
            day: [
                share
                for share in traffic.day(day)
                if all(share.dimensions[place] in wanted for place, wanted in filters)
            ]
            for day in dict.fromkeys(bucket.day for bucket in buckets)
        }
        key_of = key_by([DIMENSIONS.index(name) for name in grouped])

        def rows_of(bucket: Bucket) -> list[UsageResult]:
            rows = sums(days[bucket.day], bucket, key_of)
            return [_result(grouped, key, row) for key, row in in_order(rows)]

        return envelope(buckets, rows_of, next_page)

    def _check_beta(self, call: Call, grouped: list[str]) -> None:
        betas = call.request.headers.get("anthropic-beta", "")
        if SPEED_BETA in [one.strip() for one in betas.split(",")]:
            return
        if "speed" in grouped or call.values("speeds[]"):
            raise invalid(f"speed: needs the header anthropic-beta: {SPEED_BETA}")


def _result(grouped: list[str], key: Dimensions, row: list[int]) -> UsageResult:
    uncached, read, five_minutes, an_hour, output, searches = row
    shown: dict[str, Any] = dict(zip(grouped, key, strict=True))
    return UsageResult(
        uncached,
        read,
        CacheCreation(an_hour, five_minutes),
        output,
        ServerToolUse(searches),
        **shown,
    )
