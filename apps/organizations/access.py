"""The one door of every page that belongs to an organization."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.organizations.models import Organization, Role
from apps.organizations.policy import POLICY, is_of_one, role_may, shown_to_viewers
from apps.ui.prepared import Prepared

# ``visible_to`` one reader, by address.
_visible = Prepared(
    lambda users, slugs: Organization.objects.filter(
        grants__user__in=users, slug__in=slugs
    ).with_role()
)


class DeskRequest(HttpRequest):
    """A request of a signed-in user to one organization of theirs (a type: desk_view adds the fields)."""

    user: User
    organization: Organization
    role: Role
    may: Callable[[str], bool]


def _forget_what_was_posted(request: HttpRequest) -> None:
    # allauth keeps a POST in the session until the password was typed; a GET it only comes back to.
    request.method = "GET"
    messages.warning(
        request, _("Your last sign-in is too long ago. Paste the key once more: it was not kept.")
    )


def _keep_apart_from_its_query(request: HttpRequest) -> None:
    # allauth takes a POST up again only if the address it is sent back to has no query: what the query
    # said stays in ``request.GET``, which is kept along with the POST.
    request.GET  # noqa: B018 - reading it parses it, before it is gone
    request.META["QUERY_STRING"] = ""


def must_be_fresh(request: HttpRequest, *actions: str) -> None:
    """Ask for the password where any of ``actions`` wants a fresh sign-in, and go on with it afterwards.

    For views whose own action does not say what they are about to do: a batch holds changes of any kind.
    """
    wanted = any(POLICY[action].fresh for action in actions)
    if wanted and is_reauthentication_required(request, app=""):
        raise ReauthenticationRequired


def ask_for_fresh_sign_in(request: HttpRequest) -> None:
    """Ask for the password unless there was a sign-in just now; what was posted goes on afterwards."""
    if is_reauthentication_required(request, app=""):
        if request.method == "POST":
            _keep_apart_from_its_query(request)
        raise ReauthenticationRequired


def no_access(organization: Organization, action: str) -> Exception:
    """What keeps out whoever may not do ``action``.

    What is of one person's own desk is absent elsewhere, and the other way round, whoever asks.
    """
    if organization.is_personal or is_of_one(action):
        return Http404()
    return PermissionDenied(
        _("Your role here does not allow this. Ask an owner of %(organization)s.")
        % {"organization": organization}
    )


def closed_to_viewers() -> str:
    """What support is told at an address that is closed while it looks through somebody's eyes."""
    return _(
        "You are viewing as somebody else: you can look, and nothing can be changed, taken away as a file, "
        "or seen of what is theirs alone."
    )


def _found(user: User, slug: str) -> Organization:
    found = _visible(users=[user.pk], slugs=[slug])
    if not found or user.viewed_on not in (None, found[0].pk):
        raise Http404
    return found[0]


def _let_in(user: User, role: Role, action: str, organization: Organization) -> None:
    if not role_may(role, action):
        raise no_access(organization, action)
    if user.viewed_on is not None and not shown_to_viewers(action):
        raise PermissionDenied(closed_to_viewers())


P = ParamSpec("P")
View = Callable[Concatenate[Any, P], HttpResponseBase]


def desk_view(
    action: str, *, changes: str | None = None, posts_secret: bool = False
) -> Callable[[View[P]], View[P]]:
    """Make a view reachable at ``/o/<slug>/…`` for those who may do ``action``.

    Another tenant's organization is a 404, the same as one that never was; too small a role is a 403
    that says which is needed; what is of one person's own desk is absent elsewhere, and the other way
    round. ``changes`` is the action that unsafe methods need, where it is another
    one than for reading. Actions whose Rule is ``fresh`` ask for the password again after five minutes
    (for unsafe methods as well: what was posted goes on after signing in). With ``posts_secret``
    what was posted is dropped instead, because keeping it would put a key into the session.
    The view gets ``request.organization``, ``request.role`` and ``request.may(action)``.
    """
    for name in filter(None, (action, changes)):
        POLICY[name]  # a typing error stops the start

    def decorate(view: View[P]) -> View[P]:
        fresh_view = reauthentication_required(view)

        @login_required
        @wraps(view)
        def guarded(request: Any, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            slug = kwargs.pop("slug")
            organization = _found(request.user, str(slug))
            role = Role(organization.held_role)  # type: ignore[attr-defined]  # with_role() adds it
            safe = request.method in ("GET", "HEAD", "OPTIONS")
            needed = changes if changes and not safe else action
            _let_in(request.user, role, needed, organization)
            request.organization, request.role = organization, role
            if request.session.get("organization") != organization.slug:
                request.session["organization"] = organization.slug  # "home" leads back here
            request.may = lambda name: role_may(role, name)
            chosen = fresh_view if POLICY[needed].fresh else view
            try:
                return chosen(request, *args, **kwargs)
            except ReauthenticationRequired:
                if posts_secret and not safe:
                    _forget_what_was_posted(request)
                elif not safe:
                    _keep_apart_from_its_query(request)
                raise

        guarded.access = (action, changes)  # type: ignore[attr-defined]  # read by the role × tenant matrix
        return cast("View[P]", guarded)

    return decorate
