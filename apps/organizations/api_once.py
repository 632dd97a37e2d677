"""The same request sent twice is one: ``Idempotency-Key``.

Changes at a provider keep it as their nonce, for ever. What the portal makes of its own is unique by its name
or content anyway: there the key brings the same answer again, for a day, but for what is shown once.
"""

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.core.cache import cache
from django.db.models import QuerySet
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from apps.organizations.api_problems import Conflict
from apps.organizations.models import ApiToken

LONGEST_KEY = 255
KEPT = 24 * 60 * 60  # seconds that an answer is given again
AT_WORK = 60  # seconds that a first request may take before another of its key is let through

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The same key with the same content gives the same change, however often it is sent.",
)


class KeyReused(exceptions.APIException):
    """An Idempotency-Key that came with other content before."""

    status_code = 422
    default_detail = gettext_lazy(
        "This Idempotency-Key was used for something else before. Take a new key for a new change."
    )


@dataclass(frozen=True, slots=True)
class Once:
    """What makes a request the same as an earlier one: who sent which key, and with what content.

    Both halves are 32 hexadecimal digits; together they are the nonce of what is asked for.
    """

    key: str
    content: str

    @property
    def nonce(self) -> str:
        """The whole."""
        return self.key + self.content

    def earlier(self, rows: QuerySet[Any]) -> Any:
        """The one of ``rows`` that came of this request before, None if none. KeyReused for another.

        One query, by a range that the unique index on the nonce answers.
        """
        found = rows.filter(nonce__gte=self.key, nonce__lt=f"{self.key}g").first()
        if found and found.nonce != self.nonce:
            raise KeyReused
        return found


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def once(request: Request) -> Once:
    """The request's identity; one of its own where no Idempotency-Key was sent."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return Once(uuid.uuid4().hex, uuid.uuid4().hex)
    if not key or len(key) > LONGEST_KEY:
        raise exceptions.ValidationError(
            {
                "Idempotency-Key": [
                    _("An Idempotency-Key has 1 to %(most)d characters.") % {"most": LONGEST_KEY}
                ]
            }
        )
    holder = request.auth.token_key if isinstance(request.auth, ApiToken) else ""
    return Once(
        _digest(request.user.pk, holder, key),
        _digest(request.method, request.path, request.data),
    )


P = ParamSpec("P")
Act = Callable[Concatenate[Any, Request, P], Response]


def answered_once(act: Act[P]) -> Act[P]:
    """Have an act on the portal's own things answer one Idempotency-Key once: sent again with the same
    content it does nothing and gives the first answer, for a day.

    KeyReused for other content, Conflict while the first is still being answered. What was refused is not
    kept: it may be sent again. The cache holds the answers; if it loses one, the act is done anew, as
    without a key. What is kept of the content is a keyed hash: a key that somebody pasted cannot be
    guessed from it.
    """
    return _once_but(act, ())


def shown_once(*fields: str) -> Callable[[Act[P]], Act[P]]:
    """The same for an act whose answer shows, in ``fields``, what nothing shows again.

    That is kept nowhere: neither by whoever passes the answer on, nor for the same key, which is given the
    first answer with null in these fields.
    """

    def decorate(act: Act[P]) -> Act[P]:
        @wraps(act)
        def shown(view: Any, request: Request, *args: P.args, **kwargs: P.kwargs) -> Response:
            answer = act(view, request, *args, **kwargs)
            answer["Cache-Control"] = "no-store"
            return answer

        return _once_but(cast("Act[P]", shown), fields)

    return decorate


def _once_but(act: Act[P], hidden: tuple[str, ...]) -> Act[P]:
    @wraps(act)
    def answered(view: Any, request: Request, *args: P.args, **kwargs: P.kwargs) -> Response:
        if "Idempotency-Key" not in request.headers:
            return act(view, request, *args, **kwargs)
        this = once(request)
        content = salted_hmac("orgdesk.api-once", this.content, algorithm="sha256").hexdigest()
        place = f"api-once:{view.organization.pk}:{this.key}"
        if not cache.add(place, (content, None), AT_WORK) and (before := cache.get(place)):
            return _again(before, content)
        try:
            answer = act(view, request, *args, **kwargs)
        except BaseException:  # whatever it was: the same may be sent again
            cache.delete(place)
            raise
        kept = {**answer.data, **dict.fromkeys(hidden)} if hidden else answer.data
        body = None if kept is None else JSONRenderer().render(kept)
        cache.set(place, (content, (answer.status_code, body)), KEPT)
        return answer

    return cast("Act[P]", answered)


def _again(before: Any, content: str) -> Response:
    earlier, answer = before
    if content != earlier:
        raise KeyReused
    if answer is None:
        raise Conflict(_("The same request is being answered. Send it again in a moment."))
    status, body = answer
    return Response(None if body is None else json.loads(body), status)
