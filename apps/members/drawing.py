"""What people draw into the overview."""

from django.db.models import Count
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.members.models import Member
from apps.members.people import PeopleList
from apps.providers.catalogue import PROVIDERS


def stats(request: HttpRequest) -> SafeString:
    """How many people there are at all, and at each connection. Three queries."""
    page = PeopleList(request)
    url = reverse("members:list", kwargs={"slug": page.organization.slug})
    counts = dict(
        Member.objects.filter(connection__in=page.live, gone_at__isnull=True)
        .order_by()
        .values_list("connection_id")
        .annotate(n=Count("pk"))
    )
    cards = [
        {
            "label": _("People"),
            "icon": "users",
            "value": page.number(page.rows().count()),
            "note": _("members, invited and former"),
            "url": url,
        }
    ]
    cards += [
        {
            "label": connection.name,
            "value": page.number(counts.get(connection.pk, 0)),
            "note": _("members at %(provider)s")
            % {"provider": PROVIDERS[connection.provider].label},
            "url": f"{url}?connection={connection.pk}&view=all",
        }
        for connection in page.live
    ]
    drawn = ((render_to_string("ui/stat.html", card, request),) for card in cards)
    return format_html_join("", "{}", drawn)
