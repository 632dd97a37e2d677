"""Which changes of roles in workspaces people are told of, and how they are called.

An organization role that changes moves a role in every workspace. That is told once, by the member;
here it would be a hundred lines more.
"""

from datetime import datetime, timedelta

from django.utils import timezone

from apps.members.models import Member
from apps.organizations.models import Connection
from apps.sync.models import Command, CommandState, RemoteChange
from apps.workspaces.models import Workspace, WorkspaceMember
from apps.workspaces.roles import rules_of

What = RemoteChange.What
LATELY = timedelta(days=1)  # longer than any walk is late


def of_roles(connection: Connection, changes: list[RemoteChange]) -> list[RemoteChange]:
    """Those that do not follow from the organization role, called by address. Five queries."""
    pairs = {change.remote_id: change.remote_id.partition(":") for change in changes}
    users = {user for _workspace, _colon, user in pairs.values()}
    members = {
        str(one.remote_id): one
        for one in Member.objects.filter(connection=connection, remote_id__in=users).defer("raw")
    }
    names = dict(
        Workspace.objects.filter(
            connection=connection, remote_id__in={workspace for workspace, _, _ in pairs.values()}
        ).values_list("remote_id", "name")
    )
    held = dict(
        WorkspaceMember.objects.filter(
            connection=connection, remote_id__in=list(pairs)
        ).values_list("remote_id", "role")
    )
    moved = _moved(connection, users)
    told = []
    for change in changes:
        workspace, _colon, user = pairs[change.remote_id]
        member = members.get(user)
        if member is not None:
            if user in moved or _follows(
                connection, change, member, held.get(change.remote_id, "")
            ):
                continue
            change.label = member.email
        name = names.get(workspace, workspace)
        change.difference = {"workspace": [name, name], **change.difference}
        told.append(change)
    return told


def _follows(connection: Connection, change: RemoteChange, member: Member, held: str) -> bool:
    """Whether the organization role explains it; ``held`` is the role before, where there was one."""
    rules = rules_of(connection.provider)
    inheritance = rules.inherited.get(member.role)
    if change.what == What.GONE:
        given_by_hand = held in rules.assignable
        return member.gone_at is not None or not given_by_hand
    if inheritance is None:
        return False
    _before, after = change.difference.get("role", ("", ""))
    return after not in inheritance.raised_to


def _moved(connection: Connection, users: set[str]) -> set[str]:
    """Of ``users`` those who lately got, or lost, a role that puts them into every workspace."""
    return users & moved_since(connection, timezone.now() - LATELY)


def moved_since(connection: Connection, since: datetime) -> set[str]:
    """Users who got, or lost, an organization role that gives a role in every workspace. Two queries."""
    inherited = set(rules_of(connection.provider).inherited)
    found = RemoteChange.objects.filter(
        organization=connection.organization_id,
        connection=connection,
        resource="members",
        at__gte=since,
    ).values_list("remote_id", "difference")
    moved = {user for user, difference in found if inherited & set(difference.get("role", ()))}
    commands = Command.objects.filter(
        connection=connection,
        kind="members.change_role",
        state=CommandState.SUCCEEDED,
        settled_at__gte=since,
    ).values_list("target", "before", "arguments")
    for target, before, arguments in commands:
        if {before.get("role"), arguments.get("role")} & inherited:
            moved.add(target.removeprefix("members:"))
    return moved
