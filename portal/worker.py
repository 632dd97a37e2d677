"""``python -m portal.worker actions``: a Celery worker, without Celery's command line.

That brings every command it has, and what draws them on a terminal: 10 MB of each worker. What it does
for a worker, beyond reading options, is what stands here; ``celery --app portal worker`` works as well.
"""

import argparse
import sys

from portal import later

with later.hidden(*later.NOT_FOR_CELERY):
    from celery.utils.nodenames import default_nodename, host_format

    from portal.celery import app

CHECK_SECONDS = 5.0


def options() -> argparse.ArgumentParser:
    """What can be said on the command line, in Celery's own words."""
    parser = argparse.ArgumentParser(prog="python -m portal.worker", description=__doc__)
    parser.add_argument("queues", help="comma-separated: actions (what people wait for), walks")
    parser.add_argument("--concurrency", type=int, default=4, help="tasks at a time")
    parser.add_argument("--hostname", help="name of this worker; %%h is the machine's")
    parser.add_argument("--pool", default="threads", choices=("threads", "prefork", "solo"))
    parser.add_argument("--quiet", action="store_true", help="no banner")
    parser.add_argument(
        "--check",
        action="store_true",
        help="ask the one on this machine whether it is well, and end",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Work until somebody ends it; return the exit status."""
    given = options().parse_args(arguments)
    if given.check:
        name = host_format(given.hostname or f"{given.queues}@%h")
        return 0 if app.control.ping(destination=[name], timeout=CHECK_SECONDS) else 1
    # Told to begin anew (SIGHUP), Celery executes ``sys.argv``, and a module is not found by its path.
    sys.argv[:1] = ["-m", "portal.worker"]
    worker = app.Worker(
        queues=given.queues,
        concurrency=given.concurrency,
        hostname=host_format(default_nodename(given.hostname)),
        pool_cls=given.pool,
        loglevel="INFO",
        quiet=given.quiet,
        # Workers say nothing to each other here: Redis holds what they share.
        without_mingle=True,
        without_gossip=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
