"""The one function that hides secrets in data which is kept or shown: audit lines, mirrors, errors."""

import hmac
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from apps.providers.errors import NOT_JSON

MASK = "•••"

_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_SECRET_WORDS = {
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "passphrase",
    "passwd",
    "password",
    "secret",
    "secrets",
    "token",
}
_SECRET_KEYS = {"access", "api", "encryption", "private", "secret", "service", "signing"}
# A hint, an id or a date of a secret is no secret.
_HARMLESS_ENDINGS = {"at", "count", "hint", "id", "ids", "name", "status", "type", "until"}

_KEY_SHAPES = re.compile(
    r"""
    \bsk[-_][A-Za-z0-9_\-]{16,}                         # Anthropic, OpenAI, Stripe
    | \b(?:Bearer|Basic)\s+[A-Za-z0-9._~+/:\-]{8,}=*    # an Authorization header
    | \bworkos:[A-Za-z0-9._\-]{8,}                      # a Cline account token
    | \beyJ[\w\-]{8,}\.[\w\-]+(?:\.[\w\-]*)?            # a JSON web token
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                     # AWS
    | \bAIza[\w\-]{30,}                                 # Google
    | \bgh[pousr]_\w{20,}                               # GitHub
    | \bxox[abeoprs]-[\w\-]{10,}                        # Slack
    | \bodk_[0-9a-f]{16,}                              # this portal's own tokens
    | \bwhsec_[A-Za-z0-9+/=]{16,}                      # what signs webhooks
    | (?<=://)[^/?\#\s:@]+:[^/?\#\s@]+(?=@)               # a name and password in an address
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)

# A parameter of an address that is named for a secret.
_SECRET_PARAMETER = re.compile(
    r"([?&](?:[\w.\-]*[_.\-])?(?:token|secret|password|signature|sig|api_?key|key)=)[^&#\s\"']+",
    re.IGNORECASE,
)
LONGEST_DOCUMENT = 4 << 20  # characters of a text that is looked into as JSON


def _words_of(name: object) -> list[str]:
    return [word.lower() for word in _WORD_BREAK.split(str(name)) if word]


def is_secret_name(name: str) -> bool:
    """Whether a field of that name (snake, kebab or camel case) is one that holds a secret."""
    words = _words_of(name)
    if words[-3:] == ["access", "key", "id"]:
        return True  # half of a store's credentials
    if not words or words[-1] in _HARMLESS_ENDINGS:
        return False
    if _SECRET_WORDS.intersection(words) or words == ["key"] or "apikey" in words:
        return True
    return words[-1] in ("key", "keys") and bool(_SECRET_KEYS.intersection(words[:-1]))


def mask_text(text: str) -> str:
    """``text`` with everything that looks like a key replaced."""
    return _SECRET_PARAMETER.sub(rf"\1{MASK}", _KEY_SHAPES.sub(MASK, text))


def mask(value: Any) -> Any:
    """A copy of JSON-like ``value`` with secrets replaced: by the field's name, and by their looks.

    A text that holds a JSON document is masked as the document it is.
    """
    if isinstance(value, str):
        return _mask_string(value)
    if isinstance(value, Mapping):
        return {name: _mask_field(name, inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [mask(inner) for inner in value]
    return value


def _mask_string(text: str) -> str:
    if text[:1] in ("{", "[") and len(text) <= LONGEST_DOCUMENT:
        try:
            document = msgspec.json.decode(text)
            hidden = mask(document)
        except NOT_JSON:
            return mask_text(text)
        return text if hidden == document else msgspec.json.encode(hidden).decode()
    return mask_text(text)


def hidden_values(
    clear: Any, shown: Any, place: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """What ``mask`` has hidden in ``clear`` on its way to ``shown``: names and numbers that lead there,
    and the clear value."""
    if isinstance(shown, Mapping) and isinstance(clear, Mapping):
        for name, inner in shown.items():
            yield from hidden_values(clear.get(name), inner, (*place, str(name)))
    elif isinstance(shown, list) and isinstance(clear, list | tuple):
        for number, (one, inner) in enumerate(zip(clear, shown, strict=False)):
            yield from hidden_values(one, inner, (*place, number))
    elif isinstance(shown, str) and MASK in shown and shown != clear:
        yield place, clear


def fingerprints(clear: Any, shown: Any, keys: Mapping[str, bytes]) -> dict[str, dict[str, str]]:
    """What tells hidden values apart without telling them: for each of ``keys`` a keyed digest (HMAC) of
    each, by its place as a JSON list."""
    hidden = [
        (msgspec.json.encode(place).decode(), msgspec.json.encode(value, order="sorted"))
        for place, value in hidden_values(clear, shown)
    ]
    return {
        name: {place: hmac.new(key, value, "sha256").hexdigest()[:32] for place, value in hidden}
        for name, key in keys.items()
    }


def _mask_field(name: object, inner: Any) -> Any:
    if inner in (None, "", [], {}):
        return inner
    if _hides(name, inner):
        return MASK
    if isinstance(inner, Mapping) and _words_of(name)[-1:] == ["headers"]:
        return dict.fromkeys(inner, MASK)  # any header may carry one
    return mask(inner)


def _hides(name: object, inner: Any) -> bool:
    # "password: true" tells that there is one, not which.
    return is_secret_name(str(name)) and not isinstance(inner, bool | int | float)
