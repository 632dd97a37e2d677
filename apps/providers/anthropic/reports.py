"""Usage and cost reports: the SDK has no resource for them, so its client is asked directly."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import httpx2
import msgspec
from django.utils.translation import gettext as _

from apps.providers.anthropic.client import Client, Listing
from apps.providers.decoding import (
    LONGEST_NAME,
    Fields,
    Missing,
    RowReader,
    in_utc,
    masked,
    moment,
    text,
)
from apps.providers.errors import NOT_JSON, TooLarge
from apps.providers.money import CENTS, money
from apps.providers.reading import LARGEST_COUNT
from apps.providers.records import Page, Record, Unreadable
from apps.providers.records.reports import (
    CostBucket,
    CostQuery,
    CostRow,
    UsageBucket,
    UsageQuery,
    UsageRow,
    UsageRows,
)

USAGE = "/v1/organizations/usage_report/messages"
COST = "/v1/organizations/cost_report"
SPEED_BETA = "fast-mode-2026-02-01"
MOST_BUCKETS = {"1d": 31, "1h": 168, "1m": 1440}

# The record's name of a count, and where the contract has it; in the record's order.
COUNTS = {
    "uncached_input": "uncached_input_tokens",
    "cache_read": "cache_read_input_tokens",
    "cache_write_5m": "cache_creation.ephemeral_5m_input_tokens",
    "cache_write_1h": "cache_creation.ephemeral_1h_input_tokens",
    "output": "output_tokens",
    "web_searches": "server_tool_use.web_search_requests",
}
Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_COUNT)]
Row = TypeVar("Row")
Bucket = TypeVar("Bucket", bound=Record)


class _CacheCreation(msgspec.Struct, gc=False):
    ephemeral_1h_input_tokens: Count
    ephemeral_5m_input_tokens: Count


class _ServerToolUse(msgspec.Struct, gc=False):
    web_search_requests: Count


class _Untold(msgspec.Struct, gc=False):
    """What a UsageRow has besides: here nothing of it is told."""

    missing: ClassVar[tuple[str, ...]] = ()
    unsplit_input: ClassVar[int] = 0
    requests: ClassVar[int | None] = None


class UsageResult(_Untold, gc=False):
    """``MessagesUsageResult`` of the contract; ``speed`` is there when it is grouped by."""

    uncached_input_tokens: Count
    cache_read_input_tokens: Count
    cache_creation: _CacheCreation
    output_tokens: Count
    server_tool_use: _ServerToolUse
    api_key_id: str | None
    workspace_id: str | None
    model: str | None
    service_tier: str | None
    context_window: str | None
    inference_geo: str | None
    account_id: str | None
    service_account_id: str | None
    speed: str | None = None


class CostResult(msgspec.Struct, gc=False):
    """``CostResult`` of the contract: ``amount`` is cents."""

    amount: str
    currency: str
    workspace_id: str | None
    description: str | None
    cost_type: str | None
    model: str | None
    service_tier: str | None
    context_window: str | None
    inference_geo: str | None
    token_type: str | None


TOLD_APART_BY = tuple(one.name for one in msgspec.structs.fields(UsageResult)[5:])
USAGE_DIMENSIONS = TOLD_APART_BY[:-1]  # that are always there
FEW = 100  # texts of a column
COST_DIMENSIONS = tuple(one.name for one in msgspec.structs.fields(CostResult)[2:])


class BucketRow(msgspec.Struct, Generic[Row], gc=False):
    """A bucket of either report."""

    starting_at: str
    ending_at: datetime | None
    results: list[Row]


class _Read(msgspec.Struct, gc=False):
    """A bucket that was read row by row."""

    starting_at: str
    ending_at: datetime | None
    results: list[Any]
    unreadable: list[Unreadable]


# What a UsageRow is made of, in its order.
_of_usage = attrgetter(*COUNTS.values(), *TOLD_APART_BY)


def _usage_row(row: UsageResult) -> UsageRow:
    return UsageRow(*_of_usage(row))


def _usage_rows(rows: Sequence[UsageResult]) -> Sequence[UsageRow]:
    return UsageRows(rows, COUNTS, _usage_row)


def _cost_rows(rows: Sequence[CostResult]) -> Sequence[CostRow]:
    return tuple(map(_cost_row, rows))


def _cost_row(row: CostResult) -> CostRow:
    return CostRow(
        money(row.amount, CENTS),
        row.currency,
        row.workspace_id,
        row.description,
        row.cost_type,
        row.model,
        row.service_tier,
        row.context_window,
        row.inference_geo,
        row.token_type,
    )


def _count(value: Any) -> int | None:
    """A count, also one that was written as text or with a fraction of nothing; None if it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None
    if isinstance(value, str):
        digits = value.strip()
        value = int(digits) if digits.isascii() and digits.isdecimal() else None
    return value if isinstance(value, int) and 0 <= value <= LARGEST_COUNT else None


def count_in(fields: Fields, name: str) -> int:
    """A count of a row; 0 where there is none that can be read."""
    return _count(fields.get(name)) or 0


def inside(fields: Fields, name: str) -> Fields:
    """The object in a field; an empty one where there is none."""
    found = fields.get(name)
    return found if isinstance(found, dict) else {}


def _lenient_usage(fields: Fields) -> UsageRow:
    """A row without any of its counts is none; one that lacks some says so."""
    counts: dict[str, Any] = {}
    missing: list[str] = []
    for name, path in COUNTS.items():
        outer, _dot, inner = path.partition(".")
        found = inside(fields, outer).get(inner) if inner else fields.get(outer)
        counts[name] = _count(found)
        if counts[name] is None:
            counts[name] = 0
            missing.append(path)
    if len(missing) == len(counts):
        raise Missing(_("none of its counts can be read"))
    known, unknown = _dimensions(fields, USAGE_DIMENSIONS)
    speed = text(fields.get("speed"))[:LONGEST_NAME] or None
    return UsageRow(**counts, **known, speed=speed, missing=(*missing, *unknown))


def _lenient_cost(fields: Fields) -> CostRow:
    """An amount of money is needed; JSON numbers are cents too."""
    amount = fields.get("amount")
    try:
        if not isinstance(amount, str | int | float | Decimal):
            raise ValueError
        dollars = money(amount, CENTS)
    except ValueError:
        raise Missing(_("its amount cannot be read")) from None
    known, unknown = _dimensions(fields, COST_DIMENSIONS)
    currency = text(fields.get("currency"))[:LONGEST_NAME]
    missing = unknown if currency else ["currency", *unknown]
    return CostRow(dollars, currency or "USD", **known, missing=tuple(missing))


def _dimensions(fields: Fields, names: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """What tells rows apart, and the names of what is absent or no text."""
    found = {name: text(fields.get(name))[:LONGEST_NAME] or None for name in names}
    missing = [
        name
        for name, value in found.items()
        if name not in fields or (value is None and fields[name] not in (None, ""))
    ]
    return found, missing


def _decoder(struct: Any) -> Callable[[bytes], Listing[Any]]:
    """Reads a page whose buckets have rows that are a ``struct``."""
    return msgspec.json.Decoder(Listing[BucketRow[struct]]).decode


class _Buckets(Generic[Row, Bucket]):
    """How the buckets of one report are read: by the contract, else row by row.

    ``build`` makes the records of rows that are a ``struct``; ``lenient`` that of one which is not.
    """

    def __init__(
        self,
        bucket: Callable[..., Bucket],
        struct: Any,
        build: Callable[[Sequence[Any]], Sequence[Row]],
        lenient: Callable[[Fields], Row],
    ) -> None:
        self._bucket, self._struct, self._build, self._lenient = bucket, struct, build, lenient
        self._decode = _decoder(struct)
        self.reader = RowReader(BucketRow[struct], self._record, self._one_by_one, ("starting_at",))

    def at_once(self, body: bytes) -> tuple[Listing[Any], list[Bucket]] | None:
        """All of an answer, without telling its buckets apart first. None for one that is not by the
        contract, or has what only ``reader`` can read."""
        try:
            listing = self._decoded(body)
            return listing, [self._record(row) for row in listing.data]
        except NOT_JSON:
            return None

    def _decoded(self, body: bytes) -> Listing[Any]:
        """An answer by the contract; one of ``NOT_JSON`` for any other."""
        return self._decode(body)

    def _record(self, row: Any, _raw: bytes = b"") -> Bucket:
        start, end = moment(row.starting_at), in_utc(row.ending_at)
        if isinstance(row, _Read):
            unreadable = tuple(row.unreadable)
            return self._bucket(row.starting_at, start, end, tuple(row.results), unreadable)
        try:
            rows = self._build(row.results)
        except ValueError as error:
            raise msgspec.ValidationError(str(error)) from None
        if start is None:
            raise msgspec.ValidationError("no time")
        return self._bucket(row.starting_at, start, end, rows)

    def _one_by_one(self, fields: Fields) -> Any:
        results, start = fields.get("results"), text(fields.get("starting_at"))
        if not isinstance(results, list):
            raise Missing(_("it has no results"))
        if moment(start) is None:
            raise Missing(_("nobody says when it begins"))
        rows: list[Row] = []
        unreadable: list[Unreadable] = []
        for result in results:
            try:
                rows.append(self._row(result))
            except Missing as error:
                raw = masked(msgspec.json.encode(result))
                unreadable.append(Unreadable("", str(error), raw))
        return _Read(start, moment(fields.get("ending_at")), rows, unreadable)

    def _row(self, result: Any) -> Row:
        try:
            (row,) = self._build([msgspec.convert(result, self._struct)])
            return row
        except (*NOT_JSON, ValueError):
            if not isinstance(result, dict):
                raise Missing(_("it is no object")) from None
            return self._lenient(result)


class _UsageBuckets(_Buckets[UsageRow, UsageBucket]):
    """Those of usage, as one client reads them. A model or a workspace stands in thousands of rows: of columns
    with few texts those that were met are given again, not made anew, which also tells rows apart faster."""

    def __init__(self) -> None:
        super().__init__(UsageBucket, UsageResult, _usage_rows, _lenient_usage)
        self._met: dict[str, set[str | None]] = {name: set() for name in TOLD_APART_BY}
        self._decode_met: Callable[[bytes], Listing[Any]] | None = None

    def _decoded(self, body: bytes) -> Listing[Any]:
        if self._decode_met is not None:
            with suppress(msgspec.ValidationError):  # a text that is new, or something worse
                return self._decode_met(body)
        listing = super()._decoded(body)
        self._meet([bucket.results for bucket in listing.data])
        return listing

    def _meet(self, buckets: list[list[Any]]) -> None:
        """Expect the texts of these rows from now on."""
        types: dict[str, Any] = {}
        for name, met in self._met.items():
            if len(met) <= FEW:
                met.update(*(map(attrgetter(name), rows) for rows in buckets))
            if 0 < len(met) <= FEW:
                types[name] = Literal[tuple(met)]
        struct = msgspec.defstruct(
            UsageResult.__name__,
            [
                (one.name, types.get(one.name, one.type), one.default)
                for one in msgspec.structs.fields(UsageResult)
            ],
            bases=(_Untold,),
            gc=False,
        )
        self._decode_met = _decoder(struct)


_costs = _Buckets(CostBucket, CostResult, _cost_rows, _lenient_cost)
USAGE_BUCKETS, COST_BUCKETS = _UsageBuckets().reader, _costs.reader


def _written(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, as the vendor writes it."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Reports(Client):
    """Tag "Usage and cost" of the contract, but for Claude Code."""

    @cached_property
    def _usage(self) -> _UsageBuckets:
        return _UsageBuckets()

    def get_messages_usage_report(
        self, query: UsageQuery, *, page: str | None = None
    ) -> Page[UsageBucket]:
        """getMessagesUsageReport: one page of buckets, oldest first, empty ones too; tokens.

        Data is some five minutes late: ask at most once a minute. Refused for too many dimensions at
        once, and for an empty range. A cursor belongs to its query. A page has fewer buckets than were
        asked for where they would be more than an answer may hold.
        """
        wanted: dict[str, Any] = {
            "starting_at": _written(query.starting_at),
            "ending_at": _written(query.ending_at),
            "bucket_width": query.width,
            "group_by": query.group_by,
            "models": query.models,
            "workspace_ids": query.workspace_ids,
            "api_key_ids": query.api_key_ids,
            "account_ids": query.account_ids,
            "service_account_ids": query.service_account_ids,
            "service_tiers": query.service_tiers,
            "context_window": query.context_windows,
            "inference_geos": query.inference_geos,
            "speeds": query.speeds,
            "limit": query.buckets or MOST_BUCKETS[query.width],
        }
        beta = SPEED_BETA if query.speeds or "speed" in query.group_by else None
        return self._fitting_page(USAGE, self._usage, wanted, page, beta)

    def get_cost_report(self, query: CostQuery, *, page: str | None = None) -> Page[CostBucket]:
        """getCostReport: one page of days, oldest first; amounts in dollars, once cents, exact.

        Priority Tier is not in it; the day that is not over is left out unless ``ending_at`` is after it.
        """
        wanted: dict[str, Any] = {
            "starting_at": _written(query.starting_at),
            "ending_at": _written(query.ending_at),
            "group_by": query.group_by,
            "limit": query.buckets or MOST_BUCKETS["1d"],
        }
        return self._fitting_page(COST, _costs, wanted, page)

    def _fitting_page(
        self,
        path: str,
        buckets: _Buckets[Any, Bucket],
        wanted: dict[str, Any],
        page: str | None,
        beta: str | None = None,
    ) -> Page[Bucket]:
        """One page of as many buckets as an answer may hold: halved until it does, and so from then on
        for reports of that width and grouping. TooLarge if a single bucket is too large."""
        shape = (path, wanted.get("bucket_width"), wanted["group_by"])
        while True:
            limit = min(wanted["limit"], self._fitting.get(shape, wanted["limit"]))
            query = {name: value for name, value in wanted.items() if value != ()}
            try:
                return self.page(
                    f"GET {path}",
                    self.sender(path, beta),
                    buckets.reader,
                    cursor=("page", page),
                    at_once=buckets.at_once,
                    **{**query, "limit": limit},
                )
            except TooLarge:
                if limit <= 1:
                    raise
                self._fitting[shape] = limit // 2

    def sender(self, path: str, beta: str | None = None) -> Callable[..., httpx2.Response]:
        """Sends a GET that the SDK has no method for; lists travel as ``name[]=a&name[]=b``."""
        headers = {"anthropic-beta": beta} if beta else {}

        def send(**query: Any) -> httpx2.Response:
            listed = {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in query.items()
            }
            return self._sdk.get(
                path, cast_to=httpx2.Response, options={"params": listed, "headers": headers}
            )

        return send
