"""The audit log's verbs of incidents, in words."""

from django.utils.translation import gettext_lazy as _

WORDS = {
    "incidents.open": _("Found far off its usual"),
    "incidents.reopen": _("Far off its usual again"),
    "incidents.resolve_itself": _("Incident resolved by itself"),
    "incidents.acknowledge": _("Looks into an incident"),
    "incidents.resolve": _("Resolved an incident"),
    "incidents.mute": _("Muted an incident"),
    "incidents.take_up": _("Took an incident up again"),
}
