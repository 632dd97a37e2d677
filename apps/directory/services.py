"""What the directory does to people and groups, and what owners make of it.

Each is one durable transaction with its audit lines. ``actor`` is who the lines name: the directory by its
token, or an owner.
"""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import record
from apps.directory.models import (
    Directory,
    DirectoryGroup,
    DirectoryMembership,
    DirectoryUser,
)
from apps.directory.roles import in_parts, settle
from apps.organizations.models import ColleagueInvitation, Grant, Organization, Role
from apps.organizations.policy import may

NAMED = 50  # people that one line of the audit log names
# What of a person the audit log says when it changes.
TOLD = ("user_name", "email", "display_name", "active")


class Taken(Exception):
    """Another person or group of this directory has that name."""


class Absent(Exception):
    """There is no such person or group in this directory."""


class Changed(Exception):
    """It is not what the one who asks has seen: its version is another one."""


def storable(text: str) -> str:
    """The text without what no database keeps: NUL, and halves of characters that JSON can spell."""
    return text.replace("\x00", "").encode(errors="ignore").decode()


@dataclass(frozen=True, slots=True)
class Given:
    """A person as the directory describes them; fields as in ``DirectoryUser``."""

    user_name: str
    external_id: str = ""
    display_name: str = ""
    formatted_name: str = ""
    given_name: str = ""
    family_name: str = ""
    emails: list[dict[str, Any]] = field(default_factory=list)
    active: bool = True

    @property
    def email(self) -> str:
        """The address that counts, in lower case: the primary one, that of work, any, or the user name."""
        ranked = sorted(
            self.emails, key=lambda one: (not one.get("primary"), one.get("type") != "work")
        )
        for address in (*(str(one.get("value", "")) for one in ranked), self.user_name):
            try:
                validate_email(address.strip())
            except ValidationError:
                continue
            if len(address) <= 254:
                return address.strip().lower()
        return ""

    def fields(self) -> dict[str, Any]:
        """The same, by column."""
        return {name: getattr(self, name) for name in (*self.__slots__, "email")}


def _locked(organization: Organization) -> Organization:
    # Also keeps two requests of one directory apart: what a name is compared with stays so.
    return Organization.objects.select_for_update().get(pk=organization.pk)


# --- People --------------------------------------------------------------------------------------


@transaction.atomic(durable=True)
def create_person(*, organization: Organization, given: Given, actor: str) -> DirectoryUser:
    """Know a person. Taken if the directory has one of that user name."""
    organization = _locked(organization)
    _must_be_free(organization, given.user_name, None)
    person = DirectoryUser.objects.create(organization=organization, **given.fields())
    record(
        organization=organization,
        actor=actor,
        verb="directory.create_person",
        target=person,
        details={name: getattr(person, name) for name in TOLD},
    )
    settle(organization, [person.pk], actor)
    return _person(organization, person.uid)


@transaction.atomic(durable=True)
def change_person(
    *,
    organization: Organization,
    uid: uuid.UUID,
    change: Callable[[DirectoryUser], Given],
    actor: str,
    version: int | None = None,
) -> DirectoryUser:
    """Take over what ``change`` makes of a person as they are now; who is not active loses their role.

    Nothing of this changes the account: its address, name, password and second factor are its holder's.
    Absent, Taken; Changed if ``version`` is given and is not theirs; Refused for the last owner.
    """
    organization = _locked(organization)
    person = _person(organization, uid)
    _must_be(person, version)
    given = change(person)
    before = {name: getattr(person, name) for name in given.fields()}
    changed = {name: value for name, value in given.fields().items() if before[name] != value}
    if not changed:
        return person
    if "user_name" in changed:
        _must_be_free(organization, given.user_name, person)
    for name, value in changed.items():
        setattr(person, name, value)
    person.version += 1
    person.save(update_fields=[*changed, "version", "changed_at"])
    record(
        organization=organization,
        actor=actor,
        verb=_verb_of(changed),
        target=person,
        details={
            "changes": {name: [before[name], changed[name]] for name in TOLD if name in changed},
            "fields": sorted(changed),
        },
    )
    settle(organization, [person.pk], actor)
    return _person(organization, uid)


def _verb_of(changed: dict[str, Any]) -> str:
    if "active" not in changed:
        return "directory.change_person"
    return "directory.activate_person" if changed["active"] else "directory.deactivate_person"


@transaction.atomic(durable=True)
def delete_person(
    *, organization: Organization, uid: uuid.UUID, actor: str, version: int | None = None
) -> None:
    """Forget a person; their role here ends, their account stays. Absent, Changed; Refused: last owner."""
    organization = _locked(organization)
    person = _person(organization, uid)
    _must_be(person, version)
    DirectoryUser.objects.filter(pk=person.pk).update(active=False)
    settle(organization, [person.pk], actor)
    record(
        organization=organization,
        actor=actor,
        verb="directory.delete_person",
        target=person,
        details={"user_name": person.user_name},
    )
    _count_up(person.groups.all())
    person.delete()


def _person(organization: Organization, uid: uuid.UUID) -> DirectoryUser:
    person = DirectoryUser.objects.filter(organization=organization, uid=uid).first()
    if person is None:
        raise Absent
    return person


def _must_be_free(organization: Organization, user_name: str, person: DirectoryUser | None) -> None:
    others = DirectoryUser.objects.filter(organization=organization, user_name__iexact=user_name)
    if others.exclude(pk=person.pk if person else 0).exists():
        raise Taken(_("There is a person of that userName already."))


def _must_be(row: DirectoryUser | DirectoryGroup, version: int | None) -> None:
    if version is not None and row.version != version:
        raise Changed


# --- Groups --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Members:
    """What is to become of a group's members: all others go where ``all_others_go``. Ids are SCIM's."""

    all_others_go: bool = False
    come: dict[str, None] = field(default_factory=dict)
    go: dict[str, None] = field(default_factory=dict)

    def add(self, ids: Iterable[str]) -> None:
        """Have these be members."""
        for one in ids:
            self.come[one] = None
            self.go.pop(one, None)

    def remove(self, ids: Iterable[str]) -> None:
        """Have these be none."""
        for one in ids:
            self.go[one] = None
            self.come.pop(one, None)

    def clear(self) -> None:
        """Have nobody be one, but for those who are added later."""
        self.all_others_go, self.come, self.go = True, {}, {}


@dataclass(slots=True)
class GroupChange:
    """What is to become of a group; None leaves it as it is."""

    name: str | None = None
    external_id: str | None = None
    members: Members = field(default_factory=Members)


@transaction.atomic(durable=True)
def create_group(*, organization: Organization, given: GroupChange, actor: str) -> DirectoryGroup:
    """Know a group: it gives nobody anything until an owner says what. Taken, Absent (a member)."""
    organization = _locked(organization)
    name = given.name or ""
    _must_be_free_group(organization, name, None)
    group = DirectoryGroup.objects.create(
        organization=organization, name=name, external_id=given.external_id or ""
    )
    came, _went = _change_members(group, given.members)
    record(
        organization=organization,
        actor=actor,
        verb="directory.create_group",
        target=group,
        details=_told_of(came, []),
    )
    return group


@transaction.atomic(durable=True)
def change_group(
    *,
    organization: Organization,
    uid: uuid.UUID,
    change: GroupChange,
    actor: str,
    version: int | None = None,
) -> DirectoryGroup:
    """Rename a group, let members come and go; their roles follow at once.

    Touches those alone who come and go. Absent (also a member that is to come), Taken, Changed; Refused
    where the last owner would go.
    """
    organization = _locked(organization)
    group = _group(organization, uid)
    _must_be(group, version)
    changes: dict[str, list[str]] = {}
    if change.name is not None and change.name != group.name:
        _must_be_free_group(organization, change.name, group)
        changes["name"] = [group.name, change.name]
        group.name = change.name
    if change.external_id is not None and change.external_id != group.external_id:
        changes["external_id"] = [group.external_id, change.external_id]
        group.external_id = change.external_id
    came, went = _change_members(group, change.members)
    if not (changes or came or went):
        return group
    group.version += 1
    group.save(update_fields=["name", "external_id", "version", "changed_at"])
    details = _told_of(came, went) | ({"changes": changes} if changes else {})
    record(
        organization=organization,
        actor=actor,
        verb="directory.change_group" if changes else "directory.change_members",
        target=group,
        details=details,
    )
    if group.role:
        settle(organization, [*came, *went], actor)
    return group


@transaction.atomic(durable=True)
def delete_group(
    *, organization: Organization, uid: uuid.UUID, actor: str, version: int | None = None
) -> None:
    """Forget a group, and with it what it gave. Absent, Changed; Refused where the last owner would go."""
    organization = _locked(organization)
    group = _group(organization, uid)
    _must_be(group, version)
    members = list(group.memberships.values_list("member_id", flat=True)) if group.role else []
    record(
        organization=organization,
        actor=actor,
        verb="directory.delete_group",
        target=group,
        details={"role": group.role},
    )
    group.delete()
    settle(organization, members, actor)


def _group(organization: Organization, uid: uuid.UUID) -> DirectoryGroup:
    group = DirectoryGroup.objects.filter(organization=organization, uid=uid).first()
    if group is None:
        raise Absent
    return group


def _must_be_free_group(
    organization: Organization, name: str, group: DirectoryGroup | None
) -> None:
    others = DirectoryGroup.objects.filter(organization=organization, name__iexact=name)
    if others.exclude(pk=group.pk if group else 0).exists():
        raise Taken(_("There is a group of that displayName already."))


def _change_members(group: DirectoryGroup, wanted: Members) -> tuple[list[int], list[int]]:
    """Who came and who went (ids of rows). Asks for nobody but those who are named, unless all others go."""
    known = _known(group.organization_id, [*wanted.come, *wanted.go])
    unknown = next((one for one in wanted.come if one not in known), None)
    if unknown is not None:
        raise Absent(_("There is no person %(id)s in this directory.") % {"id": unknown[:60]})
    come = {known[one] for one in wanted.come}
    if wanted.all_others_go:
        there = set(group.memberships.values_list("member_id", flat=True))
        went = sorted(there - come)
    else:
        there = _there(group, come)
        went = sorted(_there(group, {known[one] for one in wanted.go if one in known}))
    came = sorted(come - there)
    for part in in_parts(went):
        group.memberships.filter(member__in=part).delete()
    DirectoryMembership.objects.bulk_create(
        [DirectoryMembership(group=group, member_id=pk) for pk in came], batch_size=1000
    )
    return came, went


def _known(organization_id: int, ids: Iterable[str]) -> dict[str, int]:
    """Rows by the id that was sent; what is no id of this directory is absent."""
    uids: dict[uuid.UUID, str] = {}
    for one in ids:
        try:
            uids[uuid.UUID(one)] = one
        except ValueError:
            continue
    found: dict[str, int] = {}
    for part in in_parts(uids):
        rows = DirectoryUser.objects.filter(organization=organization_id, uid__in=part)
        found |= {uids[uid]: pk for uid, pk in rows.values_list("uid", "pk")}
    return found


def _there(group: DirectoryGroup, ids: Iterable[int]) -> set[int]:
    there: set[int] = set()
    for part in in_parts(ids):
        there |= set(group.memberships.filter(member__in=part).values_list("member_id", flat=True))
    return there


def _told_of(came: list[int], went: list[int]) -> dict[str, Any]:
    """Who came and went, for the audit log: how many, and the first of them by name."""
    said: dict[str, Any] = {}
    for word, ids in (("came", came), ("went", went)):
        if ids:
            names = DirectoryUser.objects.filter(pk__in=ids[:NAMED]).order_by("pk")
            said[word] = list(names.values_list("user_name", flat=True))
            said[f"{word}_number"] = len(ids)
    return said


def _count_up(groups: Any) -> None:
    groups.update(version=F("version") + 1, changed_at=timezone.now())


# --- By hand -------------------------------------------------------------------------------------


def _must(actor: User, organization: Organization) -> None:
    if not may(actor, "grants.change", organization):
        raise PermissionDenied(_("Your role here does not allow this any more."))


@transaction.atomic(durable=True)
def map_group(*, group: DirectoryGroup, role: Role | None, actor: User) -> DirectoryGroup:
    """Say what a group's members may do here; None: nothing. Refused where the last owner would go."""
    organization = _locked(group.organization)
    _must(actor, organization)
    current = _group(organization, group.uid)
    wanted = str(role or "")
    if current.role == wanted:
        return current
    before, current.role = current.role, wanted
    current.save(update_fields=["role", "changed_at"])
    record(
        organization=organization,
        actor=actor,
        verb="directory.map_group",
        target=current,
        details={"role": [before or None, wanted or None]},
    )
    settle(organization, current.memberships.values_list("member_id", flat=True), actor)
    return current


@transaction.atomic(durable=True)
def hand_over(*, person: DirectoryUser, actor: User) -> DirectoryUser:
    """Let the directory decide about a person again who was taken off, or whose role is held by hand."""
    organization = _locked(person.organization)
    _must(actor, organization)
    current = _person(organization, person.uid)
    current.kept_out_at = None
    current.save(update_fields=["kept_out_at"])
    Grant.objects.filter(organization=organization, user=current.user_id).update(
        from_directory=True
    )
    record(organization=organization, actor=actor, verb="directory.hand_over", target=current)
    settle(organization, [current.pk], actor)
    return current


def removed_by_hand(grant: Grant) -> None:
    """Listener: the directory must not give back what an owner has just taken away."""
    DirectoryUser.objects.filter(organization=grant.organization_id, user=grant.user_id).update(
        kept_out_at=timezone.now()
    )


def accepted(grant: Grant, invitation: ColleagueInvitation) -> None:
    """Listener: the one whose account it is has agreed. From now on the directory may decide.

    Not about an invitation that somebody sent by hand: that role stays as it was offered.
    """
    people = DirectoryUser.objects.filter(organization=grant.organization_id, user__isnull=True)
    person = people.filter(invitation=invitation).first()
    if person is not None:
        grant.from_directory = True
        grant.save(update_fields=["from_directory"])
    else:
        person = people.filter(email=invitation.email.lower()).first()
        DirectoryUser.objects.filter(organization=grant.organization_id, user=grant.user_id).update(
            kept_out_at=None
        )
    if person is not None and not _has_account(grant):
        person.user, person.invitation, person.kept_out_at = grant.user, None, None
        person.save(update_fields=["user", "invitation", "kept_out_at"])


def _has_account(grant: Grant) -> bool:
    return DirectoryUser.objects.filter(
        organization=grant.organization_id, user=grant.user_id
    ).exists()


# --- When it was heard of ------------------------------------------------------------------------


@transaction.atomic(durable=True)
def note_request(*, organization: Organization, asked: str, status: int, failure: str) -> None:
    """Keep what the directory asked last and how that went; ``failure`` is empty where it went well."""
    now = timezone.now()
    values: dict[str, Any] = {"asked_at": now, "asked": asked[:120], "status": status}
    if failure:
        values |= {"failed_at": now, "failure": storable(failure)[:300]}
    Directory.objects.update_or_create(organization=organization, defaults=values)
