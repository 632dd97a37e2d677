"""A form asks for a change, and says beside its field what the provider has against it."""

import uuid
from collections.abc import Callable
from copy import copy
from typing import Any

from django import forms

from apps.sync.models import Command
from apps.sync.outbox.requests import RequestRefused
from apps.sync.outbox.word import await_word


def heard(command: Command) -> Command:
    """The Command after a moment's wait. RequestRefused, in the provider's words, if that was its end."""
    command = await_word(command)
    if command.error and not command.is_open:
        raise RequestRefused(command.error)
    return command


def asked(form: forms.Form, field: str, ask: Callable[[], Command]) -> Command | None:
    """The Command that a form with a ``nonce`` asks for; None with the reason beside ``field``."""
    if not form.is_valid():
        return None
    try:
        return heard(ask())
    except RequestRefused as refused:
        form.add_error(field, str(refused))
        # What was refused has its end; the same form sent again is a new wish.
        fresh: Any = copy(form.data)
        fresh["nonce"] = uuid.uuid4().hex
        form.data = fresh
        return None
