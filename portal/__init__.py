import sys

from portal import later

# structlog imports it where it is there (a linter brings it along): 3 MB of every process, to draw
# tracebacks that ours are not drawn by.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # how Python spells "not to be had"
later.put_off()

with later.hidden(*later.NOT_FOR_CELERY):
    from portal.celery import app as celery_app

__all__ = ["celery_app"]
