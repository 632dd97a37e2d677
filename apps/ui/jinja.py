"""The Jinja2 environment that draws the rows of lists."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from html import escape as quick_escape
from typing import Any

from django.template import engines
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from jinja2 import Environment
from markupsafe import escape

from apps.ui.charts import sparkline
from apps.ui.icons import icon
from apps.ui.slots import drawn
from apps.ui.times import when


def environment(**options: Any) -> Environment:
    """Make the environment: autoescape on, gettext in, ``url()``, ``static()``, ``icon()``, ``moment()``,
    ``sparkline()``, ``slot()``."""
    options["autoescape"] = True
    env = Environment(  # noqa: S701 - set one line above
        extensions=["jinja2.ext.i18n"], trim_blocks=True, lstrip_blocks=True, **options
    )
    env.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    env.globals.update(
        url=reverse, static=static, icon=icon, moment=when, sparkline=sparkline, slot=drawn
    )
    return env


def _text(value: Any, row: Any, page: Any) -> str:
    if type(value) is str:
        return quick_escape(value) or "–"
    return escape("–" if value is None or value == "" else value)


def _number(value: int | None, row: Any, page: Any) -> str:
    return "–" if value is None else f"{value:,}"


def _when(value: datetime | None, row: Any, page: Any) -> str:
    drawn: str = page.clock.when(value)
    return drawn


# Cells without markup of their own: a macro each would be a third of a list's time.
PLAIN: dict[str, Callable[..., str]] = {"text": _text, "number": _number, "when": _when}


@cache
def cell(name: str) -> Callable[..., str]:
    """What draws cells of the kind ``name``, called with (value, row, page); gives safe HTML.

    "text", "number" and "when" are plain; else a macro: "link" of ``ui/cells.html``, say, or
    "memberships" of "members/cells.html:memberships".
    """
    if name in PLAIN:
        return PLAIN[name]
    template, _colon, wanted = name.rpartition(":")
    module = engines["jinja2"].env.get_template(template or "ui/cells.html").module  # type: ignore[attr-defined]  # the Jinja2 engine's own
    found: Callable[..., str] = getattr(module, wanted)
    return found
