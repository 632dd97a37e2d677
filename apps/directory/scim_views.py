"""SCIM 2.0 (RFC 7644) below ``/scim/v2/<slug>/``, for the identity provider of one organization."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, cast

from django.core.exceptions import RequestDataTooBig
from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import ValidationError
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from scim2_models import (
    ConflictException,
    Error,
    InvalidValueException,
    NotFoundException,
    PreconditionFailedException,
    SCIMException,
    UniquenessException,
)

from apps.directory import scim, services
from apps.directory.models import Directory
from apps.organizations.api_answering import caller
from apps.organizations.api_bodies import JSONBody
from apps.organizations.api_limits import Meter
from apps.organizations.api_tokens import ApiTokenAuthentication, role_of_token
from apps.organizations.demand import factor_is_missing
from apps.organizations.models import ApiToken, Organization
from apps.organizations.policy import role_may
from apps.organizations.services import Refused

MEDIA = "application/scim+json"
COUNT = 100  # resources of one answer, where nobody asks for another number
NOTED_EVERY = timedelta(minutes=1)  # how exactly the last request is known


class ScimBody(JSONBody):
    """SCIM's JSON."""

    media_type = MEDIA


class ScimRenderer(JSONRenderer):
    """The same as an answer."""

    media_type = MEDIA
    charset = "utf-8"


class AnyAccept(BaseContentNegotiation):
    """There is one kind of answer, whatever is asked for."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """SCIM's, or plain JSON; both read the same."""
        return next(iter(parsers), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """SCIM's."""
        return renderers[0], MEDIA


class ScimView(APIView):
    """The door: a token of the organization for its directory, and nothing else, opens it.

    Another organization's token meets the same 404 as an organization that never was.
    """

    authentication_classes = (ApiTokenAuthentication,)
    permission_classes = (IsAuthenticated,)
    parser_classes = (ScimBody,)
    renderer_classes = (ScimRenderer,)
    content_negotiation_class = AnyAccept
    schema = None
    organization: Organization | None = None
    actor: str = ""
    meter: Meter

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        """Nothing is counted yet."""
        self.meter = Meter()
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After signing in: find the organization, and ask whether the token may do this."""
        super().initial(request, *args, **kwargs)
        token = cast("ApiToken", request.auth)
        self.meter.count("caller", caller(request))
        if token.organization.slug != kwargs["slug"]:
            raise Http404
        if token.scope != "scim":
            raise exceptions.PermissionDenied(
                _(
                    "This token is not one for the directory: make one for it under Settings, API tokens."
                )
            )
        # From here on it is this directory that asks: the page says what it was refused, and why.
        self.organization = token.organization
        self.meter.count("organization", token.organization_id)
        if not role_may(role_of_token(token), "grants.change"):
            raise exceptions.PermissionDenied(
                _(
                    "Whoever made this token may not give roles here any more: have an owner make one."
                )
            )
        if factor_is_missing(token.made_by):
            raise exceptions.PermissionDenied(
                _("Whoever made this token must set up a second factor first.")
            )
        self.actor = f"Directory (token {token.name})"  # in no reader's language

    @property
    def base(self) -> str:
        """The address of the service."""
        return self.request.build_absolute_uri(f"/scim/v2/{self.kwargs['slug']}")

    # Refusals

    def handle_exception(self, exc: Exception) -> Response:
        """Every refusal in SCIM's shape."""
        if isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
            exc.auth_header = self.get_authenticate_header(self.request)  # type: ignore[union-attr]  # as REST framework does
        error = _as_error(exc)
        if error is None:
            raise exc
        response = Response(error.model_dump(), status=int(error.status or 400))
        if response.status_code == 401:
            response["WWW-Authenticate"] = "Bearer"
        if wait := getattr(exc, "wait", None):
            response["Retry-After"] = str(wait)
        response.exception = True
        return response

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Note when the directory was heard of, and what it was refused."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        for name, value in self.meter.headers().items():
            answer[name] = value
        if self.organization is not None:
            self._note(answer)
        return answer

    def _note(self, answer: Response) -> None:
        organization = self.organization
        if organization is None:
            return
        kind = type(self).__name__.removeprefix("One").rstrip("s")
        failure = ""
        # Asking for what is not there yet is how identity providers begin.
        if answer.status_code >= 400 and not (
            answer.status_code == 404 and self.request.method == "GET"
        ):
            failure = str((answer.data or {}).get("detail", ""))
        known = Directory.objects.filter(organization=organization).first()
        recent = known and known.asked_at and timezone.now() - known.asked_at < NOTED_EVERY
        # One that asks too often is not written down each time.
        same = answer.status_code == 429 and known and known.status == 429
        if (failure and not same) or not recent:
            services.note_request(
                organization=organization,
                asked=f"{self.request.method} {kind}",
                status=answer.status_code,
                failure=failure,
            )

    # What requests say

    def version(self) -> int | None:
        """The version that ``If-Match`` asks for, None if it asks for none."""
        wanted = self.request.headers.get("If-Match", "").strip()
        if not wanted or wanted == "*":
            return None
        number = wanted.removeprefix("W/").strip('"')
        return int(number) if number.isdecimal() and len(number) < 10 else -1

    def shaped(self, body: dict[str, Any]) -> dict[str, Any]:
        """A resource as ``attributes`` and ``excludedAttributes`` want it."""
        return scim.narrowed(body, self.names("attributes"), self.names("excludedAttributes"))

    def names(self, parameter: str) -> set[str]:
        """Attributes that the query names, lower case; of ``name.givenName`` its first part."""
        given = self.request.query_params.get(parameter, "").split(",")
        names = (one.strip().rsplit(":", 1)[-1].partition(".")[0].lower() for one in given)
        return {one for one in names if one}

    def answer(self, body: dict[str, Any], status: int = 200) -> Response:
        """One resource, with its version and, if it is new, its address."""
        meta = body["meta"]
        headers = {"ETag": meta["version"], "Location": meta["location"]}
        if self.request.method == "GET" and meta["version"] in [
            one.strip() for one in self.request.headers.get("If-None-Match", "").split(",")
        ]:
            return Response(status=304, headers=headers)
        return Response(self.shaped(body), status=status, headers=headers)

    def listed(self, resources: Sequence[dict[str, Any]], total: int, start: int = 1) -> Response:
        """A page of a list."""
        return Response(
            {
                "schemas": [scim.LIST],
                "totalResults": total,
                "startIndex": start,
                "itemsPerPage": len(resources),
                "Resources": [self.shaped(one) for one in resources],
            }
        )

    def paged(self, rows: "QuerySet[Any]") -> tuple[list[Any], int, int]:
        """Rows of the page that is asked for, how many there are in all, and where it begins (from 1)."""
        start, count = max(self._number("startIndex", 1), 1), self._number("count", COUNT)
        total = rows.count()
        wanted = min(max(count, 0), scim.PAGE)
        page = list(rows.order_by("pk")[start - 1 : start - 1 + wanted]) if wanted else []
        return page, total, start

    def _number(self, name: str, default: int) -> int:
        given = self.request.query_params.get(name, "").strip()
        if not given:
            return default
        try:
            return max(min(int(given), 2**31), -1)
        except ValueError:
            raise InvalidValueException(
                detail=_("%(name)s must be a number.") % {"name": name}
            ) from None


def _as_error(exc: Exception) -> Error | None:
    """A refusal, None for what is a mistake of the portal's own."""
    error = exc.to_error() if isinstance(exc, SCIMException) else None
    if isinstance(exc, ValidationError):
        error = Error.from_validation_error(exc.errors()[0])
    if isinstance(exc, exceptions.APIException):
        kind = "invalidSyntax" if isinstance(exc, exceptions.ParseError) else None
        error = Error(status=exc.status_code, scim_type=kind, detail=str(exc.detail))
    if error is None:
        error = _of_ours(exc)
    if error and error.detail and "\n" in error.detail:
        # Of pydantic's explanation for programmers the attribute and what is wrong with it.
        error.detail = ": ".join(line.strip() for line in error.detail.split("\n")[1:3])
    return error


def _of_ours(exc: Exception) -> Error | None:
    said = str(exc)
    nothing = _("There is nothing here.")
    match exc:
        case services.Taken():
            return UniquenessException(detail=said).to_error()
        case services.Absent() if said:
            return InvalidValueException(detail=said).to_error()
        case services.Absent() | Http404():
            return NotFoundException(detail=nothing).to_error()
        case services.Changed():
            again = _("It has changed since: read it again.")
            return PreconditionFailedException(detail=again).to_error()
        case Refused():
            return ConflictException(detail=said).to_error()
        case IntegrityError():
            again = _("Somebody else has made the same at this moment. Send it again.")
            return UniquenessException(detail=again).to_error()
        case RequestDataTooBig():
            return Error(status=413, detail=_("That is too much at once. Send it in parts."))
    return None
