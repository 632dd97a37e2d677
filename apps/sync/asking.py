"""A form asks for a change, and says beside its field what the provider has against it."""

import hashlib
import json
import uuid
from collections.abc import Callable
from copy import copy
from typing import IO, Any

from django import forms
from django.http import HttpRequest

from apps.sync.models import Command
from apps.sync.outbox.requests import RequestRefused
from apps.sync.outbox.word import await_word


def nonce_of(request: HttpRequest) -> str:
    """What makes a form that is sent twice one wish; with something else in it, it is another wish.

    Who goes back to a form that was sent, and corrects it, would else be shown what was asked for first.
    """
    sent = request.POST
    if not sent.get("nonce"):
        return uuid.uuid4().hex
    typed = {name: sent.getlist(name) for name in sent if name != "csrfmiddlewaretoken"}
    files = {name: [_digest(one) for one in many] for name, many in request.FILES.lists()}
    content = json.dumps([request.path, typed, files], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def nonce_for(nonce: uuid.UUID, *meant: object) -> str:
    """Likewise of what was ``meant``, however it is spelled: "50" and "50.00" dollars are bought once."""
    return str(uuid.uuid5(nonce, " ".join(map(str, meant))))


def _digest(upload: IO[bytes]) -> str:
    upload.seek(0)  # a form may have read it already
    digest = hashlib.sha256(upload.read()).hexdigest()
    upload.seek(0)
    return digest


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
