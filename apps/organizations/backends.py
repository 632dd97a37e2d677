"""Who a session belongs to."""

from allauth.account.auth_backends import AuthenticationBackend

from apps.accounts.models import User
from apps.ui.prepared import Prepared

_users = Prepared(lambda ids: User.objects.filter(pk__in=ids))


class AccountBackend(AuthenticationBackend):  # type: ignore[misc]  # allauth ships no types
    """allauth's own, by email address and password."""

    def get_user(self, user_id: int) -> User | None:
        """The user of that id, unless they may no longer sign in."""
        found = _users(ids=[user_id])
        return found[0] if found and self.user_can_authenticate(found[0]) else None
