"""What this shelf draws into the shell and into Settings."""

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from apps.notices.models import Hearing
from apps.notices.topics import open_to
from apps.organizations.policy import role_may
from apps.ui.prepared import Prepared

_unread = Prepared(
    lambda users, organizations, topics: Hearing.objects.filter(
        user__in=users,
        organization__in=organizations,
        notice__topic__in=topics,
        read_at__isnull=True,
    ).values_list("pk")
)


def bell(request: HttpRequest, **_given: object) -> SafeString | str:
    """The bell with the number of what the reader may read and has not; "" outside an organization. One
    query."""
    organization = getattr(request, "organization", None)
    if organization is None:
        return ""
    unread = _unread.count(
        users=[int(request.user.pk or 0)],
        organizations=[organization.pk],
        topics=[topic.name for topic in open_to(getattr(request, "role", None))],
    )
    return render_to_string("notices/_bell.html", {"unread": unread}, request)


def tab(request: HttpRequest, *, tab: str) -> SafeString | str:
    """The tab of Settings that holds the webhooks, for whoever may see to them."""
    if not role_may(getattr(request, "role", None), "notices.deliveries"):
        return ""
    return render_to_string("notices/_tab.html", {"tab": tab}, request)
