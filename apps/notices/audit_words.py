"""The audit log's verbs of this shelf, in words."""

from django.utils.translation import gettext_lazy as _

WORDS = {
    "notices.acknowledge": _("Acknowledged a notice"),
}
