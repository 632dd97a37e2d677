"""What a provider shows once, a new key say: sealed in its Command, shown once, and wiped.

Only the person who asked sees it, once, within ten minutes. It is bound to its Command: a sealed text
that is copied elsewhere does not open there.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import record
from apps.organizations.sealing import SealBroken, Secret, seal, unseal
from apps.sync.models import Command
from apps.sync.outbox.states import note_event

KEPT_FOR = timedelta(minutes=10)


class SecretGone(Exception):
    """It cannot be shown; the text says why, in plain words."""


def _place(command: Command) -> dict[str, Any]:
    return {
        "organization_id": command.organization_id,
        "connection_uid": command.connection.uid,
        "field": f"command {command.uid}",
    }


def kept(command: Command, secret: Secret) -> dict[str, Any]:
    """The columns that hold ``secret`` in ``command`` from now on."""
    return {
        "secret": seal(secret.reveal(), **_place(command)),
        "secret_until": timezone.now() + KEPT_FOR,
    }


def waits_for(command: Command, user: User) -> bool:
    """Whether ``user`` may still look at the secret that ``command`` brought."""
    until = command.secret_until
    return command.actor_id == user.pk and until is not None and until > timezone.now()


def reveal(*, command: Command, actor: User) -> Secret:
    """The secret, and it is wiped: nobody gets it a second time. SecretGone says why there is none."""
    if command.actor_id != actor.pk:
        raise SecretGone(_("Only who asked for it may see it."))
    with transaction.atomic(durable=True):
        current = Command.objects.select_related("connection", "organization").get(pk=command.pk)
        if not waits_for(current, actor) or not _wipe(current):
            raise SecretGone(_("It was shown already, or ten minutes have passed: it is wiped."))
        _note(current, _("The secret was shown, and is wiped."), "secret_shown", actor)
    try:
        return unseal(current.secret, **_place(current))
    except SealBroken:
        raise SecretGone(_("It cannot be opened any more. Make another one.")) from None


def wipe_expired() -> None:
    """Wipe what nobody has looked at in time."""
    late = Command.objects.filter(secret_until__lte=timezone.now())
    if not late.exists():
        return
    with transaction.atomic(durable=True):
        wiped = [one for one in late.select_related("organization", "connection") if _wipe(one)]
        for command in wiped:
            words = _("The secret was not looked at in time, and is wiped.")
            _note(command, words, "secret_wiped", None)


def _wipe(command: Command) -> bool:
    """Whether it was there until now; two who come at once are told apart here."""
    held = Command.objects.filter(pk=command.pk, secret=command.secret).exclude(secret="")
    return bool(held.update(secret="", secret_until=None))


def _note(command: Command, words: str, verb: str, actor: User | None) -> None:
    note_event(command, words)
    record(
        organization=command.organization,
        actor=actor,
        verb=f"{command.kind}.{verb}",
        target=command,
        label=command.label,
        connection=command.connection,
        command=command,
    )
