"""Who is support staff, and as what. Every change is a line in the portal's own log."""

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.access import access_changed, end_sessions
from apps.accounts.models import StaffRole, User
from apps.audit.record import record
from apps.organizations.policy import support_may
from apps.organizations.services import Refused


def _must(actor: User | None) -> None:
    # None: the command line, whose user has the database anyway.
    if actor is not None and not support_may(actor, "staff.change"):
        raise PermissionDenied(_("Only superusers say who is staff."))


@transaction.atomic(durable=True)
def make_staff(*, email: str, name: str, role: StaffRole, actor: User | None) -> User:
    """Make an account for somebody of support; they choose a password by ``password_link``.

    Refused where the address has an account: that is given a role instead.
    """
    _must(actor)
    email = email.strip().lower()
    if User.objects.filter(email__iexact=email).exists():
        raise Refused(_("This address has an account already. Give that one a role."))
    user = User.objects.create_user(email, None, name=name, **_flags(role))
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    record(
        organization=None,
        actor=actor,
        verb="staff.make",
        target=user,
        label=user.email,
        details={"role": [None, role]},
    )
    return user


@transaction.atomic(durable=True)
def change_staff_role(*, user: User, role: StaffRole | None, actor: User | None) -> User:
    """Give ``user`` another role in support, or none. Who may do less afterwards is signed out everywhere.

    Nobody changes their own, and one superuser stays: Refused.
    """
    _must(actor)
    current = User.objects.select_for_update().get(pk=user.pk)
    before = current.staff_role
    if before == role:
        return current
    if actor is not None and actor.pk == current.pk:
        raise Refused(_("Nobody changes their own role. Ask another superuser."))
    if before == StaffRole.SUPERUSER:
        # Locked, so that two who take the role from each other at once do not both succeed.
        superusers = User.objects.select_for_update().filter(
            is_staff=True, is_superuser=True, is_active=True
        )
        if not any(one.pk != current.pk for one in superusers):
            raise Refused(_("This is the last superuser. Make somebody else one first."))
    for flag, value in _flags(role).items():
        setattr(current, flag, value)
    current.save(update_fields=list(_flags(role)))
    if before is not None and (role is None or not role.reaches(before)):
        end_sessions(current)
    access_changed([current.pk])
    record(
        organization=None,
        actor=actor,
        verb="staff.change",
        target=current,
        label=current.email,
        details={"role": [before, role]},
    )
    return current


def _flags(role: StaffRole | None) -> dict[str, bool]:
    return {
        "is_staff": role is not None,
        "is_superuser": role == StaffRole.SUPERUSER,
        "leads_support": role == StaffRole.LEAD,
    }


def password_link(user: User) -> str:
    """Where ``user`` chooses a password: works once, and as long as any "forgotten password" link."""
    key = default_token_generator.make_token(user)
    path = reverse(
        "account_reset_password_from_key",
        kwargs={"uidb36": user_pk_to_url_str(user), "key": key},
    )
    return f"{settings.PORTAL_URL}{path}"
