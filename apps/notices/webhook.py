"""Webhooks: JSON, signed as standardwebhooks.com has it or as a chat reads it, one POST within a deadline."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx2
from django.conf import settings
from django.utils.translation import gettext as _
from standardwebhooks.webhooks import Webhook

from apps.notices.chat import body_for
from apps.notices.endpoints import unseal_secret
from apps.notices.letters import Letter
from apps.notices.models import Attempt, Delivery, Endpoint
from apps.notices.targets import AddressRefused, checked, may_be_loopback
from apps.organizations.sealing import SealBroken
from apps.providers.errors import ProviderError
from apps.providers.http import Channel, ErrorWords
from apps.providers.wire import Wire

O = Attempt.Outcome  # noqa: E741 - as short as it is near
Result = tuple[str, int | None, str, bool]
ANSWER_LIMIT = 1024  # bytes; of an answer nothing but its head is read
JSON = {"Content-Type": "application/json"}
BODY_HEADERS = (b"content-encoding", b"content-length", b"transfer-encoding")


class _HeadAlone(httpx2.BaseTransport):
    """Leaves an answer's body unread: a receiver has taken something once its status says so, however
    much follows, how slowly, or packed in what way."""

    def __init__(self, inner: httpx2.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self._inner.handle_request(request)
        answer.close()
        head = [one for one in answer.headers.raw if one[0].lower() not in BODY_HEADERS]
        return httpx2.Response(answer.status_code, headers=head)

    def close(self) -> None:
        self._inner.close()


def body_of(letter: Letter, at: datetime) -> bytes:
    """What is signed and sent: ``{"type", "timestamp", "data"}``."""
    return _packed({"type": letter.type, "timestamp": at.isoformat(), "data": letter.data})


def _packed(given: Mapping[str, Any]) -> bytes:
    return json.dumps(given, ensure_ascii=False, separators=(",", ":")).encode()


def signed(uid: object, secret: str, body: bytes, at: datetime) -> dict[str, str]:
    """The headers by which the receiver knows who sent it, and whether they have had it before."""
    return JSON | {
        "webhook-id": str(uid),
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(str(uid), at, body.decode()),
    }


def send(
    delivery: Delivery, letter: Letter, *, transport: httpx2.BaseTransport | None = None
) -> Result:
    """Post the letter: (outcome, HTTP status or None, what was said, no use in another try)."""
    endpoint: Endpoint = delivery.endpoint  # type: ignore[assignment]  # a webhook has one
    try:
        url = checked(endpoint.url)
        if not endpoint.is_signed:
            # Whoever knows a chat's address may post there: it is the secret.
            return _posted(url, url, _packed(body_for(endpoint.speaks, letter)), JSON, transport)
        secret = unseal_secret(endpoint).reveal()
    except (AddressRefused, SealBroken) as refused:
        return O.REFUSED, None, str(refused), True
    at = datetime.now(UTC)
    body = body_of(letter, at)
    return _posted(url, secret, body, signed(delivery.uid, secret, body, at), transport)


def _posted(
    url: str,
    secret: str,
    body: bytes,
    headers: Mapping[str, str],
    transport: httpx2.BaseTransport | None,
) -> Result:
    channel = Channel(
        base_url=url,
        secret=secret,
        deadline=settings.NOTICES_CALL_DEADLINE,
        answer_limit=ANSWER_LIMIT,
        transport=_HeadAlone(transport or Wire(typed=not may_be_loopback(url))),
    )
    try:
        answer = channel.call(
            "POST webhook",
            lambda: channel.client.post(url, content=body, headers=dict(headers)),
            write=True,
            read_words=_words,
        )
    except ProviderError as error:
        if error.status is not None and 200 <= error.status < 300:
            # Taken, if only just within the deadline.
            return O.SENT, error.status, "", False
        return _kind(error), error.status, error.message, error.status == 410
    finally:
        channel.close()
    return O.SENT, answer.status, "", False


def _kind(error: ProviderError) -> str:
    # Nothing says whether a receiver that gave no answer has it.
    return O.UNCLEAR if error.status is None else O.REFUSED


def _words(response: Any) -> ErrorWords:
    """A receiver's own words are not shown: they may be a page of somebody's private network."""
    if 200 <= response.status_code < 300:
        return ErrorWords()
    return ErrorWords(_("The receiver answered %(status)s.") % {"status": response.status_code})
