"""The append-only log of who did what."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ChainHead(models.Model):
    """The last link of one organization's chain (0: the portal itself); its row is the lock for appending."""

    organization_id = models.BigIntegerField(primary_key=True)
    sequence = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, default="0" * 64)

    class Meta:
        verbose_name = _("chain head")
        verbose_name_plural = _("chain heads")

    def __str__(self) -> str:
        return f"{self.organization_id}:{self.sequence}"


class Entry(models.Model):
    """One line of the audit log. Database triggers refuse UPDATE, DELETE and TRUNCATE.

    Ids instead of foreign keys: the line outlives what it speaks of. ``hash`` is SHA-256 over
    ``previous_hash`` and the canonical JSON of the line (``chain.py``).
    """

    organization_id = models.BigIntegerField(default=0, db_index=True)
    sequence = models.BigIntegerField()
    at = models.DateTimeField()
    actor_id = models.BigIntegerField(null=True)
    actor = models.CharField(_("actor"), max_length=254)
    source = models.CharField(
        _("source"), max_length=12
    )  # web, api, directory, admin, worker, command line
    verb = models.CharField(_("what"), max_length=60)  # "invites.revoke"
    target_type = models.CharField(max_length=40, blank=True)
    target_id = models.CharField(max_length=120, blank=True)
    target = models.CharField(_("on what"), max_length=254, blank=True)
    connection_id = models.BigIntegerField(null=True)
    command_id = models.BigIntegerField(null=True)
    details = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    address = models.GenericIPAddressField(null=True)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "sequence"], name="audit_chain")
        ]
        indexes = [
            models.Index(fields=["organization_id", "-at"], name="audit_by_time"),
            models.Index(fields=["organization_id", "verb", "-at"], name="audit_by_verb"),
            models.Index(fields=["organization_id", "actor_id", "-at"], name="audit_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor} {self.verb} {self.target}"
