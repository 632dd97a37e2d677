"""One file for a ticket: what is known of an organization's trouble, without secrets and with few names.

Shelves add sections in ``AppConfig.ready()``. Whatever they give goes through ``Redactor``: keys are hidden
(``providers.masking``), addresses keep their first letter and domain, names of people are replaced. Both get
a mark of their own, the same wherever they stand, so that lines about one person can still be told.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.audit.record import record
from apps.organizations.health import health_of, with_freshness
from apps.organizations.models import Connection, Grant, Organization
from apps.providers.masking import mask

FORMAT = 1
CHUNK = 500
_ADDRESS = re.compile(r"[\w.+%'\-]+@[\w\-]+(?:\.[\w\-]+)+")
# Fields of arguments and details that hold a person's name, or may.
_NAMES = {"name", "first_name", "last_name", "full_name", "display_name", "displayName", "actor"}


@dataclass(frozen=True, slots=True)
class Span:
    """What is asked for: from ``since`` up to ``until``."""

    organization: Organization
    since: datetime
    until: datetime


# Gives rows as JSON can say them, or with values that ``str`` says.
Section = Callable[[Span], Iterator[dict[str, Any]]]
SECTIONS: dict[str, Section] = {}


def add(name: str, section: Section) -> None:
    """Have a section in the file; for a shelf's ``ready()``."""
    SECTIONS[name] = section


class Redactor:
    """Takes secrets, addresses and the names of the portal's users out of what it is given."""

    def __init__(self, organization: Organization) -> None:
        here = Grant.objects.filter(organization=organization).values("user")
        # Notes name whoever has acted, also those who have left since and those of support.
        acted = Entry.objects.filter(organization_id=organization.pk, actor_id__isnull=False)
        known = User.objects.filter(Q(pk__in=here) | Q(pk__in=acted.order_by().values("actor_id")))
        found = set(known.exclude(name="").values_list("name", flat=True))
        names = sorted(found, key=len, reverse=True)
        self._users = (
            re.compile("|".join(rf"\b{re.escape(one)}\b" for one in names)) if names else None
        )

    def clean(self, value: Any) -> Any:
        """``value`` without them; its shape stays."""
        return self._walk(mask(value))

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(str(key)): self._field(key, inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._walk(inner) for inner in value]
        return value

    def _field(self, key: object, inner: Any) -> Any:
        if key in _NAMES and isinstance(inner, str) and inner and "@" not in inner:
            return short_name(inner)
        return self._walk(inner)

    def _text(self, text: str) -> str:
        text = _ADDRESS.sub(lambda found: short_address(found.group()), text)
        return (
            self._users.sub(lambda found: short_name(found.group()), text) if self._users else text
        )


def _mark(text: str) -> str:
    return salted_hmac("orgdesk.evidence", text.lower()).hexdigest()[:8]


def short_address(address: str) -> str:
    """ "a…@acme.example#1f2e3d4c": the mark is the same for the same address, in any case."""
    local, _at, domain = address.rpartition("@")
    return f"{local[:1].lower()}…@{domain.lower()}#{_mark(address)}"


def short_name(name: str) -> str:
    """ "A…#1f2e3d4c"."""
    return f"{name[:1]}…#{_mark(name)}"


def stream(span: Span) -> Iterator[str]:
    """The file as JSON, a row at a time."""
    redactor = Redactor(span.organization)

    def written(value: Any) -> str:
        return json.dumps(redactor.clean(value), ensure_ascii=False, default=str)

    heading = {
        "format": FORMAT,
        "taken_at": timezone.now(),
        "since": span.since,
        "until": span.until,
        "personal_data": "Addresses: first letter and domain. Names: first letter. The mark after # is "
        "the same for the same person.",
    }
    yield "{\n"
    for key, value in heading.items():
        yield f"{json.dumps(key)}: {json.dumps(value, default=str)},\n"
    for number, (name, section) in enumerate(SECTIONS.items()):
        yield f"{',' if number else ''}{json.dumps(name)}: ["
        for place, row in enumerate(section(span)):
            yield f"{',' if place else ''}\n  {written(row)}"
        yield "]\n"
    yield "}\n"


# --- What this shelf has -------------------------------------------------------------------------


def _organization(span: Span) -> Iterator[dict[str, Any]]:
    one = span.organization
    yield {
        "id": one.pk,
        "organization": str(one),
        "slug": one.slug,
        "created_at": one.created_at,
        "demand_mfa": one.demand_mfa,
        "demand_second_person": one.demand_second_person,
        "put_back_at": one.put_back_at,
        "sending_stopped_at": one.sending_stopped_at,
    }


_OF_CONNECTION = (
    "uid",
    "provider",
    "base_url",
    "state",
    "remote_organization_id",
    "probe",
    "capabilities",
    "requests_per_minute",
    "frozen_at",
    "frozen_reason",
    "failures",
    "breaker_open_until",
    "last_error",
    "last_error_at",
    "last_ok_at",
    "created_at",
    "disconnected_at",
)


def _connections(span: Span) -> Iterator[dict[str, Any]]:
    rows = Connection.objects.confirmed().filter(organization=span.organization)
    for row in with_freshness(rows).order_by("pk"):
        told = {name: getattr(row, name) for name in _OF_CONNECTION}
        health = health_of(row)
        yield {
            "id": row.pk,
            "connection": row.name,
            **told,
            "uid": str(row.uid),
            "condition": {"level": health.level, "headline": health.headline, "said": health.said},
        }


def _audit(span: Span) -> Iterator[dict[str, Any]]:
    """Without what a line was about in words, and without addresses of machines."""
    rows = Entry.objects.filter(
        organization_id=span.organization.pk, at__gte=span.since, at__lte=span.until
    )
    for row in rows.order_by("at", "pk").iterator(chunk_size=CHUNK):
        yield {
            "sequence": row.sequence,
            "at": row.at,
            "actor": row.actor,
            "source": row.source,
            "verb": row.verb,
            "target_type": row.target_type,
            "target_id": row.target_id,
            "connection": row.connection_id,
            "command": row.command_id,
            "details": row.details,
            "request_id": row.request_id,
            "hash": row.hash,
        }


def register() -> None:
    """Make this shelf's known."""
    add("organization", _organization)
    add("connections", _connections)
    add("audit", _audit)


def note_taken(organization: Organization, actor: User, since: date, until: date) -> None:
    """A line in the organization's own log, before the first byte leaves."""
    with transaction.atomic(durable=True):
        record(
            organization=organization,
            actor=actor,
            verb="support.evidence",
            target=organization,
            details={"since": since.isoformat(), "until": until.isoformat()},
        )
