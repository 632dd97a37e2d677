"""The audit log's verbs of this shelf, in words."""

from django.utils.translation import gettext_lazy as _

WORDS = {
    "reports.create": _("Had a report sent regularly"),
    "reports.change": _("Changed a report"),
    "reports.pause": _("Paused a report"),
    "reports.resume": _("Let a report go on"),
    "reports.delete": _("Deleted a report"),
    "reports.leave": _("Does not want a report any more"),
    "reports.send_now": _("Had a report sent at once"),
    "reports.stop": _("Stopped a report"),
}
