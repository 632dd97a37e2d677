"""Sealing of credentials: AES-GCM under a versioned keyring, bound to where they belong.

A sealed text is ``v<version>.<nonce>.<ciphertext>`` (URL-safe base64). Organization, connection and
field are authenticated along with it: a sealed text that is copied elsewhere does not open there.
``CREDENTIAL_KEYS`` is a list of ``<version>:<base64 of 32 bytes>``, newest first: the first seals,
all open. ``manage.py rotate_credentials`` re-seals everything with the newest.

The ciphers are imported by whoever seals or opens: a web process that only reads is 9 MB smaller.
"""

import base64
import binascii
import hmac
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from django.conf import settings

from apps.providers.masking import MASK

KEY_BYTES = 32
NONCE_BYTES = 12
_SEALED = re.compile(r"v([1-9][0-9]*)\.([A-Za-z0-9_\-]+)\.([A-Za-z0-9_\-]+)")


class KeyringInvalid(ValueError):
    """``CREDENTIAL_KEYS`` cannot be used. The message says why and never repeats a key."""


class SealBroken(Exception):
    """A sealed text cannot be opened: damaged, moved from where it belongs, or its key is gone."""


class Secret:
    """A clear secret in memory. It shows itself to nobody: not in a repr, a log or a traceback.

    ``reveal()`` is the one way to the text. It can be neither pickled nor turned into JSON, so it
    cannot become a task's argument by accident.
    """

    __slots__ = ("_clear",)

    def __init__(self, clear: str) -> None:
        self._clear = clear

    def reveal(self) -> str:
        """The clear text: for the call that needs it, and not a line further."""
        return self._clear

    def __bool__(self) -> bool:
        return bool(self._clear)

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A secret stays in the memory of its process.")


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """The keys by version, and the version that seals."""

    newest: int
    keys: dict[int, bytes]


def parse_keyring(entries: Sequence[str]) -> Keyring:
    """Read ``CREDENTIAL_KEYS``. KeyringInvalid says in plain words what is wrong with it."""
    keys: dict[int, bytes] = {}
    newest = 0
    for place, entry in enumerate(entries, start=1):
        version, key = _parse_key(entry.strip(), place)
        if version in keys:
            raise KeyringInvalid(f"CREDENTIAL_KEYS names version {version} twice.")
        newest = newest or version
        keys[version] = key
    if not keys:
        raise KeyringInvalid(
            "CREDENTIAL_KEYS is empty. Give at least one key: 1:<base64 of 32 random bytes>."
        )
    return Keyring(newest, keys)


def _parse_key(entry: str, place: int) -> tuple[int, bytes]:
    version, colon, encoded = entry.partition(":")
    if not colon or not version.isascii() or not version.isdigit() or int(version) < 1:
        raise KeyringInvalid(
            f"Key {place} of CREDENTIAL_KEYS does not start with its version, as in 1:<base64>."
        )
    try:
        key = base64.b64decode(encoded.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        raise KeyringInvalid(f"Key {version} of CREDENTIAL_KEYS is not base64.") from None
    if len(key) != KEY_BYTES:
        raise KeyringInvalid(
            f"Key {version} of CREDENTIAL_KEYS has {len(key)} bytes; it needs {KEY_BYTES}."
        )
    if len(set(key)) < 8:
        raise KeyringInvalid(f"Key {version} of CREDENTIAL_KEYS is too regular to be random.")
    return int(version), key


def new_key(version: int) -> str:
    """A fresh entry for ``CREDENTIAL_KEYS``."""
    return f"{version}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"


@lru_cache(maxsize=4)
def _keyring(entries: tuple[str, ...]) -> Keyring:
    return parse_keyring(entries)


def keyring() -> Keyring:
    """The keyring of the settings."""
    return _keyring(tuple(settings.CREDENTIAL_KEYS))


def key_marks() -> dict[str, str]:
    """By version, what tells each key of the keyring from another one of that version, and nothing of it."""
    return {
        str(version): hmac.new(key, b"orgdesk:which-key", "sha256").hexdigest()[:16]
        for version, key in keyring().keys.items()
    }


def _binding(version: int, organization_id: int, connection_uid: object, field: str) -> bytes:
    return f"orgdesk:{version}:{organization_id}:{connection_uid}:{field}".encode()


def fingerprint_keys(*, organization_id: int, connection_uid: object) -> dict[str, bytes]:
    """By version of the keyring, a key of this connection alone: for telling its hidden values apart
    without keeping them. All versions, so that a new one does not make everything look changed."""
    place = f"orgdesk:fingerprint:{organization_id}:{connection_uid}".encode()
    return {
        str(version): hmac.new(key, place, "sha256").digest()
        for version, key in keyring().keys.items()
    }


def seal(clear: str, *, organization_id: int, connection_uid: object, field: str) -> str:
    """Seal ``clear`` with the newest key, for this place alone."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    ring = keyring()
    nonce = os.urandom(NONCE_BYTES)
    binding = _binding(ring.newest, organization_id, connection_uid, field)
    sealed = AESGCM(ring.keys[ring.newest]).encrypt(nonce, clear.encode(), binding)
    return f"v{ring.newest}.{_encode(nonce)}.{_encode(sealed)}"


def unseal(sealed: str, *, organization_id: int, connection_uid: object, field: str) -> Secret:
    """Open what ``seal`` made for the same place. SealBroken if it cannot be."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    parts = _SEALED.fullmatch(sealed)
    if not parts:
        raise SealBroken("This is not a sealed text.")
    version = int(parts[1])
    key = keyring().keys.get(version)
    if key is None:
        raise SealBroken(
            f"It was sealed with key {version}, which CREDENTIAL_KEYS does not have any more."
        )
    binding = _binding(version, organization_id, connection_uid, field)
    try:
        clear = AESGCM(key).decrypt(_decode(parts[2]), _decode(parts[3]), binding)
    except (InvalidTag, ValueError):
        raise SealBroken("It was changed, or it belongs somewhere else.") from None
    return Secret(clear.decode())


def sealed_with(sealed: str) -> int | None:
    """The version of the key that ``sealed`` was sealed with; None if it is no sealed text."""
    parts = _SEALED.fullmatch(sealed)
    return int(parts[1]) if parts else None


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
