"""What this shelf itself has to tell."""

from django.utils.translation import gettext_lazy as _

from apps.notices.topics import Topic
from apps.organizations.policy import ADMINS, OWNERS

WEBHOOK_FAILED = Topic(
    "notices.webhook_failed",
    _("A webhook fails"),
    ADMINS,
    "notices.deliveries",
    _(
        "A receiver has not taken something for some 15 hours, or says that it never will; told once "
        "a day and webhook."
    ),
)

VIEWED_AS = Topic(
    "support.viewed_as",
    _("Support views as a colleague"),
    OWNERS,
    "audit.read",
    _("Somebody of support looks at the organization through a colleague's eyes; told each time."),
)
