"""Workspaces and the roles in them, as support sees them: a provider owns their truth."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from apps.organizations.support import Link
from apps.sync.support import CHANGES, REMOTE_CHANGES, MirrorAdmin
from apps.workspaces.models import RateLimit, Workspace, WorkspaceMember


@admin.register(Workspace)
class WorkspaceAdmin(MirrorAdmin):
    """A workspace as the provider has it, or as we asked for it."""

    reads = "workspaces.read"
    list_display = (
        "name",
        "state",
        "connection",
        "organization",
        "created_at",
        "archived_at",
        "error",
    )
    list_filter = ("state", "connection__provider")
    search_fields = ("name", "=remote_id")
    fields = (
        "connection",
        "organization",
        "remote_id",
        "name",
        "colour",
        "state",
        "created_at",
        "archived_at",
        "allowed_geos",
        "default_geo",
        "storage_geo",
        "error",
        "first_seen_at",
        "changed_at",
        "gone_at",
        "as_sent",
    )
    links = (
        Link(
            _("Roles in it"),
            "workspaces_workspacemember",
            lambda row: {
                "connection__id__exact": row.connection_id,
                "workspace_remote_id__exact": row.remote_id or "",
            },
        ),
        CHANGES,
        REMOTE_CHANGES,
    )


@admin.register(WorkspaceMember)
class WorkspaceMemberAdmin(MirrorAdmin):
    """A role in a workspace as the provider lists it, inherited ones too."""

    reads = "workspaces.read"
    list_display = (
        "user_remote_id",
        "workspace_remote_id",
        "role",
        "connection",
        "organization",
        "gone_at",
    )
    list_filter = ("connection__provider", "role", ("gone_at", admin.EmptyFieldListFilter))
    search_fields = ("=remote_id", "=user_remote_id", "=workspace_remote_id")
    fields = (
        "connection",
        "organization",
        "remote_id",
        "workspace_remote_id",
        "user_remote_id",
        "role",
        "first_seen_at",
        "changed_at",
        "gone_at",
        "as_sent",
    )
    links = (CHANGES, REMOTE_CHANGES)


@admin.register(RateLimit)
class RateLimitAdmin(MirrorAdmin):
    """A rate limit as the provider tells of it."""

    reads = "limits.read"
    list_display = (
        "label",
        "value",
        "organization_value",
        "connection",
        "organization",
        "gone_at",
    )
    list_filter = (
        "connection__provider",
        "group",
        "kind",
        ("gone_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("label", "=workspace_remote_id")
    fields = (
        "connection",
        "organization",
        "remote_id",
        "workspace_remote_id",
        "group",
        "model_names",
        "kind",
        "value",
        "organization_value",
        "first_seen_at",
        "changed_at",
        "gone_at",
        "as_sent",
    )
    links = (REMOTE_CHANGES,)
