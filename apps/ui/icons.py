"""Icons out of one sprite (``static/orgdesk/icons.svg``, Tabler's outline set)."""

from functools import lru_cache

from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

SPRITE = "orgdesk/icons.svg"


def icon(name: str, label: str = "", css: str = "") -> SafeString:
    """Draw icon ``name``; with ``label`` it speaks to screen readers, without it is decoration."""
    return _drawn(name, str(label), css)


@lru_cache(maxsize=1024)
def _drawn(name: str, label: str, css: str) -> SafeString:
    classes = f"icon {css}".strip()
    if label:
        return format_html(
            '<svg class="{}" role="img" aria-label="{}"><use href="{}#{}"></use></svg>',
            classes,
            label,
            static(SPRITE),
            name,
        )
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        classes,
        static(SPRITE),
        name,
    )
