"""Sign-in to the API by a token. REST framework imports this while it imports its own views."""

from datetime import timedelta

from django.utils import timezone
from knox.auth import TokenAuthentication

from apps.accounts.models import User
from apps.organizations.models import ApiToken

USED_EVERY = timedelta(minutes=1)  # how exactly a token's last use is known


class ApiTokenAuthentication(TokenAuthentication):  # type: ignore[misc]  # knox ships no types
    """``Authorization: Bearer odk_…``: acts as the token's user, on the token's organization alone."""

    def validate_user(self, auth_token: ApiToken) -> tuple[User, ApiToken]:
        """Refuse closed accounts; note when the token was last used."""
        user, token = super().validate_user(auth_token)
        now = timezone.now()
        if token.last_used_at is None or now - token.last_used_at > USED_EVERY:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        return user, token
