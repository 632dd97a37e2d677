"""Workspaces of remote organizations, and who has which role in them."""

import re

from django.db import models
from django.db.models.functions import Lower
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.sync.models import Mirrored


def target_of_new(name: str) -> str:
    """What a Command that makes a workspace names as its target: the name, so that two cannot race."""
    return f"workspaces:new:{name.lower()}"


class Workspace(Mirrored):
    """A workspace at one provider. The default one is not listed and has no row: NULL means it.

    ``remote_id`` is NULL while our own Command is on its way or was refused. Workspaces are archived
    and never go away.
    """

    class State(models.TextChoices):
        MAKING = "making", _("Being created")
        REFUSED = "refused", _("Refused")
        LIVE = "live", _("Live")
        ARCHIVED = "archived", _("Archived")

    name = models.CharField(_("name"), max_length=200)
    colour = models.CharField(_("colour"), max_length=20, blank=True)  # "#RRGGBB"
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.LIVE)
    # The provider's own times.
    created_at = models.DateTimeField(_("created"), null=True, blank=True)
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True)
    # Where requests may run, separated by commas: "" means anywhere.
    allowed_geos = models.CharField(_("allowed geos"), max_length=200, blank=True)
    # Where they run unless they say so; "" where the provider said nothing of residency at all.
    default_geo = models.CharField(_("default geo"), max_length=40, blank=True)
    storage_geo = models.CharField(_("storage geo"), max_length=40, blank=True)
    error = models.TextField(blank=True)  # why it was refused, in the provider's words

    class Meta(Mirrored.Meta):
        verbose_name = _("workspace")
        verbose_name_plural = _("workspaces")
        indexes = [
            models.Index("connection", "state", Lower("name"), name="workspace_by_name"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def target(self) -> str:
        """What a Command on this workspace names as its target."""
        return (
            target_of_new(self.name) if self.remote_id is None else f"workspaces:{self.remote_id}"
        )

    @property
    def swatch(self) -> SafeString:
        """Its colour as a dot, beside its name."""
        known = re.fullmatch("#[0-9A-Fa-f]{6}", self.colour)
        return format_html(
            '<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">'
            '<circle cx="5" cy="5" r="5" fill="{}"></circle></svg>',
            self.colour if known else "currentColor",
        )

    @property
    def is_live(self) -> bool:
        """Whether anything about it can still be changed."""
        return self.state == self.State.LIVE and self.remote_id is not None


class WorkspaceMember(Mirrored):
    """A user's role in one workspace, explicit or inherited, as the provider lists it.

    It has no id at the provider: ``remote_id`` is "workspace:user". ``user_remote_id`` is the
    ``remote_id`` of the connection's ``members.Member``, whose organization role decides whether the
    role here is inherited (``standing.py``). Rows of a workspace that was archived are gone.
    """

    workspace_remote_id = models.CharField(max_length=120)
    user_remote_id = models.CharField(max_length=120)
    role = models.CharField(_("role"), max_length=60)

    class Meta(Mirrored.Meta):
        verbose_name = _("workspace member")
        verbose_name_plural = _("workspace members")
        indexes = [
            models.Index(
                fields=["connection", "workspace_remote_id", "gone_at", "user_remote_id", "role"],
                name="workspace_member_by_workspace",
            ),
            models.Index(
                fields=["connection", "user_remote_id", "gone_at", "workspace_remote_id", "role"],
                name="workspace_member_by_user",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.remote_id} · {self.role}"

    @property
    def target(self) -> str:
        """What a Command on this membership names as its target."""
        return f"workspace_members:{self.remote_id}"


class RateLimit(Mirrored):
    """One limit of one group: the organization's, or what a workspace has instead of it.

    Groups have no id at the provider that is the same everywhere: ``remote_id`` is made of workspace,
    group and kind. ``value`` is per minute or whatever else ``kind`` says, as the provider spells it.
    """

    workspace_remote_id = models.CharField(max_length=120, blank=True)  # "": the organization's
    group = models.CharField(_("group"), max_length=60)
    model_names = models.TextField(
        _("models"), blank=True
    )  # separated by commas; "": none are meant
    kind = models.CharField(_("limit"), max_length=80)
    value = models.BigIntegerField(_("value"))
    # Of an override: the organization's own beside it, NULL where it has none.
    organization_value = models.BigIntegerField(null=True, blank=True)
    label = models.CharField(max_length=254)

    class Meta(Mirrored.Meta):
        verbose_name = _("rate limit")
        verbose_name_plural = _("rate limits")
        indexes = [
            models.Index(
                fields=["connection", "workspace_remote_id", "label"], name="rate_limit_by_place"
            ),
        ]

    def __str__(self) -> str:
        return self.label
