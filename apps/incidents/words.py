"""An incident in words: amounts, causes, what to call it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.incidents.models import Incident, Severity, State, Unit
from apps.ui import amounts
from apps.usage.days import date_of

MILLION = 1_000_000
TONES = {Severity.HIGH: "danger", Severity.MEDIUM: "warning", Severity.LOW: "info"}
STATE_TONES = {
    State.OPEN: "danger",
    State.ACKNOWLEDGED: "warning",
    State.MUTED: "muted",
    State.RESOLVED: "success",
}
CAUSES: Mapping[str, Promise] = {
    "new_key": gettext_lazy("New key"),
    "new_person": gettext_lazy("New person"),
    "key": gettext_lazy("One key"),
    "person": gettext_lazy("One person"),
    "model": gettext_lazy("Another model"),
    "cache": gettext_lazy("Cache misses"),
    "answers": gettext_lazy("Longer answers"),
    "output": gettext_lazy("More output"),
    "requests": gettext_lazy("More requests"),
    "tokens": gettext_lazy("More use"),
    "silent": gettext_lazy("Unused before"),
    "less_key": gettext_lazy("One key"),
    "less_person": gettext_lazy("One person"),
    "fewer": gettext_lazy("Fewer requests"),
    "less": gettext_lazy("Less use"),
}
_SAID: Mapping[str, Promise] = {
    "new_key": gettext_lazy(
        "%(label)s was first used on %(first)s and makes %(share)s of what is too much."
    ),
    "new_person": gettext_lazy(
        "%(label)s first used anything on %(first)s and makes %(share)s of what is too much."
    ),
    "key": gettext_lazy("%(label)s makes %(share)s of what is too much."),
    "person": gettext_lazy("%(label)s makes %(share)s of what is too much."),
    "model": gettext_lazy("%(model)s is %(after)s of all use, %(before)s before."),
    "cache": gettext_lazy("%(after)s of the input came from the cache, %(before)s before."),
    "answers": gettext_lazy("%(after)s tokens an answer, %(before)s before."),
    "output": gettext_lazy("Output is %(after)s of all tokens, %(before)s before."),
    "requests": gettext_lazy("%(after)s requests a day, %(before)s before."),
    "tokens": gettext_lazy("%(after)s tokens a day, %(before)s before."),
    "silent": gettext_lazy("Nothing had been used on the %(days)s days before."),
    "less_key": gettext_lazy("%(share)s of what is missing is %(label)s's."),
    "less_person": gettext_lazy("%(share)s of what is missing is %(label)s's."),
    "fewer": gettext_lazy("%(after)s requests a day, %(before)s before."),
    "less": gettext_lazy("%(after)s tokens a day, %(before)s before."),
}
# Their figures are counts; of the others shares.
_COUNTS = ("answers", "requests", "tokens", "fewer", "less")


def amount(value: int, one: Incident) -> str:
    """ "$483.60", or "12.4M tokens"."""
    if one.unit == Unit.MONEY:
        return amounts.money(Decimal(value) / MILLION, one.currency or "USD")
    return _("%(n)s tokens") % {"n": amounts.compact(value)}


def told(value: int, one: Incident) -> str:
    """The same of what it came to or usually does: "≈ $483.60" where nobody bills by what it is about."""
    return f"≈ {amount(value, one)}" if one.is_estimate else amount(value, one)


def times(one: Incident) -> str:
    """ "38×" what is usual; "" where nothing was, or where it says nothing."""
    if one.expected <= 0:
        return ""
    many = one.observed / one.expected
    return f"{many:.1f}×" if many < 9.95 else f"{many:,.0f}×"


def cause(given: Mapping[str, Any]) -> str:
    """A cause as a sentence with its figures."""
    name = str(given["name"])
    figures = {key: given[key] for key in given if key != "name"}
    for key in ("before", "after", "share"):
        if key in figures:
            count = name in _COUNTS
            figures[key] = (
                amounts.compact(figures[key])
                if count
                else amounts.share(Decimal(figures[key]) / MILLION)
            )
    if "first" in figures:
        figures["first"] = date_format(date_of(figures["first"]), "j M")
    if "value" in figures:
        figures.setdefault("label", figures["value"])
    return str(_SAID[name]) % figures


def headline(one: Incident) -> str:
    """ "checkout-api: $483.60 on 7 Nov, usually $5.10"."""
    day, observed, expected, _limit = one.worst
    return _("%(name)s: %(observed)s on %(day)s, usually %(expected)s") % {
        "name": one,
        "observed": told(observed, one),
        "expected": told(expected, one),
        "day": date_format(date_of(day), "j M"),
    }


def letter(one: Incident) -> str:
    """What a notice says below its headline."""
    days = {"first": date_format(one.since_date, "j M"), "last": date_format(one.last_date, "j M")}
    figures = {"observed": told(one.observed, one), "expected": told(one.expected, one)}
    words = (
        _("On %(first)s (UTC) it came to %(observed)s; %(expected)s would be usual.")
        if one.since == one.last
        else _("From %(first)s to %(last)s (UTC) it came to %(observed)s; %(expected)s is usual.")
    )
    return " ".join([words % {**days, **figures}, *(cause(given) for given in one.causes)])
