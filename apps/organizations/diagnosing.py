"""What this shelf knows of trouble: connections that do not work, and who is let into the portal itself."""

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.organizations.diagnosis import (
    CAUSE,
    FINE,
    Answer,
    Evidence,
    Step,
    Subject,
    act_page,
    admin_page,
    check,
)
from apps.organizations.health import health_of, with_freshness
from apps.organizations.models import ColleagueInvitation, Connection, Grant


def live(subject: Subject) -> list[Connection]:
    """The organization's connections that are not disconnected, with how fresh they are; of one, if one
    is asked about. One query."""
    rows = Connection.objects.live().filter(organization=subject.organization)
    if subject.connection_id:
        rows = rows.filter(pk=subject.connection_id)
    return list(with_freshness(rows).order_by("name", "pk"))


def our_note() -> str:
    """The source of what the portal itself has noted."""
    return _("Noted by this portal")


def conditions(subject: Subject) -> Iterator[Answer]:
    """What ails the organization's connections, each with its way out."""
    connections = live(subject)
    if not connections:
        yield Answer(
            CAUSE,
            _("The organization has connected no provider."),
            (Evidence(_("No active or paused connection"), our_note(), row=subject.organization),),
            (
                Step(
                    _("Connect a provider"),
                    reverse("organizations:connections", args=[subject.organization.slug]),
                    needs="connections.connect",
                ),
            ),
        )
    for connection in connections:
        yield condition(connection)
    if since := subject.organization.sending_stopped_at:
        yield Answer(
            CAUSE,
            _("Changes are stopped, because the database was put back from a backup."),
            (Evidence(_("Nothing is sent to any provider"), our_note(), since),),
            (Step(_("Let changes go on"), act_page(subject.organization, "resume_sending")),),
        )


def condition(connection: Connection) -> Answer:
    """How one connection does; it must have come through ``with_freshness``."""
    health = health_of(connection)
    facts = [
        Evidence(
            _("Last answer from the provider"), connection.name, connection.last_ok_at, connection
        )
    ]
    if health.said:
        at = connection.frozen_at or connection.last_error_at
        facts.append(Evidence(health.said, _("In the provider's words, or of the call to it"), at))
    if connection.breaker_open_until:
        facts.append(
            Evidence(
                _("Calls rest after %(n)d failures in a row; the next try is at that time")
                % {"n": connection.failures},
                our_note(),
                connection.breaker_open_until,
            )
        )
    words = f"{connection.name}: {health.headline} {health.way_out}".strip()
    return Answer(
        FINE if health.is_well else CAUSE, words, facts, _way_out(connection, health.needs_key)
    )


def _way_out(connection: Connection, needs_key: bool) -> list[Step]:
    if needs_key:
        address = reverse(
            "organizations:connection", args=[connection.organization.slug, connection.uid]
        )
        return [Step(_("Replace the key"), address, needs="connections.rotate")]
    if connection.state == Connection.State.PAUSED:
        return [Step(_("Resume it"), act_page(connection, "resume"))]
    return []


def in_the_portal(subject: Subject) -> Iterator[Answer]:
    """Whether the address may sign in here at all: another matter than a provider, and often meant."""
    user = User.objects.filter(email__iexact=subject.email).first()
    grant = (
        Grant.objects.filter(organization=subject.organization, user=user).first() if user else None
    )
    if grant and user:
        yield Answer(
            FINE if user.is_active else CAUSE,
            _("In this portal they hold the role %(role)s.") % {"role": grant.get_role_display()}
            if user.is_active
            else _("They hold a role in this portal, but their sign-in is switched off."),
            (Evidence(_("A role since then"), our_note(), grant.created_at, user),),
        )
    waiting = ColleagueInvitation.objects.filter(
        organization=subject.organization, email__iexact=subject.email, accepted_at__isnull=True
    )
    for one in waiting[:5]:
        yield Answer(
            CAUSE,
            _("The invitation into this portal has expired: its link does not work any more.")
            if one.has_expired
            else _("The invitation into this portal has not been accepted yet."),
            (Evidence(_("Valid until then"), our_note(), one.expires_at, one),),
            (
                Step(
                    _("Invite them into the portal again"),
                    reverse("organizations:grants", args=[subject.organization.slug]),
                    needs="grants.change",
                ),
            ),
        )


def register() -> None:
    """Have them asked."""
    check("join", conditions, 40)
    check("join", in_the_portal, 60)
    check("stale", conditions, 10)
    check("key", _of_the_row, 40)
    check("payment", _of_the_row, 40)
    check("change", _of_the_row, 40)


def _of_the_row(subject: Subject) -> Iterator[Answer]:
    """How the row's own connection does: what is shown of it is no newer than that."""
    connection = with_freshness(Connection.objects.filter(pk=subject.row.connection_id)).get()
    if connection.state == Connection.State.DISCONNECTED:
        yield Answer(
            CAUSE,
            _("%(name)s is disconnected: this is how it was until then.")
            % {"name": connection.name},
            (Evidence(_("Disconnected then"), our_note(), connection.disconnected_at, connection),),
            (Step(_("See the connection"), admin_page(connection)),),
        )
    else:
        yield condition(connection)
