"""What invites have to tell: those that lapse before anybody has taken them up."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.invites.models import Invite
from apps.notices.looking import News, watch
from apps.notices.models import Severity
from apps.notices.topics import Topic
from apps.organizations.models import Connection
from apps.organizations.policy import ADMINS

BEFORE = timedelta(days=3)
FEW = 5  # addresses named in one notice

LAPSING = Topic(
    "invites.lapsing",
    gettext_lazy("Invites lapse soon"),
    ADMINS,
    "invites.read",
    gettext_lazy(
        "Invites that nobody has taken up yet lapse within three days; told once for each day."
    ),
)


def register() -> None:
    """For ``AppConfig.ready()``."""
    watch(LAPSING, _lapsing)


def _lapsing(now: datetime) -> Iterable[News]:
    """One piece of news for each organization and UTC day on which any of its invites lapse."""
    soon = Invite.objects.filter(
        state=Invite.State.PENDING,
        gone_at__isnull=True,
        expires_at__gt=now,
        expires_at__lte=now + BEFORE,
        connection__state=Connection.State.ACTIVE,
    ).select_related("connection__organization")
    rows = sorted(soon, key=lambda one: (*_day(one), one.pk))
    for (_pk, day), some in groupby(rows, key=_day):
        invites = list(some)
        organization, number = invites[0].connection.organization, len(invites)
        lines = [f"{one.email} ({one.connection})" for one in invites[:FEW]]
        if number > FEW:
            lines.append(
                ngettext("and %(n)d more", "and %(n)d more", number - FEW) % {"n": number - FEW}
            )
        yield News(
            organization=organization,
            cause=f"invites:{day.isoformat()}",
            title=ngettext("An invite lapses on %(day)s", "%(n)d invites lapse on %(day)s", number)
            % {"n": number, "day": date_format(day, "j M")},
            text="\n".join([_("They can be sent again before then, or afterwards."), *lines]),
            url=f"/o/{organization.slug}/invites/?state=expiring",
            severity=Severity.INFO,
        )


def _day(invite: Invite) -> tuple[int, date]:
    assert invite.expires_at is not None  # noqa: S101 - those without a date are not asked for
    return invite.connection.organization_id, invite.expires_at.astimezone(UTC).date()
