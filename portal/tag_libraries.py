"""Django's templates, whose tags are imported with the first template that loads them.

Django imports every library of tags that any application brings before the first page is drawn: Django
admin's and Unfold's among them, and with them its lists and forms. None of it is on a page.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any

from django.apps import apps
from django.forms.renderers import DjangoTemplates as Forms
from django.template.backends.django import DjangoTemplates
from django.template.library import Library, import_library


class Installed(Mapping[str, Library]):
    """The libraries of all applications by their names; of two the later application's, as in Django."""

    @cached_property
    def _modules(self) -> dict[str, str]:
        packages = [
            f"{name}.templatetags"
            for name in ("django", *(config.name for config in apps.get_app_configs()))
        ]
        return {
            entry.name: f"{package}.{entry.name}"
            for package in packages
            if find_spec(package)
            for entry in iter_modules(import_module(package).__path__)
        }

    def __getitem__(self, name: str) -> Library:
        return import_library(self._modules[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


class Templates(DjangoTemplates):
    """The backend of pages. It takes no ``libraries`` in its options: ``{% load %}`` finds them all."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self.engine.template_libraries = Installed()  # type: ignore[assignment]  # only ever read

    def get_templatetag_libraries(self, custom_libraries: dict[str, str]) -> dict[str, str]:
        """None are named beforehand: Django would import them."""
        return custom_libraries


class FormTemplates(Forms):
    """What fields and forms are drawn by: an engine of its own."""

    backend = Templates
