"""Many changes asked for in one go: kept for review, then sent on their way together.

Every function here begins and ends its own transaction, as in ``requests``.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.organizations.models import Organization
from apps.sync.models import Batch, Command, CommandState
from apps.sync.outbox.kinds import KINDS, kind_of
from apps.sync.outbox.requests import (
    Refusal,
    RequestRefused,
    Wish,
    command_of,
    first_state,
    note_asked,
    permit,
    why_not,
)
from apps.sync.outbox.states import move
from apps.sync.outbox.turns import hand_out

S = CommandState


def draft_batch(
    wishes: Iterable[Wish | Refusal],
    *,
    action: str,
    organization: Organization,
    actor: User,
    title: str,
    nonce: str,
    source: dict[str, Any] | None = None,
) -> Batch:
    """Keep a batch for review: nothing is on its way until ``confirm_batch``.

    Wishes that cannot be done (the connection cannot, an earlier change is on its way, the same
    target twice) join the refusals with their reason. The same ``nonce`` gives the same Batch.
    ``action`` is what the actor must be allowed even if no wish is possible.
    """
    permit(actor, action, organization)
    asked = Batch.objects.filter(organization=organization, nonce=nonce).first()
    if asked:
        return asked
    possible, refused = _sort_out(wishes, organization)
    with transaction.atomic(durable=True):
        batch = Batch.objects.create(
            organization=organization,
            actor=actor,
            title=title,
            nonce=nonce,
            refusals=[asdict(refusal) for refusal in refused],
            source=source or {},
        )
        commands = [
            command_of(wish, actor, f"{batch.uid}:{number}", S.DRAFT)
            for number, wish in enumerate(possible)
        ]
        for command in commands:
            command.batch = batch
        Command.objects.bulk_create(commands, batch_size=500)
    return batch


def _sort_out(
    wishes: Iterable[Wish | Refusal], organization: Organization
) -> tuple[list[Wish], list[Refusal]]:
    seen = _open_targets(organization)
    possible: list[Wish] = []
    refused: list[Refusal] = []
    for wish in wishes:
        if isinstance(wish, Refusal):
            refused.append(wish)
            continue
        key = (wish.connection.pk, wish.target)
        why = why_not(KINDS[wish.kind], wish.connection)
        if not why and key in seen:
            why = _("An earlier change of it is still on its way, or it is in this list twice.")
        if why:
            refused.append(Refusal(wish.label, wish.connection.name, why))
            continue
        seen.add(key)
        possible.append(wish)
    return possible, refused


def _open_targets(organization: Organization) -> set[tuple[int, str]]:
    return set(
        Command.objects.open()
        .filter(organization=organization)
        .values_list("connection_id", "target")
    )


def confirm_batch(*, batch: Batch, actor: User) -> Batch:
    """Send a reviewed batch on its way. A second confirmation changes nothing.

    What has become impossible since the draft (an earlier change of the same target) is cancelled
    with that reason and stays in the batch's list.
    """
    _permit_batch(batch, actor)
    with transaction.atomic(durable=True):
        fresh = Batch.objects.filter(pk=batch.pk, confirmed_at__isnull=True)
        if fresh.update(confirmed_at=timezone.now()):
            _release_drafts(batch, actor)
    batch.refresh_from_db()
    return batch


def _permit_batch(batch: Batch, actor: User) -> None:
    for kind in set(batch.commands.order_by().values_list("kind", flat=True)):
        permit(actor, KINDS[kind].action, batch.organization)


def _release_drafts(batch: Batch, actor: User) -> None:
    busy = _open_targets(batch.organization)
    drafts = list(
        batch.commands.filter(state=S.DRAFT)
        .select_related("connection", "organization")
        .order_by("pk")
    )
    now = timezone.now()
    going = [c for c in drafts if (c.connection_id, c.target) not in busy]
    for command in going:
        command.state = first_state(kind_of(command), batch.organization, command.arguments)
        command.due_at, command.kicked_at = now, None
    for name in {command.kind for command in going}:
        KINDS[name].begin([command for command in going if command.kind == name])
    Command.objects.bulk_update(going, ["state", "due_at", "kicked_at", "row_id"], batch_size=200)
    note_asked(going, actor)
    for command in drafts:
        if command.state == S.DRAFT:
            move(command, S.CANCELLED, note=_("An earlier change of it is still on its way."))
    connections = {command.connection_id for command in going if command.state == S.QUEUED}
    transaction.on_commit(lambda: _hand_out(connections), robust=True)


def _hand_out(connection_ids: Iterable[int]) -> None:
    for connection_id in connection_ids:
        hand_out(connection_id)


def discard_batch(*, batch: Batch, actor: User) -> None:
    """Drop a draft that nobody wants; one that was confirmed stays as it is."""
    _permit_batch(batch, actor)
    with transaction.atomic(durable=True):
        if not Batch.objects.filter(pk=batch.pk, confirmed_at__isnull=True).exists():
            raise RequestRefused(_("This batch is already on its way."))
        batch.commands.filter(state=S.DRAFT).delete()
        batch.delete()
