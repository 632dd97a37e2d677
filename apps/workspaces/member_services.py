"""What people may ask for roles in workspaces: one or a thousand, from either side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.members.models import Member
from apps.organizations.models import Organization
from apps.sync.models import Batch, Command
from apps.sync.outbox.batches import draft_batch
from apps.sync.outbox.requests import Refusal, Wish, ask
from apps.workspaces.models import Workspace, WorkspaceMember
from apps.workspaces.roles import OUT, Hold, hold_of, role_word

FEW = 500  # ids named in a query; beyond, the rows of the workspaces are read whole


@dataclass(frozen=True, slots=True)
class RoleWish:
    """A role in a workspace for a member of the same connection; OUT takes them out.

    ``seen``: the role that whoever asks saw there, None if that was not said. Both rows come with
    their connection and its organization.
    """

    workspace: Workspace
    member: Member
    role: str
    seen: str | None = None


def set_role(*, wanted: RoleWish, actor: User, nonce: str) -> Command:
    """Ask for one role, another one, or none. Raises RequestRefused with the reason."""
    (wish,) = role_wishes([wanted])
    return ask(wish, actor=actor, nonce=nonce)


def draft_roles(
    wanted: Sequence[RoleWish],
    *,
    organization: Organization,
    actor: User,
    title: str,
    nonce: str,
    refusals: Iterable[Refusal] = (),
    source: dict[str, Any] | None = None,
) -> Batch:
    """A batch for review; what cannot be done joins its ``refusals`` with the reason."""
    return draft_batch(
        [*refusals, *role_wishes(wanted)],
        action="workspaces.change_members",
        organization=organization,
        actor=actor,
        title=title,
        nonce=nonce,
        source=source,
    )


def role_wishes(wanted: Sequence[RoleWish]) -> list[Wish | Refusal]:
    """What to ask for each, in their order. One query."""
    rows = _listed(wanted)
    return [_wish(one, rows.get(_key(one))) for one in wanted]


def only_changes(wanted: Sequence[RoleWish]) -> list[RoleWish]:
    """Those whose role is not the one that they hold already. One query."""
    rows = _listed(wanted)
    return [one for one in wanted if one.role != _hold(one, rows.get(_key(one))).role]


def _hold(wanted: RoleWish, row: WorkspaceMember | None) -> Hold:
    provider = wanted.workspace.connection.provider
    return hold_of(provider, wanted.member.role, row.role if row else OUT)


def _key(wanted: RoleWish) -> tuple[int, str]:
    return wanted.workspace.connection_id, f"{wanted.workspace.remote_id}:{wanted.member.remote_id}"


def _listed(wanted: Sequence[RoleWish]) -> dict[tuple[int, str], WorkspaceMember]:
    """The rows there are now, by connection and remote id."""
    users = {one.member.remote_id for one in wanted}
    found = WorkspaceMember.objects.filter(
        connection__in={one.workspace.connection_id for one in wanted},
        workspace_remote_id__in={
            one.workspace.remote_id for one in wanted if one.workspace.is_live
        },
        gone_at__isnull=True,
    )
    if len(users) <= FEW:
        found = found.filter(user_remote_id__in=users)
    return {(row.connection_id, str(row.remote_id)): row for row in found.defer("raw")}


def _wish(wanted: RoleWish, row: WorkspaceMember | None) -> Wish | Refusal:
    member, workspace = wanted.member, wanted.workspace
    hold = _hold(wanted, row)
    if why := _why_not(wanted, hold):
        label = f"{member.email} · {workspace.name}"
        return Refusal(label, workspace.connection.name, why)
    kind = "workspaces.change_member_role"
    if wanted.role == OUT:
        kind = "workspaces.remove_member"
    elif hold.role == OUT:
        kind = "workspaces.add_member"
    role = {"role": wanted.role} if wanted.role else {}
    return Wish(
        kind=kind,
        connection=workspace.connection,
        target=f"workspace_members:{workspace.remote_id}:{member.remote_id}",
        label=member.email,
        arguments={
            "workspace": workspace.remote_id,
            "user": member.remote_id,
            "name": workspace.name,
            **role,
        },
        before={"role": hold.role, "inherited": hold.inherited},
        row_id=row.pk if row else None,
    )


def _why_not(wanted: RoleWish, hold: Hold) -> str:
    provider = wanted.workspace.connection.provider
    if not wanted.workspace.is_live:
        return _("This workspace is archived, or not there yet.")
    if wanted.member.connection_id != wanted.workspace.connection_id:
        return _("Is no member of the organization that this workspace belongs to.")
    if wanted.member.gone_at:
        return _("This membership is gone.")
    if wanted.seen is not None and wanted.seen != hold.role:
        if hold.role == OUT:
            return _("Is not in this workspace any more.")
        return _("Is %(role)s there now.") % {"role": role_word(provider, hold.role)}
    if wanted.role == hold.role:
        if wanted.role == OUT:
            return _("Is not in this workspace.")
        return _("Is %(role)s there already.") % {"role": role_word(provider, hold.role)}
    if wanted.role in hold.choices:
        return ""
    return str(hold.why) or _("The provider does not let %(role)s be given there.") % {
        "role": wanted.role
    }
