"""Owners hear each time that support looks through a colleague's eyes."""

from django.urls import reverse
from django.utils.translation import gettext as _

from apps.notices import services
from apps.notices.models import Severity
from apps.notices.own_topics import VIEWED_AS
from apps.organizations.models import Viewing


def tell(viewing: Viewing) -> None:
    """Tell that it has begun; in the transaction that begins it."""
    names = {
        "support": viewing.supporter,
        "support_email": viewing.supporter.email,
        "user": viewing.user,
        "email": viewing.user.email,
        "reason": viewing.reason,
    }
    slug = viewing.organization.slug
    services.tell(
        topic=VIEWED_AS.name,
        organization=viewing.organization,
        cause=_cause(viewing),
        title=_("%(support)s of support views as %(user)s") % names,
        text=_(
            "%(support)s (%(support_email)s) looks at the organization as %(user)s (%(email)s) sees it, for "
            "half an hour at most. Nothing can be changed meanwhile. Reason: %(reason)s"
        )
        % names,
        url=reverse("audit:list", kwargs={"slug": slug}),
        severity=Severity.INFO,
    )


def settle(viewing: Viewing) -> None:
    """Say that it is over."""
    services.settle(topic=VIEWED_AS.name, organization=viewing.organization, cause=_cause(viewing))


def _cause(viewing: Viewing) -> str:
    return f"viewing:{viewing.pk}"
