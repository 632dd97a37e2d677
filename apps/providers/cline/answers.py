"""What Cline's answers hold: the envelope, its payload, the rows of a list, the words of a refusal."""

from typing import Any, NamedTuple

import httpx2
import msgspec
from django.utils.translation import gettext as _

from apps.providers.decoding import Reader, Row, Walk, page_of, text
from apps.providers.errors import NOT_JSON
from apps.providers.http import Answer, ErrorWords, garbled
from apps.providers.reading import Document, DocumentReader
from apps.providers.records import Page, Unreadable


class _Envelope(msgspec.Struct):
    success: bool | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Wrapped(msgspec.Struct, rename="camel"):
    items: list[msgspec.Raw]
    next_token: str | int | None = None
    total: int | None = None


_read_envelope = msgspec.json.Decoder(_Envelope).decode
_read_wrapped = msgspec.json.Decoder(_Wrapped).decode
_read_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


# --- Refusals ---------------------------------------------------------------------------------------


def read_words(response: httpx2.Response) -> ErrorWords:
    """What an answer says went wrong, in any of the shapes seen; nothing for a success."""
    try:
        envelope = _read_envelope(response.content)
    except NOT_JSON:
        return ErrorWords() if response.is_success else _plain_words(response)
    if response.is_success and envelope.success is not False:
        return ErrorWords()
    message, code = _error_words(envelope.error)
    if response.is_success and not message:
        message = _("The provider refused without saying why.")
    # The gateway and an unknown route answer without ``success``; the application never does.
    return ErrorWords(message, code, genuine=envelope.success is False)


def _error_words(error: msgspec.Raw | msgspec.UnsetType) -> tuple[str, str]:
    if isinstance(error, msgspec.UnsetType):
        return "", ""
    value = msgspec.json.decode(error)
    if isinstance(value, str):
        return _embedded(value)
    if isinstance(value, dict):
        return text(value.get("message")), text(value.get("code"))
    return "", ""


def _embedded(value: str) -> tuple[str, str]:
    """Some errors put a JSON document inside their sentence."""
    if value.lstrip().startswith("{"):
        try:
            inner = msgspec.json.decode(value)
        except NOT_JSON:
            return value, ""
        if isinstance(inner, dict) and text(inner.get("message")):
            return text(inner["message"]), text(inner.get("code"))
    return value, ""


def _plain_words(response: httpx2.Response) -> ErrorWords:
    """A short plain text is passed on; a page of HTML says nothing to a person."""
    body = response.content[:300].decode("utf-8", "replace").strip()
    return ErrorWords("" if not body or "<" in body else body)


# --- Payloads ---------------------------------------------------------------------------------------


def is_json(body: bytes) -> bool:
    """Whether a body can be read at all."""
    try:
        msgspec.json.decode(body)
    except NOT_JSON:
        return False
    return True


def data_of(answer: Answer) -> bytes | None:
    """The payload: ``data`` of the envelope, or the whole body where there is none; None if empty."""
    if not answer.body.strip():
        return None
    try:
        envelope = _read_envelope(answer.body)
    except NOT_JSON:
        # A bare array, or a bare object whose ``data`` means something else, is its own payload.
        return answer.body
    if isinstance(envelope.data, msgspec.UnsetType):
        return answer.body if envelope.success is msgspec.UNSET else None
    data = bytes(envelope.data)
    return None if data == b"null" else data


def value_of(answer: Answer) -> Any:
    """The payload as Python values; None if it is empty. Unclear if it cannot be read."""
    data = data_of(answer)
    try:
        return None if data is None else msgspec.json.decode(data)
    except NOT_JSON:
        raise garbled(answer, _("it is no JSON")) from None


def read(reader: DocumentReader[Document], answer: Answer) -> Document:
    """The record of an answer's one document. Unclear if it cannot be read."""
    # The payload gets no name here: what it holds in clear must not stand in a traceback.
    found = reader.attempt(data_of(answer) or b"null")
    if isinstance(found, Unreadable):
        raise garbled(answer, found.reason)
    return found


# --- Lists ------------------------------------------------------------------------------------------


class Listing(NamedTuple):
    """A list's rows. ``token``: of the next page; ``total``: rows in all pages, where it is said."""

    rows: list[msgspec.Raw]
    token: str | None = None
    total: int | None = None


def rows_of(answer: Answer) -> Listing:
    """A list's rows, in any of the wrappers seen. Unclear if there is no list, or several."""
    data = data_of(answer)
    if data is None:
        raise garbled(answer, _("it has no list"))
    try:
        wrapped = _read_wrapped(data)
    except NOT_JSON:
        return _loose_rows(answer, data)
    token = wrapped.next_token
    token = None if token is None or token == "" else str(token)
    return Listing(wrapped.items, token, wrapped.total)


def _loose_rows(answer: Answer, data: bytes) -> Listing:
    try:
        if data.lstrip().startswith(b"["):
            return Listing(_read_rows(data))
        properties = _read_raw_object(data)
        arrays = [one for one in properties.values() if bytes(one).startswith(b"[")]
        if len(arrays) != 1:
            raise garbled(answer, _("it has no list") if not arrays else _("it has several lists"))
        token = text(msgspec.json.decode(properties.get("nextToken", b'""')))
        return Listing(_read_rows(arrays[0]), token or None)
    except NOT_JSON:
        raise garbled(answer, _("it is no JSON")) from None


def page_in(reader: Reader[Row], answer: Answer, walk: Walk, cursor: str | None) -> Page[Row]:
    """The page of ``walk`` that ``cursor`` brought."""
    listing = rows_of(answer)
    page = page_of(
        reader,
        listing.rows,
        walk=walk,
        cursor=cursor,
        next_cursor=lambda _page: listing.token,
    )
    walk.check_total(listing.total, complete=listing.token is None)
    page.total = listing.total
    return page
