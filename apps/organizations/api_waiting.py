"""How long a caller of the API prefers to wait for an answer: ``Prefer: wait=N`` (RFC 7240)."""

import re
from time import monotonic

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


class Patience:
    """How long the caller prefers to wait; the time counts from when it is made."""

    def __init__(self, request: Request) -> None:
        asked = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", request.headers.get("Prefer", ""))
        self.asked = min(int(asked.group(1)), LONGEST_WAIT) if asked else None
        self._began = monotonic()

    @property
    def seconds(self) -> float:
        """To wait at most, 0 if nothing was said."""
        return float(self.asked or 0)

    def heeded(self, *, settled: bool) -> dict[str, str]:
        """The header that says so: it is settled, or so long was waited. Where too many wait already,
        and where only a person can settle it, the answer came at once instead."""
        if self.asked is None or not (settled or monotonic() - self._began >= self.asked):
            return {}
        return {"Preference-Applied": f"wait={self.asked}"}
