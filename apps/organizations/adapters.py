"""Opening the way to a connection's remote account: key unsealed, address checked, budget obeyed.

For workers. Importing it costs little; opening imports the provider's client.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.utils.translation import gettext as _

from apps.organizations import tally
from apps.organizations.credentials import Field, unseal_from
from apps.organizations.models import Connection
from apps.organizations.sealing import SealBroken, fingerprint_keys
from apps.providers import adapters
from apps.providers.budget import RateBudget
from apps.providers.catalogue import PROVIDERS
from apps.providers.errors import NotSent, Unauthorized
from apps.providers.protocol import Adapter

BUDGET_WAIT_SECONDS = 5.0


def allowed_base_urls(provider: str) -> list[str]:
    """The base URLs that a connection to ``provider`` may use, the usual one first.

    The sandbox's loopback address is among them in development and the demo alone; in the demo it
    comes first.
    """
    known = PROVIDERS.get(provider)
    listed = settings.PROVIDER_BASE_URLS.get((known and known.reached_as) or provider, [])
    urls = [url.rstrip("/") for url in listed]
    if settings.DEVELOPMENT and settings.SANDBOX_URL:
        urls.insert(0 if settings.DEMO else len(urls), settings.SANDBOX_URL.rstrip("/"))
    return list(dict.fromkeys(urls))


def budget_of(connection: Connection) -> RateBudget:
    """The rate budget that all who call for the same remote organization share.

    The provider counts that organization, whichever tenant of ours calls and with whichever key. A
    connection that has not chosen one yet counts for itself.
    """
    counted = connection.remote_organization_id or str(connection.uid)
    key = f"{connection.provider} {connection.base_url} {counted}"
    return RateBudget(settings.REDIS_URL, key, connection.requests_per_minute)


@contextmanager
def open_adapter(
    connection: Connection, *, field: Field = "credential", wait: float = BUDGET_WAIT_SECONDS
) -> Iterator[Adapter]:
    """An adapter for ``connection``, closed at the end of the block.

    ``field``: which of its sealed keys to use. ``wait``: seconds that each request waits at most for
    the connection's rate budget before BudgetSpent. Raises ``errors.ProviderError`` alone: NotSent
    where the base URL is not allowed (any more), Unauthorized where the key cannot be unsealed; and
    CallNotAllowed outside a worker or inside a transaction.
    """
    if connection.base_url not in allowed_base_urls(connection.provider):
        raise NotSent(
            _("%(url)s is not on this portal's list of base URLs.") % {"url": connection.base_url}
        )
    try:
        secret = unseal_from(connection, field)
    except SealBroken:
        raise Unauthorized(
            _(
                "The stored key cannot be opened. Paste it again (the portal's own keys have changed)."
            )
        ) from None
    budget = budget_of(connection)
    adapter = adapters.open_adapter(
        connection.provider,
        base_url=connection.base_url,
        credential=secret.reveal(),
        remote_organization_id=connection.remote_organization_id,
        before_request=lambda write: budget.take(write=write, wait=wait),
        on_rate_limited=budget.penalise,
        on_outcome=lambda outcome: tally.count("remote_calls", connection.provider, outcome),
        deadline=settings.PROVIDER_CALL_DEADLINE,
        answer_limit=settings.PROVIDER_ANSWER_LIMIT,
        private_addresses=settings.PROVIDER_PRIVATE_ADDRESSES,
        fingerprint_keys=fingerprint_keys(
            organization_id=connection.organization_id, connection_uid=connection.uid
        ),
    )
    try:
        yield adapter
    finally:
        adapter.close()
