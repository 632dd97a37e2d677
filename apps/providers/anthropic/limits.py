"""Rate limits of the organization, and what workspaces override of them."""

from dataclasses import replace
from hashlib import blake2b
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from apps.providers.anthropic.workspaces import Workspaces, following
from apps.providers.decoding import (
    LONGEST_ID,
    LONGEST_NAME,
    NOT_READ,
    Fields,
    Missing,
    Name,
    RowReader,
    text,
)
from apps.providers.records import Page
from apps.providers.records.workspaces import Limit, LimiterRecord, RateLimitRecord


class LimitRow(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``OrganizationRateLimitValue`` and ``WorkspaceRateLimitValue`` of the contract."""

    type: Name
    value: int
    org_limit: int | None = None
    source: msgspec.Raw = NOT_READ


class RateLimitRow(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``OrganizationRateLimit`` and ``WorkspaceRateLimit``; later servers add the ids and ``group``."""

    group_type: Name
    models: list[str] | None
    limits: list[LimitRow]
    id: str | None = None
    rate_limit_id: str | None = None
    type: msgspec.Raw = NOT_READ
    group: msgspec.Raw = NOT_READ
    workspace_id: msgspec.Raw = NOT_READ


def _rate_limit(row: RateLimitRow, raw: bytes) -> RateLimitRecord:
    models = None if row.models is None else tuple(row.models)
    made_up = f"{row.group_type}:{models[0]}" if models else row.group_type
    return RateLimitRecord(
        (row.id or row.rate_limit_id or made_up)[:LONGEST_ID],
        row.group_type,
        models,
        tuple(Limit(one.type, one.value, one.org_limit) for one in row.limits),
        raw,
    )


def _lenient_rate_limit(fields: Fields) -> RateLimitRow:
    limits = fields.get("limits")
    models = fields.get("models")
    if not isinstance(limits, list):
        raise Missing(_("it has no limits"))
    found = [one for one in map(_limit, limits) if one is not None]
    if not found and limits:
        raise Missing(_("none of its limits can be read"))
    named = [name for name in map(text, models) if name] if isinstance(models, list) else None
    return RateLimitRow(
        group_type=_group(fields)[:LONGEST_NAME],
        models=named,
        limits=found,
        id=text(fields.get("id")),
        rate_limit_id=text(fields.get("rate_limit_id")),
    )


def _group(fields: Fields) -> str:
    """The kind of group; later servers tell it within ``group``."""
    group = fields.get("group")
    later = text(group.get("type")) if isinstance(group, dict) else ""
    return text(fields.get("group_type")) or later


def _limit(value: Any) -> LimitRow | None:
    if not isinstance(value, dict):
        return None
    amount, kind = _whole(value.get("value")), text(value.get("type"))[:LONGEST_NAME]
    if amount is None or not kind:
        return None
    return LimitRow(kind, amount, _whole(value.get("org_limit")))


def _whole(value: Any) -> int | None:
    """A whole number, also one that was written as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    digits = value.strip() if isinstance(value, str) else ""
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 19 else None


RATE_LIMITS = RowReader(RateLimitRow, _rate_limit, _lenient_rate_limit, ("id", "rate_limit_id"))


def _limiters(workspace_id: str, name: str, row: RateLimitRecord) -> list[LimiterRecord]:
    """One record for each of a group's limits; ``workspace_id`` is "" for the organization's own."""
    return [
        LimiterRecord(
            _unique(workspace_id, f"{row.remote_id}:{limit.kind}"),
            workspace_id,
            name,
            row.group,
            row.models,
            limit.kind,
            limit.value,
            limit.organization_value,
            row.raw,
        )
        for limit in row.limits
    ]


def _unique(workspace_id: str, inner: str) -> str:
    """An id for what has none of its own; the same limiter always gets the same."""
    whole = f"{workspace_id}:{inner}"
    if len(whole) <= LONGEST_ID:
        return whole
    return f"{workspace_id}:{blake2b(inner.encode(), digest_size=16).hexdigest()}"


class RateLimits(Workspaces):
    """Tag "Rate limits" of the contract."""

    def rate_limits(self, cursor: str | None = None) -> Page[LimiterRecord]:
        """listOrganizationRateLimits, then listWorkspaceRateLimits of one live workspace after another.

        A cursor is "workspace:page", with no workspace for the organization's own. listWorkspaces is
        asked once a walk.
        """
        extra = 0
        if cursor is None or self._live is None:
            self._live, extra = self._live_workspaces()
        workspace_id, _colon, page = (cursor or ":").partition(":")
        listed = (
            self.list_workspace_rate_limits(workspace_id, page=page or None)
            if workspace_id
            else self.list_organization_rate_limits(page=page or None)
        )
        name = self._live.get(workspace_id, "")
        rows = [one for row in listed.rows for one in _limiters(workspace_id, name, row)]
        place = f"{workspace_id}:{listed.next_cursor}" if listed.next_cursor else None
        # A group that cannot be read may be any of those that are missing: its rows have no id.
        unreadable = [replace(row, remote_id="") for row in listed.unreadable]
        following_place = place or following(workspace_id, self._live)
        return Page(rows, following_place, unreadable, listed.requests + extra)

    def list_organization_rate_limits(
        self, *, page: str | None = None, group_type: str | None = None, model: str | None = None
    ) -> Page[RateLimitRecord]:
        """listOrganizationRateLimits: one page, and so far there is no second.

        NotFound for a ``model`` that is unknown or has no limits here.
        """
        raw = self._sdk.organization.rate_limits.with_raw_response
        return self.page(
            "GET /v1/organizations/rate_limits",
            raw.list,
            RATE_LIMITS,
            cursor=("page", page),
            group_type=group_type,
            model=model,
        )

    def list_workspace_rate_limits(
        self, workspace_id: str, *, page: str | None = None, group_type: str | None = None
    ) -> Page[RateLimitRecord]:
        """listWorkspaceRateLimits: its overrides alone; the rest it inherits.

        NotFound for the default workspace, which cannot have any.
        """
        raw = self._sdk.organization.workspaces.rate_limits.with_raw_response
        return self.page(
            "GET /v1/organizations/workspaces/{workspace_id}/rate_limits",
            raw.list,
            RATE_LIMITS,
            workspace_id,
            cursor=("page", page),
            group_type=group_type,
        )
