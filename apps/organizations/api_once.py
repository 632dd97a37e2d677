"""The same request sent twice is one: ``Idempotency-Key``."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import exceptions
from rest_framework.request import Request

from apps.organizations.models import ApiToken

LONGEST_KEY = 255

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
