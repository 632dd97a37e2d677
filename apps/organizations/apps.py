from django.apps import AppConfig
from django.db import connections

from apps.audit import words
from apps.organizations.audit_words import WORDS
from apps.providers.errors import CallNotAllowed
from apps.providers.guard import register_guard


def no_transaction_open() -> None:
    """Forbid a remote call while a transaction is open: locks must not wait for somebody's network."""
    for database in connections.all(initialized_only=True):
        # The transaction that Django's TestCase wraps around a test is none of ours.
        if any(
            not block._from_testcase  # type: ignore[attr-defined]  # as Django asks for durable=True
            for block in database.atomic_blocks
        ):
            raise CallNotAllowed("A remote call with a database transaction open.")


class OrganizationsConfig(AppConfig):
    name = "apps.organizations"

    def ready(self) -> None:
        """Guard remote calls against open transactions; name audit lines; draw; offer support its checks."""
        from django.contrib.auth.signals import user_logged_out

        from apps.organizations import diagnosing, evidence, finding
        from apps.organizations.drawing import connections as drawn_connections
        from apps.organizations.viewing import leave_with_sign_out
        from apps.ui import slots

        user_logged_out.connect(leave_with_sign_out)
        register_guard(no_transaction_open)
        words.name(WORDS)
        finding.register()
        diagnosing.register()
        evidence.register()
        slots.fill("overview:side", drawn_connections, order=10)
