"""What a host is, by its name or address alone; nothing is looked up.

Kept apart from ``wire`` so that a web process can ask without importing a client.
"""

import ipaddress

LOOPBACK_NAMES = frozenset({"localhost"})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_named_loopback(host: str) -> bool:
    """Whether a base URL's host names this machine outright ("localhost", "127.0.0.1", "::1")."""
    if host.lower() in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_public(address: str) -> bool:
    """Whether an IP address lies on the open internet, whatever it is wrapped in.

    IPv6 can carry an IPv4 address inside (mapped, 6to4, NAT64); then that one must be public too.
    """
    one = ipaddress.ip_address(address.partition("%")[0])
    if not one.is_global or one.is_multicast:
        return False
    if isinstance(one, ipaddress.IPv4Address):
        return True
    inner = one.ipv4_mapped or one.sixtofour
    if one in _NAT64:
        inner = ipaddress.IPv4Address(int(one) & 0xFFFFFFFF)
    return inner is None or is_public(str(inner))
