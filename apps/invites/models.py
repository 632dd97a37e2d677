"""Invites to remote organizations, the pending and the past."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.members.models import Person
from apps.sync.models import Mirrored


class Invite(Mirrored):
    """An invite at one provider.

    ``remote_id`` is NULL while our own Command is on its way or was refused. A row that the
    provider no longer lists is not deleted: its address became a member → accepted; past its
    date → expired; withdrawn here → withdrawn; else unknown.
    """

    class State(models.TextChoices):
        SENDING = "sending", _("Being sent")
        REFUSED = "refused", _("Refused")
        PENDING = "pending", _("Pending")
        ACCEPTED = "accepted", _("Accepted")
        EXPIRED = "expired", _("Expired")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        UNKNOWN = "unknown", _("No longer listed")

    person = models.ForeignKey(Person, models.CASCADE, related_name="invites")
    email = models.CharField(_("email address"), max_length=254)
    role = models.CharField(_("role"), max_length=60)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)
    # The provider's own word for the state, as sent, even one that we do not know.
    remote_status = models.CharField(max_length=40, blank=True)
    invited_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)  # why it was refused, in the provider's words

    class Meta(Mirrored.Meta):
        verbose_name = _("invite")
        verbose_name_plural = _("invites")
        indexes = [
            models.Index(fields=["connection", "state", "expires_at"], name="invite_by_expiry"),
            models.Index(fields=["connection", "email"], name="invite_by_email"),
        ]

    def __str__(self) -> str:
        return f"{self.email} · {self.get_state_display()}"

    @property
    def target(self) -> str:
        """What a Command on this invite names as its target: the address, so that two cannot race."""
        return f"invites:{self.email.lower()}"
