"""What the support desk finds of invites, over all organizations in reach."""

from django.utils.translation import gettext_lazy as _

from apps.invites.models import Invite
from apps.members.models import Person
from apps.organizations.finding import Finder, Reach, add, by_remote_id, distinct, placed, why
from apps.organizations.models import Organization


def _invites(text: str, reach: Reach) -> list[Invite]:
    """By a whole address, or by the provider's id. Two queries."""
    # Through the person, whose address is in small letters whatever the provider made of it.
    open_ones = Organization.objects.filter(support_may_read=True).values("pk")
    addressed = Invite.objects.filter(
        person__in=Person.objects.filter(organization__in=open_ones, email=text.lower())
    )
    return distinct(placed(addressed, reach), by_remote_id(Invite.objects, text, reach))


def register() -> None:
    """Make this shelf's known."""
    add(
        Finder(
            "invites",
            _("Invites"),
            "invites.read",
            _invites,
            lambda row: f"{row.connection.name} · {row.remote_id or ''}",
            lambda row: why("join", row.connection.organization_id, email=row.email.lower()),
            "invites_invite",
            order=15,
        )
    )
