"""Which migrations this release brings and which the database has had, by their names alone.

Django's own loader imports them all and builds the models of each: megabytes that a process which only
compares names would keep for good.
"""

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def brought() -> set[tuple[str, str]]:
    """The label of its application and the name of each that stands on disk."""
    modules = {
        config.label: MigrationLoader.migrations_module(config.label)[0]
        for config in apps.get_app_configs()
    }
    return {
        (label, entry.name)
        for label, module in modules.items()
        if module and find_spec(module)
        for entry in iter_modules(import_module(module).__path__)
        if not entry.ispkg and entry.name[0] not in "_~"
    }


def applied() -> set[tuple[str, str]]:
    """Those that the database has had, of whatever release."""
    return set(MigrationRecorder(connection).applied_migrations())
