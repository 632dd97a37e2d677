"""The door to a remote account: one adapter for each provider, behind one protocol.

Importing this costs nothing; opening an adapter imports its provider's client, in a worker.
"""

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from apps.providers.catalogue import PROVIDERS
from apps.providers.errors import Unauthorized
from apps.providers.guard import check_allowed
from apps.providers.protocol import Adapter

if TYPE_CHECKING:
    import httpx2

# A header holds visible ASCII alone; a client that meets anything else quotes it in its error.
_SENDABLE = re.compile(r"[\x21-\x7e]+")


def open_adapter(
    provider: str,
    *,
    base_url: str,
    credential: str,
    remote_organization_id: str = "",
    before_request: Callable[[bool], None] | None = None,
    on_rate_limited: Callable[[float | None], None] | None = None,
    on_outcome: Callable[[str], None] | None = None,
    deadline: float,
    answer_limit: int,
    private_addresses: bool = False,
    fingerprint_keys: Mapping[str, bytes] | None = None,
    transport: "httpx2.BaseTransport | None" = None,
) -> Adapter:
    """An adapter for ``provider`` (a key of the catalogue); close it when done.

    ``deadline``: seconds for one call with its repetitions. ``answer_limit``: bytes of one answer.
    ``before_request(write)`` is called before each request and may raise BudgetSpent;
    ``on_rate_limited(seconds or None)`` after each 429, ``on_outcome("ok" or the error's name)`` after
    each request. ``private_addresses``: whether the base
    URL's name may lead into a private network. ``fingerprint_keys``: by name, what tells hidden values
    apart. ``transport`` is for tests.
    CallNotAllowed outside a worker; Unauthorized for a credential that cannot even be sent;
    NotSent for a base URL that is not HTTPS; KeyError for a provider that is not known.
    """
    if provider not in PROVIDERS:
        raise KeyError(provider)
    check_allowed()
    credential = credential.strip()
    if not _SENDABLE.fullmatch(credential):
        raise Unauthorized(_("The key holds characters that no key has; paste it again."))
    from apps.providers.http import Channel  # the HTTP client, for workers alone

    channel = Channel(
        base_url=base_url,
        secret=credential,
        deadline=deadline,
        answer_limit=answer_limit,
        before_request=before_request,
        on_rate_limited=on_rate_limited,
        on_outcome=on_outcome,
        private_addresses=private_addresses,
        transport=transport,
    )
    if provider == "anthropic":
        from apps.providers.anthropic import AnthropicAdapter  # the SDK costs a second or two

        return AnthropicAdapter(channel, base_url=base_url, credential=credential)
    from apps.providers.cline import ClineAdapter, PersonalClineAdapter

    kind = PersonalClineAdapter if PROVIDERS[provider].is_personal else ClineAdapter
    return kind(
        channel,
        credential=credential,
        remote_organization_id=remote_organization_id,
        fingerprint_keys=fingerprint_keys,
    )


def preload() -> None:
    """Import what opening an adapter would import, so that nobody who waits pays for it."""
    for client in ("anthropic", "cline"):
        import_module(f"apps.providers.{client}")
