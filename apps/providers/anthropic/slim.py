"""The official SDK without the parts that the portal never calls.

``import anthropic`` brings three thousand modules, two thirds of them of what is in beta, and helpers for
tools, streams and other clouds. The portal calls ``client.organization`` alone. Everything else is stood in
for by modules whose names are empty classes, 26 MB and more than half of the time of importing it less; whoever
uses one of them is told what it is.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import structlog

UNUSED = tuple(
    f"anthropic.{name}"
    for name in (
        "types.beta",
        "resources.beta",
        "lib.aws",
        "lib.bedrock",
        "lib.google_cloud",
        "lib.streaming",
        "lib.threads",
        "lib.tools",
        "lib.vertex",
    )
)
log = structlog.get_logger("apps.providers")


class NotImported(RuntimeError):
    """A part of the SDK that was left out is used."""


def _refuse(name: str) -> NotImported:
    return NotImported(
        f"{name} is left out of the SDK as the portal imports it: take its module out of UNUSED in {__name__}."
    )


class _Unusable(type):
    """Its classes may be spelled in a type and inherited from, which importing the SDK does, and no more."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)  # whoever looks a class over finds it empty
        raise _refuse(f"{cls.__module__}.{cls.__qualname__}.{name}")


class _Nothing(metaclass=_Unusable):
    """What a name of such a module stands for."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Refuses: nothing would be in it."""
        raise _refuse(f"{cls.__module__}.{cls.__qualname__}")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take what a TypedDict takes."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # the SDK brings it

        return core_schema.any_schema()


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (_Nothing,), {"__module__": self.__name__})
        setattr(self, name, made)
        return made


class _Slim(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        whole = fullname.startswith("anthropic.") and any(
            fullname == name or fullname.startswith(f"{name}.") for name in UNUSED
        )
        return ModuleSpec(fullname, self, is_package=True) if whole else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""


def import_sdk() -> None:
    """Import it slim; whole where it does not work so, or somebody has imported it already."""
    if "anthropic" in sys.modules:
        return
    slim = _Slim()
    sys.meta_path.insert(0, slim)
    try:
        import_module("anthropic.resources.organization")
    except Exception as error:  # noqa: BLE001 - of whatever kind: a later SDK may need what is missing here
        log.warning("sdk_not_slim", error=repr(error))
        sys.meta_path.remove(slim)
        for name in [name for name in sys.modules if name.partition(".")[0] == "anthropic"]:
            del sys.modules[name]
        import_module("anthropic")
