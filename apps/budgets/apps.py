from datetime import datetime
from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from apps.kicks import kick_after_commit

if TYPE_CHECKING:
    from apps.organizations.models import Connection


class BudgetsConfig(AppConfig):
    name = "apps.budgets"
    verbose_name = _("Budgets")

    def ready(self) -> None:
        """Look whenever usage or its costs were read; have people told; draw into other pages."""
        from apps.audit import words
        from apps.budgets import drawing
        from apps.budgets.audit_words import WORDS
        from apps.budgets.keeping import TOPIC
        from apps.notices.topics import Topic, register
        from apps.organizations.models import Role
        from apps.sync import mirrors
        from apps.ui import slots

        words.name(WORDS)
        for series in ("usage", "costs"):
            if look_soon not in mirrors.listeners(series):
                mirrors.after_complete(series, look_soon)
        register(
            Topic(
                name=TOPIC,
                label=_("A budget passes a threshold"),
                hears=frozenset({Role.OWNER, Role.ADMIN, Role.BILLING}),
                needs="budgets.read",
                text=_(
                    "A budget passes one of its thresholds, or its forecast is over the amount."
                ),
            )
        )
        slots.fill("overview:stats", drawing.stats, order=6)
        slots.fill("workspaces:workspace", drawing.of_workspace, order=6)
        slots.fill("organizations:connection", drawing.of_connection, order=46)


def look_soon(connection: "Connection", now: datetime) -> None:
    """Have a worker look at the budgets of ``connection`` once what was read is committed.

    A kick that is lost comes again with the next walk, and every hour.
    """
    kick_after_commit("walks.look_at_budgets", connection.pk)
