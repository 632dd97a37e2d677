"""Modules that a library imports by name at once, and that few processes ever use.

Each is stood in for by an empty module of its name until somebody asks that for something. It holds
for modules that are imported whole (``from package import module``) and used by their attributes.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec
from threading import RLock
from types import ModuleType
from typing import Any

# allauth's passkeys: fido2 and the ciphers, 9 MB of a web process where nobody uses one.
# Redis for asyncio, which nobody here uses; what takes SQL apart for migrations.
LATER = ("allauth.mfa.webauthn.internal.auth", "redis.asyncio", "sqlparse")
# What Celery and its Redis client import where it is there, and do without where it is not: 3 MB.
NOT_FOR_CELERY = ("greenlet", "opentelemetry", "yaml")


class _StandIn(ModuleType):
    """A module that is loaded when it is first asked for a name. ``importlib.util.LazyLoader`` shows
    half a module to a second thread in Python 3.11; this one shows none before it is whole."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "Loaded when it is first used.")
        self.__dict__["_lock"] = RLock()

    def __getattr__(self, name: str) -> Any:
        if name == "__path__" and (folders := self._spec().submodule_search_locations):
            return folders  # of a package, whose own modules are imported like any
        if name.startswith("__"):  # what the import system asks; none of it is worth loading for
            raise AttributeError(name)
        return getattr(self._whole(), name)

    def _whole(self) -> ModuleType:
        with self.__dict__["_lock"]:
            if "_module" not in self.__dict__:
                spec = self._spec()
                # Kept before it is whole: a package's own modules ask for it, in the thread that holds the lock.
                module = self.__dict__["_module"] = module_from_spec(spec)
                try:
                    spec.loader.exec_module(module)  # type: ignore[union-attr]  # looked at in _spec
                except BaseException:  # whatever it was: nobody is shown half of it
                    del self.__dict__["_module"]
                    raise
            return self.__dict__["_module"]  # type: ignore[no-any-return]  # what it was kept as has no type

    def _spec(self) -> ModuleSpec:
        parent = self.__name__.rpartition(".")[0]
        folders = sys.modules[parent].__path__ if parent else None
        spec = PathFinder.find_spec(self.__name__, folders)
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(self.__name__, name=self.__name__)
        return spec


def put_off() -> None:
    """Stand in for what nobody has imported yet."""
    for name in LATER:
        sys.modules.setdefault(name, _StandIn(name))


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Have what is imported meanwhile find none of these, unless somebody has imported them before."""
    mine = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(mine))  # type: ignore[arg-type]  # how Python spells "not to be had"
    try:
        yield
    finally:
        for name in mine:
            sys.modules.pop(name, None)
