"""The audit log's verbs of this shelf, in words."""

from django.utils.translation import gettext_lazy as _

WORDS = {
    "notices.acknowledge": _("Acknowledged a notice"),
    "notices.choose": _("Changed what they hear of"),
    "notices.habit": _("Changed when mails come"),
    "notices.webhooks.create": _("Set up a webhook"),
    "notices.webhooks.change": _("Changed a webhook"),
    "notices.webhooks.renew_secret": _("Gave a webhook a new secret"),
    "notices.webhooks.pause": _("Paused a webhook"),
    "notices.webhooks.resume": _("Resumed a webhook"),
    "notices.webhooks.delete": _("Deleted a webhook"),
    "notices.webhooks.try": _("Sent a test to a webhook"),
    "notices.deliveries.send_again": _("Had a delivery sent again"),
}
