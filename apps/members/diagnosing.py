"""What this shelf knows of who cannot join: whether they are a member already, or were one."""

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext as _

from apps.members.models import Member
from apps.members.standing import role_label
from apps.organizations.diagnosing import live
from apps.organizations.diagnosis import CAUSE, FINE, Answer, Evidence, Step, Subject, check
from apps.sync.diagnosing import as_of, mirrored


def memberships(subject: Subject) -> Iterator[Answer]:
    """Each membership of the address, the ended ones too."""
    rows = Member.objects.filter(
        person__organization=subject.organization,
        person__email=subject.email,
        connection__in=live(subject),
    ).select_related("connection", "person")
    for row in rows.order_by("connection__name", "pk")[:20]:
        given = {
            "name": row.connection.name,
            "role": role_label(row.connection.provider, row.role),
        }
        source = mirrored(row.connection, "members")
        if row.gone_at:
            words = _("They were a member of %(name)s and are not any more: invite them again.")
            fact = Evidence(_("No longer listed since then"), source, row.gone_at, row)
            yield Answer(CAUSE, words % given, (fact,), (_invite(subject),))
        else:
            words = _(
                "They are a member of %(name)s already, as %(role)s: there is nothing to accept."
            )
            at = as_of(row.connection, "members")
            fact = Evidence(
                _("Listed as a member: %(id)s") % {"id": row.remote_id}, source, at, row
            )
            address = reverse("members:person", args=[subject.organization.slug, row.person_id])
            see = Step(_("See what they may do"), address, needs="people.read")
            yield Answer(FINE, words % given, (fact,), (see,))


def _invite(subject: Subject) -> Step:
    address = reverse("invites:new", args=[subject.organization.slug])
    return Step(_("Invite them"), address, needs="invites.invite")


def register() -> None:
    """Have it asked."""
    check("join", memberships, 10)
