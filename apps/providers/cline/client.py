"""One Cline account's credential, and the one way its operations send."""

import re
from collections.abc import Mapping
from urllib.parse import quote

import httpx2
from django.utils.translation import gettext as _

from apps.providers.cline.answers import is_json, page_in, read_words
from apps.providers.decoding import Reader, Row, Walk
from apps.providers.errors import NotFound, Refused
from apps.providers.guard import check_allowed
from apps.providers.http import Answer, Channel, garbled
from apps.providers.records import Page

PAGE_LIMIT = 200  # rows: what the ledgers allow; other lists are not known to page

ORGANIZATION = "/api/v1/organizations/{orgId}"
SHORT_ORGANIZATION = "/api/v1/organizations/{id}"  # as the contract spells it on some operations
USER = "/api/v1/users/{id}"

Query = dict[str, str | int]
_NAMES = re.compile(r"{(\w+)}")


class Client:
    """Sends what the operations of every module want sent, for one organization of the key's owner."""

    def __init__(
        self,
        channel: Channel,
        *,
        credential: str,
        remote_organization_id: str,
        fingerprint_keys: Mapping[str, bytes] | None = None,
    ) -> None:
        """``fingerprint_keys``: by name, what tells hidden values apart (``masking.fingerprints``)."""
        self._channel = channel
        self._fingerprint_keys = fingerprint_keys or {}
        self._organization = remote_organization_id
        channel.client.headers["Authorization"] = f"Bearer {credential}"
        # The walk over each list, so that circles are noticed.
        self._walks: dict[tuple[object, ...], Walk] = {}

    def close(self) -> None:
        """Give back the network connections."""
        self._channel.close()

    def _page(
        self,
        reader: Reader[Row],
        template: str,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        query: Query | None = None,
        **ids: str,
    ) -> Page[Row]:
        """One page of a list. A token goes back as ``cursor``: under its own name it is ignored, and
        page one comes for ever. Unclear if the list cannot be complete."""
        asked: Query = dict(query or {})
        key = (template, *asked.items(), *ids.items())
        walk = self._walks.setdefault(key, Walk())
        if limit is not None:
            asked["limit"] = limit
        if cursor is not None:
            asked["cursor"] = cursor
        answer = self._list(template, query=asked, **ids)
        page = page_in(reader, answer, walk, cursor)
        if page.next_cursor is None:
            del self._walks[key]  # there may be one for each of 100,000 members
        return page

    def _list(self, template: str, *, query: Query | None = None, **ids: str) -> Answer:
        """A read of something that is always there: its 404 is not "no such member", so Refused."""
        try:
            return self._call("GET", template, query=query, anonymous=False, **ids)
        except NotFound as error:
            missing = error
        raise Refused(
            missing.message,
            status=missing.status,
            code=missing.code,
            request_id=missing.request_id,
        )

    def _call(
        self,
        method: str,
        template: str,
        *,
        query: Query | None = None,
        body: object = None,
        anonymous: bool = False,
        **ids: str,
    ) -> Answer:
        """Send one request; ``template`` is the contract's path and ``ids`` fill it in, the
        organization's own by itself. Writes are sent once. ``anonymous``: without the credential."""
        check_allowed()
        path = _path(template, {"orgId": self._organization, **ids})
        client = self._channel.client

        def send() -> httpx2.Response:
            request = client.build_request(method, path, params=query, json=body)
            if anonymous:
                del request.headers["Authorization"]
            return client.send(request)

        write = method != "GET"
        answer = self._channel.call(
            f"{method} {template}", send, write=write, read_words=read_words
        )
        if write and answer.body.strip() and not is_json(answer.body):
            raise garbled(answer, _("it is no JSON"))
        return answer


def _path(template: str, ids: dict[str, str]) -> str:
    """The path with its ids, quoted. Refused for one that would lead to another operation."""
    for name in _NAMES.findall(template):
        if ids[name] in ("", ".", ".."):
            raise Refused(_("There can be nothing with the id “%(id)s”.") % {"id": ids[name]})
    return template.format_map({name: quote(value, safe="") for name, value in ids.items()})
