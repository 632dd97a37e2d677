"""The official SDK, sent through our channel: calls, errors, and both ways of paging."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import anthropic
import httpx2
import msgspec
from django.utils.translation import gettext as _

from apps.providers.decoding import Fields, Row, RowReader, Walk, page_of, page_read, text
from apps.providers.errors import NOT_JSON, Busy, Refused, Unclear
from apps.providers.http import Answer, Channel, ErrorWords, garbled
from apps.providers.records import Page

VERSION = "2023-06-01"
PAGE_LIMIT = 1000  # rows, the most that the contract allows
COLLISION = "concurrent_membership_change"
Item = TypeVar("Item")


class Listing(msgspec.Struct, Generic[Item], gc=False):
    """The envelope of lists: with ids for cursors, or with an opaque one."""

    data: list[Item]
    has_more: bool | msgspec.UnsetType = msgspec.UNSET
    last_id: str | int | None = None
    next_page: str | int | msgspec.UnsetType | None = msgspec.UNSET


class _ErrorDetails(msgspec.Struct):
    error_code: str | None = None


class _ErrorObject(msgspec.Struct):
    type: str | None = None
    message: str | None = None
    details: _ErrorDetails | None = None


class _Error(msgspec.Struct):
    error: _ErrorObject
    type: str | None = None


_read_list = msgspec.json.Decoder(Listing[msgspec.Raw]).decode
_read_error = msgspec.json.Decoder(_Error).decode


def read_words(response: httpx2.Response) -> ErrorWords:
    """What Anthropic's error body says; nothing for a success. An error may come with 200 too."""
    if response.is_success and b'"error"' not in response.content[:200]:
        return ErrorWords()  # a page of rows is not read twice
    try:
        whole = _read_error(response.content)
    except NOT_JSON:
        return ErrorWords()
    if response.is_success and whole.type != "error":
        return ErrorWords()
    error = whole.error
    code = (error.details and error.details.error_code) or error.type or ""
    return ErrorWords(error.message or "", code, genuine=True)


class Client:
    """One Anthropic organization, spoken to with an admin key."""

    def __init__(self, channel: Channel, *, base_url: str, credential: str) -> None:
        self._channel = channel
        headers: Any = {  # the SDK's type does not know its own ``omit``
            "anthropic-version": VERSION,
            "X-Api-Key": credential,
            "Authorization": anthropic.omit,
        }
        self._sdk = anthropic.Anthropic(
            # Both are always given: otherwise environment variables and profiles leak in.
            api_key=credential,
            base_url=base_url,
            max_retries=0,  # the SDK would repeat writes, and there are no idempotency keys
            http_client=channel.client,
            default_headers=headers,
        )
        self._walks: dict[tuple[object, ...], Walk] = {}
        self._fitting: dict[
            tuple[object, ...], int
        ] = {}  # buckets of a report that an answer holds

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def close(self) -> None:
        """Give back the network connections."""
        self._channel.close()

    def read(self, operation: str, send: Callable[[], Any]) -> Answer:
        """Send a read; ``operation`` is the contract's method and path template."""
        return self._channel.call(
            operation, lambda: _response(send), write=False, read_words=read_words
        )

    def write(self, operation: str, send: Callable[[], Any]) -> Answer:
        """Send a write, once. Busy where two membership changes met."""
        try:
            return self._channel.call(
                operation, lambda: _response(send), write=True, read_words=read_words
            )
        except Refused as error:
            refusal = error
        if refusal.status == 409 and refusal.code == COLLISION:
            # Two membership changes met; the contract says to come back later.
            raise Busy(
                refusal.message,
                status=409,
                code=refusal.code,
                request_id=refusal.request_id,
                retry_after=1.0,
            )
        raise refusal

    def page(
        self,
        operation: str,
        send: Callable[..., Any],
        reader: RowReader[Row],
        *about: object,
        cursor: tuple[str, str | None],
        at_once: Callable[[bytes], tuple[Listing[Any], list[Row]] | None] = lambda _body: None,
        **query: object,
    ) -> Page[Row]:
        """One page of a list. ``about``: the ids in its path; ``cursor``: the query parameter that
        carries it ("after_id" or "page") and its value; ``at_once`` reads an answer that is by the
        contract to its last row, None for any other; ``query``: the rest, None where not asked.

        Unclear if the list cannot be complete: nobody says whether there is more, or pages come round.
        """
        wanted = {name: value for name, value in query.items() if value is not None}
        walk = self.walk(operation, *about, *wanted.items())
        name, value = cursor
        if value is not None:
            wanted[name] = value
        answer = self.read(operation, lambda: send(*about, **wanted))
        if (whole := at_once(answer.body)) is not None:
            listed, rows = whole
            return page_read(
                (rows, []),
                walk=walk,
                cursor=value,
                next_cursor=lambda page: _next(listed, page, answer),
            )
        try:
            listing = _read_list(answer.body)
        except NOT_JSON as error:
            problem = str(error)
        else:
            return page_of(
                reader,
                listing.data,
                walk=walk,
                cursor=value,
                next_cursor=lambda page: _next(listing, page, answer),
            )
        raise garbled(answer, problem)

    def walk(self, *key: object) -> Walk:
        """The walk over one list with one set of filters, so that circles are noticed."""
        return self._walks.setdefault(key, Walk())


def _response(send: Callable[[], Any]) -> httpx2.Response:
    """The SDK's call, with its wrapping of our own errors undone."""
    try:
        answered = send()
    except anthropic.APIStatusError as error:
        return error.response
    except anthropic.APIConnectionError as error:
        cause = error.__cause__
    else:
        raw: httpx2.Response = getattr(answered, "http_response", answered)
        return raw
    if isinstance(cause, Exception):
        raise cause.with_traceback(None)
    raise Unclear(_("The connection was lost."))


def _next(listing: Listing[Any], page: Page[Row], answer: Answer) -> str | None:
    """Where the next page begins; None where there is none."""
    if isinstance(listing.next_page, str | int) and listing.next_page != "":
        if listing.has_more is not False:
            return str(listing.next_page)
        return None
    if listing.has_more is msgspec.UNSET:
        if listing.next_page is None:
            return None
        # Without a word on it nobody can say whether the list is complete.
        raise garbled(answer, _("it does not say whether there is more"))
    if not listing.has_more:
        return None
    if listing.last_id is not None and listing.last_id != "":
        return str(listing.last_id)
    if listing.next_page is msgspec.UNSET and page.rows:
        return page.rows[-1].remote_id
    raise garbled(answer, _("it says that there is more, but not where"))


def fields_of(answer: Answer) -> Fields:
    """The answer's JSON object. Unclear if it is none."""
    try:
        fields = msgspec.json.decode(answer.body)
    except NOT_JSON:
        raise garbled(answer, _("it is no JSON")) from None
    if not isinstance(fields, dict):
        raise garbled(answer, _("it is no object"))
    return fields


def confirm(answer: Answer, **named: str) -> None:
    """Unclear unless a deletion's answer names what was deleted."""
    fields = fields_of(answer)
    if any(text(fields.get(name)) != value for name, value in named.items()):
        raise garbled(answer, _("it does not name what was deleted"))
