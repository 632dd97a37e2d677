"""What people may ask for workspaces. Each function checks, then hands a Command to the outbox."""

from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.organizations.models import Connection
from apps.sync.models import Command
from apps.sync.outbox.requests import Refusal, Wish, ask
from apps.workspaces.models import Workspace, target_of_new
from apps.workspaces.residency import ANYWHERE
from apps.workspaces.roles import NoWorkspaces, rules_of, why_none


def create_workspace(
    *,
    connection: Connection,
    name: str,
    allowed_geos: str,
    default_geo: str,
    storage_geo: str,
    actor: User,
    nonce: str,
) -> Command:
    """Ask for a new workspace. ``allowed_geos``: separated by commas, ANYWHERE for no limit.

    Raises RequestRefused with the reason.
    """
    wanted = {
        "name": name.strip(),
        "allowed_geos": allowed_geos,
        "default_geo": default_geo,
        "storage_geo": storage_geo,
    }
    why = _why_not_new(connection, wanted)
    if why:
        return ask(Refusal(name, connection.name, why), actor=actor, nonce=nonce)
    wish = Wish(
        kind="workspaces.create",
        connection=connection,
        target=target_of_new(wanted["name"]),
        label=wanted["name"],
        arguments=wanted,
    )
    return ask(wish, actor=actor, nonce=nonce)


def _why_not_new(connection: Connection, wanted: dict[str, str]) -> str:
    try:
        rules = rules_of(connection.provider)
    except NoWorkspaces:
        return str(why_none(connection))
    live = Workspace.objects.filter(connection=connection, state=Workspace.State.LIVE).count()
    if live >= rules.most_live:
        return _(
            "There are %(live)d live workspaces, and the provider allows %(most)d. Archive one first."
        ) % {"live": live, "most": rules.most_live}
    known = {one.value for one in rules.storage_geos}
    if wanted["storage_geo"] not in known:
        return _("Data cannot be kept in %(geo)s.") % {"geo": wanted["storage_geo"]}
    return why_not_named(connection, wanted["name"]) or why_not_there(
        connection, wanted["allowed_geos"], wanted["default_geo"]
    )


def why_not_named(connection: Connection, name: str) -> str:
    """Why a workspace cannot have this name; "" if it can."""
    longest = rules_of(connection.provider).longest_name
    if not 1 <= len(name) <= longest:
        return _("A name has 1 to %(longest)d characters.") % {"longest": longest}
    return ""


def why_not_there(connection: Connection, allowed_geos: str, default_geo: str) -> str:
    """Why such a residency is not possible; "" if it is."""
    rules = rules_of(connection.provider)
    known = {one.value for one in rules.geos}
    allowed = [] if allowed_geos == ANYWHERE else allowed_geos.split(",")
    unknown = [geo for geo in (*allowed, default_geo) if geo not in known]
    if unknown:
        return _("Requests cannot run in %(geo)s.") % {"geo": unknown[0] or "–"}
    if allowed and default_geo not in allowed:
        return _("Where requests run that say nothing must be one of the allowed places.")
    return ""


def _change(kind: str, workspace: Workspace, why: str, **arguments: str) -> Wish | Refusal:
    if not workspace.is_live:
        why = _("Only a live workspace can be changed: this one is %(state)s.") % {
            "state": workspace.get_state_display().lower()
        }
    if why:
        return Refusal(workspace.name, workspace.connection.name, why)
    shown = ("name", "state", "allowed_geos", "default_geo")
    return Wish(
        kind=kind,
        connection=workspace.connection,
        target=workspace.target,
        label=workspace.name,
        arguments={"remote_id": workspace.remote_id, **arguments},
        before={name: getattr(workspace, name) for name in shown},
        row_id=workspace.pk,
    )


def rename_workspace(*, workspace: Workspace, name: str, actor: User, nonce: str) -> Command:
    """Ask for another name. Raises RequestRefused with the reason."""
    name = name.strip()
    why = why_not_named(workspace.connection, name)
    if not why and name == workspace.name:
        why = _("It is called that already.")
    return ask(_change("workspaces.rename", workspace, why, name=name), actor=actor, nonce=nonce)


def change_residency(
    *, workspace: Workspace, allowed_geos: str, default_geo: str, actor: User, nonce: str
) -> Command:
    """Ask for other places. Raises RequestRefused with the reason."""
    why = why_not_there(workspace.connection, allowed_geos, default_geo)
    if not why and (allowed_geos, default_geo) == (workspace.allowed_geos, workspace.default_geo):
        why = _("That is its residency already.")
    wish = _change(
        "workspaces.change_residency",
        workspace,
        why,
        allowed_geos=allowed_geos,
        default_geo=default_geo,
    )
    return ask(wish, actor=actor, nonce=nonce)


def archive_workspace(*, workspace: Workspace, actor: User, nonce: str) -> Command:
    """Ask to archive it, for good. Raises RequestRefused with the reason."""
    wish = _change("workspaces.archive", workspace, "", state=Workspace.State.ARCHIVED.value)
    return ask(wish, actor=actor, nonce=nonce)
