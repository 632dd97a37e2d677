"""The one door of the API to what belongs to an organization: ``desk_view`` for REST framework."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, ClassVar, cast

from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from django.core.exceptions import RequestDataTooBig
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import exceptions
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler

from apps.accounts.models import User
from apps.organizations.access import closed_to_viewers
from apps.organizations.api_answering import AnsweringMixin
from apps.organizations.api_tokens import ApiTokenAuthentication, role_of_token
from apps.organizations.demand import factor_is_missing
from apps.organizations.models import ApiToken, Organization, Role
from apps.organizations.policy import POLICY, is_of_one, role_may, role_of, shown_to_viewers
from apps.providers.masking import mask_text


class ApiTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # theirs has no types
    """How the OpenAPI file speaks of tokens; subclassing registers it."""

    target_class = ApiTokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """The Bearer header."""
        words = "A token that you make under Tokens in the portal; it starts with odk_."
        return {"type": "http", "scheme": "bearer", "description": words}


class SecondFactorMissing(exceptions.PermissionDenied):
    """The token's user must set up a second factor first."""

    default_detail = gettext_lazy(
        "Your role may change things here: sign in to the portal and set up a second factor."
    )


class FreshSignInNeeded(exceptions.PermissionDenied):
    """The act asks for a sign-in of the last five minutes, which a token cannot give."""

    default_detail = gettext_lazy(
        "This asks for a sign-in of the last five minutes with a browser: sign in to the portal again. "
        "No token can show one."
    )


class SignInNeeded(exceptions.PermissionDenied):
    """The act is of one person, and no token's."""

    default_detail = gettext_lazy("No token does this: sign in to the portal with a browser.")


class TooLong(exceptions.APIException):
    """A body longer than Django reads (DATA_UPLOAD_MAX_MEMORY_SIZE)."""

    status_code = 413
    default_detail = gettext_lazy("That is too much at once. Send it in parts.")


class DeskAPIMixin(AnsweringMixin):
    """Mix into an API view or viewset below ``…/<slug:slug>/``.

    ``actions``: what each REST framework action (or, in a plain view, lower-case method) needs of
    ``policy.POLICY``; ``"*"`` is for all others. What is listed nowhere is refused. The view gets
    ``self.organization`` and ``self.role``. Another tenant's organization is a 404.
    """

    actions: ClassVar[dict[str, str]] = {}
    of_organization: ClassVar[bool] = True  # asked by whoever has an address and no view
    organization: Organization
    role: Role

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After signing in and before the view: find the organization and ask the policy."""
        super().initial(request, *args, **kwargs)
        if request.method == "OPTIONS" and not hasattr(self, "action"):
            return
        self.organization = self._organization(request, kwargs["slug"])
        if self.actor.viewed_on is None:  # what support looks at is no customer's to pay for
            self.meter.count("organization", self.organization.pk)
        role = role_of(request.user, self.organization)
        name = getattr(self, "action", None) or (request.method or "").lower()
        needed = self.actions.get(name, self.actions.get("*", ""))
        if not needed and name not in ("metadata", None):
            raise exceptions.MethodNotAllowed(request.method or "")
        of_another_sort = needed and (self.organization.is_personal or is_of_one(needed))
        if of_another_sort and not role_may(role, needed):
            raise Http404  # there is no such thing here, whoever asks
        if role is None or not role_may(role, needed or "organization.read"):
            raise exceptions.PermissionDenied(_("Your role here does not allow this."))
        if self.actor.viewed_on is not None and not (needed and shown_to_viewers(needed)):
            raise exceptions.PermissionDenied(closed_to_viewers())
        self.role = role
        self._check_sign_in(request, needed)

    def _organization(self, request: Request, slug: str) -> Organization:
        visible = Organization.objects.visible_to(request.user)
        if isinstance(request.auth, ApiToken):
            visible = visible.filter(pk=request.auth.organization_id)
        organization = visible.filter(slug=slug).first()
        if organization is None:
            raise Http404
        return organization

    def _check_sign_in(self, request: Request, action: str) -> None:
        by_token = isinstance(request.auth, ApiToken)
        # Sessions are held up by MFADemandMiddleware.
        if by_token and isinstance(request.user, User) and factor_is_missing(request.user):
            raise SecondFactorMissing
        fresh = not by_token and not is_reauthentication_required(request._request, app="")
        if action and POLICY[action].fresh and not fresh:
            raise FreshSignInNeeded

    @property
    def actor(self) -> User:
        """Who acts: nobody comes this far without signing in."""
        return cast("User", self.request.user)

    def may(self, action: str) -> bool:
        """Whether the caller's role allows ``action`` of the policy."""
        return role_may(self.role, action)


class OwnAPIMixin(AnsweringMixin):
    """Mix into an API view of the caller's own account, which belongs to no organization.

    It is for whoever has signed in. With ``read_by_token`` somebody's own token may look, as long as it may
    do anything; an organization's token is nobody's own, and none changes anything here.
    """

    read_by_token: ClassVar[bool] = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After signing in and before the view."""
        super().initial(request, *args, **kwargs)
        token = request.auth
        if not isinstance(token, ApiToken):
            return  # sessions are held up by MFADemandMiddleware
        looks = self.read_by_token and request.method in SAFE_METHODS
        if not looks or token.is_service or role_of_token(token) is None:
            raise SignInNeeded
        if factor_is_missing(self.actor):
            raise SecondFactorMissing

    @property
    def actor(self) -> User:
        """Whose account it is: nobody comes this far without signing in."""
        return cast("User", self.request.user)


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every error of the API as ``application/problem+json`` (RFC 9457).

    What is wrong with what was sent stands under ``errors``: ``pointer`` is its place in the body, or
    the parameter's name, as a JSON pointer ("#/0/email"), ``detail`` says why. A key that was sent where
    none belongs, even as a field's name, is masked in both.
    """
    if isinstance(error, RequestDataTooBig):
        error = TooLong()
    response = exception_handler(error, context)
    if response is None:
        return None
    status = HTTPStatus(response.status_code)
    given = response.data
    body: dict[str, Any] = {"type": "about:blank", "title": status.phrase, "status": status.value}
    if status == HTTPStatus.NOT_FOUND:
        # Word for word the same, whether it never was or is another tenant's.
        body["detail"] = _("There is nothing here. See /api/v1/docs/ for what there is.")
    elif isinstance(given, dict) and set(given) == {"detail"}:
        body["detail"] = mask_text(str(given["detail"]))
    else:
        body["detail"] = _("Some of what was sent cannot be used.")
        body["errors"] = list(_pointed(given, "#"))
    response.data = body | getattr(error, "more", {})
    response.content_type = "application/problem+json"
    return response


def _pointed(given: Any, pointer: str) -> Iterator[dict[str, str]]:
    """REST framework's nested errors, flat."""
    if isinstance(given, dict):
        for name, inner in given.items():
            # What concerns the whole is said of the whole.
            at = pointer if name == api_settings.NON_FIELD_ERRORS_KEY else f"{pointer}/{name}"
            yield from _pointed(inner, at)
    elif isinstance(given, list):
        for number, inner in enumerate(given):
            at = f"{pointer}/{number}" if isinstance(inner, dict | list) else pointer
            yield from _pointed(inner, at)
    else:
        yield {"pointer": mask_text(pointer), "detail": mask_text(str(given))}
