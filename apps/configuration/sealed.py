"""Secrets that are typed into the settings: sealed in their Command until it is over, then wiped.

The Command's ``document`` has them masked. Where it has new ones, ``secret`` is the whole document,
sealed, and ``has_secrets`` stays as a mark: without it a later sending would put the old ones back.
"""

from typing import Any

import msgspec
from django.utils.translation import gettext as _

from apps.organizations.models import Connection
from apps.organizations.sealing import SealBroken, seal, unseal
from apps.providers.errors import Refused
from apps.providers.masking import mask
from apps.sync.models import Command


def _place(connection: Connection) -> dict[str, Any]:
    return {
        "organization_id": connection.organization_id,
        "connection_uid": connection.uid,
        "field": "remote config",
    }


def as_arguments(connection: Connection, document: dict[str, Any] | None) -> dict[str, Any]:
    """What a Command holds of a typed document."""
    hidden = mask(document)
    if hidden == document:
        return {"document": document}
    text = msgspec.json.encode(document).decode()
    return {
        "document": hidden,
        "has_secrets": True,
        "secret": seal(text, **_place(connection)),
    }


def typed_document(command: Command) -> dict[str, Any] | None:
    """The document as it was typed, in clear: for a worker alone. Refused if it cannot be had."""
    document: dict[str, Any] | None = command.arguments["document"]
    if "has_secrets" not in command.arguments:
        return document
    try:
        clear = unseal(command.arguments.get("secret", ""), **_place(command.connection))
    except SealBroken:
        raise Refused(_("The secrets that were typed for it cannot be opened any more.")) from None
    found: dict[str, Any] = msgspec.json.decode(clear.reveal())
    return found


def is_lost(command: Command) -> bool:
    """Whether it had secrets that are wiped."""
    return "has_secrets" in command.arguments and not command.arguments.get("secret")


def wipe(commands: list[Command]) -> None:
    """Keep nothing of typed secrets but the mark. Inside the caller's transaction."""
    for command in commands:
        if command.arguments.get("secret"):
            command.arguments = {**command.arguments, "secret": ""}
            Command.objects.filter(pk=command.pk).update(arguments=command.arguments)
