"""What invites draw into pages of shelves below: a person's invites, the overview."""

from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.invites.lists import InviteList, lapses_soon, shown_state, still_open
from apps.invites.models import Invite
from apps.members.models import Person
from apps.members.standing import role_label
from apps.organizations.models import Connection

# As many of one person's invites as the page shows, and as many about to lapse as the overview does.
MOST = 20
FEW = 5


def _lines(page: InviteList, invites: list[Invite]) -> list[dict[str, Any]]:
    """Each invite with its state in words and what may be done about it."""
    page.prepare(invites)
    return [
        {
            "invite": invite,
            "role": role_label(invite.connection.provider, invite.role),
            "state": shown_state(invite),
            "flight": page.flight(invite),
            "can_resend": page.can_resend(invite),
            "can_withdraw": page.can_withdraw(invite),
            "nonce": f"{page.stamp}:{invite.pk}",
        }
        for invite in invites
    ]


def of_person(request: HttpRequest, *, person: Person) -> SafeString | str:
    """The invites of one person, newest first; "" if there never was one."""
    page = InviteList(request)
    invites = list(page.rows().filter(person=person).order_by("-invited_at", "-pk")[:MOST])
    if not invites:
        return ""
    return render_to_string("invites/_of_person.html", {"lines": _lines(page, invites)}, request)


def invite_button(request: HttpRequest, *, person: Person | None = None) -> SafeString | str:
    """The way to invite: this person to one more provider, or anybody."""
    if not request.may("invites.invite"):  # type: ignore[attr-defined]  # given by desk_view
        return ""
    return render_to_string("invites/_invite_button.html", {"person": person}, request)


def lapsing(request: HttpRequest) -> SafeString | str:
    """The pending invites that lapse soonest and that one can act on; "" while none does within a week."""
    page = InviteList(request)
    soon = page.rows().filter(lapses_soon(), connection__state=Connection.State.ACTIVE)
    invites = list(soon.order_by("expires_at", "pk")[:FEW])
    if not invites:
        return ""
    return render_to_string("invites/_lapsing.html", {"lines": _lines(page, invites)}, request)


def stats(request: HttpRequest) -> SafeString | str:
    """How many invites are pending, and how many of them lapse within a week."""
    page = InviteList(request)
    pending = page.rows().filter(still_open())
    soon = page.rows().filter(lapses_soon()).count()
    given = {
        "label": _("Pending invites"),
        "icon": "mail",
        "value": page.number(pending.count()),
        "note": _soon_in_words(page.number(soon), soon) if soon else "",
        "tone": "warning" if soon else "",
        "url": reverse("invites:list", kwargs={"slug": page.organization.slug})
        + ("?state=expiring" if soon else "?state=pending"),
    }
    return render_to_string("ui/stat.html", given, request)


def _soon_in_words(number: str, count: int) -> str:
    words = ngettext("%(n)s expires within 7 days", "%(n)s expire within 7 days", count)
    return words % {"n": number}
