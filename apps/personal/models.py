"""A person's own account at a provider."""

from dataclasses import dataclass
from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.sync.models import Mirrored

# What the provider calls the windows of a plan's allowance, in the order of their length.
WINDOWS = {
    "five_hour": _("Five hours"),
    "weekly": _("Week"),
    "monthly": _("Month"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """An organization that the person is in. ``active``: use is billed to it."""

    remote_id: str
    name: str
    roles: tuple[str, ...]
    active: bool


class Account(Mirrored):
    """A person's account as its provider knows it: one row a connection.

    ``raw`` holds {"memberships": [{"id": …, "name": …, "roles": […]}]}.
    """

    name = models.CharField(_("name"), max_length=200, blank=True)
    email = models.CharField(_("email address"), max_length=254, blank=True)
    terms_accepted_at = models.DateTimeField(null=True, blank=True)
    # NULL: the provider does not say.
    takes_part_in_benchmarks = models.BooleanField(null=True, blank=True)
    # The organization that use is billed to; "": the person; NULL: the provider does not say.
    active_organization_id = models.CharField(max_length=120, null=True, blank=True)
    # Names of the organizations: what people want to hear of when it changes.
    organizations = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField(null=True, blank=True)  # the provider's own time

    class Meta(Mirrored.Meta):
        verbose_name = _("own account")
        verbose_name_plural = _("own accounts")

    def __str__(self) -> str:
        return self.email or self.name or str(self.remote_id)

    @property
    def places(self) -> list[Place]:
        """The organizations that the person is in, by name."""
        found = [
            Place(
                one["id"],
                one["name"] or one["id"],
                tuple(one["roles"]),
                one["id"] == self.active_organization_id,
            )
            for one in self.raw.get("memberships", [])
        ]
        return sorted(found, key=lambda place: (place.name.lower(), place.remote_id))

    def place(self, remote_id: str) -> Place | None:
        """The organization of that id, None if the person is not in it."""
        return next((one for one in self.places if one.remote_id == remote_id), None)

    @property
    def target(self) -> str:
        """What a Command on this account names as its target: one change at a time."""
        return f"account:{self.remote_id}"


class Allowance(Mirrored):
    """How much of one window of a personal plan is used; ``remote_id`` is the window."""

    # Percent; may pass 100. NULL: the provider does not say.
    percent = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    resets_at = models.DateTimeField(null=True, blank=True)  # NULL while nothing is used

    class Meta(Mirrored.Meta):
        verbose_name = _("allowance")
        verbose_name_plural = _("allowances")

    def __str__(self) -> str:
        return str(self.label)

    @property
    def label(self) -> object:
        """The window in words; one that is not known as the provider spells it."""
        return WINDOWS.get(str(self.remote_id)) or str(self.remote_id).replace("_", " ")

    @property
    def drawn(self) -> Decimal:
        """The percent that a bar shows: 0 to 100."""
        return min(max(self.percent or Decimal(0), Decimal(0)), Decimal(100))

    @property
    def tone(self) -> str:
        """How near the end is."""
        used = self.percent or 0
        return "danger" if used >= 100 else "warning" if used >= 80 else "success"
