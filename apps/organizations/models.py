"""Tenants, who may act for them, and the remote accounts they have connected."""

import uuid
from typing import TYPE_CHECKING, ClassVar, cast
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken

from apps.accounts.models import User, known_time_zone

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser


class Installation(models.Model):
    """This portal: one row, written by the first run. Two first runs at once collide on its key."""

    THE_ONE = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=THE_ONE)
    started_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("installation")
        verbose_name_plural = _("installations")
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_installation")]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d}"


class OrganizationQuerySet(models.QuerySet["Organization"]):
    """Organizations as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> "OrganizationQuerySet":
        """Those on which ``user`` holds a Grant."""
        if not user.is_authenticated:
            return self.none()
        found = self.filter(grants__user=user)
        if user.viewed_on is not None:
            return found.filter(pk=user.viewed_on)
        return found

    def shared(self) -> "OrganizationQuerySet":
        """Those of customers, without the desks of single persons."""
        return self.filter(personal_of__isnull=True)

    def with_role(self) -> "OrganizationQuerySet":
        """After ``visible_to``: ``held_role`` is the reader's role on each."""
        return self.annotate(held_role=models.F("grants__role"))


class Organization(models.Model):  # type: ignore[django-manager-missing]  # knox ships no types
    """A customer of this portal: the tenant that everything else belongs to.

    Or one person (``personal_of``): their own accounts at providers hang on a tenant of their own, on
    which nobody else ever holds a Grant and which support cannot look into.
    """

    name = models.CharField(_("name"), max_length=120)
    slug = models.SlugField(_("address"), max_length=60, unique=True)
    demand_mfa = models.BooleanField(
        _("demand a second factor"),
        default=True,
        help_text=_("Whoever may change something must sign in with a second factor."),
    )
    demand_second_person = models.BooleanField(
        _("demand a second person"),
        default=False,
        help_text=_("Acts that cannot be undone wait until a second person has approved them."),
    )
    # NULL: no amount by itself asks for a second person.
    second_person_cents = models.PositiveBigIntegerField(
        _("second person above, in cents"), null=True, blank=True
    )
    support_may_read = models.BooleanField(_("support may look at this organization"), default=True)
    support_may_view_as = models.BooleanField(
        _("support may view as a colleague"),
        default=False,
        help_text=_(
            "For half an hour, with a reason, looking and nothing else; owners are told each time. Works "
            "only while support may look at this organization."
        ),
    )
    personal_of = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="personal_desk",
        verbose_name=_("own desk of"),
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        validators=[known_time_zone],
        help_text=_("Reports are sent at an hour of this zone."),
    )
    # The database was put back from a backup: when that was noticed last, and since when no change
    # is sent because nobody has said yet that it may (NULL: changes are sent).
    put_back_at = models.DateTimeField(_("put back"), null=True, blank=True, editable=False)
    sending_stopped_at = models.DateTimeField(
        _("changes stopped"), null=True, blank=True, editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")
        ordering = ["name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(personal_of__isnull=True) | Q(support_may_read=False),
                name="support_stays_out_of_personal_desks",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """The zone of its clocks."""
        return ZoneInfo(self.time_zone)

    @property
    def is_personal(self) -> bool:
        """Whether it is one person's own desk."""
        return self.personal_of_id is not None


class Role(models.TextChoices):
    """What a Grant makes of its holder; what each may do stands in ``policy.py``."""

    OWNER = "owner", _("Owner")
    ADMIN = "admin", _("Admin")
    BILLING = "billing", _("Billing")
    VIEWER = "viewer", _("Viewer")
    SELF = "self", _("Own account")  # of a person on their own desk, and nowhere else


class Grant(models.Model):
    """A user's role on an organization."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="grants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="grants")
    role = models.CharField(_("role"), max_length=10, choices=Role)
    # The organization's identity provider gives it, and takes it away again; otherwise somebody did by hand.
    from_directory = models.BooleanField(_("from the directory"), default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("grant")
        verbose_name_plural = _("grants")
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="grant_once_per_user")
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()}"


class ColleagueInvitation(models.Model):
    """An offer of a Grant to an address; the link in the mail carries a token of which we keep the hash."""

    organization = models.ForeignKey(
        Organization, models.CASCADE, related_name="colleague_invitations"
    )
    email = models.EmailField(_("email address"))
    role = models.CharField(_("role"), max_length=10, choices=Role)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("colleague invitation")
        verbose_name_plural = _("colleague invitations")
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "email"],
                condition=Q(accepted_at__isnull=True),
                name="one_open_invitation_per_colleague",
            )
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def has_expired(self) -> bool:
        """Whether its link no longer works."""
        return self.expires_at <= timezone.now()


class ApiToken(AbstractAuthToken):  # type: ignore[misc]  # knox ships no types
    """Lets a program act on one organization. Only a hash is kept.

    It may do what ``role`` may, as long as its maker may do that too, and ends with the maker's Grant:
    ``policy.role_by_token``. A personal one acts as its maker; a service one belongs to the
    organization, whose admins see and end it, and is named where it acts.
    """

    class Kind(models.TextChoices):
        PERSONAL = "personal", _("Personal")
        SERVICE = "service", _("Service")

    class Scope(models.TextChoices):
        READ = "read", _("Read only")
        WRITE = "write", _("Read and change")
        SCIM = "scim", _("Provisioning (SCIM)")  # its addresses, /scim/, and no others

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="api_tokens")
    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.PERSONAL)
    role = models.CharField(_("role"), max_length=10, choices=Role)  # the most it may do
    scope = models.CharField(_("scope"), max_length=5, choices=Scope, default=Scope.WRITE)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    # The network that it was last used from, "203.0.113.0/24".
    last_used_from = models.CharField(_("last used from"), max_length=64, blank=True)

    objects: ClassVar[models.Manager["ApiToken"]] = models.Manager()

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-created"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(scope="scim") | Q(kind="service"), name="provisioning_is_a_service"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def made_by(self) -> User:
        """Who made it: what it does is theirs to answer for."""
        return cast("User", self.user)

    @property
    def is_service(self) -> bool:
        """Whether it is the organization's and not one person's."""
        return self.kind == self.Kind.SERVICE

    @property
    def hint(self) -> str:
        """How it begins, by which its holder knows it again."""
        return f"{self.token_key[:10]}…"

    @property
    def has_expired(self) -> bool:
        """Whether its time is over."""
        return self.expiry is not None and self.expiry <= timezone.now()


class ConnectionQuerySet(models.QuerySet["Connection"]):
    """Connections as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> "ConnectionQuerySet":
        """Those of the organizations that ``user`` holds a Grant on."""
        return self.filter(organization__in=Organization.objects.visible_to(user))

    def confirmed(self) -> "ConnectionQuerySet":
        """Those whose wizard was gone through, the disconnected too."""
        return self.exclude(state=Connection.State.DRAFT)

    def live(self) -> "ConnectionQuerySet":
        """Those that are confirmed and not disconnected."""
        return self.filter(state__in=[Connection.State.ACTIVE, Connection.State.PAUSED])


class Connection(models.Model):
    """One remote account that an organization has connected.

    ``credential`` is sealed (``sealing.py``) and bound to organization, connection and field; the
    clear value exists in a worker's memory alone. A wizard's draft is a row in state DRAFT.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Being connected")
        ACTIVE = "active", _("Active")
        PAUSED = "paused", _("Paused")
        DISCONNECTED = "disconnected", _("Disconnected")

    class Probe(models.TextChoices):
        NONE = "", _("Not asked")
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Asking the provider")
        FOUND = "found", _("Found")
        FAILED = "failed", _("Failed")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="connections")
    provider = models.CharField(_("provider"), max_length=20)
    name = models.CharField(_("name"), max_length=80)
    base_url = models.CharField(_("base URL"), max_length=200)
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.DRAFT)
    remote_organization_id = models.CharField(max_length=120, blank=True)
    remote_organization_name = models.CharField(max_length=200, blank=True)
    credential = models.TextField(blank=True, editable=False)
    credential_hint = models.CharField(max_length=12, blank=True, editable=False)
    credential_changed_at = models.DateTimeField(null=True, blank=True)
    # A key being rotated waits here, sealed, until its probe has passed.
    next_credential = models.TextField(blank=True, editable=False)
    probe = models.CharField(max_length=8, choices=Probe, default=Probe.NONE, blank=True)
    probe_asked_at = models.DateTimeField(null=True, blank=True)
    # {"account": "…", "organizations": [{"id": "…", "name": "…", "roles": […]}], "error": {…}}
    probe_result = models.JSONField(default=dict, blank=True)
    # {"members.read": {"ok": true, "reason": ""}, …}
    capabilities = models.JSONField(default=dict, blank=True)
    # What the provider says may be assigned, where it says so: {"roles": ["admin", "member"]}
    offers = models.JSONField(default=dict, blank=True)
    requests_per_minute = models.PositiveIntegerField(default=100)
    # 401: the queue stands still until the key is rotated.
    frozen_at = models.DateTimeField(null=True, blank=True)
    frozen_reason = models.CharField(max_length=500, blank=True)
    # Circuit breaker: consecutive failures that say nothing of the request itself.
    failures = models.PositiveIntegerField(default=0)
    breaker_open_until = models.DateTimeField(null=True, blank=True)
    # Half open: one call is out to see whether the provider answers again.
    breaker_trial = models.BooleanField(default=False, editable=False)
    last_error = models.CharField(max_length=500, blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    last_ok_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    disconnected_at = models.DateTimeField(null=True, blank=True)

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "provider", "base_url", "remote_organization_id"],
                condition=Q(state__in=["active", "paused"]),
                name="remote_account_connected_once",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def can(self, capability: str) -> bool:
        """Whether the last probe found that this connection can do ``capability``."""
        return bool(self.capabilities.get(capability, {}).get("ok"))

    def why_not(self, capability: str) -> str:
        """Why it cannot, in the provider's words where it gave some; empty if it can."""
        return str(self.capabilities.get(capability, {}).get("reason", ""))


class PersonalConnection(Connection):
    """The same where it is one person's own, as support sees it: that it is there and how it does."""

    class Meta:
        proxy = True
        verbose_name = _("own account of a person")
        verbose_name_plural = _("own accounts of persons")

    def __str__(self) -> str:
        return f"{self.provider} {self.created_at:%Y-%m-%d}"  # its name is the person's own


class Viewing(models.Model):
    """Somebody of support looks at one organization through a colleague's eyes, for half an hour at most."""

    class Ending(models.TextChoices):
        ENDED = "ended", _("Ended by support")
        TIME = "time", _("The time was over")
        SIGNED_OUT = "signed_out", _("Support signed out")
        WITHDRAWN = "withdrawn", _("It was not allowed any more")

    supporter = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("support")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("viewed as")
    )
    organization = models.ForeignKey(
        Organization, models.CASCADE, related_name="viewings", verbose_name=_("organization")
    )
    reason = models.CharField(_("reason"), max_length=500)
    began_at = models.DateTimeField(_("began"), auto_now_add=True)
    ends_at = models.DateTimeField(_("ends at the latest"), db_index=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    ending = models.CharField(_("how it ended"), max_length=10, choices=Ending, blank=True)

    class Meta:
        verbose_name = _("view as a colleague")
        verbose_name_plural = _("views as a colleague")

    def __str__(self) -> str:
        return f"{self.supporter} → {self.user}"
