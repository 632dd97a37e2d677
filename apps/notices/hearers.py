"""Who hears of what: by role, unless somebody has said otherwise for themselves."""

from dataclasses import dataclass

from apps.accounts.models import User
from apps.notices.models import Choice
from apps.notices.topics import Topic
from apps.organizations.models import Grant, Organization, Role
from apps.organizations.policy import role_may


@dataclass(frozen=True, slots=True)
class Hearer:
    """One user who hears of something, and whether a mail tells them."""

    user: User
    by_mail: bool


def of(organization: Organization, topic: Topic) -> list[Hearer]:
    """Who hears of ``topic`` on ``organization`` as things stand. Two queries."""
    grants = Grant.objects.filter(organization=organization, user__is_active=True)
    said = {
        one.user_id: one
        for one in Choice.objects.filter(organization=organization, topic=topic.name)
    }
    found = (
        _hearer(grant.user, Role(grant.role), topic, said.get(grant.user_id))
        for grant in grants.select_related("user").order_by("pk")
    )
    return [one for one in found if one is not None]


def _hearer(user: User, role: Role, topic: Topic, choice: Choice | None) -> Hearer | None:
    hears = choice.hears if choice else role in topic.hears
    if not hears or not role_may(role, topic.needs):
        return None
    return Hearer(user, choice.by_mail if choice else True)
