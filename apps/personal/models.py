"""A person's own account at a provider."""

from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.sync.models import Mirrored


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
