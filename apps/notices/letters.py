"""What a delivery carries. Each kind of delivery has a writer, registered in ``AppConfig.ready()``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db.models import Model

from apps.notices.models import Delivery


@dataclass(frozen=True, slots=True)
class Attached:
    """A file of a mail."""

    name: str
    content: bytes = field(repr=False)
    mime: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter for one receiver: as a mail, and as a webhook's ``type`` and ``data``."""

    subject: str
    text: str
    html: str = ""
    attached: Sequence[Attached] = ()
    type: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


class Withheld(Exception):
    """This may not be sent, or not any more; the message says why, for the delivery's log."""


# Writes the letter at the moment of sending, so that whoever lost their Grant meanwhile gets none.
Writer = Callable[[Delivery], Letter]
WRITERS: dict[str, Writer] = {}
# Called in the transaction that settles a delivery.
_followers: list[Callable[[Delivery], None]] = []


def register(kind: str, writer: Writer) -> None:
    """Have ``writer`` write what deliveries of ``kind`` carry; it raises Withheld where it must not."""
    WRITERS[kind] = writer


def write(delivery: Delivery) -> Letter:
    """The letter of a delivery; Withheld if it must not be sent."""
    return WRITERS[delivery.kind](delivery)


def absolute(path: str) -> str:
    """An address of this portal as a mail needs it."""
    return f"{settings.PORTAL_URL}{path}"


def one_line(text: str, most: int = 200) -> str:
    """A text for a subject: no line breaks, not too long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def subject_of(delivery: Delivery, model: type[Model]) -> Any:
    """The row that a delivery is about; Withheld if it is gone."""
    found = model._default_manager.filter(
        pk=delivery.subject_id, organization_id=delivery.organization_id
    ).first()
    if found is None:
        raise Withheld("What it was about is gone.")
    return found
