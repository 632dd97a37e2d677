"""What there is to tell of an organization's own API tokens: one's time is nearly over, or it has ended."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.notices import topics
from apps.notices.looking import News, watch
from apps.notices.models import Severity
from apps.notices.services import tell
from apps.notices.topics import Topic
from apps.organizations.models import ApiToken, Organization
from apps.organizations.policy import OWNERS
from apps.organizations.token_services import ended_listeners

SOON = timedelta(days=7)

EXPIRING = Topic(
    "tokens.expiring",
    gettext_lazy("A token of the organization expires"),
    OWNERS,
    "tokens.service",
    gettext_lazy(
        "A week before its time is over: what signs in with it needs another one by then."
    ),
)
ENDED = Topic(
    "tokens.ended",
    gettext_lazy("A token of the organization has ended"),
    OWNERS,
    "tokens.service",
    gettext_lazy(
        "It ended because its maker has left or may do less: what signs in with it fails."
    ),
)


def register() -> None:
    """For ``AppConfig.ready()``."""
    watch(EXPIRING, _expiring)
    topics.register(ENDED)
    if _ended not in ended_listeners:
        ended_listeners.append(_ended)


def _expiring(now: datetime) -> Iterable[News]:
    soon = ApiToken.objects.filter(kind=ApiToken.Kind.SERVICE, expiry__range=(now, now + SOON))
    for token in soon.select_related("organization", "user"):
        yield News(
            organization=token.organization,
            cause=f"token:{token.token_key}",
            title=_("The token “%(name)s” expires soon") % {"name": token.name},
            text=_("%(maker)s made it. What signs in with it needs another one by then.")
            % {"maker": token.made_by},
            url=_page(token.organization),
        )


def _ended(organization: Organization, tokens: list[ApiToken]) -> None:
    for token in tokens:
        tell(
            topic=ENDED.name,
            organization=organization,
            cause=f"token:{token.token_key}",
            title=_("The token “%(name)s” has ended") % {"name": token.name},
            text=_(
                "%(maker)s, who made it, has left or may do less here. Whatever signs in with it is "
                "refused: give it a new one."
            )
            % {"maker": token.made_by},
            url=_page(organization),
            severity=Severity.WARNING,
        )


def _page(organization: Organization) -> str:
    return f"/o/{organization.slug}/tokens/organization/"
