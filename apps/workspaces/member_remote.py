"""Changes of roles in workspaces: how each is sent, read back, and written to the mirror."""

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.providers.errors import NotFound
from apps.providers.protocol import Adapter
from apps.sync.models import Command
from apps.sync.outbox.kinds import Done, Json, Kind, Moot, NotDone, Step, Verdict, register
from apps.workspaces.mirror import with_workspaces
from apps.workspaces.models import Workspace, WorkspaceMember
from apps.workspaces.roles import OUT, role_word, rules_of


def _pair(command: Command) -> tuple[str, str]:
    """The workspace's id and the user's."""
    return str(command.arguments["workspace"]), str(command.arguments["user"])


def _row(command: Command) -> WorkspaceMember | None:
    workspace, user = _pair(command)
    return WorkspaceMember.objects.filter(
        connection=command.connection, remote_id=f"{workspace}:{user}", gone_at__isnull=True
    ).first()


def _check(command: Command) -> str:
    """The before-image: the workspace is live and the role still what the person saw."""
    workspace, _user = _pair(command)
    place = Workspace.objects.filter(connection=command.connection, remote_id=workspace).first()
    if place is None or not place.is_live:
        return _("This workspace is archived; nothing about it can be changed.")
    row = _row(command)
    now = row.role if row else OUT
    before = command.before.get("role", OUT)
    # Whom the organization role puts there may not be listed yet.
    if now != before and not (now == OUT and command.before.get("inherited")):
        return _("Meanwhile the role there was changed at the provider: it is %(role)s now.") % {
            "role": role_word(command.connection.provider, now)
        }
    return ""


def _role_now(adapter: Adapter, command: Command) -> str:
    try:
        return with_workspaces(adapter).get_workspace_member(*_pair(command)).role
    except NotFound:
        return OUT


def _words(command: Command) -> dict[str, object]:
    provider = command.connection.provider
    return {
        "label": command.label,
        "workspace": command.arguments["name"],
        "role": role_word(provider, command.arguments.get("role", OUT)),
        "before": role_word(provider, command.before.get("role", OUT)),
        "leaves": rules_of(provider).removal_leaves,
    }


def _settle_role(command: Command) -> None:
    workspace, user = _pair(command)
    now = timezone.now()
    WorkspaceMember.objects.update_or_create(
        connection=command.connection,
        remote_id=f"{workspace}:{user}",
        defaults={
            "role": command.results[-1].get("role", command.arguments["role"]),
            "gone_at": None,
            "changed_at": now,
            "fingerprint": 0,
        },
        create_defaults={
            "workspace_remote_id": workspace,
            "user_remote_id": user,
            "role": command.results[-1].get("role", command.arguments["role"]),
            "first_seen_at": now,
            "changed_at": now,
        },
    )


# --- Add -----------------------------------------------------------------------------------------


def _send_new(adapter: Adapter, command: Command) -> Json:
    workspaces = with_workspaces(adapter)
    record = workspaces.create_workspace_member(*_pair(command), command.arguments["role"])
    return {"role": record.role}


def _read_new(adapter: Adapter, command: Command) -> Verdict:
    role = _role_now(adapter, command)
    if role == OUT:
        return NotDone()
    if role == command.arguments["role"]:
        return Done({"role": role})
    return Moot(
        _("Meanwhile the role there was changed at the provider: it is %(role)s now.")
        % {"role": role_word(command.connection.provider, role)}
    )


def _describe_new(command: Command) -> str:
    return _("%(label)s joins %(workspace)s as %(role)s.") % _words(command)


ADD = Kind(
    name="workspaces.add_member",
    label=gettext_lazy("Add to workspace"),
    action="workspaces.change_members",
    capability="workspaces.change",
    resource="workspace_members",
    steps=(Step("add", _send_new, _read_new),),
    describe=_describe_new,
    settle=_settle_role,
    check=_check,
)


# --- Another role --------------------------------------------------------------------------------


def _send_role(adapter: Adapter, command: Command) -> Json:
    workspaces = with_workspaces(adapter)
    record = workspaces.update_workspace_member(*_pair(command), command.arguments["role"])
    return {"role": record.role}


def _read_role(adapter: Adapter, command: Command) -> Verdict:
    role = _role_now(adapter, command)
    if role == OUT:
        return Moot(_("Is no longer in this workspace."))
    return Done({"role": role}) if role == command.arguments["role"] else NotDone()


def _describe_role(command: Command) -> str:
    return _("%(label)s in %(workspace)s: %(before)s becomes %(role)s.") % _words(command)


CHANGE_ROLE = Kind(
    name="workspaces.change_member_role",
    label=gettext_lazy("Change role in workspace"),
    action="workspaces.change_members",
    capability="workspaces.change",
    resource="workspace_members",
    steps=(Step("change_role", _send_role, _read_role),),
    describe=_describe_role,
    settle=_settle_role,
    check=_check,
)


# --- Take out ------------------------------------------------------------------------------------


def _send_removal(adapter: Adapter, command: Command) -> Json:
    with_workspaces(adapter).delete_workspace_member(*_pair(command))
    return {}


def _read_removal(adapter: Adapter, command: Command) -> Verdict:
    return Done() if _role_now(adapter, command) == OUT else NotDone()


def _settle_removal(command: Command) -> None:
    workspace, user = _pair(command)
    now = timezone.now()
    WorkspaceMember.objects.filter(
        connection=command.connection, remote_id=f"{workspace}:{user}"
    ).update(gone_at=now, changed_at=now, fingerprint=0)


def _describe_removal(command: Command) -> str:
    return _("%(label)s (%(before)s) leaves %(workspace)s. %(leaves)s") % _words(command)


REMOVE = Kind(
    name="workspaces.remove_member",
    label=gettext_lazy("Remove from workspace"),
    action="workspaces.change_members",
    capability="workspaces.change",
    resource="workspace_members",
    steps=(Step("remove", _send_removal, _read_removal, gone_is_done=True),),
    describe=_describe_removal,
    settle=_settle_removal,
    check=_check,
)


def register_kinds() -> None:
    """Make the changes of roles in workspaces known to the outbox."""
    for kind in (ADD, CHANGE_ROLE, REMOVE):
        register(kind)
