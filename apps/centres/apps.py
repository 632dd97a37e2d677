from datetime import datetime
from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from apps.kicks import kick_after_commit

if TYPE_CHECKING:
    from apps.organizations.models import Connection

# What may change what belongs where: new usage, other names, other addresses.
HEARD = ("usage", "costs", "keys", "members", "workspaces")


class CentresConfig(AppConfig):
    name = "apps.centres"
    verbose_name = _("Cost centres")

    def ready(self) -> None:
        """Have usage group and filter by centre; sort what walks bring; draw into other pages."""
        from apps.audit import words
        from apps.centres import drawing, reads
        from apps.centres.audit_words import WORDS
        from apps.sync import mirrors
        from apps.ui import slots
        from apps.usage import added

        words.name(WORDS)
        added.add(
            added.Group(
                reads.PLACING,
                _("Cost centre"),
                none=_("Unallocated"),
                names_of=reads.names_of,
                options=reads.options,
            )
        )
        for name in HEARD:
            if sort_soon not in mirrors.listeners(name):
                mirrors.after_complete(name, sort_soon)
        slots.fill("keys:key", drawing.of_key, order=20)
        slots.fill("members:person", drawing.of_person, order=20)
        slots.fill("workspaces:workspace", drawing.of_workspace, order=20)


def sort_soon(connection: "Connection", now: datetime) -> None:
    """Have a worker sort what is new once it is committed. A kick that is lost comes again with the next walk."""
    kick_after_commit("walks.sort_costs", connection.organization_id)
