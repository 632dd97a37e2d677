"""Changes of keys: how each is sent, read back, and written to the mirror."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.keys.models import Key
from apps.organizations.sealing import Secret
from apps.providers.errors import NotFound
from apps.providers.protocol import Adapter
from apps.providers.records.keys import KeyRecord
from apps.sync import schedule
from apps.sync.models import Command
from apps.sync.outbox.kinds import (
    Brought,
    Done,
    Json,
    Kind,
    Lost,
    Moot,
    NotDone,
    Step,
    Undecided,
    Verdict,
    register,
)


def _remote_id(command: Command) -> str:
    return str(command.arguments["remote_id"])


def _wanted(command: Command) -> dict[str, str]:
    """The fields that are to change: name or status."""
    return {
        name: command.arguments[name] for name in ("name", "status") if name in command.arguments
    }


def _check(command: Command) -> str:
    """The before-image: the key must still be what the person saw when they asked."""
    key = Key.objects.filter(pk=command.row_id).first()
    if key is None or key.gone_at:
        return _("This key is gone.")
    if key.is_own:
        return _("This is the key that the connection itself uses.")
    for name, before in command.before.items():
        now = getattr(key, name)
        if now != before:
            return _("Meanwhile it was changed at the provider: %(field)s is “%(now)s” now.") % {
                "field": name,
                "now": now,
            }
    return ""


# --- Rename, switch off and on, archive ----------------------------------------------------------


def _send_change(adapter: Adapter, command: Command) -> Json:
    record = adapter.change_key(_remote_id(command), **_wanted(command))
    return {"name": record.name, "status": record.status}


def _read_change(adapter: Adapter, command: Command) -> Verdict:
    try:
        record = adapter.key(_remote_id(command))
    except NotFound:
        return Moot(_("This key is gone."))
    as_wanted = all(getattr(record, name) == value for name, value in _wanted(command).items())
    return Done({"name": record.name, "status": record.status}) if as_wanted else NotDone()


def _settle_change(command: Command) -> None:
    result = command.results[-1]
    found = {name: result[name] for name in ("name", "status") if result.get(name)}
    Key.objects.filter(pk=command.row_id).update(
        **(_wanted(command) | found), changed_at=timezone.now(), fingerprint=0
    )


def _describe_rename(command: Command) -> str:
    return _("“%(before)s” becomes “%(after)s” at %(connection)s. The key goes on working.") % {
        "before": command.before.get("name", ""),
        "after": command.arguments.get("name", ""),
        "connection": command.connection,
    }


def _this_key(command: Command) -> dict[str, Any]:
    """What a sentence says of the key: names are not unique, so what is shown of it too."""
    hint = command.arguments.get("hint") or command.arguments.get("remote_id", "")
    return {"hint": hint, "connection": command.connection}


def _describe_deactivation(command: Command) -> str:
    return _(
        "Whatever uses this key (%(hint)s) at %(connection)s is refused at once. It can be activated again."
    ) % _this_key(command)


def _describe_activation(command: Command) -> str:
    return _("Whoever holds this key (%(hint)s) can use it at %(connection)s again.") % _this_key(
        command
    )


def _describe_archiving(command: Command) -> str:
    return _(
        "Whatever uses this key (%(hint)s) at %(connection)s is refused at once, for good: nobody can bring it back."
    ) % _this_key(command)


CHANGE = (Step("change", _send_change, _read_change),)

RENAME = Kind(
    name="keys.rename",
    label=gettext_lazy("Rename key"),
    action="keys.change",
    capability="keys.change",
    resource="keys",
    steps=CHANGE,
    describe=_describe_rename,
    settle=_settle_change,
    check=_check,
)

DEACTIVATE = Kind(
    name="keys.deactivate",
    label=gettext_lazy("Deactivate key"),
    action="keys.change",
    capability="keys.change",
    resource="keys",
    steps=CHANGE,
    describe=_describe_deactivation,
    settle=_settle_change,
    check=_check,
)

ACTIVATE = Kind(
    name="keys.activate",
    label=gettext_lazy("Activate key"),
    action="keys.change",
    capability="keys.change",
    resource="keys",
    steps=CHANGE,
    describe=_describe_activation,
    settle=_settle_change,
    check=_check,
)

ARCHIVE = Kind(
    name="keys.archive",
    label=gettext_lazy("Archive key"),
    action="keys.archive",
    capability="keys.change",
    resource="keys",
    steps=CHANGE,
    describe=_describe_archiving,
    settle=_settle_change,
    check=_check,
    final=True,
)


# --- Delete --------------------------------------------------------------------------------------


def _send_deletion(adapter: Adapter, command: Command) -> Json:
    adapter.delete_key(_remote_id(command), hint=command.arguments.get("hint", ""))
    return {}


def _read_deletion(adapter: Adapter, command: Command) -> Verdict:
    try:
        adapter.key(_remote_id(command))
    except NotFound:
        return Done()
    return NotDone()


def _settle_deletion(command: Command) -> None:
    now = timezone.now()
    Key.objects.filter(pk=command.row_id).update(gone_at=now, changed_at=now, fingerprint=0)


def _describe_deletion(command: Command) -> str:
    return _("This key (%(hint)s) stops working at %(connection)s at once, for good.") % _this_key(
        command
    )


DELETE = Kind(
    name="keys.delete",
    label=gettext_lazy("Delete key"),
    action="keys.delete",
    capability="keys.delete",
    resource="keys",
    steps=(Step("delete", _send_deletion, _read_deletion, gone_is_done=True),),
    describe=_describe_deletion,
    settle=_settle_deletion,
    check=_check,
    final=True,
)


# --- Create: its answer alone has the secret -----------------------------------------------------


def _named(adapter: Adapter, name: str) -> list[KeyRecord]:
    """The keys of that name, from a listing read to its end."""
    found: list[KeyRecord] = []
    cursor: str | None = None
    while True:
        page = adapter.keys(cursor)
        found += [one for one in page.rows if one.name == name]
        cursor = page.next_cursor
        if cursor is None:
            return found


def _look(adapter: Adapter, command: Command) -> Json:
    """The baseline: every key of that name there is right now; the mirror may lack the latest."""
    return {"ids": sorted(one.remote_id for one in _named(adapter, command.arguments["name"]))}


def _send_creation(adapter: Adapter, command: Command) -> Brought:
    made = adapter.create_key(command.arguments["name"])
    created_at = made.key.created_at
    return Brought(
        {
            "remote_id": made.key.remote_id,
            "hint": made.key.hint,
            "creator": made.key.creator_id,
            "created_at": created_at.isoformat() if created_at else None,
        },
        Secret(made.secret),
    )


def _read_creation(adapter: Adapter, command: Command) -> Verdict:
    """Exactly one new key of that name: it is ours, and nobody has its secret: take it back.

    None that we know of, or several: a person decides. After a restore from backup nothing is taken
    back, for what is there may be in use since.
    """
    there = _named(adapter, command.arguments["name"])
    if command.in_doubt or "ids" not in command.baseline:
        return _undecided(there) if there else NotDone()
    new = [one for one in there if one.remote_id not in command.baseline["ids"]]
    if len(new) == 1:
        return Lost(
            new[0].remote_id,
            _("The key was made, but its secret was lost on the way: it is deleted and made anew."),
        )
    if not new and command.baseline.get("lost"):
        return NotDone()
    return _undecided(new)


def _undecided(found: list[KeyRecord]) -> Undecided:
    words = (
        _("The provider shows keys of this name, and nobody can tell which is this one.")
        if found
        else _("No key of this name has appeared, and it may still do so.")
    )
    return Undecided(
        words, [{"id": one.remote_id, "label": f"{one.name} {one.hint}"} for one in found]
    )


def _remove_lost(adapter: Adapter, remote_id: str) -> None:
    adapter.delete_key(remote_id)


def _settle_creation(command: Command) -> None:
    result: dict[str, Any] = command.results[-1]
    now = timezone.now()
    # A walk may have been faster.
    Key.objects.update_or_create(
        connection=command.connection,
        remote_id=result.get("remote_id"),
        defaults={"gone_at": None},
        create_defaults={
            "name": command.arguments["name"],
            "status": "active",
            "hint": result.get("hint") or "",
            "creator": result.get("creator") or "",
            "creator_kind": "user",
            "created_at": result.get("created_at") or now,
            "first_seen_at": now,
            "changed_at": now,
        },
    )
    schedule.soon(command.connection, "keys")  # a walk knows the rest of it


def _describe_creation(command: Command) -> str:
    return _(
        "A new key “%(name)s” at %(connection)s. It acts as the person whose key connects it."
    ) % {
        "name": command.arguments.get("name", ""),
        "connection": command.connection,
    }


CREATE = Kind(
    name="keys.create",
    label=gettext_lazy("Create key"),
    action="keys.create",
    capability="keys.create",
    resource="keys",
    steps=(Step("create", _send_creation, _read_creation, look=_look, remove=_remove_lost),),
    describe=_describe_creation,
    settle=_settle_creation,
)


def register_kinds() -> None:
    """Make the changes of this shelf known to the outbox."""
    for kind in (RENAME, DEACTIVATE, ACTIVATE, ARCHIVE, DELETE, CREATE):
        register(kind)
