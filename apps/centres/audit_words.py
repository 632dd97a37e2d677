"""The audit log's verbs of cost centres, in words."""

from django.utils.translation import gettext_lazy as _

WORDS = {
    "centres.create": _("Made a cost centre"),
    "centres.change": _("Renamed a cost centre"),
    "centres.move": _("Moved a cost centre in the order"),
    "centres.remove": _("Removed a cost centre"),
    "centres.add_rule": _("Gave a cost centre a rule"),
    "centres.change_rule": _("Changed a cost centre's rule"),
    "centres.move_rule": _("Moved a cost centre's rule in the order"),
    "centres.remove_rule": _("Took a rule from a cost centre"),
    "centres.close_month": _("Closed a month"),
}
