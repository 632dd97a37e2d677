"""A box for each of several choices, in the house's look."""

from typing import Any

from django import forms


class Boxes(forms.CheckboxSelectMultiple):
    """Checkboxes one below the other; what the ``field`` tag gives as class is for each box."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """The list itself has a class of its own."""
        context = super().get_context(name, value, attrs)
        context["widget"]["attrs"]["class"] = "choices"
        return context
