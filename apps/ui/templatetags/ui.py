"""Tags of every page: icons, times, slots, navigation, charts, parts that another shelf may bring."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import template
from django.template import TemplateDoesNotExist
from django.template.context import Context
from django.template.loader import get_template
from django.utils.safestring import SafeString, mark_safe

from apps.ui import charts, icons, navigation, slots, times

register = template.Library()


@register.simple_tag
def icon(name: str, label: str = "", css: str = "") -> SafeString:
    """``{% icon "users" %}``; give a ``label`` where the icon alone carries the meaning."""
    return icons.icon(name, label, css)


@register.simple_tag
def when(value: datetime | None, empty: str = "–") -> SafeString | str:
    """``{% when invite.expires_at %}``: "in 3 days", the exact time in the reader's zone on hover."""
    return times.when(value, empty)


@register.simple_tag
def due(value: datetime | None, empty: str = "–") -> SafeString | str:
    """``{% due resource.due_at %}``: as ``when``, for what is to come; "any moment", then "overdue"."""
    return times.due(value, empty)


@register.filter
def exactly(value: datetime | None) -> str:
    """``{{ value|exactly }}``: the moment in the reader's zone, with the zone's name."""
    return times.Clock().exact(value) if value else ""


@register.simple_tag(takes_context=True)
def slot(context: Context, name: str, **given: Any) -> SafeString:
    """``{% slot "members:person" person=person %}``: what higher shelves draw here."""
    return slots.drawn(name, context["request"], **given)


@register.simple_tag(takes_context=True)
def navigation_links(context: Context) -> list[navigation.Link]:
    """The side navigation as seen from this page; empty outside an organization."""
    organization = context.get("organization")
    if organization is None:
        return []
    return navigation.links(context["request"], organization.slug, own=organization.is_personal)


@register.simple_tag(takes_context=True)
def include_if_there(context: Context, name: str) -> SafeString:
    """Include a template that another shelf may bring; draw nothing where it does not."""
    try:
        found = get_template(name)
    except TemplateDoesNotExist:
        return mark_safe("")
    drawn: SafeString = found.template.render(context)  # type: ignore[attr-defined]  # the engine's own
    return drawn


@register.inclusion_tag("ui/chart.html")
def chart(chart: charts.Chart, level: str = "h2") -> dict[str, Any]:
    """``{% chart chart %}``: picture, key, table; the page loads ``ui/chart_scripts.html`` in its head."""
    return {"chart": chart, "level": level, "data_id": f"{chart.name}-data"}


@register.simple_tag
def sparkline(values: Sequence[charts.Value], label: str) -> SafeString:
    """``{% sparkline values "what it shows, in words" %}``: drawn here, without a script."""
    return charts.sparkline(values, label)
