"""What this shelf has to tell."""

from django.utils.translation import gettext_lazy as _

from apps.notices.topics import Topic
from apps.organizations.policy import ADMINS

STOPPED = Topic(
    "reports.stopped",
    _("A report stops"),
    ADMINS,
    "reports.read",
    _("Whoever made it lost their access, or its saved view was deleted."),
)
