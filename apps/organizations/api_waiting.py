"""How long a caller of the API prefers to wait for an answer: ``Prefer: wait=N`` (RFC 7240)."""

import re

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

LONGEST_WAIT = 10  # seconds

PREFER = OpenApiParameter(
    "Prefer",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description=f"`wait=N`: answer once it is settled, or after N seconds (at most {LONGEST_WAIT}).",
)


def patience(request: Request) -> int | None:
    """Seconds that the caller prefers to wait, None if nothing was said."""
    asked = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", request.headers.get("Prefer", ""))
    return min(int(asked.group(1)), LONGEST_WAIT) if asked else None
