"""What connections draw into the overview."""

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from apps.organizations.health import health_of, with_freshness
from apps.organizations.models import Connection


def connections(request: HttpRequest) -> SafeString:
    """Every live connection with its health: how fresh it is, or what is wrong and the way out."""
    organization = request.organization  # type: ignore[attr-defined]  # set by desk_view
    live = with_freshness(Connection.objects.live().filter(organization=organization))
    given = {"healths": [health_of(one) for one in live.order_by("name", "pk")]}
    return render_to_string("organizations/_overview.html", given, request)
