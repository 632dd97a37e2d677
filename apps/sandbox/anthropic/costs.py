"""The cost report: what usage comes to by the price list, a day at a time."""

from typing import NamedTuple

import msgspec

from ..app import Answer, Call, operation
from ..world import DAY
from .prices import CENT, TOKEN_TYPES, WEB_SEARCH, cents, description, token_prices
from .reports import Bucket, Reports, Width, choices_in, envelope, window_of
from .traffic import DIMENSIONS, Share

WIDTHS = {"1d": Width(DAY, 7, 31)}
GROUPS = ("workspace_id", "description")
# Priority Tier is paid by commitment: none of it is here.
BILLED_TIERS = ("standard", "batch")
OTHER_COSTS = {
    "web_search": "Web Search Usage",
    "code_execution": "Code Execution Usage",
    "session_usage": "Session Runtime Usage",
}
WORKSPACE, MODEL, TIER, CONTEXT, GEO, SPEED = (
    DIMENSIONS.index(name)
    for name in (
        "workspace_id",
        "model",
        "service_tier",
        "context_window",
        "inference_geo",
        "speed",
    )
)


class Line(NamedTuple):
    """What tells one line item from another."""

    workspace_id: str | None
    description: str | None = None
    cost_type: str | None = None
    model: str | None = None
    service_tier: str | None = None
    context_window: str | None = None
    inference_geo: str | None = None
    token_type: str | None = None


class CostResult(msgspec.Struct, gc=False):
    """``CostResult`` of the contract."""

    amount: str
    workspace_id: str | None
    description: str | None
    cost_type: str | None
    model: str | None
    service_tier: str | None
    context_window: str | None
    inference_geo: str | None
    token_type: str | None
    currency: str = "USD"


def costs_of(shares: list[Share], bucket: Bucket) -> dict[Line, int]:
    """Every line item of a day; 10^-12 dollars."""
    tokens: dict[tuple[str | None, ...], list[int]] = {}
    lines: dict[Line, int] = {}
    for share in shares:
        first, after = share.between(bucket.begins, bucket.ends)
        if after == first:
            continue
        known = share.dimensions
        if known[TIER] in BILLED_TIERS:
            key = (*known[WORKSPACE:SPEED], known[SPEED])
            row = tokens.setdefault(key, [0, 0, 0, 0, 0])
            for place, each in enumerate(share.tokens):
                row[place] += (after - first) * each
        for kind, amount in _others(share, first, after):
            line = Line(known[WORKSPACE], OTHER_COSTS[kind], kind)
            lines[line] = lines.get(line, 0) + amount
    for key, row in tokens.items():
        lines |= _token_lines(key, row)
    return lines


def _others(share: Share, first: int, after: int) -> list[tuple[str, int]]:
    found = []
    if searches := after * share.searches // 1000 - first * share.searches // 1000:
        found.append(("web_search", searches * WEB_SEARCH))
    if share.hours is not None:
        kind, requests_an_hour, price = share.hours
        if hours := after // requests_an_hour - first // requests_an_hour:
            found.append((kind, hours * price * CENT))
    return found


def _token_lines(key: tuple[str | None, ...], row: list[int]) -> dict[Line, int]:
    workspace, model, tier, context, geo, speed = key
    kind = (str(model), str(tier), str(context), str(geo), str(speed))
    return {
        Line(
            workspace,
            description(*kind, token_type),
            "tokens",
            model,
            tier,
            context,
            geo,
            token_type,
        ): count * price
        for token_type, count, price in zip(TOKEN_TYPES, row, token_prices(*kind), strict=True)
        if count
    }


def grouped_by(lines: dict[Line, int], groups: list[str]) -> list[CostResult]:
    """One row for each group, by workspace and text; columns that were not asked for are null."""
    found: dict[Line, int] = {}
    for line, amount in lines.items():
        kept = line if "description" in groups else Line(line.workspace_id)
        if "workspace_id" not in groups:
            kept = kept._replace(workspace_id=None)
        found[kept] = found.get(kept, 0) + amount
    ordered = sorted(found, key=lambda one: (one.workspace_id or "", one.description or ""))
    return [CostResult(cents(found[line]), *line) for line in ordered]


class Costs(Reports):
    """A quarter of the tag "Usage and cost" of the contract."""

    @operation("GET", "/v1/organizations/cost_report", "getCostReport")
    def get_cost_report(self, call: Call) -> Answer:
        window = window_of(call, WIDTHS, whole_days=True)
        groups = choices_in(call, "group_by[]", GROUPS)
        buckets, next_page = window.page(call, call.now)
        traffic = self.traffic(call)
        days = {bucket.day: traffic.day(bucket.day) for bucket in buckets}
        return envelope(
            buckets,
            lambda bucket: grouped_by(costs_of(days[bucket.day], bucket), groups),
            next_page,
        )
