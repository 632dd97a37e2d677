"""Changes to organizations and to who may act for them; their API tokens stand in ``token_services``.

Each service is one durable transaction with its audit line. What a service refuses for a reason that
the person can act on is a ``Refused`` whose text is that reason.
"""

import hashlib
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import TypedDict, Unpack

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from apps.accounts.access import access_changed, end_sessions
from apps.accounts.models import User
from apps.audit.record import record
from apps.organizations.models import (
    ColleagueInvitation,
    Grant,
    Installation,
    Organization,
    Role,
)
from apps.organizations.policy import is_demotion
from apps.organizations.policy import must as _must
from apps.organizations.token_services import end_with_grant

INVITATION_DAYS = 7


class Refused(Exception):
    """A change that cannot be made; the text says why and what to do instead."""


class AlreadyStarted(Exception):
    """The portal has its first owner already."""


def _locked(organization_id: int) -> Organization:
    # Two owners who demote each other at once must not both succeed. On SQLite the IMMEDIATE
    # transaction is the lock.
    return Organization.objects.select_for_update().get(pk=organization_id)


class Settings(TypedDict, total=False):
    """What an organization is called and demands.

    ``second_person_cents``: what is paid above that waits for a second person; None: no amount does.
    """

    name: str
    time_zone: str
    demand_mfa: bool
    demand_second_person: bool
    second_person_cents: int | None
    support_may_read: bool
    support_may_view_as: bool


# --- First run -----------------------------------------------------------------------------------


def start(
    *, name: str, email: str, password: str, organization_name: str, time_zone: str
) -> tuple[User, Organization]:
    """Make the portal's first owner and organization. AlreadyStarted if somebody was faster."""
    try:
        return _start(name, email, password, organization_name, time_zone)
    except IntegrityError as error:
        raise AlreadyStarted from error


@transaction.atomic(durable=True)
def _start(
    name: str, email: str, password: str, organization_name: str, time_zone: str
) -> tuple[User, Organization]:
    if User.objects.exists():
        raise AlreadyStarted
    Installation.objects.create()
    user = _new_user(name=name, email=email, password=password, time_zone=time_zone)
    organization = Organization.objects.create(
        name=organization_name, slug=free_slug(organization_name), time_zone=time_zone
    )
    Grant.objects.create(organization=organization, user=user, role=Role.OWNER)
    record(organization=organization, actor=user, verb="organizations.start", target=organization)
    return user, organization


def _new_user(*, name: str, email: str, password: str, time_zone: str) -> User:
    user = User.objects.create_user(email, password, name=name, time_zone=time_zone)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def free_slug(name: str) -> str:
    """An address for an organization of that name which no other has."""
    base = slugify(name)[:50] or "organization"
    taken = set(Organization.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    number, slug = 1, base
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug


# --- Organization --------------------------------------------------------------------------------

# Called with an organization whose time zone has changed, in the transaction that changes it: what goes by
# its clock is reckoned anew. Higher shelves add theirs in ``AppConfig.ready()``.
clock_listeners: list[Callable[[Organization], None]] = []


@transaction.atomic(durable=True)
def change_organization(
    *, organization: Organization, actor: User, **wanted: Unpack[Settings]
) -> Organization:
    """Rename an organization or change what it demands; what is not said stays. Its address (slug) never
    changes."""
    current = _locked(organization.pk)
    _must(actor, "organization.change", current)
    changes = {
        field: [getattr(current, field), value]
        for field, value in wanted.items()
        if getattr(current, field) != value
    }
    if not changes:
        return current
    for field, (_before, after) in changes.items():
        setattr(current, field, after)
    current.full_clean()
    current.save(update_fields=list(changes))
    if "demand_mfa" in changes:
        access_changed(current.grants.values_list("user_id", flat=True))
    if "time_zone" in changes:
        for listener in clock_listeners:
            listener(current)
    record(
        organization=current,
        actor=actor,
        verb="organizations.change",
        target=current,
        details={"changes": changes},
    )
    return current


@transaction.atomic(durable=True)
def resume_sending(*, organization: Organization, actor: User) -> None:
    """Let changes go on that were stopped because the database was put back from a backup."""
    _must(actor, "organization.resume_sending", organization)
    release(organization, actor)


def release(organization: Organization, actor: User | None) -> None:
    """The same for whoever may already (None: the command line), in the caller's transaction."""
    stopped = Organization.objects.filter(pk=organization.pk, sending_stopped_at__isnull=False)
    if not stopped.update(sending_stopped_at=None):
        raise Refused(_("Changes are not stopped (any more)."))
    record(
        organization=organization,
        actor=actor,
        verb="organizations.resume_sending",
        target=organization,
    )


# --- A desk of one -------------------------------------------------------------------------------


def personal_desk_of(user: User) -> Organization | None:
    """The desk on which ``user``'s own accounts are, None before it was opened. One query."""
    return Organization.objects.filter(personal_of=user).first()


def open_personal_desk(user: User) -> Organization:
    """The same, opened if there is none: two tabs that ask at once get one."""
    try:
        return personal_desk_of(user) or _open_personal_desk(user)
    except IntegrityError:
        return Organization.objects.get(personal_of=user)


@transaction.atomic(durable=True)
def _open_personal_desk(user: User) -> Organization:
    desk = Organization.objects.create(
        name=_("My own account"),
        # Names nobody: an address that somebody sees over a shoulder tells them nothing.
        slug=f"own-{secrets.token_hex(6)}",
        support_may_read=False,
        personal_of=user,
    )
    Grant.objects.create(organization=desk, user=user, role=Role.SELF)
    access_changed([user.pk])
    record(organization=desk, actor=user, verb="organizations.open_personal", target=desk)
    return desk


# --- Grants --------------------------------------------------------------------------------------

# Called with a Grant that somebody takes away by hand, or that an invitation has led to, in the transaction
# that does it. Higher shelves add theirs in ``AppConfig.ready()``.
removal_listeners: list[Callable[[Grant], None]] = []
acceptance_listeners: list[Callable[[Grant, ColleagueInvitation], None]] = []


@transaction.atomic(durable=True)
def change_grant(*, grant: Grant, role: Role, actor: User) -> Grant:
    """Give a colleague another role. Who may do less afterwards is signed out everywhere.

    A role that came from the organization's directory is held by hand from then on.
    """
    organization = _locked(grant.organization_id)
    _must(actor, "grants.change", organization)
    current = Grant.objects.select_related("user").get(pk=grant.pk)
    before = Role(current.role)
    if before == role:
        return current
    if before == Role.OWNER:
        must_not_be_last_owner(current)
    current.role, current.from_directory = role, False
    current.save(update_fields=["role", "from_directory"])
    if is_demotion(before, role):
        end_access(current, role)
    access_changed([current.user_id])
    record(
        organization=organization,
        actor=actor,
        verb="grants.change",
        target=current,
        label=current.user.email,
        details={"role": [before, role]},
    )
    return current


@transaction.atomic(durable=True)
def remove_grant(*, grant: Grant, actor: User) -> None:
    """Take a colleague off the organization and sign them out everywhere. Their account stays."""
    organization = _locked(grant.organization_id)
    _must(actor, "grants.change", organization)
    current = Grant.objects.select_related("user").get(pk=grant.pk)
    if current.role == Role.OWNER:
        must_not_be_last_owner(current)
    end_access(current, None)
    access_changed([current.user_id])
    for listener in removal_listeners:
        listener(current)
    record(
        organization=organization,
        actor=actor,
        verb="grants.remove",
        target=current,
        label=current.user.email,
        details={"role": [current.role, None]},
    )
    current.delete()


def must_not_be_last_owner(grant: Grant) -> None:
    """Refuse what would leave the organization without an owner who can sign in."""
    others = Grant.objects.filter(
        organization_id=grant.organization_id, role=Role.OWNER, user__is_active=True
    ).exclude(pk=grant.pk)
    if not others.exists():
        raise Refused(
            _("%(person)s is the last owner. Make somebody else an owner first.")
            % {"person": grant.user}
        )


def end_access(grant: Grant, left: Role | None) -> None:
    """End sessions, this organization's tokens, and the offers that were made with the lost power.

    ``left`` is what they hold from now on, None for nothing.
    """
    end_sessions(grant.user)
    end_with_grant(grant, left)
    ColleagueInvitation.objects.filter(
        invited_by=grant.user, organization_id=grant.organization_id, accepted_at__isnull=True
    ).delete()


# --- Inviting colleagues -------------------------------------------------------------------------


def hash_of(token: str) -> str:
    """What is kept of an invitation's token."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic(durable=True)
def invite_colleague(
    *, organization: Organization, email: str, role: Role, actor: User
) -> tuple[ColleagueInvitation, str]:
    """Offer a role to an address; returns the invitation and the token that its link carries.

    The token leaves by mail alone: whoever opens the link has shown that the address is theirs.
    """
    organization = _locked(organization.pk)
    _must(actor, "grants.change", organization)
    email = email.strip().lower()
    if Grant.objects.filter(organization=organization, user__email=email).exists():
        raise Refused(
            _("%(email)s is a colleague already. Change the role in the list.") % {"email": email}
        )
    open_one = ColleagueInvitation.objects.filter(
        organization=organization, email=email, accepted_at__isnull=True
    ).first()
    if open_one and not open_one.has_expired:
        raise Refused(
            _(
                "%(email)s has been invited already. Send that invitation again, or withdraw it first."
            )
            % {"email": email}
        )
    if open_one:
        open_one.delete()
    token = secrets.token_urlsafe(32)
    invitation = ColleagueInvitation.objects.create(
        organization=organization,
        email=email,
        role=role,
        token_hash=hash_of(token),
        invited_by=actor,
        expires_at=timezone.now() + timedelta(days=INVITATION_DAYS),
    )
    record(
        organization=organization,
        actor=actor,
        verb="grants.invite",
        target=invitation,
        details={"role": role},
    )
    return invitation, token


@transaction.atomic(durable=True)
def resend_invitation(*, invitation: ColleagueInvitation, actor: User) -> str:
    """Renew an invitation for seven days; returns its new token, the old one stops working."""
    _must(actor, "grants.change", invitation.organization)
    current = _open(invitation)
    token = secrets.token_urlsafe(32)
    current.token_hash = hash_of(token)
    current.expires_at = timezone.now() + timedelta(days=INVITATION_DAYS)
    current.save(update_fields=["token_hash", "expires_at"])
    record(
        organization=current.organization, actor=actor, verb="grants.invite_again", target=current
    )
    return token


@transaction.atomic(durable=True)
def withdraw_invitation(*, invitation: ColleagueInvitation, actor: User) -> None:
    """Take an invitation back; its link stops working."""
    _must(actor, "grants.change", invitation.organization)
    current = _open(invitation)
    record(
        organization=current.organization,
        actor=actor,
        verb="grants.withdraw_invitation",
        target=current,
    )
    current.delete()


def _open(invitation: ColleagueInvitation) -> ColleagueInvitation:
    current = (
        ColleagueInvitation.objects.select_for_update()
        .filter(pk=invitation.pk, accepted_at__isnull=True)
        .first()
    )
    if current is None:
        raise Refused(_("That invitation has been accepted or withdrawn in the meantime."))
    return current


def invitation_for(token: str) -> ColleagueInvitation | None:
    """The invitation that this token opens, None if there is none (any more)."""
    return (
        ColleagueInvitation.objects.select_related("organization", "invited_by")
        .filter(token_hash=hash_of(token), accepted_at__isnull=True, expires_at__gt=timezone.now())
        .first()
    )


@transaction.atomic(durable=True)
def accept_invitation(*, token: str, user: User) -> Grant:
    """Give ``user`` the role that was offered to their address."""
    return _accept(_claimed(token), user)


@transaction.atomic(durable=True)
def accept_with_new_account(
    *, token: str, name: str, password: str, time_zone: str
) -> tuple[Grant, User]:
    """Make an account for the invited address and give it the role that was offered."""
    invitation = _claimed(token)
    if User.objects.filter(email__iexact=invitation.email).exists():
        raise Refused(_("This address has an account already. Sign in with it to accept."))
    user = _new_user(name=name, email=invitation.email, password=password, time_zone=time_zone)
    return _accept(invitation, user), user


def _claimed(token: str) -> ColleagueInvitation:
    invitation = invitation_for(token)
    accepted = invitation and ColleagueInvitation.objects.filter(
        pk=invitation.pk, accepted_at__isnull=True
    ).update(accepted_at=timezone.now())
    if not invitation or not accepted:
        raise Refused(_("This invitation no longer works. Ask for a new one."))
    return invitation


def _accept(invitation: ColleagueInvitation, user: User) -> Grant:
    if user.email.lower() != invitation.email.lower():
        raise Refused(
            _("This invitation is for %(email)s. Sign out and open the link again to accept it.")
            % {"email": invitation.email}
        )
    # Holders keep what they have: an invitation is no way to change a role.
    grant, made = Grant.objects.get_or_create(
        organization=invitation.organization, user=user, defaults={"role": invitation.role}
    )
    if made:
        for listener in acceptance_listeners:
            listener(grant, invitation)
        access_changed([user.pk])
        record(
            organization=invitation.organization,
            actor=user,
            verb="grants.accept_invitation",
            target=grant,
            label=user.email,
            details={"role": [None, invitation.role]},
        )
    return grant
