"""What every answer of the API has in common: chosen fields, a version of what was read, what is left to ask."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.cache import get_conditional_response, patch_vary_headers, set_response_etag
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.organizations.api_limits import Meter
from apps.organizations.models import ApiToken

FIELDS = "fields"
SAFE = ("GET", "HEAD")
PAGE = frozenset({"next", "previous", "results"})


class AnsweringMixin(APIView):
    """Mix into every view of the API.

    ``?fields=a,b`` on what is read answers with these fields alone: of the object, or of each row of a
    list. An answer to GET has an ETag, and to ``If-None-Match`` with the same it is a 304 without a body.
    Requests are counted by caller, and what is left stands in the headers.

    ``shapes``: REST framework action (or, in a plain view, lower-case method) → the serializer of its
    answer, where that is not ``serializer_class``.
    """

    shapes: ClassVar[Mapping[str, type[serializers.BaseSerializer[Any]]]] = {}
    serializer_class: type[serializers.BaseSerializer[Any]] | None = None
    meter: Meter
    _only: tuple[str, ...] = ()

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        """Nothing is counted yet."""
        self.meter = Meter()
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Count the request once it is known who asks, and see that the fields asked for exist."""
        super().initial(request, *args, **kwargs)
        self.meter.count("caller", caller(request))
        if request.method in SAFE and FIELDS in request.query_params:
            self._only = self._chosen(request.query_params[FIELDS])

    @classmethod
    def shape_of(cls, action: str | None) -> type[serializers.BaseSerializer[Any]] | None:
        """The serializer of what ``action`` answers; None where it is no object."""
        return cls.shapes.get(action or "", cls.serializer_class)

    @classmethod
    def field_names(cls, action: str | None) -> list[str]:
        """The fields that its answer can be narrowed to."""
        shape = cls.shape_of(action)
        made = shape() if shape is not None else None
        return list(made.fields) if isinstance(made, serializers.Serializer) else []

    def _chosen(self, asked: str) -> tuple[str, ...]:
        action = getattr(self, "action", None) or "get"
        names = tuple(name.strip() for name in asked.split(","))
        known = self.field_names(action)
        unknown = [name for name in names if name not in known]
        if unknown:
            told = _("There is no field “%(name)s” here. There are: %(known)s.") % {
                "name": unknown[0][:60],
                "known": ", ".join(known),
            }
            raise serializers.ValidationError({FIELDS: [told]})
        return names

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Narrow it, say what is left, and have it versioned once it is written."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        self._counted(answer)
        answer.headers.setdefault("Cache-Control", "private, no-cache")
        patch_vary_headers(answer, ["Authorization", "Cookie"])
        if request.method in SAFE and answer.status_code == 200:
            if self._only:
                answer.data = self._narrowed(answer.data)
            answer.add_post_render_callback(lambda told: self._versioned(request, told))
        return answer

    def _narrowed(self, data: Any) -> Any:
        if isinstance(data, list):
            return [{name: row[name] for name in self._only} for row in data]
        if set(data) == PAGE:
            return {**data, "results": self._narrowed(data["results"])}
        return {name: data[name] for name in self._only}

    def _versioned(self, request: Request, answer: Any) -> Any:
        set_response_etag(answer)
        found = get_conditional_response(request._request, etag=answer["ETag"], response=answer)
        return self._counted(found)

    def _counted(self, answer: Any) -> Any:
        for name, value in self.meter.headers().items():
            answer[name] = value
        return answer


def caller(request: Request) -> str:
    """Whose request it is, to be counted: a token, a person, or a supporter who looks through one's eyes."""
    if isinstance(request.auth, ApiToken):
        return f"token:{request.auth.pk}"
    viewing = getattr(request._request, "viewing", None)
    return f"user:{viewing.supporter_id if viewing else request.user.pk}"
