"""Slots: places in a page that shelves above its own fill.

The page's template says ``{% slot "members:person" person=person %}``; a shelf says, in its
``AppConfig.ready()``, ``slots.fill("members:person", draw_keys)``. Imports keep going down.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

# Gets the request and what the slot passes by keyword; gives safe HTML, or "" for nothing to show.
Filler = Callable[..., SafeString | str]

_fillers: defaultdict[str, list[tuple[int, Filler]]] = defaultdict(list)


def fill(name: str, filler: Filler, *, order: int = 100) -> None:
    """Have ``filler(request, **context)`` draw into the slot ``name``; lower ``order`` comes first.

    Filling twice with the same callable counts once, so that ``ready()`` may run again.
    """
    if all(filler is not other for _order, other in _fillers[name]):
        _fillers[name].append((order, filler))
        _fillers[name].sort(key=lambda entry: entry[0])


def drawn(name: str, request: HttpRequest, **context: Any) -> SafeString:
    """What the fillers of slot ``name`` draw, one after another; text that is not safe is escaped."""
    parts = (filler(request, **context) for _order, filler in _fillers.get(name, ()))
    return format_html_join("\n", "{}", ((part,) for part in parts if part))
