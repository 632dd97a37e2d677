"""Organizations and their settings as support sees them: a provider owns their truth, secrets are hidden."""

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.configuration.models import RemoteConfiguration, RemoteOrganization, Version
from apps.organizations.support import Link, json_block
from apps.sync.support import CHANGES, REMOTE_CHANGES, MirrorAdmin


@admin.register(RemoteOrganization)
class RemoteOrganizationAdmin(MirrorAdmin):
    """An organization as its provider knows it."""

    reads = "configuration.read"
    list_display = ("name", "remote_id", "member_count", "connection", "organization", "gone_at")
    list_filter = ("connection__provider", ("gone_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "=remote_id")
    fields = (
        "connection",
        "organization",
        "remote_id",
        "name",
        "external_id",
        "member_count",
        "created_at",
        "updated_at",
        "first_seen_at",
        "changed_at",
        "gone_at",
        "as_sent",
    )
    links = (CHANGES, REMOTE_CHANGES)


@admin.register(RemoteConfiguration)
class RemoteConfigurationAdmin(MirrorAdmin):
    """The settings that an organization hands to its members."""

    reads = "configuration.read"
    list_display = ("remote_id", "enabled", "content", "connection", "organization", "changed_at")
    list_filter = ("connection__provider", "enabled")
    search_fields = ("=remote_id",)
    fields = (
        "connection",
        "organization",
        "remote_id",
        "enabled",
        "content",
        "first_seen_at",
        "changed_at",
        "gone_at",
        "as_sent",
    )
    links = (
        Link(
            _("Versions"),
            "configuration_version",
            lambda row: {"connection__id__exact": row.connection_id},
        ),
        CHANGES,
        REMOTE_CHANGES,
    )


@admin.register(Version)
class VersionAdmin(MirrorAdmin):
    """The settings as they were."""

    reads = "configuration.read"
    list_display = ("number", "enabled", "content", "connection", "organization", "seen_at")
    list_filter = ("connection__provider", "enabled")
    search_fields = ("=content",)
    fields = (
        "connection",
        "organization",
        "number",
        "enabled",
        "content",
        "seen_at",
        "command",
        "as_it_was",
    )

    @admin.display(description=_("Document"))
    def as_it_was(self, row: Version) -> SafeString | str:
        """JSON, secrets hidden."""
        return json_block(row.document)
