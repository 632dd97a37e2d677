"""Seats that are taken back: people removed and invites withdrawn here, then fewer seats paid for.

Removing people is the shelves' own below: here they are chosen, and what follows for the plan is offered.
"""

import uuid
from dataclasses import dataclass
from decimal import Decimal

from django.core.exceptions import BadRequest
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.billing import subscribing
from apps.billing.lists import SeatList
from apps.billing.models import Subscription
from apps.billing.subscribing import SEATS_KIND
from apps.members import leaving, services
from apps.members.models import Member
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.sync.asking import nonce_of
from apps.sync.models import Batch, Command, CommandState

FREEING = ("members.remove", "invites.withdraw")  # kinds that end in a free seat


@desk_view("people.remove")
@require_POST
def reclaim(request: DeskRequest) -> HttpResponse:
    """Review the removal of the chosen holders; first ask what becomes of what they leave, if they do."""
    chosen = SeatList.chosen(request)
    if not chosen.every_match and not chosen.fields:
        raise BadRequest(_("Nobody was chosen. Go back and choose at least one person."))
    # A queryset sliced or ordered for the list would not do as a subquery everywhere.
    members = Member.objects.filter(pk__in=chosen.rows.order_by().values("pk"))
    questions = leaving.questions(request, members)
    nonce = request.POST.get("nonce")
    if questions and nonce is None:
        context = {
            "title": _("Take seats back"),
            "questions": questions,
            "fields": chosen.fields,
            "people": members.count(),
            "nonce": uuid.uuid4().hex,
        }
        return render(request, "billing/reclaim.html", context)
    batch = services.draft_removal(
        organization=request.organization,
        members=members,
        besides=leaving.wishes(members, request.POST.dict()),
        actor=request.user,
        nonce=nonce_of(request),
        title=_("Take seats back"),
    )
    return redirect("sync:batch", slug=request.organization.slug, uid=batch.uid)


# --- What a batch that frees seats says of the plan -----------------------------------------------


@dataclass(frozen=True, slots=True)
class Freed:
    """What a batch means for the plan of one connection. ``seats``: free by it, or to be."""

    connection: Connection
    subscription: Subscription
    seats: int
    used: int
    changed: bool  # the seats, since the batch went on its way

    @property
    def saving(self) -> Decimal | None:
        """What so many seats cost for one interval, in dollars."""
        return subscribing.price(self.subscription.seat_micros, self.seats)

    @property
    def can_change(self) -> bool:
        """Whether the key may change the number of seats."""
        return self.connection.can("plan.change")

    @property
    def lower_to(self) -> int | None:
        """How many seats to pay for without them; None where that is nothing to offer (any more)."""
        if self.changed or self.subscription.seats is None or not self.seats:
            return None
        wanted = max(self.subscription.seats - self.seats, self.used, 1)
        return wanted if wanted < self.subscription.seats else None

    @property
    def lower_saves(self) -> Decimal | None:
        """What that saves for one interval, in dollars."""
        if self.lower_to is None or self.subscription.seats is None:
            return None
        fewer = self.subscription.seats - self.lower_to
        return subscribing.price(self.subscription.seat_micros, fewer)


def freed_by(batch: Batch) -> list[Freed]:
    """What the batch frees at each connection whose plan sells seats. One query, and one more and six for each
    connection where there is something to free."""
    rows = batch.commands.filter(kind__in=FREEING)
    if batch.confirmed_at:
        rows = rows.filter(state=CommandState.SUCCEEDED)
    counts = dict(rows.order_by().values_list("connection").annotate(n=Count("pk")))
    found = []
    for connection in Connection.objects.filter(pk__in=counts).order_by("name", "pk"):
        if not PROVIDERS[connection.provider].holds_seats:
            continue
        row = subscribing.held(connection)
        if row is not None:
            used = subscribing.in_use(connection).total
            found.append(
                Freed(connection, row, counts[connection.pk], used, _changed(batch, connection))
            )
    return found


def _changed(batch: Batch, connection: Connection) -> bool:
    if batch.confirmed_at is None:
        return False
    later = Command.objects.filter(connection=connection, kind=SEATS_KIND)
    later = later.filter(created_at__gte=batch.confirmed_at)
    return later.exclude(state__in=[CommandState.REJECTED, CommandState.CANCELLED]).exists()


def seats_of_batch(
    request: HttpRequest, *, batch: Batch, counts: dict[str, int]
) -> SafeString | str:
    """Slot "sync:batch": what its removals save, and once they are done the way to fewer seats."""
    freed = freed_by(batch)
    if not freed:
        return ""
    context = {
        "freed": freed,
        "batch": batch,
        "is_over": not counts["waiting"],
        "may_change": request.may("billing.plan"),  # type: ignore[attr-defined]  # set by desk_view
    }
    return render_to_string("billing/_freed.html", context, request)
