"""Doors of the outbox for Celery; what people wait for has the queue "actions" to itself."""

import structlog
from celery import shared_task

from apps.providers.guard import worker_scope
from apps.sync.outbox import delivery, restored, secrets, turns


@shared_task(name="actions.carry")
def carry(command_id: int) -> None:
    """Carry one Command as far as it goes now, and pass the turn on."""
    turns.note_alive()
    with worker_scope():
        command = delivery.carry(command_id)
    if command:
        # Whose turn is next was asked for by somebody else: its lines must not bear this request's id.
        structlog.contextvars.unbind_contextvars("request_id", "user_id", "ip")
        turns.hand_out(command.connection_id)


@shared_task(name="actions.sweep")
def sweep() -> None:
    """Find what a lost kick or a dead worker left; wipe secrets whose time has passed."""
    turns.note_alive()
    turns.hand_out_everywhere()
    secrets.wipe_expired()


@shared_task(name="walks.look_for_restore")
def look_for_restore() -> None:
    """Notice a database that was put back even where nothing waits to be sent."""
    restored.look_everywhere()
