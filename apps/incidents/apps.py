from datetime import datetime
from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from apps.kicks import kick_after_commit

if TYPE_CHECKING:
    from apps.organizations.models import Connection


class IncidentsConfig(AppConfig):
    name = "apps.incidents"
    verbose_name = _("Incidents")

    def ready(self) -> None:
        """Look whenever usage or its costs were read; draw into other pages; have people told."""
        from apps.audit import words
        from apps.incidents import drawing
        from apps.incidents.audit_words import WORDS
        from apps.incidents.keeping import TOPIC
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
                label=_("Use far off its usual"),
                hears=frozenset({Role.OWNER, Role.ADMIN, Role.BILLING}),
                needs="incidents.read",
                text=_("A key, a person or a workspace uses far more than it usually does."),
            )
        )
        slots.fill("overview:stats", drawing.stats, order=4)
        slots.fill("keys:key", drawing.of_key, order=5)
        slots.fill("workspaces:workspace", drawing.of_workspace, order=5)
        slots.fill("members:person", drawing.of_person, order=5)
        slots.fill("organizations:connection", drawing.of_connection, order=45)
        slots.fill("usage:answer", drawing.of_usage)


def look_soon(connection: "Connection", now: datetime) -> None:
    """Have a worker look at ``connection`` once what was read is committed.

    A kick that is lost comes again with the next walk.
    """
    kick_after_commit("walks.look_for_incidents", connection.pk)
