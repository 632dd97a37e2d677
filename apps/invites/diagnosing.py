"""What this shelf knows of who cannot join: what became of their invites, and what refusals mean."""

from collections.abc import Iterator

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.invites.models import Invite
from apps.members.models import Member
from apps.organizations.diagnosing import live
from apps.organizations.diagnosis import (
    CAUSE,
    FINE,
    UNKNOWN,
    Answer,
    Evidence,
    Step,
    Subject,
    check,
)
from apps.providers.catalogue import PROVIDERS
from apps.sync.diagnosing import as_of, mirrored
from apps.sync.models import Command

State = Invite.State
MOST = 10
WORDS = {
    State.PENDING: gettext_lazy(
        "The invite to %(name)s is pending: they have not accepted it yet."
    ),
    State.EXPIRED: gettext_lazy(
        "The invite to %(name)s has expired: its link does not work any more."
    ),
    State.WITHDRAWN: gettext_lazy(
        "The invite to %(name)s was withdrawn: its link does not work any more."
    ),
    State.REFUSED: gettext_lazy("%(name)s refused the invite, so no letter was sent."),
    State.SENDING: gettext_lazy("The invite to %(name)s is on its way, and has not been sent yet."),
    State.ACCEPTED: gettext_lazy("The invite to %(name)s was accepted."),
}
GONE = gettext_lazy(
    "%(name)s no longer lists the invite, and nobody can tell what became of it. Invite them again."
)
# What a provider's code says of a refusal; the contracts have them.
CODES = {
    "already_member": gettext_lazy("The address belongs to a member already."),
    "invite_already_exists": gettext_lazy("There is a pending invite to this address already."),
    "org_member_limit_exceeded": gettext_lazy(
        "Members and pending invites together are at the organization's member limit."
    ),
    "email_domain_not_allowed": gettext_lazy(
        "The organization has a list of domains that may be invited, and this one is not in it."
    ),
    "cannot_invite_emails_with_unverified_domains": gettext_lazy(
        "The address is of a domain that the organization has not verified."
    ),
}


def invites(subject: Subject) -> Iterator[Answer]:
    """The latest invite to the address at each connection; that there is none, where there is none."""
    connections = live(subject)
    latest: dict[int, Invite] = {}
    rows = Invite.objects.filter(
        person__organization=subject.organization,
        person__email=subject.email,
        connection__in=connections,
    ).select_related("connection")
    for row in rows.order_by("pk"):
        latest[row.connection_id] = row
    for row in list(latest.values())[:MOST]:
        yield _invite(subject, row)
    members = Member.objects.filter(
        person__organization=subject.organization,
        person__email=subject.email,
        gone_at__isnull=True,
        connection__in=connections,
    )
    if connections and not latest and not members.exists():
        yield Answer(
            CAUSE,
            _("Nobody has invited this address, and it is no member."),
            [
                Evidence(_("Not listed"), mirrored(one, "invites"), as_of(one, "invites"), one)
                for one in connections[:MOST]
            ],
            (_new(subject),),
        )


def _invite(subject: Subject, row: Invite) -> Answer:
    over = row.state == State.PENDING and row.expires_at and row.expires_at <= timezone.now()
    state = State.EXPIRED if over else row.state
    words = WORDS.get(State(state), GONE) % {"name": row.connection.name}
    source = mirrored(row.connection, "invites")
    at = as_of(row.connection, "invites")
    facts = [Evidence(row.remote_status or row.get_state_display(), source, at, row)]
    if row.invited_at:
        facts.append(Evidence(_("Invited then"), source, row.invited_at))
    if row.expires_at:
        facts.append(Evidence(_("Valid until then"), source, row.expires_at))
    if row.error:
        facts.append(Evidence(row.error, _("In the provider's words"), row.changed_at))
    return Answer(FINE if state == State.ACCEPTED else CAUSE, words, facts, _next(subject, row))


def _next(subject: Subject, row: Invite) -> list[Step]:
    if row.state in (State.ACCEPTED, State.SENDING):
        return []
    if row.state in (State.PENDING, State.EXPIRED, State.UNKNOWN, State.WITHDRAWN):
        address = reverse("members:person", args=[subject.organization.slug, row.person_id])
        return [Step(_("Send the invite again"), address, needs="invites.resend")]
    return [_new(subject)]


def _new(subject: Subject) -> Step:
    address = reverse("invites:new", args=[subject.organization.slug])
    return Step(_("Invite them"), address, needs="invites.invite")


def refusals(subject: Subject) -> Iterator[Answer]:
    """What the provider's code of the latest refusal means, where the contract says so."""
    rows = Command.objects.filter(
        connection__in=live(subject), target=f"invites:{subject.email}", error_code__in=list(CODES)
    )
    command = rows.order_by("-created_at", "-pk").first()
    if command:
        fact = Evidence(
            command.error or command.error_code,
            _("In the provider's words"),
            command.settled_at,
            command,
        )
        yield Answer(CAUSE, str(CODES[command.error_code]), (fact,))


def rules(subject: Subject) -> Iterator[Answer]:
    """Domains and single sign-on: what the providers' APIs do not tell."""
    for provider in sorted({one.provider for one in live(subject)}):
        yield Answer(
            UNKNOWN,
            _(
                "%(provider)s: which domains may be invited, and whether single sign-on is demanded, its "
                "API does not tell. A refusal says so in its own words, above."
            )
            % {"provider": PROVIDERS[provider].label},
            (
                Evidence(
                    _("No operation of its API reads these settings"),
                    _("The contract of the API"),
                ),
            ),
        )


def register() -> None:
    """Have them asked."""
    check("join", invites, 12)
    check("join", refusals, 14)
    check("join", rules, 70)
