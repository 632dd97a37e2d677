"""Mail that goes to colleagues and to support staff."""

from smtplib import SMTPException

import structlog
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.organizations.models import ColleagueInvitation

log = structlog.get_logger(__name__)


def send_invitation(invitation: ColleagueInvitation, link: str) -> bool:
    """Send the link to the invited address; False if the mail server would not take it.

    After the transaction, never in it: a slow mail server must not hold the database.
    """
    context = {"invitation": invitation, "link": link}
    subject = _("%(organization)s invites you to Orgdesk") % {
        "organization": invitation.organization.name
    }
    text = render_to_string("organizations/mail/invitation.txt", context)
    return _sent(subject, text, invitation.email)


def send_staff_welcome(user: User, link: str) -> bool:
    """Send somebody of support the link by which they choose a password; False as above."""
    text = render_to_string("organizations/mail/staff.txt", {"user": user, "link": link})
    return _sent(_("Your account at Orgdesk's support desk"), text, user.email)


def _sent(subject: str, text: str, address: str) -> bool:
    try:
        send_mail(" ".join(subject.split()), text, None, [address])
    except (OSError, SMTPException) as error:
        log.warning("invitation_not_sent", error=type(error).__name__)
        return False
    return True
