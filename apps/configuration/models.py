"""What an organization is at its provider, and the settings that it hands to its members."""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.organizations.models import Connection
from apps.sync.models import Command, Mirrored

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from apps.accounts.models import User


class RemoteOrganization(Mirrored):
    """An organization as its provider knows it: one row for each connection."""

    name = models.CharField(_("name"), max_length=200)
    external_id = models.CharField(max_length=120, blank=True)  # at the identity broker
    member_count = models.BigIntegerField(null=True, blank=True)  # as the provider counts them
    # The provider's own times.
    created_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(null=True, blank=True)

    class Meta(Mirrored.Meta):
        verbose_name = _("organization at a provider")
        verbose_name_plural = _("organizations at providers")

    def __str__(self) -> str:
        return self.name

    @property
    def target(self) -> str:
        """What a Command on this organization names as its target."""
        return f"organization:{self.remote_id}"


class RemoteConfiguration(Mirrored):
    """The settings that an organization hands to its members, secrets hidden: one row a connection.

    Where the connection is a person's own account, those that its organizations hand to it.
    ``raw`` holds {"document": …, "enabled": …, "unreadable": …, "hidden": …}, and
    {"sources": [[id, name], …]} on such a connection.
    """

    enabled = models.BooleanField(default=False)  # whether members get it
    content = models.CharField(
        max_length=16, blank=True
    )  # digest of the document; "": there is none

    class Meta(Mirrored.Meta):
        verbose_name = _("remote config")
        verbose_name_plural = _("remote configs")

    def __str__(self) -> str:
        return str(_("Remote config"))

    @property
    def document(self) -> dict[str, Any] | None:
        """The document; None if there is none, or none that can be read."""
        found: dict[str, Any] | None = self.raw.get("document")
        return found

    @property
    def sources(self) -> list[str]:
        """Names of the organizations that hand one to a person's own account."""
        return [name or remote_id for remote_id, name in self.raw.get("sources", [])]

    @property
    def hidden(self) -> dict[str, dict[str, str]]:
        """What tells the hidden values apart, by key and place; {} where no walk has seen them yet."""
        found: dict[str, dict[str, str]] = self.raw.get("hidden") or {}
        return found

    @property
    def is_unreadable(self) -> bool:
        """Whether there is something that nobody can read: it is not handed out then."""
        return bool(self.raw.get("unreadable"))

    @property
    def target(self) -> str:
        """What a Command on these settings names as its target."""
        return f"remote_config:{self.remote_id}"


class VersionQuerySet(models.QuerySet["Version"]):
    """Versions as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> "VersionQuerySet":
        """Those of the connections that ``user`` may see."""
        return self.filter(connection__in=Connection.objects.visible_to(user))


class Version(models.Model):
    """The settings as they were seen from one moment on, until the next version; secrets hidden.

    ``hidden`` tells a hidden value that was changed, and never what it is: keyed digests by key and
    place, {} while nobody has seen them.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    number = models.PositiveIntegerField()
    document = models.JSONField(null=True, blank=True)
    enabled = models.BooleanField()
    content = models.CharField(max_length=16, blank=True)
    hidden = models.JSONField(default=dict, blank=True, editable=False)
    seen_at = models.DateTimeField()
    # Our own change that made it; NULL: somebody made it at the provider.
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="+")

    objects = VersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("version of a remote config")
        verbose_name_plural = _("versions of remote configs")
        constraints = [
            models.UniqueConstraint(fields=["connection", "number"], name="version_numbered_once")
        ]

    def __str__(self) -> str:
        return str(_("Version %(number)d") % {"number": self.number})
