"""Tools of the tests about connections: a worker that runs at once, and somebody freshly signed in."""

import time
from collections.abc import Callable
from typing import Any

from allauth.account.internal.flows.login import _AUTHENTICATION_METHODS_USER_SESSION_KEY
from celery import Celery
from django.db import transaction
from django.test import Client

from apps.accounts.models import User
from apps.organizations.models import Organization, Role
from apps.providers.guard import worker_scope
from portal.celery import app
from tests.factories import GrantFactory


class Worker:
    """Collects what is sent to the queue; ``run()`` carries it out as a worker would.

    The transaction around a test never commits, so what waits for a commit is sent at once.
    """

    def __init__(self, monkeypatch: Any) -> None:
        self.sent: list[tuple[str, list[Any]]] = []
        app.loader.import_default_modules()
        monkeypatch.setattr(Celery, "send_task", self._collect())
        monkeypatch.setattr(transaction, "on_commit", lambda send, **options: send())

    def _collect(self) -> Callable[..., None]:
        sent = self.sent

        def send_task(
            app: Celery, name: str, args: Any = (), kwargs: Any = None, **options: Any
        ) -> None:
            sent.append((name, list(args)))

        return send_task

    def run(self) -> None:
        """Carry out every probe that is waiting."""
        with worker_scope():
            for name, args in self.sent:
                if name == "actions.probe_connection":
                    app.tasks[name](*args)
        self.sent.clear()


def sign_in(client: Client, user: User, *, fresh: bool = True) -> Client:
    """Sign ``user`` in, by default within the last five minutes."""
    client.force_login(user)
    session = client.session
    at = time.time() - (0 if fresh else 3600)
    session["account_authentication_methods"] = [
        {"method": "password", "at": at, "reauthenticated": True}
    ]
    session[_AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(user.pk)
    session.save()
    return client


def somebody(organization: Organization, role: Role = Role.OWNER, *, fresh: bool = True) -> Client:
    """A browser in which a holder of ``role`` has signed in."""
    return sign_in(
        Client(), GrantFactory.create(organization=organization, role=role).user, fresh=fresh
    )
