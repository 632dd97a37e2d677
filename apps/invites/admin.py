"""Invites, as support sees them: a provider owns their truth."""

from django.contrib import admin

from apps.invites.models import Invite
from apps.sync.support import CHANGES, JOINING, REMOTE_CHANGES, MirrorAdmin


@admin.register(Invite)
class InviteAdmin(MirrorAdmin):
    """An invite as the provider has it, or as we asked for it."""

    reads = "invites.read"
    list_display = (
        "email",
        "role",
        "state",
        "connection",
        "organization",
        "invited_at",
        "expires_at",
        "error",
    )
    list_filter = ("state", "connection__provider", "role")
    search_fields = ("email", "=remote_id")
    fields = (
        "person",
        "connection",
        "organization",
        "remote_id",
        "email",
        "role",
        "state",
        "remote_status",
        "invited_at",
        "expires_at",
        "error",
        "first_seen_at",
        "changed_at",
        "gone_at",
        "as_sent",
    )
    links = (JOINING, CHANGES, REMOTE_CHANGES)
