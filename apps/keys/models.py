"""API keys as their providers tell of them: never the secret."""

from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.sync.models import Mirrored


class Ending(models.Func):
    """The last four characters of a text, small: what people know a key by. None of it is a parameter, so
    that databases take it for what they have an index of."""

    function = "RIGHT"
    template = "LOWER(%(function)s(%(expressions)s, 4))"
    output_field = models.CharField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """SQLite has no RIGHT."""
        template = "LOWER(SUBSTR(%(expressions)s, -4))"
        return self.as_sql(compiler, connection, template=template, **context)


class Key(Mirrored):
    """An API key: the organization's (Anthropic), or one of the credential owner's (Cline).

    ``workspace`` and ``creator`` are the provider's own ids, as text: what they name may be mirrored
    later, or be gone. ``creator`` is the remote id of a membership of the same connection.
    """

    name = models.CharField(_("name"), max_length=200)
    # The provider's own word, as sent; a date that has passed since then makes it "expired" here.
    status = models.CharField(_("status"), max_length=40)
    hint = models.CharField(max_length=80, blank=True)  # a redacted rendering of the secret
    # "": the default workspace. NULL: this provider has no workspaces, or did not say.
    workspace = models.CharField(max_length=120, null=True, blank=True)
    creator = models.CharField(max_length=120, blank=True)  # "": nobody knows
    creator_kind = models.CharField(max_length=40, blank=True)  # "user", "service_account"
    created_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)  # NULL: never
    last_used_at = models.DateTimeField(null=True, blank=True)  # where the provider says so
    # What is shown of it fits the credential of its connection.
    is_own = models.BooleanField(default=False)

    class Meta(Mirrored.Meta):
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        indexes = [
            models.Index(fields=["connection", "name"], name="key_by_name"),
            models.Index(fields=["connection", "creator"], name="key_by_creator"),
            models.Index(fields=["connection", "workspace"], name="key_by_workspace"),
            models.Index(Ending("hint"), name="key_by_ending"),
        ]

    def __str__(self) -> str:
        return self.name or self.remote_id or ""

    @property
    def target(self) -> str:
        """What a Command on this key names as its target."""
        return f"keys:{self.remote_id}"

    @property
    def state(self) -> str:
        """The status as of this minute: "gone", or "expired" once the date has passed."""
        if self.gone_at:
            return "gone"
        passed = self.expires_at is not None and self.expires_at <= timezone.now()
        return "expired" if passed and self.status in ("active", "inactive") else self.status


class SharedKey(Mirrored):
    """That an organization shares a key of an inference provider with its members.

    ``remote_id`` is that provider's name. The key itself never comes here.
    """

    class Meta(Mirrored.Meta):
        verbose_name = _("shared provider key")
        verbose_name_plural = _("shared provider keys")

    def __str__(self) -> str:
        return self.remote_id or ""
