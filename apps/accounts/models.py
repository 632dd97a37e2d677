"""People who sign in to the portal."""

from typing import Any, ClassVar, Protocol
from zoneinfo import ZoneInfo, available_timezones

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _


def known_time_zone(value: str) -> None:
    """Refuse a name that the time zone database does not have."""
    if value not in available_timezones():
        raise ValidationError(_("%(zone)s is not a known time zone."), params={"zone": value})


class UserManager(BaseUserManager["User"]):
    """Makes users by email address; there are no user names."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create and return a user; ``password=None`` makes an account that cannot sign in by password."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user who may do everything in Django admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


# How tokens sign what they do. Written into the log: in no reader's language.


def service_signature(token: str, maker: str) -> str:
    """An organization's token: it is nobody's own."""
    return f"token {token}, made by {maker}"


def personal_signature(token: str, holder: str) -> str:
    """Somebody's own token: it acts as they do."""
    return f"{holder}, by token {token}"


class ActingToken(Protocol):
    """What a program shows in a person's place: ``organizations.ApiToken``."""

    name: str
    role: str
    organization_id: int

    @property
    def is_service(self) -> bool:
        """Whether it is an organization's own."""


class StaffRole(models.TextChoices):
    """What somebody of the support staff is, from the least to the most; each may what those before may."""

    SUPPORT = "support", _("Support")
    LEAD = "lead", _("Support lead")
    SUPERUSER = "superuser", _("Superuser")

    def reaches(self, least: "StaffRole") -> bool:
        """Whether this role is ``least`` or more."""
        ranks = list(StaffRole)
        return ranks.index(self) >= ranks.index(least)


class User(AbstractUser):  # type: ignore[django-manager-missing]  # knox ships no types
    """A person with a sign-in. What they may do hangs on their Grants (``apps.organizations``)."""

    class Theme(models.TextChoices):
        AUTO = "auto", _("Same as the system")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    username = None  # type: ignore[assignment]  # Django's own way of dropping an inherited field
    first_name = None  # type: ignore[assignment]  # one name field serves every culture
    last_name = None  # type: ignore[assignment]  # likewise
    email = models.EmailField(_("email address"), unique=True)
    name = models.CharField(_("name"), max_length=150, blank=True)
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="UTC", validators=[known_time_zone]
    )
    theme = models.CharField(_("theme"), max_length=5, choices=Theme, default=Theme.AUTO)
    leads_support = models.BooleanField(_("leads support"), default=False)
    # Part of every session's hash: counting it up ends them all, wherever they are kept.
    session_epoch = models.PositiveIntegerField(default=0, editable=False)
    # Counts up when a Grant or a second factor changes: what a session has remembered of either is stale.
    access_version = models.PositiveIntegerField(default=0, editable=False)

    # By which token this user acts, in a request of a program: set at the door, kept nowhere.
    acting: ActingToken | None = None

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    # On the copy that pages get while support looks through this user's eyes: the number of the one
    # organization that is shown then. Nothing of it is kept.
    viewed_on: int | None = None

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]  # narrower than AbstractUser's

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_any_case")]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        """Return the name that pages show."""
        return self.name or self.email

    def get_short_name(self) -> str:
        """Return the name in a greeting."""
        return self.name.split(" ")[0] if self.name else self.email

    @property
    def staff_role(self) -> StaffRole | None:
        """What this user is among the support staff, None for everybody else."""
        if not self.is_staff or not self.is_active:
            return None
        if self.is_superuser:
            return StaffRole.SUPERUSER
        return StaffRole.LEAD if self.leads_support else StaffRole.SUPPORT

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Tie sessions to the password and to ``session_epoch``."""
        return salted_hmac(
            "apps.accounts.models.User.session",
            f"{self.password}:{self.session_epoch}",
            secret=secret,
            algorithm="sha256",
        ).hexdigest()

    @property
    def signature(self) -> str:
        """Who does what is done now: the address; where a token acts, its name too.

        The address says who it was even when two people share a name.
        """
        if self.acting is None:
            return self.email
        signed = service_signature if self.acting.is_service else personal_signature
        return signed(self.acting.name, self.email)

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which this reader sees every time."""
        return ZoneInfo(self.time_zone)
