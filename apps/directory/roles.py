"""From groups to Grants: what somebody may do here follows from the directory.

Everything in here happens in the caller's transaction, with the organization locked.
"""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import TypeVar

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db.models.functions import Lower
from django.utils import timezone

from apps.accounts.access import access_changed
from apps.accounts.models import User
from apps.audit.record import Line, Who, record_many
from apps.directory.letters import send_letters_soon
from apps.directory.models import DirectoryMembership, DirectoryUser
from apps.organizations.models import ColleagueInvitation, Grant, Organization, Role
from apps.organizations.policy import is_demotion
from apps.organizations.services import (
    INVITATION_DAYS,
    end_access,
    hash_of,
    must_not_be_last_owner,
)

# Of several groups the first of these counts.
RANK = (Role.OWNER, Role.ADMIN, Role.BILLING, Role.VIEWER)
AT_ONCE = 500  # rows asked for by one query

Thing = TypeVar("Thing")


def in_parts(things: Iterable[Thing], size: int = AT_ONCE) -> Iterator[list[Thing]]:
    """The same, in lists that fit into one query."""
    rest = iter(things)
    while part := list(islice(rest, size)):
        yield part


@dataclass
class _Part:
    """Some people, and what is known of them."""

    people: Sequence[DirectoryUser]
    wanted: dict[int, Role]
    grants: dict[int, Grant]  # by user
    lines: list[Line] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)  # users


def settle(organization: Organization, people: Iterable[int], actor: Who) -> None:
    """Give, change and end the roles of these people (ids) as their groups say.

    A role that was given by hand stays as it is while its holder is active in the directory. Whoever is
    not active holds nothing. What is gained comes first, so that one owner can take another's place.
    Refused where nobody would be left as owner.
    """
    parts = [_part(organization, ids) for ids in in_parts(dict.fromkeys(people))]
    for part in parts:
        _link(organization, part)
        _gain(organization, part)
    for part in parts:
        _lose(part)
        access_changed(part.touched)
    record_many(
        organization=organization,
        actor=actor,
        lines=[line for part in parts for line in part.lines],
    )
    if any(one.letter_due_at for part in parts for one in part.people):
        send_letters_soon()


def wanted_roles(people: Sequence[DirectoryUser]) -> dict[int, Role]:
    """By id, what the groups of each give them; whoever gets nothing is absent. One query."""
    entitled = {one.pk for one in people if one.active and one.email and not one.kept_out_at}
    held = DirectoryMembership.objects.filter(member__in=entitled).exclude(group__role="")
    wanted: dict[int, Role] = {}
    for member, name in held.values_list("member_id", "group__role"):
        role = Role(name)
        before = wanted.get(member)
        wanted[member] = role if before is None else min(role, before, key=RANK.index)
    return wanted


def _part(organization: Organization, ids: list[int]) -> _Part:
    people = list(
        DirectoryUser.objects.filter(organization=organization, pk__in=ids).select_related(
            "user", "invitation"
        )
    )
    held = Grant.objects.filter(
        organization=organization, user__in=[one.user_id for one in people if one.user_id]
    ).select_related("user")
    return _Part(people, wanted_roles(people), {grant.user_id: grant for grant in held})


def _link(organization: Organization, part: _Part) -> None:
    """Know colleagues of this organization by their address; an account that is none stays a stranger's."""
    unknown = {one.email: one for one in part.people if one.email and not one.user_id}
    if not unknown:
        return
    taken = DirectoryUser.objects.filter(organization=organization, user__isnull=False)
    colleagues = (
        Grant.objects.annotate(address=Lower("user__email"))
        .filter(organization=organization, address__in=unknown)
        .exclude(user__in=taken.values("user"))
        .select_related("user")
    )
    found = []
    for grant in colleagues:
        person = unknown[grant.address]
        person.user = grant.user
        part.grants[grant.user_id] = grant
        found.append(person)
    DirectoryUser.objects.bulk_update(found, ["user"])


def _gain(organization: Organization, part: _Part) -> None:
    _withdraw_misdirected(part)
    entitled = [one for one in part.people if one.pk in part.wanted]
    strangers = [one for one in entitled if not one.user_id]
    known = User.objects.annotate(address=Lower("email")).filter(
        address__in=[one.email for one in strangers]
    )
    have_account = set(known.values_list("address", flat=True))
    _offer(organization, [one for one in strangers if one.email in have_account], part)
    # Two people of one address: the first of them gets the account.
    fresh = {one.email: one for one in reversed(strangers) if one.email not in have_account}
    _make_accounts(list(fresh.values()))
    given = []
    for one in entitled:
        if one.user_id and one.user_id not in part.grants:
            role = part.wanted[one.pk]
            grant = Grant(organization=organization, user=one.user, role=role, from_directory=True)
            part.grants[one.user_id] = grant
            given.append(grant)
    Grant.objects.bulk_create(given, batch_size=AT_ONCE)
    for grant in given:
        _note(part, "grants.give", grant, None, grant.role)
    for one in entitled:
        held = part.grants.get(one.user_id or 0)
        role = part.wanted[one.pk]
        if held and held.from_directory and RANK.index(role) < RANK.index(Role(held.role)):
            _change(part, held, role)


def _withdraw_misdirected(part: _Part) -> None:
    """What was offered to an address that the directory has corrected since is no longer on offer."""
    for one in part.people:
        if one.invitation and one.invitation.email != one.email:
            _withdraw(part, one, one.invitation)


def _withdraw(part: _Part, person: DirectoryUser, invitation: ColleagueInvitation) -> None:
    part.lines.append(_line("grants.withdraw_invitation", invitation))
    invitation.delete()
    person.invitation = None


def _lose(part: _Part) -> None:
    for one in part.people:
        wanted = part.wanted.get(one.pk)
        if one.invitation and not wanted:
            _withdraw(part, one, one.invitation)
        grant = part.grants.get(one.user_id or 0)
        if grant is None or grant.pk is None:
            continue
        if not one.active or (grant.from_directory and not wanted):
            _end(part, grant)
        elif grant.from_directory and wanted and wanted != grant.role:
            _change(part, grant, wanted)


def _change(part: _Part, grant: Grant, role: Role) -> None:
    before = Role(grant.role)
    if before == Role.OWNER:
        must_not_be_last_owner(grant)
    grant.role = role
    grant.save(update_fields=["role"])
    if is_demotion(before, role):
        end_access(grant, role)
    _note(part, "grants.change", grant, before, role)


def _end(part: _Part, grant: Grant) -> None:
    if grant.role == Role.OWNER:
        must_not_be_last_owner(grant)
    end_access(grant, None)
    _note(part, "grants.remove", grant, grant.role, None)
    del part.grants[grant.user_id]
    grant.delete()


def _note(part: _Part, verb: str, grant: Grant, before: str | None, after: str | None) -> None:
    details = {"role": [before, after]}
    part.lines.append(Line(verb, ("grant", grant.pk), grant.user.email, details))
    part.touched.add(grant.user_id)


def _line(verb: str, invitation: ColleagueInvitation) -> Line:
    return Line(
        verb,
        ("colleagueinvitation", invitation.pk),
        invitation.email,
        {"role": invitation.role},
    )


def _make_accounts(people: Sequence[DirectoryUser]) -> None:
    """Accounts that nobody can sign in to yet: whoever reads that mailbox sets the password."""
    made = User.objects.bulk_create(
        [
            User(email=one.email, name=one.called[:150], password=make_password(None))
            for one in people
        ],
        batch_size=AT_ONCE,
    )
    EmailAddress.objects.bulk_create(
        [EmailAddress(user=user, email=user.email, primary=True, verified=False) for user in made],
        batch_size=AT_ONCE,
    )
    for one, user in zip(people, made, strict=True):
        one.user, one.letter_due_at = user, timezone.now()
    DirectoryUser.objects.bulk_update(people, ["user", "letter_due_at"], batch_size=AT_ONCE)


def _offer(organization: Organization, people: Sequence[DirectoryUser], part: _Part) -> None:
    """Somebody's account is theirs: it gets a role here once they have accepted it."""
    if not people:
        return
    pending = {
        one.email: one
        for one in ColleagueInvitation.objects.filter(
            organization=organization,
            email__in=[person.email for person in people],
            accepted_at__isnull=True,
        )
    }
    for person in people:
        role = part.wanted[person.pk]
        invitation = pending.get(person.email)
        if invitation is None:
            invitation = ColleagueInvitation.objects.create(
                organization=organization,
                email=person.email,
                role=role,
                # Nobody has this token: the one in the letter takes its place.
                token_hash=hash_of(secrets.token_urlsafe(32)),
                expires_at=timezone.now() + timedelta(days=INVITATION_DAYS),
            )
            pending[person.email] = invitation
            person.invitation, person.letter_due_at = invitation, timezone.now()
            person.save(update_fields=["invitation", "letter_due_at"])
            part.lines.append(_line("grants.invite", invitation))
        elif invitation.pk == person.invitation_id and invitation.role != role:
            invitation.role = role
            invitation.save(update_fields=["role"])
            part.lines.append(_line("grants.invite_again", invitation))
