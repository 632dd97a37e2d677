"""How ids and secrets are spelled: each a pure function of the seed and of what it is for."""

from functools import lru_cache
from hashlib import blake2b

_BASE58 = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_CROCKFORD = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TO_BASE58 = bytes(_BASE58[byte % 58] for byte in range(256))
_TO_CROCKFORD = bytes(_CROCKFORD[byte % 32] for byte in range(256))
_ULID_ORIGIN_MS = 1_733_011_200_000  # ids keep their spelling whatever the epoch is


def digest(seed: str, *parts: object, size: int = 64) -> bytes:
    """Bytes that depend on the seed and on what they are for, and on nothing else."""
    text = "\x1f".join((seed, *map(str, parts)))
    return blake2b(text.encode(), digest_size=size).digest()


def base58_id(prefix: str, source: bytes) -> str:
    return prefix + source.translate(_TO_BASE58).decode()


@lru_cache(maxsize=4)  # a person's ids are made one after the other
def _ulid_time(ordinal: int) -> str:
    moment = _ULID_ORIGIN_MS + ordinal * 431_000
    front = bytearray(10)
    for place in range(9, -1, -1):
        moment, remainder = divmod(moment, 32)
        front[place] = _CROCKFORD[remainder]
    return front.decode()


def ulid(prefix: str, ordinal: int, source: bytes) -> str:
    return f"{prefix}-{_ulid_time(ordinal)}{source[:16].translate(_TO_CROCKFORD).decode()}"


def anthropic_key(seed: str, organization: str, generation: object = 0) -> str:
    source = digest(seed, "anthropic key", organization, generation)
    more = digest(seed, "anthropic key, second half", organization, generation)
    return base58_id("sk-ant-admin01-", source + more[:29]) + "AA"


def cline_key(seed: str, account: str, generation: object = 0) -> str:
    return base58_id("sk_live_", digest(seed, "cline key", account, generation, size=40))


def account_token(seed: str, account: str, generation: object = 0) -> str:
    about = (account, generation) if generation else (account,)
    return base58_id("workos:", digest(seed, "account token", *about, size=48))


def refresh_token(seed: str, account: str, generation: object = 0) -> str:
    return base58_id("rt_", digest(seed, "refresh token", account, generation, size=40))


def invite_token(seed: str, invite_id: str) -> str:
    """What the link in the invitation mail carries."""
    return f"{invite_id}.{digest(seed, 'invite token', invite_id, size=16).hex()}"
