"""What support sees of every mirror row, in Django admin: a provider owns its truth."""

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.organizations.support import Link, SupportAdmin, Why, json_block, link_to

# What was asked of a row here, of those that a Command can have as target.
CHANGES = Link(
    _("Changes"),
    "sync_command",
    lambda row: {"connection__id__exact": row.connection_id, "target__exact": row.target},
)
REMOTE_CHANGES = Link(
    _("Changes at the provider"),
    "sync_remotechange",
    lambda row: {
        "connection__id__exact": row.connection_id,
        "remote_id__exact": row.remote_id or "",
    },
)


# Of what has an address: a membership, an invite.
JOINING = Why(
    _("Why can they not join?"),
    "join",
    lambda row: (row.connection.organization_id, {"email": row.email.lower()}),
)


class MirrorAdmin(SupportAdmin):
    """Rows of a mirror, or others that belong to a connection; "as_sent" wants a ``raw``."""

    tenant = "connection__organization"
    list_select_related = ("connection__organization",)
    ordering = ("-id",)

    @admin.display(description=_("Organization"))
    def organization(self, row: Any) -> SafeString | str:
        """Whose connection it is."""
        return link_to(row.connection.organization)

    @admin.display(description=_("As it was sent"))
    def as_sent(self, row: Any) -> SafeString | str:
        """JSON, secrets hidden."""
        return json_block(row.raw)
