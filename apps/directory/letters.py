"""Letters to people whom the directory has given a role: how they get in."""

import secrets
from datetime import datetime, timedelta
from smtplib import SMTPException

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.directory.models import DirectoryUser
from apps.kicks import kick_after_commit
from apps.organizations.mail import send_invitation
from apps.organizations.models import ColleagueInvitation
from apps.organizations.services import INVITATION_DAYS, hash_of

log = structlog.get_logger(__name__)
TASK = "actions.directory_letters"
AT_A_TIME = 200
# How long a worker has for one letter, and the mail server to come round.
LEASE = timedelta(minutes=5)


def send_letters_soon() -> None:
    """Have a worker send what is due, after the transaction. A lost kick is made up for by the clock."""
    kick_after_commit(TASK)


def send_due() -> None:
    """Send the letters that are due. What the mail server does not take, and what a worker that died has left,
    is due again once its lease is over: a letter may come twice, and is never lost.

    After a restore from a backup none leaves until sending is let go on.
    """
    due = DirectoryUser.objects.filter(
        letter_due_at__lte=timezone.now(), organization__sending_stopped_at__isnull=True
    )
    for person in due.select_related("organization", "user").order_by("letter_due_at")[:AT_A_TIME]:
        leased = timezone.now() + LEASE
        # Two workers: the one that takes the lease sends it.
        if _moved(person, person.letter_due_at, leased) and _send(person):
            _moved(person, leased, None)


def _moved(person: DirectoryUser, held: datetime | None, to: datetime | None) -> bool:
    """Whether the letter was due as ``held``, as nobody else has changed since; then it is due as ``to``."""
    mine = DirectoryUser.objects.filter(pk=person.pk, letter_due_at=held)
    return mine.update(letter_due_at=to) == 1


def _send(person: DirectoryUser) -> bool:
    if not person.active:
        return True
    if person.user_id:
        return _send_welcome(person)
    offered = _with_a_link(person)
    if offered is None:
        return True  # withdrawn or accepted in the meantime
    invitation, token = offered
    path = reverse("accept_invitation", kwargs={"token": token})
    return send_invitation(invitation, settings.PORTAL_URL + path)


@transaction.atomic(durable=True)
def _with_a_link(person: DirectoryUser) -> tuple[ColleagueInvitation, str] | None:
    """The invitation and the token of its link, which is made now: Redis carries none."""
    invitation = (
        ColleagueInvitation.objects.select_for_update(of=("self",))
        .select_related("organization")
        .filter(pk=person.invitation_id or 0, accepted_at__isnull=True)
        .first()
    )
    if invitation is None:
        return None
    token = secrets.token_urlsafe(32)
    invitation.token_hash = hash_of(token)
    invitation.expires_at = timezone.now() + timedelta(days=INVITATION_DAYS)
    invitation.save(update_fields=["token_hash", "expires_at"])
    return invitation, token


def _send_welcome(person: DirectoryUser) -> bool:
    organization = person.organization.name
    context = {
        "organization": organization,
        "sign_in": settings.PORTAL_URL + reverse("account_login"),
        "password": settings.PORTAL_URL + reverse("account_reset_password"),
        "single_sign_on": bool(settings.OIDC_SERVER_URL),
    }
    subject = _("%(organization)s lets you into Orgdesk") % {"organization": organization}
    try:
        send_mail(
            " ".join(subject.split()),
            render_to_string("directory/mail/welcome.txt", context),
            None,
            [str(person.user.email if person.user else person.email)],
        )
    except (OSError, SMTPException) as error:
        log.warning("welcome_not_sent", error=type(error).__name__)
        return False
    return True
