"""Support looks through a colleague's eyes: when that may be, its beginning and its end.

The session stays the supporter's own; ``viewing_door.py`` shows pages as the colleague's for as long as
the ``Viewing`` that it names stands. Both names and the reason are in the organization's log.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import Who, record
from apps.organizations.models import Grant, Organization, Viewing
from apps.organizations.policy import support_may
from apps.organizations.services import Refused

KEY = "viewing"  # session: the number of the Viewing
MINUTES = 30

# Called in the transaction that begins or ends a viewing. Higher shelves add theirs in ``AppConfig.ready()``.
begin_listeners: list[Callable[[Viewing], object]] = []
end_listeners: list[Callable[[Viewing], object]] = []


def grants_to_view(user: User) -> QuerySet[Grant]:
    """The Grants of ``user`` through which support may look: none of staff, none of their own desk."""
    if user.is_staff or user.is_superuser or not user.is_active:
        return Grant.objects.none()
    return Grant.objects.filter(
        user=user,
        organization__personal_of__isnull=True,
        organization__support_may_read=True,
        organization__support_may_view_as=True,
    ).select_related("organization")


@transaction.atomic(durable=True)
def begin(*, user: User, organization: Organization, reason: str, actor: User) -> Viewing:
    """Let ``actor`` look at ``organization`` as ``user`` does, for half an hour at most.

    Refused where ``user`` is nobody to be looked through: staff, signed out for good, without a role there.
    """
    current = Organization.objects.get(pk=organization.pk)
    if not support_may(actor, "support.view_as", current):
        raise PermissionDenied(_("Your role in support, or the organization, does not allow this."))
    seen = User.objects.get(pk=user.pk)
    if not grants_to_view(seen).filter(organization=current).exists():
        raise Refused(
            _(
                "%(user)s cannot be viewed as: support staff, no longer active, or without a role there."
            )
            % {"user": seen}
        )
    viewing = Viewing.objects.create(
        supporter=actor,
        user=seen,
        organization=current,
        reason=reason,
        ends_at=timezone.now() + timedelta(minutes=MINUTES),
    )
    for listener in begin_listeners:
        listener(viewing)
    _note(viewing, "support.view_begin", actor, {"until": viewing.ends_at})
    return viewing


@transaction.atomic(durable=True)
def end(*, viewing: Viewing, ending: Viewing.Ending, actor: User | None = None) -> bool:
    """End a viewing; False where it had ended already. ``actor``: None where nobody asked for it."""
    viewing.ended_at, viewing.ending = timezone.now(), ending
    still_open = Viewing.objects.filter(pk=viewing.pk, ended_at__isnull=True)
    if not still_open.update(ended_at=viewing.ended_at, ending=ending):
        return False
    for listener in end_listeners:
        listener(viewing)
    _note(viewing, "support.view_end", actor, {"how": ending})
    return True


def _note(viewing: Viewing, verb: str, actor: Who, more: dict[str, Any]) -> None:
    names = {"support": viewing.supporter.email, "as": viewing.user.email}
    record(
        organization=viewing.organization_id,
        actor=actor,
        verb=verb,
        target=viewing.user,
        label=viewing.user.email,
        details=names | {"reason": viewing.reason} | more,
    )


def why_over(viewing: Viewing) -> Viewing.Ending | None:
    """Why a viewing stands no more, None while it does. One query while it does.

    Asked with every request: a role taken away, a setting switched off or a colleague removed ends it.
    """
    if viewing.ended_at is not None:
        return Viewing.Ending(viewing.ending)
    if viewing.ends_at <= timezone.now():
        return Viewing.Ending.TIME
    allowed = support_may(viewing.supporter, "support.view_as", viewing.organization)
    if (
        not allowed
        or not grants_to_view(viewing.user).filter(organization=viewing.organization_id).exists()
    ):
        return Viewing.Ending.WITHDRAWN
    return None


def end_overdue() -> int:
    """End those whose time is over and whose supporter never came back; how many."""
    late = Viewing.objects.filter(ended_at__isnull=True, ends_at__lte=timezone.now())
    found = list(late.select_related("supporter", "user"))
    return sum(end(viewing=one, ending=Viewing.Ending.TIME) for one in found)


# --- The session that it hangs on ----------------------------------------------------------------


def enter(session: SessionBase, viewing: Viewing) -> None:
    """Have this session's pages be those of the viewing from now on."""
    session[KEY] = viewing.pk


def leave_with_sign_out(sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Signal: whoever signs out views as nobody any more."""
    pk = request.session.get(KEY)
    if pk is None:
        return
    viewing = Viewing.objects.select_related("supporter", "user").filter(pk=pk).first()
    if viewing is not None:
        end(viewing=viewing, ending=Viewing.Ending.SIGNED_OUT, actor=viewing.supporter)
