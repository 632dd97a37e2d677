"""How the API writes things down: times in UTC, lists by cursor, and what may be sent, name by name."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any, cast

from django.urls import reverse
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

_ID = re.compile(r"[0-9]{1,18}")
# Parameters that belong to paging, and to every answer.
OF_THE_LIST = frozenset({"cursor", "limit", "fields"})


class Moment(serializers.DateTimeField):
    """A time in UTC, ISO 8601 ("2026-01-31T12:00:00Z"), whatever the reader's own zone."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)


class Shape(serializers.Serializer[Any]):
    """What may be sent, or asked of a list. A name that is not known is an error, not ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse unknown names together with what else is wrong."""
        errors: dict[str, Any] = {}
        values: Any = {}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            errors = dict(cast("dict[str, Any]", error.detail))
        if isinstance(data, Mapping):
            for name in sorted(set(data) - set(self.fields) - OF_THE_LIST):
                errors[str(name)] = [_("There is no such field here.")]
        if errors:
            raise serializers.ValidationError(errors)
        return values


class Cursors(CursorPagination):
    """``?limit=`` rows at a time, oldest first; ``next`` and ``previous`` are whole addresses."""

    page_size = 50
    max_page_size = 500
    page_size_query_param = "limit"
    ordering = "id"

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Where to go on. 400 for a cursor that no answer of ours has given."""
        unknown = serializers.ValidationError(
            {"cursor": [_("This cursor is not one of ours. Begin without.")]}
        )
        try:
            cursor = super().decode_cursor(request)
        except NotFound:
            raise unknown from None
        # All lists are in the order of their ids.
        if cursor and cursor.position is not None and not _ID.fullmatch(str(cursor.position)):
            raise unknown
        return cursor

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """For the OpenAPI file: 3.1 says "or null" by its type."""
        address = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": address, "previous": dict(address), "results": schema},
        }


class NewestFirst(Cursors):
    """The same, the newest first."""

    ordering = "-id"


def asked_of_list(shape: type[Shape], request: Request) -> dict[str, Any]:
    """The checked parameters of a list's address."""
    asked = shape(data=request.query_params.dict())
    asked.is_valid(raise_exception=True)
    return cast("dict[str, Any]", asked.validated_data)


def sent(shape: type[Shape], request: Request) -> dict[str, Any]:
    """The checked body of a request."""
    given = shape(data=request.data)
    given.is_valid(raise_exception=True)
    return cast("dict[str, Any]", given.validated_data)


def written(shape: Any, rows: Iterable[Any] | None, **context: Any) -> list[Any]:
    """Each of ``rows`` as the serializer ``shape`` writes it."""
    return list(shape(rows or [], many=True, context=context).data)


def address(request: Request, name: str, slug: str, **kwargs: Any) -> str:
    """The whole address of something below an organization; ``name`` as in ``portal/api_urls.py``."""
    return request.build_absolute_uri(reverse(f"api:{name}", kwargs={"slug": slug, **kwargs}))
