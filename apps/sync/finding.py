"""What the support desk finds of changes, over all organizations in reach."""

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from apps.organizations.finding import MOST, Finder, Reach, add, by_remote_id, distinct
from apps.sync.models import Command, CommandState


def _commands(text: str, reach: Reach) -> list[Command]:
    """By its own id, or by the provider's id of what it made. Two queries, or one."""
    asked = Command.objects.exclude(state=CommandState.DRAFT)
    try:
        uid = UUID(text)
    except ValueError:
        named: list[Command] = []
    else:
        found = asked.filter(uid=uid, organization__support_may_read=True)
        named = list(found.order_by()[: MOST + 1])
    return distinct(named, by_remote_id(asked, text, reach))


def register() -> None:
    """Make this shelf's known."""
    add(
        Finder(
            "changes",
            _("Changes"),
            "activity.read",
            _commands,
            lambda row: f"{row.get_state_display()} · {row.uid}",
            more="sync_command",
        )
    )
