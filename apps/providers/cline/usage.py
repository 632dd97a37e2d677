"""Use: ledgers of single calls, sums by day, the organization's summary.

Ledgers and the personal daily sums were seen; the organization's sums are inferred. ``creditsUsed`` are
millionths of a dollar and are what was charged; ``costUsd`` is list cost in 1e-8 dollars, in spite of
its name. Ledgers come newest first, 200 rows a page at most, without a filter by date; about 25 pages in
a row draw a 429.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from django.utils.translation import gettext as _

from apps.providers.cline.answers import read
from apps.providers.cline.client import ORGANIZATION, PAGE_LIMIT, USER, Client, Query
from apps.providers.decoding import (
    LONGEST_EMAIL,
    LONGEST_ID,
    LONGEST_NAME,
    Fields,
    Id,
    Missing,
    Name,
    RowReader,
    in_utc,
    needed,
)
from apps.providers.money import HUNDRED_MILLIONTHS, MICROS, UNITS
from apps.providers.reading import (
    LARGEST_COUNT,
    DocumentReader,
    Reading,
)
from apps.providers.records import Page
from apps.providers.records.usage import UsageDay, UsageRecord, UsageSummary

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)  # for a time before the calendar begins

Text = Annotated[str, msgspec.Meta(max_length=LONGEST_NAME)]
IdOrNone = Annotated[str, msgspec.Meta(max_length=LONGEST_ID)]
Address = Annotated[str, msgspec.Meta(max_length=LONGEST_EMAIL)]
Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_COUNT)]
Units = Annotated[int, msgspec.Meta(gt=-(10**18), lt=10**18)]  # whole ones, as in every capture


class _Metadata(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``UsageMetadata``: free-form; what is not known here may hold anything."""

    raw_model: Text | None = None
    model_type: Text | None = None
    model_id: Text | None = None
    is_byok: bool | None = None
    is_stream: bool | None = None


class UsageRow(msgspec.Struct, gc=False, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """``UsageTransaction`` and ``MemberUsageTransaction`` of the contract (observed)."""

    id: Id
    created_at: datetime
    user_id: IdOrNone = ""
    organization_id: IdOrNone = ""
    generation_id: IdOrNone = ""
    operation: Text = ""
    ai_inference_provider_name: Text = ""
    ai_model_name: Text = ""
    ai_model_type_name: Text = ""
    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count
    cached_tokens: Count | None = None
    credits_used: Units
    cost_usd: Units
    metadata: _Metadata | None = None
    member_display_name: Name = ""
    member_email: Address = ""


class DayRow(msgspec.Struct, gc=False, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """``DailyUsageRow`` of the contract (observed)."""

    date: date
    member_id: IdOrNone = ""
    member_display_name: Name = ""
    member_email: Address = ""
    operation: Text = ""
    ai_model_type_name: Text = ""
    ai_model_name: Text = ""
    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count | None = None
    credits_used: Units | None = None
    cost_usd: Units


class MemberDayRow(DayRow, gc=False, kw_only=True):
    """``OrganizationUsageRow`` of the contract (inferred)."""

    total_tokens: Count
    credits_used: Units


def _usd(units: int | None, unit: int) -> Decimal | None:
    return None if units is None else Decimal(units).scaleb(unit)


def _call(row: UsageRow, raw: bytes) -> UsageRecord:
    return UsageRecord(
        row.id,
        in_utc(row.created_at) or EARLIEST,
        row.user_id,
        row.organization_id,
        row.generation_id,
        row.operation,
        row.ai_inference_provider_name,
        row.ai_model_name,
        row.ai_model_type_name,
        row.prompt_tokens,
        row.completion_tokens,
        row.total_tokens,
        row.cached_tokens,
        _usd(row.credits_used, MICROS),
        _usd(row.cost_usd, HUNDRED_MILLIONTHS),
        row.metadata.is_byok if row.metadata else None,
        row.member_email,
        row.member_display_name,
        raw,
    )


def _lenient_call(fields: Fields) -> UsageRow:
    reading = Reading(fields)
    at = reading.moment("createdAt")
    if at is None:
        raise Missing(_("it has no %(field)s") % {"field": "createdAt"})
    metadata = reading.inner("metadata") or Reading({})
    return UsageRow(
        id=needed(fields, "id", "usageId"),
        created_at=at,
        user_id=reading.id("userId"),
        organization_id=reading.id("organizationId"),
        generation_id=reading.id("generationId"),
        operation=reading.text("operation"),
        ai_inference_provider_name=reading.text("aiInferenceProviderName"),
        ai_model_name=reading.text("aiModelName"),
        ai_model_type_name=reading.text("aiModelTypeName"),
        cached_tokens=reading.count("cachedTokens"),
        metadata=_Metadata(is_byok=metadata.flag("is_byok")),
        member_display_name=reading.text("memberDisplayName"),
        member_email=reading.text("memberEmail", longest=LONGEST_EMAIL),
        **_lenient_sums(reading),
    )


def _lenient_sums(reading: Reading) -> dict[str, Any]:
    """None where the row does not say. A fraction of a unit stays one, though no capture has any."""
    return {
        "prompt_tokens": reading.count("promptTokens"),
        "completion_tokens": reading.count("completionTokens"),
        "total_tokens": reading.count("totalTokens"),
        "credits_used": reading.usd("creditsUsed", unit=UNITS),
        "cost_usd": reading.usd("costUsd", unit=UNITS),
    }


def _day(row: DayRow, raw: bytes) -> UsageDay:
    return UsageDay(
        "",
        row.date,
        row.member_id,
        row.member_email,
        row.member_display_name,
        row.operation,
        row.ai_model_name,
        row.ai_model_type_name,
        row.prompt_tokens,
        row.completion_tokens,
        row.total_tokens,
        _usd(row.credits_used, MICROS),
        _usd(row.cost_usd, HUNDRED_MILLIONTHS),
        raw,
    )


def _lenient_day(fields: Fields) -> MemberDayRow:
    reading = Reading(fields)
    found = reading.day("date")
    if found is None:
        raise Missing(_("it has no %(field)s") % {"field": "date"})
    return MemberDayRow(
        date=found,
        member_id=reading.id("memberId"),
        member_display_name=reading.text("memberDisplayName"),
        member_email=reading.text("memberEmail", longest=LONGEST_EMAIL),
        operation=reading.text("operation"),
        ai_model_type_name=reading.text("aiModelTypeName"),
        ai_model_name=reading.text("aiModelName"),
        **_lenient_sums(reading),
    )


def _summary(reading: Reading, raw: bytes) -> UsageSummary:
    return UsageSummary(
        reading.id("organizationId", needed=True),
        reading.day("startDate", needed=True),
        reading.day("endDate", needed=True),
        reading.count("memberCount", needed=True),
        reading.count("activeMemberCount", needed=True),
        reading.count("requests", needed=True),
        reading.count("promptTokens"),
        reading.count("completionTokens"),
        reading.count("totalTokens", needed=True),
        reading.usd("creditsUsed", unit=MICROS, needed=True),
        reading.usd("costUsd", unit=HUNDRED_MILLIONTHS),
        raw,
        reading.missing,
    )


CALLS = RowReader(UsageRow, _call, _lenient_call, ("id", "usageId"))
OWN_DAYS = RowReader(DayRow, _day, _lenient_day, ("date",))
DAYS = RowReader(MemberDayRow, _day, _lenient_day, ("date",))
SUMMARY = DocumentReader(_summary, ("organizationId",))


class Usage(Client):
    """What the organization, one member of it, or the key's owner has used."""

    def list_user_usages(
        self,
        user_id: str,
        *,
        cursor: str | None = None,
        limit: int = PAGE_LIMIT,
    ) -> Page[UsageRecord]:
        """list_user_usages: calls of the key's owner, newest first. Rows that arrive while it is
        walked move the others on, so a row may come twice."""
        template = f"{USER}/usages"
        return self._page(CALLS, template, cursor=cursor, limit=limit, id=user_id)

    def list_user_daily_usages(self, user_id: str, first: date, last: date) -> Page[UsageDay]:
        """list_user_daily_usages: sums of UTC days ``first`` to ``last``, at most 31 of them."""
        query = _range(first, last)
        return self._page(OWN_DAYS, f"{USER}/usages/daily", query=query, id=user_id)

    def list_member_usages(
        self,
        member_id: str,
        *,
        cursor: str | None = None,
        limit: int = PAGE_LIMIT,
    ) -> Page[UsageRecord]:
        """list_member_usages: calls of one member, newest first; see list_user_usages."""
        template = f"{ORGANIZATION}/members/{{memberId}}/usages"
        return self._page(CALLS, template, cursor=cursor, limit=limit, memberId=member_id)

    def get_organization_usage(
        self,
        first: date | None = None,
        last: date | None = None,
        *,
        cursor: str | None = None,
        limit: int = PAGE_LIMIT,
    ) -> Page[UsageDay]:
        """get_organization_usage: sums by day, member, operation and model, of UTC days ``first`` to
        ``last``; the range that the provider chooses if none is given."""
        query = _range(first, last)
        template = f"{ORGANIZATION}/usages"
        return self._page(DAYS, template, cursor=cursor, limit=limit, query=query)

    def get_organization_metrics(
        self, first: date | None = None, last: date | None = None
    ) -> UsageSummary:
        """get_organization_metrics: one sum over UTC days ``first`` to ``last``."""
        return read(SUMMARY, self._list(f"{ORGANIZATION}/metrics", query=_range(first, last)))


def _range(first: date | None, last: date | None) -> Query:
    ends = {"startDate": first, "endDate": last}
    return {name: day.isoformat() for name, day in ends.items() if day is not None}
