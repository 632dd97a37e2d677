"""What the shell around every page shows."""

from typing import Any

from django.http import HttpRequest

from apps.organizations.health import Health, ailing, with_freshness
from apps.organizations.models import Connection, Organization
from apps.organizations.policy import role_may
from apps.ui.prepared import Prepared

_live = Prepared(
    lambda organizations: with_freshness(
        Connection.objects.live().filter(organization__in=organizations)
    )
)


def desk(request: HttpRequest) -> dict[str, Any]:
    """The organization at hand and those to switch to, only when the template asks."""
    role = getattr(request, "role", None)
    return {
        "organization": getattr(request, "organization", None),
        "role": role,
        "viewing": getattr(request, "viewing", None),
        "my_organizations": lambda: Organization.objects.visible_to(request.user).shared(),
        "ailing_connections": lambda: _ailing(request),
        "notice_may_rotate": role_may(role, "connections.rotate"),
    }


def _ailing(request: HttpRequest) -> list[Health]:
    """What the pages of an organization say of its connections. One query."""
    organization = getattr(request, "organization", None)
    here = request.resolver_match
    if organization is None or (here and (here.url_name or "").startswith("connect")):
        return []  # the pages of connections tell it themselves
    return ailing(_live(organizations=[organization.pk]))
