"""Incidents as support sees them: to look at; people of the organization act on them."""

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.incidents import words
from apps.incidents.models import Incident
from apps.organizations.support import json_block
from apps.sync.support import MirrorAdmin


@admin.register(Incident)
class IncidentAdmin(MirrorAdmin):
    """What was far off, and what was made of it."""

    reads = "incidents.read"
    list_display = ("label", "kind", "severity", "state", "first", "connection", "organization")
    list_filter = ("state", "kind", "severity", "connection__provider")
    search_fields = ("label", "=value")
    fields = (
        "connection",
        "organization",
        "kind",
        "value",
        "label",
        "state",
        "severity",
        "first",
        "to",
        "came_to",
        "usually",
        "days",
        "why",
        "opened",
        "opened_at",
        "looked_at",
        "settled_at",
        "acted_by",
        "ended",
        "reason",
    )

    @admin.display(description=_("Since (UTC)"), ordering="since")
    def first(self, row: Incident) -> str:
        """The first far-off day as a date."""
        return row.since_date.isoformat()

    @admin.display(description=_("Last (UTC)"), ordering="last")
    def to(self, row: Incident) -> str:
        """The last far-off day as a date."""
        return row.last_date.isoformat()

    @admin.display(description=_("Came to"))
    def came_to(self, row: Incident) -> str:
        """In words."""
        return words.amount(row.observed, row)

    @admin.display(description=_("Usually"))
    def usually(self, row: Incident) -> str:
        """In words."""
        return words.amount(row.expected, row)

    @admin.display(description=_("Far-off days: observed, expected, limit"))
    def days(self, row: Incident) -> SafeString | str:
        """As they are kept."""
        return json_block(row.daily)

    @admin.display(description=_("Likely causes"))
    def why(self, row: Any) -> str:
        """In words."""
        return " ".join(words.cause(one) for one in row.causes)
