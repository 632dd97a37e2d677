import sys

from portal import later

# structlog imports it where it is there (a linter brings it along): 3 MB of every process, to draw
# tracebacks that ours are not drawn by.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # how Python spells "not to be had"
later.put_off()
# structlog imports it where it is there: a browser's driver for tests brings it along.
with later.hidden("greenlet"):
    import structlog  # noqa: F401 - so that nobody imports it later
