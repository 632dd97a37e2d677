"""Organizations, who may act for them, their connections and their audit log, as support sees them."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.audit.words import in_words
from apps.organizations import connections
from apps.organizations.health import health_of, with_freshness
from apps.organizations.models import (
    ApiToken,
    ColleagueInvitation,
    Connection,
    Grant,
    Organization,
    PersonalConnection,
    Viewing,
)
from apps.organizations.policy import may, support_may
from apps.organizations.services import resume_sending
from apps.organizations.staff_admin import CHANGE_ROLE, NEW_STAFF, VIEW_GRANT, VIEW_USER
from apps.organizations.support import (
    Act,
    Link,
    Page,
    SupportAdmin,
    SupportInline,
    Why,
    json_block,
    provider_words,
)

# --- Organizations and people of the portal ------------------------------------------------------


class GrantsOfOrganization(SupportInline):
    """Who may act for it."""

    model = Grant
    fields = ("user", "role", "created_at")
    reads = "grants.read"
    show_change_link = False


class GrantsOfUser(SupportInline):
    """What a user may act for, as far as support may look."""

    model = Grant
    fields = ("organization", "role", "created_at")
    reads = "grants.read"
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Of organizations that let support look."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.filter(organization__support_may_read=True)


@admin.register(Organization)
class OrganizationAdmin(SupportAdmin):
    """A tenant. Those that do not let support look are not in the list."""

    reads = "organization.read"
    list_display = (
        "name",
        "slug",
        "demand_mfa",
        "demand_second_person",
        "sending_stopped_at",
        "created_at",
    )
    list_filter = (
        "demand_mfa",
        "demand_second_person",
        ("sending_stopped_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("name", "slug", "grants__user__email")
    fields = (
        "name",
        "slug",
        "demand_mfa",
        "demand_second_person",
        "second_person_cents",
        "support_may_view_as",
        "put_back_at",
        "sending_stopped_at",
        "created_at",
    )
    inlines = (GrantsOfOrganization,)
    links = (
        Why(_("Is it up to date?"), "stale", lambda row: (row.pk, {})),
        Why(_("Why can somebody not join?"), "join", lambda row: (row.pk, {})),
        Page(_("Evidence for a ticket"), "evidence"),
        Link(
            _("Connections"),
            "organizations_connection",
            lambda row: {"organization__id__exact": row.pk},
        ),
        Link(_("People"), "members_person", lambda row: {"organization__id__exact": row.pk}),
        Link(_("Changes"), "sync_command", lambda row: {"organization__id__exact": row.pk}),
        Link(
            _("Changes at the provider"),
            "sync_remotechange",
            lambda row: {"organization__id__exact": row.pk},
        ),
        Link(
            _("Colleagues invited"),
            "organizations_colleagueinvitation",
            lambda row: {"organization__id__exact": row.pk},
        ),
        Link(
            _("API tokens"),
            "organizations_apitoken",
            lambda row: {"organization__id__exact": row.pk},
        ),
        Link(_("Audit log"), "audit_entry", lambda row: {"organization_id__exact": row.pk}),
    )
    acts = (
        Act(
            "resume_sending",
            _("Let changes go on"),
            _(
                "The database was put back from a backup. What was on its way is checked at its "
                "provider; what waits is sent from now on."
            ),
            do=lambda row, actor, given: resume_sending(organization=row, actor=actor),
            possible=lambda row, actor: (
                row.sending_stopped_at is not None
                and may(actor, "organization.resume_sending", row)
            ),
            grave=True,
            fresh=True,
        ),
    )

    def in_reach(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those that let support look."""
        return rows.filter(support_may_read=True)

    def organization_of(self, row: Any) -> Any:
        """The row itself."""
        return row


@admin.register(User)
class UserAdmin(SupportAdmin):
    """A person with a sign-in: staff, and who may act for an organization that lets support look."""

    reads = "grants.read"
    list_display = ("email", "name", "is_active", "as_staff", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff", "is_superuser", "leads_support")
    search_fields = ("email", "name")
    ordering = ("email",)
    fields = ("email", "name", "time_zone", "is_active", "as_staff", "last_login", "date_joined")
    inlines = (GrantsOfUser,)
    links = (
        Link(_("Changes asked for"), "sync_command", lambda row: {"actor__id__exact": row.pk}),
        Link(_("Audit log"), "audit_entry", lambda row: {"actor_id__exact": row.pk}),
    )
    acts = (VIEW_USER, CHANGE_ROLE)
    list_before_template = "admin/new_staff.html"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """With the way to a new staff account, for those who may."""
        offered = support_may(request.user, "staff.change")
        return super().changelist_view(
            request, {**(extra_context or {}), "may_make_staff": offered}
        )

    def get_urls(self) -> list[URLPattern]:
        """And the page that makes a staff account."""
        page = path(
            "new-staff/", self.admin_site.admin_view(self.new_staff), name="accounts_user_new_staff"
        )
        return [page, *super().get_urls()]

    def new_staff(self, request: HttpRequest) -> HttpResponse:
        """Make an account for somebody of support."""
        return self.act_without_row(request, NEW_STAFF, reverse("admin:accounts_user_changelist"))

    @admin.display(description=_("Role in support"))
    def as_staff(self, row: User) -> str:
        """In words; empty for everybody else."""
        return str(row.staff_role.label) if row.staff_role else ""

    def organization_of(self, row: Any) -> Any:
        """Of several perhaps: the act asks which."""
        return row.email

    def in_reach(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """See the class."""
        grants = Grant.objects.filter(user=OuterRef("pk"), organization__support_may_read=True)
        return rows.filter(Q(is_staff=True) | Q(Exists(grants)))


@admin.register(ColleagueInvitation)
class ColleagueInvitationAdmin(SupportAdmin):
    """An offer of a Grant; its link is nowhere to be seen."""

    reads = "grants.read"
    list_display = ("email", "organization", "role", "created_at", "expires_at", "accepted_at")
    list_filter = ("role", ("accepted_at", admin.EmptyFieldListFilter))
    list_select_related = ("organization",)
    search_fields = ("email", "organization__name")
    fields = (
        "organization",
        "email",
        "role",
        "invited_by",
        "created_at",
        "expires_at",
        "accepted_at",
    )


@admin.register(ApiToken)
class ApiTokenAdmin(SupportAdmin):
    """That a token exists and when it was used; nothing of the token itself."""

    reads = "grants.read"
    list_display = (
        "name",
        "kind",
        "user",
        "organization",
        "scope",
        "role",
        "created",
        "expiry",
        "last_used_at",
        "last_used_from",
    )
    list_filter = ("kind", "scope")
    list_display_links = None
    list_select_related = ("user", "organization")
    search_fields = ("name", "user__email", "organization__name")
    fields = ("organization", "user", "name", "kind", "scope", "role", "created", "expiry")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The list alone: a token's own page would have its hash in the address."""
        return obj is None and super().has_view_permission(request)


@admin.register(Grant)
class GrantAdmin(SupportAdmin):
    """Who may act for whom."""

    reads = "grants.read"
    list_display = ("user", "organization", "role", "from_directory", "created_at")
    list_filter = ("role", "from_directory")
    list_select_related = ("user", "organization")
    search_fields = ("user__email", "user__name", "organization__name")
    fields = ("organization", "user", "role", "from_directory", "created_at")
    acts = (VIEW_GRANT,)


@admin.register(Viewing)
class ViewingAdmin(SupportAdmin):
    """Who of support has looked through whose eyes, and why."""

    reads = "audit.read"
    list_display = ("began_at", "supporter", "user", "organization", "ended_at", "ending")
    list_filter = ("ending",)
    list_select_related = ("supporter", "user", "organization")
    search_fields = ("supporter__email", "user__email", "organization__name", "reason")
    ordering = ("-began_at",)
    fields = (
        "organization",
        "supporter",
        "user",
        "reason",
        "began_at",
        "ends_at",
        "ended_at",
        "ending",
    )


# --- Connections ---------------------------------------------------------------------------------


@admin.register(Connection)
class ConnectionAdmin(SupportAdmin):
    """A remote account. Of its key only the hint is shown."""

    reads = "connections.read"
    list_display = (
        "name",
        "organization",
        "of_provider",
        "state",
        "condition",
        "synced",
        "last_ok_at",
    )
    list_filter = ("provider", "state", ("frozen_at", admin.EmptyFieldListFilter))
    list_select_related = ("organization",)
    search_fields = (
        "name",
        "organization__name",
        "=organization__slug",
        "=remote_organization_id",
        "remote_organization_name",
        "=credential_hint",
    )
    fields = (
        "organization",
        "of_provider",
        "name",
        "uid",
        "base_url",
        "state",
        "condition",
        "way_out",
        "said",
        "remote_organization_id",
        "remote_organization_name",
        "credential_hint",
        "credential_changed_at",
        "probe",
        "probe_asked_at",
        "what_it_can_do",
        "what_it_offers",
        "requests_per_minute",
        "frozen_at",
        "frozen_reason",
        "failures",
        "breaker_open_until",
        "last_error",
        "last_error_at",
        "last_ok_at",
        "synced",
        "created_by",
        "created_at",
        "disconnected_at",
    )
    links = (
        Why(
            _("Is it up to date?"),
            "stale",
            lambda row: (row.organization_id, {"connection": str(row.pk)}),
        ),
        Link(_("Listings"), "sync_resource", lambda row: {"connection__id__exact": row.pk}),
        Link(_("Members"), "members_member", lambda row: {"connection__id__exact": row.pk}),
        Link(_("Invites"), "invites_invite", lambda row: {"connection__id__exact": row.pk}),
        Link(_("Changes"), "sync_command", lambda row: {"connection__id__exact": row.pk}),
        Link(
            _("Changes at the provider"),
            "sync_remotechange",
            lambda row: {"connection__id__exact": row.pk},
        ),
        Link(_("Audit log"), "audit_entry", lambda row: {"connection_id__exact": row.pk}),
    )
    acts = (
        Act(
            "pause",
            _("Pause"),
            _("Nothing is synced and nothing is sent until it is resumed. Changes wait."),
            do=lambda row, actor, given: connections.pause(connection=row, actor=actor),
            possible=lambda row, actor: (
                row.state == Connection.State.ACTIVE
                and may(actor, "connections.pause", row.organization)
            ),
            grave=True,
        ),
        Act(
            "resume",
            _("Resume"),
            _("Syncing begins at once, and changes that waited are sent."),
            do=lambda row, actor, given: connections.resume(connection=row, actor=actor),
            possible=lambda row, actor: (
                row.state == Connection.State.PAUSED
                and may(actor, "connections.pause", row.organization)
            ),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With how fresh each is."""
        rows: Any = super().get_queryset(request)
        return with_freshness(rows)

    @admin.display(description=_("Condition"))
    def condition(self, row: Connection) -> str:
        """What the organization's own pages say of it."""
        if row.state == Connection.State.DRAFT:
            return row.get_state_display()
        return health_of(row).headline

    @admin.display(description=_("Way out"))
    def way_out(self, row: Connection) -> str:
        """What to do about it."""
        return health_of(row).way_out

    @admin.display(description=_("The provider said"))
    def said(self, row: Connection) -> str:
        """In its own words."""
        return health_of(row).said

    @admin.display(description=_("Last complete sync"), ordering="synced_at")
    def synced(self, row: Any) -> Any:
        """The oldest of its listings' last complete walks."""
        return row.synced_at

    @admin.display(description=_("What it can do"))
    def what_it_can_do(self, row: Connection) -> SafeString | str:
        """Capabilities, with the reason of what it cannot."""
        return json_block(row.capabilities)

    @admin.display(description=_("provider"), ordering="provider")
    def of_provider(self, row: Any) -> str:
        """As people call it."""
        return str(provider_words(row.provider))

    @admin.display(description=_("What it offers"))
    def what_it_offers(self, row: Connection) -> SafeString | str:
        """Roles that the provider lets be given."""
        return json_block(row.offers)


@admin.register(PersonalConnection)
class PersonalConnectionAdmin(SupportAdmin):
    """Somebody's own account: that it exists and whether it works, and nothing of what is in it."""

    reads = "connections.read"
    list_display = ("whose", "of_provider", "state", "condition", "last_ok_at", "created_at")
    list_filter = ("state", ("frozen_at", admin.EmptyFieldListFilter))
    list_select_related = ("organization__personal_of",)
    search_fields = ("organization__personal_of__email",)
    fields = (
        "whose",
        "of_provider",
        "state",
        "condition",
        "failures",
        "frozen_at",
        "breaker_open_until",
        "last_ok_at",
        "created_at",
        "disconnected_at",
    )

    @admin.display(description=_("provider"), ordering="provider")
    def of_provider(self, row: Any) -> str:
        """As people call it."""
        return str(provider_words(row.provider))

    def in_reach(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of persons; their desks let nobody look any further."""
        return rows.filter(organization__personal_of__isnull=False).exclude(
            state=Connection.State.DRAFT
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With how fresh each is."""
        rows: Any = super().get_queryset(request)
        return with_freshness(rows)

    @admin.display(description=_("Whose"), ordering="organization__personal_of__email")
    def whose(self, row: Connection) -> str:
        """The person's address in this portal."""
        owner = row.organization.personal_of
        return owner.email if owner else ""

    @admin.display(description=_("Condition"))
    def condition(self, row: Connection) -> str:
        """In our words alone: what the provider said may be private."""
        return health_of(row).headline


# --- Audit ---------------------------------------------------------------------------------------


@admin.register(Entry)
class EntryAdmin(SupportAdmin):
    """A line of the audit log; lines of the portal itself belong to no organization."""

    reads = "audit.read"
    list_display = ("at", "actor", "what", "target", "source", "of_organization")
    list_filter = ("source",)
    search_fields = ("actor", "target", "=verb", "=target_id", "=request_id")
    ordering = ("-at", "-id")
    narrowed_by = ("organization_id", "actor_id")
    fields = (
        "of_organization",
        "sequence",
        "at",
        "actor",
        "source",
        "verb",
        "target_type",
        "target_id",
        "target",
        "connection_id",
        "command_id",
        "more",
        "request_id",
        "address",
        "previous_hash",
        "hash",
    )

    def in_reach(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Of organizations that let support look, and of none."""
        open_ones = Organization.objects.filter(support_may_read=True).values("pk")
        return rows.filter(Q(organization_id__in=open_ones) | Q(organization_id=0))

    @admin.display(description=_("Organization"))
    def of_organization(self, row: Entry) -> str:
        """Its number: the line may outlive the organization."""
        return str(row.organization_id or _("The portal"))

    @admin.display(description=_("What"))
    def what(self, row: Entry) -> str:
        """The verb in words."""
        return str(in_words(row.verb))

    @admin.display(description=_("Details"))
    def more(self, row: Entry) -> SafeString | str:
        """What the line keeps."""
        return json_block(row.details)
