"""How a worker hears that something is to be sent. A courtesy: the sweep finds what a lost kick left."""

import redis
import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)


def kick_after_commit(kind: str, subject_id: int) -> None:
    """Have what is to be sent about a subject taken up once the transaction at hand is committed."""
    transaction.on_commit(lambda: kick(kind, subject_id), robust=True)


def kick(kind: str, subject_id: int) -> None:
    """Tell the workers that deliveries wait; ids alone."""
    try:
        with current_app.producer_pool.acquire(block=True, timeout=2) as producer:
            current_app.send_task(
                "actions.deliver", args=[kind, subject_id], producer=producer, retry=False
            )
    except (OperationalError, redis.RedisError, OSError) as error:
        log.warning("kick_lost", kind=kind, subject=subject_id, error=str(error))
