"""How a worker hears that a report is to be made. A courtesy: the sweep finds what a lost kick left."""

import redis
import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)


def kick_after_commit(run_id: int) -> None:
    """Have a run made once the transaction at hand is committed."""
    transaction.on_commit(lambda: _kick(run_id), robust=True)


def _kick(run_id: int) -> None:
    try:
        with current_app.producer_pool.acquire(block=True, timeout=2) as producer:
            current_app.send_task(
                "actions.make_report", args=[run_id], producer=producer, retry=False
            )
    except (OperationalError, redis.RedisError, OSError) as error:
        log.warning("kick_lost", run=run_id, error=str(error))
