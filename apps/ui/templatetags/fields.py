"""Form fields in the house's look: ``{% field form.email %}``, ``{% fields form %}``."""

from typing import Any

from django import forms, template
from django.forms.boundfield import BoundField

register = template.Library()

CSS = {
    "select": "form-select",
    "checkbox": "form-check-input",
    "radioselect": "form-check-input",
    "checkboxselectmultiple": "form-check-input",
    "boxes": "form-check-input",
}


@register.inclusion_tag("ui/_field.html")
def field(bound: BoundField, **attributes: Any) -> dict[str, Any]:
    """Draw label, input, help and errors of one field.

    Keyword arguments become attributes of the input, ``_`` for ``-``: ``autocomplete="off"``,
    ``aria_label="…"``; ``label`` replaces the label, ``bare=True`` hides it from the eye.
    """
    label = attributes.pop("label", bound.label)
    bare = attributes.pop("bare", False)
    kind = bound.widget_type
    css = CSS.get(kind, "form-control")
    given = {name.replace("_", "-"): value for name, value in attributes.items()}
    classes = f"{bound.field.widget.attrs.get('class', '')} {css}".strip()
    given["class"] = f"{classes} is-invalid" if bound.errors else classes
    widget = bound.as_widget(attrs=given)
    if bound.field.show_hidden_initial:  # what the page showed, to tell later what was changed
        widget += bound.as_hidden(only_initial=True)
    return {"field": bound, "label": label, "bare": bare, "kind": kind, "widget": widget}


@register.inclusion_tag("ui/_fields.html")
def fields(form: forms.BaseForm) -> dict[str, Any]:
    """Draw a whole form: what is wrong with it as a whole, hidden fields, and every visible field."""
    return {"form": form}
