"""Changes of workspaces: how each is sent, read back, and written to the mirror."""

from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.providers.protocol import Adapter
from apps.providers.records.workspaces import Residency, WorkspaceRecord
from apps.sync.models import Command
from apps.sync.outbox.kinds import (
    Done,
    Json,
    Kind,
    Moot,
    NotDone,
    Step,
    Undecided,
    Verdict,
    register,
)
from apps.workspaces.mirror import WORKSPACES, archived, with_workspaces, workspace_values
from apps.workspaces.models import Workspace
from apps.workspaces.residency import in_words, residency_of
from apps.workspaces.roles import rules_of

State = Workspace.State
# A provider's clock may run behind ours by this much; a workspace older than that is not ours.
CLOCK_TOLERANCE = timedelta(minutes=5)


def _remote_id(command: Command) -> str:
    return str(command.arguments["remote_id"])


def _as_result(record: WorkspaceRecord) -> Json:
    """The record's columns, as JSON."""
    values = zip(WORKSPACES.columns, workspace_values(record), strict=True)
    plain = {
        name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values
    }
    return {"columns": plain}


def _write(command: Command) -> None:
    """Write what the provider answered with onto the workspace's row."""
    columns = command.results[-1].get("columns", {})
    Workspace.objects.filter(connection=command.connection, remote_id=_remote_id(command)).update(
        **columns, changed_at=timezone.now(), fingerprint=0
    )


def _row(command: Command) -> Workspace | None:
    return Workspace.objects.filter(pk=command.row_id).first()


def _no_longer_live(row: Workspace | None) -> str:
    if row is None or not row.is_live:
        return _("This workspace is archived; nothing about it can be changed.")
    return ""


# --- Create --------------------------------------------------------------------------------------


def _known_ids(command: Command) -> Json:
    """The baseline: every workspace of this connection that the mirror has ever seen."""
    ids = Workspace.objects.filter(connection=command.connection, remote_id__isnull=False)
    return {"ids": sorted(ids.values_list("remote_id", flat=True))}


def _wanted_residency(command: Command) -> Residency:
    wanted = command.arguments
    return residency_of(
        wanted["allowed_geos"], wanted["default_geo"], wanted.get("storage_geo", "")
    )


def _send_new(adapter: Adapter, command: Command) -> Json:
    record = with_workspaces(adapter).create_workspace(
        command.arguments["name"], _wanted_residency(command)
    )
    return {"remote_id": record.remote_id, **_as_result(record)}


def _read_new(adapter: Adapter, command: Command) -> Verdict:
    """One new workspace of that name: done. Names may repeat, so anything else is for a person."""
    known = set(command.baseline.get("ids", []))
    since = command.first_sent_at - CLOCK_TOLERANCE
    found = [
        record
        for record in with_workspaces(adapter).workspaces_named(command.arguments["name"])
        if record.remote_id not in known
        and (record.created_at is None or record.created_at >= since)
        and not _claimed_by_another(command, record.remote_id)
    ]
    if len(found) == 1:
        return Done({"remote_id": found[0].remote_id, **_as_result(found[0])})
    if found:
        return Undecided(
            _("The provider shows several new workspaces of this name."),
            [{"id": one.remote_id, "label": one.name} for one in found],
        )
    return Undecided(
        _("The provider shows no new workspace of this name. A second one would not be refused.")
    )


def _claimed_by_another(command: Command, remote_id: str) -> bool:
    claims = Command.objects.filter(connection=command.connection, remote_id=remote_id)
    return bool(claims.exclude(pk=command.pk).exists())


def _begin_new(commands: list[Command]) -> None:
    """Show it at once, as being created; an earlier try of that name that was refused goes."""
    now = timezone.now()
    for command in commands:
        wanted = command.arguments
        of_name = Workspace.objects.filter(connection=command.connection, name=wanted["name"])
        of_name.filter(state=State.REFUSED).delete()
        row = Workspace.objects.create(
            connection=command.connection,
            state=State.MAKING,
            created_at=now,  # asked for now; the provider's own time follows
            first_seen_at=now,
            changed_at=now,
            **{
                name: wanted[name]
                for name in ("name", "allowed_geos", "default_geo", "storage_geo")
            },
        )
        command.row_id = row.pk


def _settle_new(command: Command) -> None:
    result = command.results[-1]
    walked = Workspace.objects.filter(
        connection=command.connection, remote_id=result["remote_id"]
    ).exclude(pk=command.row_id)
    row = Workspace.objects.filter(pk=command.row_id)
    if seen := walked.first():
        # A walk was faster in naming it: its row stays, ours goes.
        row.delete()
        Command.objects.filter(pk=command.pk).update(row_id=seen.pk)
        return
    columns = {"state": State.LIVE, **result.get("columns", {})}
    row.update(
        **columns, remote_id=result["remote_id"], error="", fingerprint=0, changed_at=timezone.now()
    )


def _undo_new(commands: list[Command]) -> None:
    """Take the flight back: the row stays for a while, with the reason."""
    for command in commands:
        Workspace.objects.filter(pk=command.row_id, state=State.MAKING).update(
            state=State.REFUSED, error=command.error, changed_at=timezone.now()
        )


def _describe_new(command: Command) -> str:
    wanted = command.arguments
    return _("%(connection)s gets the workspace %(name)s. %(residency)s") % {
        "connection": command.connection,
        "name": wanted["name"],
        "residency": in_words(
            command.connection.provider, wanted["allowed_geos"], wanted["default_geo"]
        ),
    }


CREATE = Kind(
    name="workspaces.create",
    label=gettext_lazy("Create workspace"),
    action="workspaces.create",
    capability="workspaces.change",
    resource="workspaces",
    steps=(Step("create", _send_new, _read_new, baseline=_known_ids),),
    describe=_describe_new,
    settle=_settle_new,
    undo=_undo_new,
    begin=_begin_new,
)


# --- Rename --------------------------------------------------------------------------------------


def _send_name(adapter: Adapter, command: Command) -> Json:
    return _as_result(
        with_workspaces(adapter).update_workspace(_remote_id(command), command.arguments["name"])
    )


def _read_name(adapter: Adapter, command: Command) -> Verdict:
    record = with_workspaces(adapter).get_workspace(_remote_id(command))
    if record.name == command.arguments["name"]:
        return Done(_as_result(record))
    return _ended(record) or NotDone()


def _ended(record: WorkspaceRecord) -> Moot | None:
    if record.archived_at is None:
        return None
    return Moot(_("This workspace is archived; nothing about it can be changed."))


def _check_name(command: Command) -> str:
    row = _row(command)
    if why := _no_longer_live(row):
        return why
    if row is not None and row.name != command.before.get("name"):
        return _("Meanwhile it was renamed at the provider: it is %(name)s now.") % {
            "name": row.name
        }
    return ""


def _describe_name(command: Command) -> str:
    return _("%(before)s is called %(name)s at %(connection)s.") % {
        "before": command.before.get("name", ""),
        "name": command.arguments["name"],
        "connection": command.connection,
    }


RENAME = Kind(
    name="workspaces.rename",
    label=gettext_lazy("Rename workspace"),
    action="workspaces.change",
    capability="workspaces.change",
    resource="workspaces",
    steps=(Step("rename", _send_name, _read_name),),
    describe=_describe_name,
    settle=_write,
    check=_check_name,
)


# --- Residency -----------------------------------------------------------------------------------


def _send_residency(adapter: Adapter, command: Command) -> Json:
    # The contract wants the name with it: as it is this moment, or a renaming would be undone.
    workspaces = with_workspaces(adapter)
    name = workspaces.get_workspace(_remote_id(command)).name
    return _as_result(
        workspaces.update_workspace(_remote_id(command), name, _wanted_residency(command))
    )


def _read_residency(adapter: Adapter, command: Command) -> Verdict:
    record = with_workspaces(adapter).get_workspace(_remote_id(command))
    result = _as_result(record)
    wanted = {name: command.arguments[name] for name in ("allowed_geos", "default_geo")}
    if wanted.items() <= result["columns"].items():
        return Done(result)
    return _ended(record) or NotDone()


def _check_residency(command: Command) -> str:
    row = _row(command)
    if why := _no_longer_live(row):
        return why
    if row is not None and (row.allowed_geos, row.default_geo) != (
        command.before.get("allowed_geos"),
        command.before.get("default_geo"),
    ):
        return _("Meanwhile its residency was changed at the provider.")
    return ""


def _describe_residency(command: Command) -> str:
    wanted = command.arguments
    return _("%(name)s at %(connection)s: %(residency)s") % {
        "name": command.label,
        "connection": command.connection,
        "residency": in_words(
            command.connection.provider, wanted["allowed_geos"], wanted["default_geo"]
        ),
    }


CHANGE_RESIDENCY = Kind(
    name="workspaces.change_residency",
    label=gettext_lazy("Change residency"),
    action="workspaces.change",
    capability="workspaces.change",
    resource="workspaces",
    steps=(Step("change_residency", _send_residency, _read_residency),),
    describe=_describe_residency,
    settle=_write,
    check=_check_residency,
)


# --- Archive -------------------------------------------------------------------------------------


def _send_archive(adapter: Adapter, command: Command) -> Json:
    return _as_result(with_workspaces(adapter).archive_workspace(_remote_id(command)))


def _read_archive(adapter: Adapter, command: Command) -> Verdict:
    record = with_workspaces(adapter).get_workspace(_remote_id(command))
    return NotDone() if record.archived_at is None else Done(_as_result(record))


def _settle_archive(command: Command) -> None:
    _write(command)
    archived(command.connection, [_remote_id(command)], timezone.now())


def _check_archive(command: Command) -> str:
    """It must be the workspace whose name was typed."""
    return _check_name(command)


def _describe_archive(command: Command) -> str:
    words = [
        _("%(name)s at %(connection)s stops working for good, and every API key in it.")
        % {"name": command.label, "connection": command.connection}
    ]
    ends = rules_of(command.connection.provider).archive_ends
    if command.label in ends:
        words.append(str(ends[command.label]))
    return " ".join(words)


ARCHIVE = Kind(
    name="workspaces.archive",
    label=gettext_lazy("Archive workspace"),
    action="workspaces.archive",
    capability="workspaces.change",
    resource="workspaces",
    steps=(Step("archive", _send_archive, _read_archive),),
    describe=_describe_archive,
    settle=_settle_archive,
    check=_check_archive,
)


def register_kinds() -> None:
    """Make the changes of workspaces known to the outbox."""
    for kind in (CREATE, RENAME, CHANGE_RESIDENCY, ARCHIVE):
        register(kind)
