"""Changes to one's own account that are more than a form's own save."""

from allauth.usersessions.models import UserSession
from django.db import transaction

from apps.accounts.models import User


@transaction.atomic(durable=True)
def change_profile(*, user: User, **wanted: str) -> User:
    """Change what a person is called and how they see the pages: ``name``, ``time_zone``, ``theme``.

    What is not said stays as it is by now.
    """
    for field, value in wanted.items():
        setattr(user, field, value)
    user.clean_fields(exclude={field.name for field in user._meta.fields} - set(wanted))
    user.save(update_fields=list(wanted))
    return user


@transaction.atomic(durable=True)
def end_session(*, session: UserSession) -> None:
    """Sign one of a user's sessions out."""
    session.end()
