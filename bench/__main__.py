"""``python -m bench [module …]``: run the benches that are named, or all of them."""

import importlib
import pkgutil
import sys
from pathlib import Path

import bench


def main(names: list[str]) -> int:
    """Print one line of JSON a figure; 1 if one of them misses its goal."""
    known = sorted(
        module.name for module in pkgutil.iter_modules([str(Path(bench.__file__).parent)])
    )
    missed = False
    for name in names or known:
        if name == "__main__":
            continue
        module = importlib.import_module(f"bench.{name}")
        for figure in getattr(module, "run", tuple)():
            print(figure.line(), flush=True)
            missed = missed or figure.met is False
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
