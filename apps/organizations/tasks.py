"""Thin doors for workers: each takes an id alone and calls a service."""

from celery import shared_task

from apps.organizations import connections, probing, token_services, viewing
from apps.providers.guard import worker_scope


@shared_task(name="actions.probe_connection")
def probe_connection(connection_id: int) -> None:
    """Find out what is behind a connection's key."""
    with worker_scope():
        probing.probe(connection_id)


@shared_task(name="walks.tidy_connections")
def tidy_connections() -> None:
    """Throw abandoned drafts away and find lost probes."""
    connections.tidy()


@shared_task(name="walks.end_viewings")
def end_viewings() -> None:
    """End support's views as a colleague whose time is over."""
    viewing.end_overdue()


@shared_task(name="walks.tidy_tokens")
def tidy_tokens() -> None:
    """Clear away tokens whose time was over long ago."""
    token_services.tidy_expired()
