"""Changes to one's own account that are more than a form's own save."""

from allauth.usersessions.models import UserSession
from django.db import transaction

from apps.accounts.models import User


@transaction.atomic(durable=True)
def change_profile(*, user: User, name: str, time_zone: str, theme: str) -> User:
    """Change what a person is called and how they see the pages."""
    user.name, user.time_zone, user.theme = name, time_zone, theme
    user.full_clean(exclude=["password"])
    user.save(update_fields=["name", "time_zone", "theme"])
    return user


@transaction.atomic(durable=True)
def end_session(*, session: UserSession) -> None:
    """Sign one of a user's sessions out."""
    session.end()
