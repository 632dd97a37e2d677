"""A remote account in memory that does what it is told, and an outbox that waits for nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from apps.members.models import Member
from apps.organizations.models import Connection, Grant
from apps.providers.errors import NotFound, ProviderError, Refused
from apps.providers.records import InviteRecord, MemberRecord
from apps.sync.models import Command
from apps.sync.outbox import delivery, word
from tests import kicks
from tests.factories import ConnectionFactory, GrantFactory, MemberFactory


@dataclass
class Remote:
    """Keeps members and invites; ``fail`` lists what the next writes do instead of answering.

    An entry is (error, happens): the write happens or not, then the error is raised.
    """

    members_by_id: dict[str, MemberRecord] = field(default_factory=dict)
    invites_by_id: dict[str, InviteRecord] = field(default_factory=dict)
    fail: list[tuple[ProviderError, bool]] = field(default_factory=list)
    fail_reads: list[ProviderError] = field(default_factory=list)
    effects: list[tuple[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    number: int = 0

    def write(self, name: str, what: str, effect: Callable[[], Any]) -> Any:
        self.calls.append(name)
        error, happens = self.fail.pop(0) if self.fail else (None, True)
        answer = None
        if happens:
            answer = effect()
            self.effects.append((name, what))
        if error:
            raise error
        return answer

    def read(self) -> None:
        if self.fail_reads:
            raise self.fail_reads.pop(0)

    # The adapter's own methods, as far as the outbox uses them.

    def member(self, remote_id: str) -> MemberRecord:
        self.read()
        if remote_id not in self.members_by_id:
            raise NotFound("No such member.", status=404)
        return self.members_by_id[remote_id]

    def members_by_email(self, email: str) -> list[MemberRecord]:
        self.read()
        return [m for m in self.members_by_id.values() if m.email.lower() == email.lower()]

    def pending_invites(self, email: str) -> list[InviteRecord]:
        self.read()
        return [i for i in self.invites_by_id.values() if i.email.lower() == email.lower()]

    def invite_now(self, remote_id: str, email: str) -> InviteRecord | None:
        self.read()
        return self.invites_by_id.get(remote_id)

    def change_role(self, remote_id: str, role: str) -> MemberRecord:
        def effect() -> MemberRecord:
            if remote_id not in self.members_by_id:
                raise NotFound("No such member.", status=404)
            self.members_by_id[remote_id] = replace(self.members_by_id[remote_id], role=role)
            return self.members_by_id[remote_id]

        record: MemberRecord = self.write("change_role", remote_id, effect)
        return record

    def remove_member(self, remote_id: str) -> None:
        def effect() -> None:
            if self.members_by_id.pop(remote_id, None) is None:
                raise NotFound("No such member.", status=404)

        self.write("remove_member", remote_id, effect)

    def invite(self, email: str, role: str) -> InviteRecord:
        def effect() -> InviteRecord:
            if any(i.email == email for i in self.invites_by_id.values()):
                raise Refused("An invite to this address is pending already.", status=400)
            self.number += 1
            record = InviteRecord(
                remote_id=f"invite_new_{self.number}",
                email=email,
                role=role,
                status="pending",
                invited_at=datetime.now(UTC),
                expires_at=None,
                raw=b"{}",
            )
            self.invites_by_id[record.remote_id] = record
            return record

        record: InviteRecord = self.write("invite", email, effect)
        return record

    def withdraw_invite(self, remote_id: str) -> None:
        def effect() -> None:
            if self.invites_by_id.pop(remote_id, None) is None:
                raise NotFound("No such invite.", status=404)

        self.write("withdraw_invite", remote_id, effect)


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Remote:
    """The remote account behind every connection of the test."""
    account = Remote()

    @contextmanager
    def open_adapter(connection: Connection, wait: float = 0) -> Iterator[Remote]:
        yield account

    monkeypatch.setattr(delivery, "open_adapter", open_adapter)
    return account


@pytest.fixture(autouse=True)
def kicked(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[int]:
    """Ids that the workers were told of; no waiting for anything."""
    ids: list[int] = kicks.collected(monkeypatch)
    monkeypatch.setattr(word, "announce", lambda command: None)
    monkeypatch.setattr("apps.sync.outbox.outcome.announce", lambda command: None)
    settings.OUTBOX_QUIET_SECONDS = 0
    settings.OUTBOX_BACKOFF_BASE_SECONDS = 0
    settings.PROVIDER_CALL_DEADLINE = 0
    return ids


@pytest.fixture
def owner() -> Grant:
    """Olga owns the organization."""
    grant: Grant = GrantFactory(user__name="Olga")
    return grant


@pytest.fixture
def connection(owner: Grant) -> Connection:
    """An account of Olga's organization at a provider."""
    made: Connection = ConnectionFactory(organization=owner.organization)
    return made


@pytest.fixture
def bo(connection: Connection, remote: Remote) -> Member:
    """Bo is a user there, at the remote and in the mirror."""
    member: Member = MemberFactory(
        connection=connection,
        person__organization=connection.organization,
        email="bo@example.com",
        role="user",
    )
    remote.members_by_id[str(member.remote_id)] = MemberRecord(
        remote_id=str(member.remote_id),
        email=member.email,
        name="Bo",
        role="user",
        roles=("user",),
        remote_user_id="",
        joined_at=None,
        raw=b"{}",
    )
    return member


def carry(command: Command) -> Command:
    """Let a worker take the Command as far as it goes now, and look at it again."""
    delivery.carry(command.pk)
    command.refresh_from_db()
    return command
