"""What the OpenAPI file says of every operation alike: fields, versions, limits, errors, examples."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from apps.organizations.api_answering import FIELDS, AnsweringMixin
from apps.organizations.api_examples import Examples

PROBLEM = "application/problem+json"
JSON = "application/json"
# Errors that any operation may answer with: status, name, when, and what it says then.
_ERRORS: tuple[tuple[int, str, str, dict[str, Any]], ...] = (
    (
        400,
        "BadRequest",
        "Some of what was sent cannot be used: `errors` says what, and where it stands.",
        {
            "detail": "Some of what was sent cannot be used.",
            "errors": [{"pointer": "#/0/email", "detail": "Enter a valid email address."}],
        },
    ),
    (
        401,
        "Unauthorized",
        "Neither a token nor a session, or one that has ended.",
        {"detail": "Invalid token."},
    ),
    (
        403,
        "Forbidden",
        "Your role does not allow it, your second factor is missing, or it asks for a fresh sign-in.",
        {"detail": "Your role here does not allow this."},
    ),
    (
        404,
        "NotFound",
        "There is no such thing here, or it is another organization's.",
        {"detail": "There is nothing here. See /api/v1/docs/ for what there is."},
    ),
    (
        406,
        "NotAcceptable",
        "Answers are JSON: Accept must allow it.",
        {"detail": "Could not satisfy the request Accept header."},
    ),
    (
        409,
        "Conflict",
        "The portal refuses: the reason is in the detail, and `change` is what stands in the way.",
        {
            "detail": "Another change of this is under way.",
            "change": "https://desk.example/api/v1/organizations/northgate/changes/"
            "7f0c9c1e-5b1f-4f0e-9d3c-2a4b6c8d0e1f/",
        },
    ),
    (
        413,
        "TooLarge",
        "The body is longer than the portal reads.",
        {"detail": "That is too much at once. Send it in parts."},
    ),
    (
        415,
        "UnsupportedMediaType",
        "Bodies are JSON.",
        {"detail": "Unsupported media type “text/plain” in request."},
    ),
    (
        422,
        "KeyReused",
        "The Idempotency-Key was used for something else.",
        {
            "detail": "This Idempotency-Key was used for something else before. "
            "Take a new key for a new change."
        },
    ),
    (
        429,
        "TooManyRequests",
        "Asked too often: `Retry-After` says in how many seconds to ask again.",
        {
            "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "detail": "You have asked too often. Ask again in 42 seconds.",
            "violated-policies": ["caller"],
        },
    ),
)
_NAMES = {str(status): name for status, name, _when, _says in _ERRORS}
_OF_ALL = ("400", "401", "403", "404", "406", "429")
_OF_BODIES = ("413", "415")
_HEADERS = {
    "ETag": ("The version of what was read.", '"5d41402abc4b2a76b9719d911017c592"'),
    "RateLimit": (
        "What is left of each policy.",
        '"caller";r=599;t=42, "organization";r=2871;t=42',
    ),
    "RateLimit-Policy": (
        "How many requests are answered in a window of seconds.",
        '"caller";q=600;w=60, "organization";q=3000;w=60',
    ),
    "Retry-After": ("Seconds until it can be asked again.", "42"),
}
_LIMITS = ("RateLimit", "RateLimit-Policy")


class DeskSchema(AutoSchema):
    """Names the fields that an answer can be narrowed to."""

    def get_override_parameters(self) -> list[Any]:
        """``fields`` on what is read."""
        given: list[Any] = super().get_override_parameters()
        if self.method != "GET" or not isinstance(self.view, AnsweringMixin):
            return given
        names = self.view.field_names(getattr(self.view, "action", None) or "get")
        if not names:
            return given
        words = (
            f"Answer with these alone, by commas: {', '.join(names)}. "
            "What is left out is missing from the answer."
        )
        return [*given, OpenApiParameter(FIELDS, OpenApiTypes.STR, description=words)]


def finish(result: Any, generator: Any, request: Any, public: bool) -> Any:
    """Hook of drf-spectacular: add to the whole file what holds for every operation."""
    components = result["components"]
    components["headers"] = {
        name: {"description": words, "schema": {"type": "string"}, "example": example}
        for name, (words, example) in _HEADERS.items()
    }
    components["parameters"] = {
        "IfNoneMatch": {
            "name": "If-None-Match",
            "in": "header",
            "schema": {"type": "string"},
            "description": "The ETag of an earlier answer: 304 without a body if it still holds.",
        }
    }
    components["responses"] = dict(_responses())
    examples = Examples(components["schemas"])
    for path, method, operation in _operations(result):
        _finish_operation(operation, method, examples, below="{slug}" in path)
    components["examples"] = examples.told()
    result["components"] = {name: components[name] for name in sorted(components)}
    return result


def _operations(result: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in result["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _responses() -> Iterator[tuple[str, Any]]:
    for status, name, when, says in _ERRORS:
        example = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            **says,
        }
        schema = {"$ref": "#/components/schemas/Problem"}
        one: dict[str, Any] = {
            "description": when,
            "content": {PROBLEM: {"schema": schema, "example": example}},
        }
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            one["headers"] = _headers("Retry-After", *_LIMITS)
        yield name, one


def _finish_operation(operation: Any, method: str, examples: Examples, *, below: bool) -> None:
    # What the page of the file shows beside each address: of the description, its first sentence.
    operation["summary"] = operation["description"].partition(". ")[0].removesuffix(".")
    responses = operation["responses"]
    for status, response in responses.items():
        if not status.startswith("2"):
            continue
        response["headers"] = response.get("headers", {}) | _headers(*_LIMITS)
        if body := response.get("content", {}).get(JSON):
            body["examples"] = examples.of(body["schema"])
        if not response.get("description"):
            response["description"] = HTTPStatus(int(status)).phrase
    if method == "get":
        operation.setdefault("parameters", []).append(
            {"$ref": "#/components/parameters/IfNoneMatch"}
        )
        responses["200"]["headers"] |= _headers("ETag")
        responses["304"] = {"description": "It still is what it was.", "headers": _headers("ETag")}
    errors = set(_OF_ALL) | (set(_OF_BODIES) if "requestBody" in operation else set())
    if not below:
        errors -= {"403", "404"}
    errors |= {status for status in responses if status in _NAMES}
    if any(one.get("name") == "Idempotency-Key" for one in operation.get("parameters", ())):
        errors |= {"409", "422"}
    for status in errors:
        responses[status] = {"$ref": f"#/components/responses/{_NAMES[status]}"}
    operation["responses"] = {status: responses[status] for status in sorted(responses)}
