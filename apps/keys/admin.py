"""Keys, as support sees them: a provider owns their truth, and no secret is here to see."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from apps.keys.models import Key, SharedKey
from apps.organizations.support import Why
from apps.sync.support import CHANGES, REMOTE_CHANGES, MirrorAdmin


@admin.register(Key)
class KeyAdmin(MirrorAdmin):
    """A key as the provider has it."""

    reads = "keys.read"
    list_display = (
        "name",
        "hint",
        "status",
        "connection",
        "organization",
        "workspace",
        "creator",
        "created_at",
        "expires_at",
        "gone_at",
    )
    list_filter = ("status", "connection__provider", ("gone_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "=remote_id", "=creator", "=workspace")
    fields = (
        "name",
        "hint",
        "status",
        "connection",
        "organization",
        "remote_id",
        "workspace",
        "creator",
        "creator_kind",
        "created_at",
        "expires_at",
        "last_used_at",
        "is_own",
        "first_seen_at",
        "changed_at",
        "gone_at",
        "as_sent",
    )
    links = (
        Why(_("Why does it fail?"), "key", lambda row: (row.pk, {})),
        CHANGES,
        REMOTE_CHANGES,
    )


@admin.register(SharedKey)
class SharedKeyAdmin(MirrorAdmin):
    """That a provider's key is shared with members; its name alone."""

    reads = "keys.read"
    list_display = ("remote_id", "connection", "organization", "first_seen_at", "gone_at")
    search_fields = ("=remote_id",)
    fields = ("remote_id", "connection", "organization", "first_seen_at", "changed_at", "gone_at")
