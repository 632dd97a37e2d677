"""The models of the seeded world, when each was taken up, and what their tokens cost.

Prices are per million tokens in millionths of a dollar, as the vendor's price page had them; the
contract notes name none. A cost is a whole number of 10^-12 dollars, so sums are exact.
"""

from functools import cache

INPUT_AND_OUTPUT = {
    "claude-opus-4-1": (15_000_000, 75_000_000),
    "claude-opus-4-5": (5_000_000, 25_000_000),
    "claude-opus-4-6": (5_000_000, 25_000_000),
    "claude-sonnet-4-5": (3_000_000, 15_000_000),
    "claude-sonnet-4-6": (3_000_000, 15_000_000),
    "claude-haiku-3-5": (800_000, 4_000_000),
    "claude-haiku-4-5": (1_000_000, 5_000_000),
}
NAMES = {
    "claude-opus-4-1": "Claude Opus 4.1",
    "claude-opus-4-5": "Claude Opus 4.5",
    "claude-opus-4-6": "Claude Opus 4.6",
    "claude-sonnet-4-5": "Claude Sonnet 4.5",
    "claude-sonnet-4-6": "Claude Sonnet 4.6",
    "claude-haiku-3-5": "Claude Haiku 3.5",
    "claude-haiku-4-5": "Claude Haiku 4.5",
}
# family -> its models with the day, counted from the world's beginning, when people began to change
TIMELINES = {
    "opus": (
        ("claude-opus-4-1", -10_000),
        ("claude-opus-4-5", -345),
        ("claude-opus-4-6", -170),
    ),
    "sonnet": (("claude-sonnet-4-5", -10_000), ("claude-sonnet-4-6", -200)),
    "haiku": (("claude-haiku-3-5", -10_000), ("claude-haiku-4-5", -320)),
}
WITH_GEO = frozenset({"claude-opus-4-6", "claude-sonnet-4-6"})
LONG_CONTEXT = "200k-1M"
# In the order in which traffic counts them.
TOKEN_TYPES = {
    "uncached_input_tokens": "Input Tokens",
    "cache_read_input_tokens": "Input Tokens, Cache Read",
    "cache_creation.ephemeral_5m_input_tokens": "Input Tokens, Cache Write (5m)",
    "cache_creation.ephemeral_1h_input_tokens": "Input Tokens, Cache Write (1h)",
    "output_tokens": "Output Tokens",
}
PICODOLLARS = 10**12
CENT = PICODOLLARS // 100
WEB_SEARCH = CENT  # 10 dollars a thousand


def model_at(family: str, days: int, lag: int) -> str:
    """The model that somebody who changes ``lag`` days late uses on a day."""
    found = ""
    for model, taken_up in TIMELINES[family]:
        if days >= taken_up + (lag if taken_up > -10_000 else 0):
            found = model
    return found


@cache
def token_prices(
    model: str, tier: str, context: str, geo: str, speed: str
) -> tuple[int, int, int, int, int]:
    """Of each token type, in the order of ``TOKEN_TYPES``; 10^-12 dollars a token."""
    into, out = INPUT_AND_OUTPUT[model]
    if context == LONG_CONTEXT:
        into, out = into * 2, out * 3 // 2
    prices = [into, into // 10, into * 5 // 4, into * 2, out]
    if tier == "batch":
        prices = [price // 2 for price in prices]
    if speed == "fast":
        prices = [price * 6 for price in prices]
    if geo == "us":
        prices = [price * 11 // 10 for price in prices]
    return (prices[0], prices[1], prices[2], prices[3], prices[4])


def description(model: str, tier: str, context: str, geo: str, speed: str, token_type: str) -> str:
    """The line item's text; it differs wherever the price may."""
    text = f"{NAMES[model]} Usage - {TOKEN_TYPES[token_type]}"
    parts = {
        "Batch": tier == "batch",
        "Long Context": context == LONG_CONTEXT,
        "US Inference": geo == "us",
        "Fast Mode": speed == "fast",
    }
    return ", ".join([text, *(name for name, applies in parts.items() if applies)])


def cents(picodollars: int) -> str:
    """An exact amount in cents, as the cost report writes it."""
    whole, rest = divmod(picodollars, CENT)
    return f"{whole}.{rest:010d}".rstrip("0").rstrip(".") if rest else str(whole)
