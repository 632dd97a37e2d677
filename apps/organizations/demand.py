"""Of whom a second factor is demanded, and who has one."""

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.http import HttpRequest

from apps.accounts.models import User
from apps.organizations.models import Grant
from apps.organizations.policy import WRITING_ROLES

FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
ANSWER_KEY = "second_factor"  # session: [User.access_version, whether one is missing]
SKIPPED_KEY = "second_factor_skipped"
NEXT_KEY = "second_factor_next"  # session: where to go once it is set up


def has_factor(user: User) -> bool:
    """Whether ``user`` has an authenticator app or a key; recovery codes alone are none. One query."""
    return bool(Authenticator.objects.filter(user=user, type__in=FACTORS).exists())


def factor_is_missing(user: User) -> bool:
    """Whether ``user`` may change something where a second factor is demanded, and has none.

    Staff always need one: Django admin reaches every organization. At most two queries.
    """
    demanded = (
        user.is_staff
        or Grant.objects.filter(
            user=user, organization__demand_mfa=True, role__in=WRITING_ROLES
        ).exists()
    )
    return demanded and not has_factor(user)


def factor_is_missing_in(request: HttpRequest, user: User) -> bool:
    """The same, remembered in the session until a Grant or a factor changes."""
    known = request.session.get(ANSWER_KEY)
    if not known or known[0] != user.access_version:
        known = [user.access_version, factor_is_missing(user)]
        request.session[ANSWER_KEY] = known
    if not known[1]:
        return False
    return not (settings.MFA_DEMAND_SKIPPABLE and request.session.get(SKIPPED_KEY))
