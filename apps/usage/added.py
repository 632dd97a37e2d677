"""Groupings that higher shelves add to the pages of usage: their place in menus, names, filters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise

from apps.organizations.models import Organization
from apps.usage import controls, names, question
from apps.usage.groupings import Placing, add_grouping
from apps.usage.names import Name, Value

Words = str | Promise


@dataclass(frozen=True, slots=True)
class Group:
    """A placing as pages show it.

    ``none``: what is called that belongs nowhere. ``names_of(organization, values)`` names the values met,
    ``options(organization)`` are the choices of its filter, as value and label; one query each.
    """

    placing: Placing
    label: Words
    none: Words
    names_of: Callable[[Organization, Sequence[Value]], Mapping[Value, Name]]
    options: Callable[[Organization], Sequence[tuple[str, str]]]


def add(group: Group) -> None:
    """Have usage group and filter by it wherever it does; for ``AppConfig.ready()``."""
    name = group.placing.name
    add_grouping(group.placing)
    question.add_group(name, group.label)
    names.add_names(name, group.names_of, none=group.none)
    controls.add_menu(name, group.options)
