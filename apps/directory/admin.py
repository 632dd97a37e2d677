"""What identity providers have sent, as support sees it: why can somebody not get in?"""

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from apps.directory.lists import standing, with_roles
from apps.directory.models import Directory, DirectoryGroup, DirectoryUser
from apps.organizations.support import Link, SupportAdmin


@admin.register(Directory)
class DirectoryAdmin(SupportAdmin):
    """When an organization's directory was heard of."""

    reads = "grants.read"
    list_display = ("organization", "asked_at", "asked", "status", "failed_at", "failure")
    list_select_related = ("organization",)
    search_fields = ("organization__name", "=organization__slug")
    ordering = ("-asked_at",)
    fields = ("organization", "asked_at", "asked", "status", "failed_at", "failure")
    links = (
        Link(
            _("People"),
            "directory_directoryuser",
            lambda row: {"organization__id__exact": row.organization_id},
        ),
        Link(
            _("Groups"),
            "directory_directorygroup",
            lambda row: {"organization__id__exact": row.organization_id},
        ),
    )


@admin.register(DirectoryUser)
class DirectoryUserAdmin(SupportAdmin):
    """A person as the directory knows them."""

    reads = "grants.read"
    list_display = ("user_name", "email", "organization", "active", "kept_out_at", "changed_at")
    list_filter = ("active", ("kept_out_at", admin.EmptyFieldListFilter))
    list_select_related = ("organization",)
    search_fields = ("user_name", "email", "display_name", "=external_id", "=uid")
    ordering = ("-pk",)
    fields = (
        "organization",
        "user_name",
        "display_name",
        "email",
        "external_id",
        "uid",
        "active",
        "standing",
        "user",
        "kept_out_at",
        "created_at",
        "changed_at",
    )

    @admin.display(description=_("Here"))
    def standing(self, row: DirectoryUser) -> str:
        """What the directory has led to."""
        return standing(with_roles(DirectoryUser.objects.filter(pk=row.pk)).get())[1]


@admin.register(DirectoryGroup)
class DirectoryGroupAdmin(SupportAdmin):
    """A group and what an owner has made of it."""

    reads = "grants.read"
    list_display = ("name", "organization", "role", "changed_at")
    list_filter = ("role",)
    list_select_related = ("organization",)
    search_fields = ("name", "=external_id", "=uid", "organization__name")
    ordering = ("-pk",)
    fields = ("organization", "name", "external_id", "uid", "role", "size", "changed_at")

    @admin.display(description=_("Members"))
    def size(self, row: Any) -> int:
        """How many they are."""
        return int(row.memberships.count())
