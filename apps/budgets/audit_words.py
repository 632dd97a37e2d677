"""The audit log's verbs of budgets, in words."""

from django.utils.translation import gettext_lazy as _

WORDS = {
    "budgets.create": _("Made a budget"),
    "budgets.change": _("Changed a budget"),
    "budgets.delete": _("Deleted a budget"),
    "budgets.pass": _("A budget passed a threshold"),
    "budgets.fall": _("A budget fell below a threshold again"),
}
