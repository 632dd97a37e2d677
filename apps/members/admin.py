"""People and their memberships, as support sees them: a provider owns their truth."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.members.models import Member, Person
from apps.organizations.support import Link, SupportAdmin, SupportInline, Why
from apps.sync.support import CHANGES, JOINING, REMOTE_CHANGES, MirrorAdmin


class MembersOfPerson(SupportInline):
    """Where they are a member."""

    model = Member
    fields = ("connection", "email", "role", "remote_id", "joined_at", "gone_at")
    reads = "people.read"


@admin.register(Person)
class PersonAdmin(SupportAdmin):
    """One human across an organization's connections."""

    reads = "people.read"
    list_display = ("email", "name", "organization", "memberships", "created_at")
    list_select_related = ("organization",)
    search_fields = ("email", "name", "=members__remote_id", "=members__remote_user_id")
    ordering = ("-id",)
    fields = ("organization", "email", "name", "joined_at", "created_at")
    inlines = (MembersOfPerson,)
    links = (
        Why(
            _("Why can they not join?"),
            "join",
            lambda row: (row.organization_id, {"email": row.email}),
        ),
        Link(_("Invites"), "invites_invite", lambda row: {"person__id__exact": row.pk}),
        Link(
            _("Changes"),
            "sync_command",
            lambda row: {"organization__id__exact": row.organization_id, "label__exact": row.email},
        ),
        Link(
            _("Changes at the provider"),
            "sync_remotechange",
            lambda row: {"organization__id__exact": row.organization_id, "label__exact": row.email},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """With how many memberships each has."""
        present = Member.objects.filter(person=OuterRef("pk"), gone_at__isnull=True)
        counted = present.order_by().values("person").annotate(n=Count("pk")).values("n")
        rows: Any = super().get_queryset(request)
        # For the rows of the page alone: a join would count everybody's.
        return rows.annotate(memberships=Coalesce(Subquery(counted), 0))

    @admin.display(description=_("Memberships"))
    def memberships(self, row: Any) -> int:
        """How many there are now."""
        return int(row.memberships)


@admin.register(Member)
class MemberAdmin(MirrorAdmin):
    """A membership as the provider has it."""

    reads = "people.read"
    list_display = ("email", "name", "role", "connection", "organization", "joined_at", "gone_at")
    list_filter = ("connection__provider", "role", ("gone_at", admin.EmptyFieldListFilter))
    search_fields = ("email", "name", "=remote_id", "=remote_user_id")
    fields = (
        "person",
        "connection",
        "organization",
        "remote_id",
        "remote_user_id",
        "email",
        "name",
        "role",
        "joined_at",
        "first_seen_at",
        "changed_at",
        "gone_at",
        "as_sent",
    )
    links = (JOINING, CHANGES, REMOTE_CHANGES)
