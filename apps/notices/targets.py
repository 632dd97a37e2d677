"""Where a webhook may go: https to the open internet; to this machine itself only where that is allowed.

What a name leads to is looked at again whenever something is sent, when the connection is made.
"""

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from apps.providers.hosts import is_named_loopback, is_public


class AddressRefused(ValueError):
    """No webhook goes there; the message says why."""


def checked(url: str) -> str:
    """``url`` if a webhook may go there; AddressRefused otherwise."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise AddressRefused(_("This is not an address.")) from None
    if not host or any(one.isspace() or ord(one) < 32 for one in url) or not _can_be_sent_to(url):
        raise AddressRefused(_("This is not an address."))
    if parts.username is not None or parts.password is not None:
        raise AddressRefused(_("An address with a user or password in it is not taken."))
    if parts.scheme in ("http", "https") and may_be_loopback(url):
        return url
    if parts.scheme != "https":
        raise AddressRefused(_("The address must begin with https://."))
    _must_be_public(host)
    return url


def _can_be_sent_to(url: str) -> bool:
    """What sends it is stricter about names and signs than ``urlsplit``."""
    import httpx2  # with the first address that somebody types, not in every web process

    try:
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        return False
    return True


def abridged(url: str) -> str:
    """``https://host/… (1a2b3c4d)``: what may be kept of an address whose path lets anybody post there.

    The eight characters, keyed with this portal's own key, tell two addresses of one host apart.
    """
    parts = urlsplit(url)
    mark = salted_hmac("notices.address", url, algorithm="sha256").hexdigest()[:8]
    return f"{parts.scheme}://{parts.netloc}/… ({mark})"


def _must_be_public(host: str) -> None:
    if is_named_loopback(host) or host.rstrip(".").endswith((".localhost", ".local", ".internal")):
        raise AddressRefused(_("This leads into a private network."))
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if "." not in host.strip(".") or host.rstrip(".").rpartition(".")[2].isdigit():
            raise AddressRefused(_("This leads into a private network.")) from None
        return
    if not is_public(host):
        raise AddressRefused(_("This leads into a private network."))


def may_be_loopback(url: str) -> bool:
    """Whether ``url`` is this machine itself, and may be: in the demo and in tests."""
    return bool(settings.NOTICES_LOOPBACK) and is_named_loopback(urlsplit(url).hostname or "")
