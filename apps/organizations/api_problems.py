"""Errors of the API (RFC 9457) as its file describes them, and the portal's own No."""

from typing import Any, ClassVar

from django.core.exceptions import NON_FIELD_ERRORS
from django.forms import BaseForm
from drf_spectacular.utils import OpenApiResponse
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.views import APIView


class ProblemError(serializers.Serializer[Any]):
    """One thing that is wrong with what was sent."""

    pointer = serializers.CharField(help_text="JSON pointer to it: #/0/email")
    detail = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    """An error, as application/problem+json (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = ProblemError(many=True, required=False)  # type: ignore[assignment]  # likewise a field
    change = serializers.URLField(required=False, help_text="The change that stands in the way.")


PROBLEM = "application/problem+json"
PROBLEMS: dict[Any, Any] = {
    (code, PROBLEM): OpenApiResponse(Problem, description=words)
    for code, words in {
        400: "Some of what was sent cannot be used.",
        403: "Your role does not allow it, or your second factor is missing.",
        404: "There is no such thing here.",
        409: "The portal refuses: the reason is in the detail.",
        422: "The Idempotency-Key was used for something else.",
    }.items()
}


def answers(
    shape: Any, status: int = 200, codes: tuple[int, ...] = (400, 403, 404, 409)
) -> dict[Any, Any]:
    """What an act on the portal's own things answers with: ``shape``, or a problem of one of ``codes``."""
    return {status: shape} | {(code, PROBLEM): PROBLEMS[code, PROBLEM] for code in codes}


class Conflict(exceptions.APIException):
    """The portal's own No, with its reason."""

    status_code = 409

    def __init__(self, detail: str, more: dict[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.more = more or {}


def of_form(form: BaseForm, **names: str) -> serializers.ValidationError:
    """What a page's form finds wrong, as a 400. ``names``: its field → the API's, where they differ."""
    return serializers.ValidationError(
        {
            names.get(name, "non_field_errors" if name == NON_FIELD_ERRORS else name): [
                str(one) for one in why
            ]
            for name, why in form.errors.items()
        }
    )


class RefusingMixin(APIView):
    """Mix into a view whose services refuse: what is of ``refusals`` is a 409 in its own words, or a 400
    where it names a field."""

    refusals: ClassVar[tuple[type[Exception], ...]] = ()

    def handle_exception(self, exc: Exception) -> Response:
        """As above."""
        if isinstance(exc, self.refusals):
            field = getattr(exc, "field", "")
            said = str(exc)
            exc = serializers.ValidationError({field: [said]}) if field else Conflict(said)
        return super().handle_exception(exc)
