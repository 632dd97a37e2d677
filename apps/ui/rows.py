"""The rows of a list as HTML.

Fifty rows are most of a list's page. Whatever is the same in each of them, and in cells that are alike,
is made once: drawn by a template row by row they took four times as long.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

from django.utils.safestring import SafeString

if TYPE_CHECKING:
    from apps.ui.listing import Column, ListPage

Draw = Callable[[Any], str]


class Rows:
    """Draws rows of one page."""

    def __init__(self, page: "ListPage[Any]") -> None:
        self._page = page
        self._choosable = bool(page.actions)
        # Of each shown column the opening tag of its cells, and what draws their content.
        self._cells = [
            (
                _opening("" if column.buttons else str(column.label), _css(column)),
                self._drawer(column),
            )
            for column in page.shown_columns
        ]

    def draw(self, rows: Sequence[Any], *, oob: bool = False) -> SafeString:
        """The rows one after another; with ``oob`` each to replace itself in the page at hand."""
        if oob:
            swapped = (self._row(row, ' hx-swap-oob="true"') for row in rows)
            return SafeString("".join([f"<template>{row}</template>\n" for row in swapped]))
        return SafeString("".join([self._row(row) for row in rows]))

    def _row(self, row: Any, attributes: str = "") -> str:
        if self._page.in_flight(row):
            attributes += ' class="row-flying" aria-busy="true"'
        pk = row.pk
        parts = [f'<tr id="row-{pk}"{attributes}>']
        if self._choosable:
            parts.append(
                '<td class="choose"><input class="form-check-input" type="checkbox" name="id"'
                f' value="{pk}" aria-label="{escape(str(self._page.row_label(row)))}"></td>'
            )
        for opening, draw in self._cells:
            parts += (opening, draw(row), "</td>")
        parts.append("</tr>")
        return "".join(parts)

    def _drawer(self, column: "Column") -> Draw:
        draw, read, alike, page = column.draw, column.read, column.alike, self._page
        if alike is None:
            return lambda row: draw(read(row), row, page)
        drawn: dict[Hashable, str] = {}

        def once(row: Any) -> str:
            if (key := alike(row)) not in drawn:
                drawn[key] = draw(read(row), row, page)
            return drawn[key]

        return once


def _css(column: "Column") -> str:
    return f"{'numeric ' if column.numeric else ''}{column.css}".strip()


@lru_cache(maxsize=512)
def _opening(label: str, css: str) -> str:
    # On a phone a row is a card, and each cell says of itself what it is.
    return f'<td class="{escape(css)}" data-label="{escape(label)}">'
