"""A walker that is killed anywhere leaves a mirror that the next one puts right.

The walk happens in a fork that kills itself with SIGKILL at the moment in question: nothing gets the
chance to clean up, and what its transaction had written is undone by the database alone.
"""

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from apps.members.models import Member
from apps.organizations.models import Connection
from apps.providers.errors import NotFound
from apps.providers.records import Unreadable
from apps.sync import reconcile
from apps.sync.models import Resource, RunIds, SyncRun
from apps.sync.upsert import Upsert
from apps.sync.walk import _Walker, walk
from apps.sync.writer import Writer
from tests.factories import ConnectionFactory
from tests.sync.remote import Remote, member, members, resource_of, walk_it

pytestmark = pytest.mark.django_db(transaction=True)
Provider = Callable[[Remote], Remote]


def die(*args: object, **kwargs: object) -> None:
    """As a worker without memory or power does."""
    os.kill(os.getpid(), signal.SIGKILL)


def after(owner: type, name: str, times: int) -> None:
    """In the fork: die once the ``times``-th call of a method has ended."""
    original = getattr(owner, name)
    calls = iter(range(1, 1000))

    def doomed(*args: object, **kwargs: object) -> object:
        answer = original(*args, **kwargs)
        if next(calls) == times:
            die()
        return answer

    setattr(owner, name, doomed)


# Where it dies → whether the next walker goes on from there.
MOMENTS: dict[str, tuple[Callable[[], None], bool]] = {
    "before the first page": (lambda: after(Writer, "load", 1), False),
    "in a transaction, rows written": (lambda: after(Upsert, "write_rows", 1), False),
    "in a later transaction": (lambda: after(Upsert, "write_rows", 2), True),
    "after the first page": (lambda: after(Writer, "take", 1), True),
    "after the third page": (lambda: after(Writer, "take", 3), True),
    "after the last page": (lambda: after(Writer, "take", 5), False),
    "after removing, before the end": (lambda: after(reconcile, "_remove", 1), False),
    "in the transaction that ends it": (lambda: after(_Walker, "_finish", 1), False),
}


@pytest.fixture
def flushed_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page is written by itself, as at a provider's pace."""
    monkeypatch.setattr("apps.sync.writer.FLUSH_SECONDS", 0.0)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_walker_leaves_nothing_wrong(
    provider: Provider, flushed_pages: None, moment: str
) -> None:
    connection: Connection = ConnectionFactory.create()
    remote = provider(Remote(members(45)))
    walk_it(connection)
    # Two go, one comes, one changes on the first page and one on the third.
    remote.rows = [
        member(99),
        *(row for row in members(45) if row.remote_id[-2:] not in ("04", "41")),
    ]
    remote.rows[2] = member(1, role="developer")
    remote.rows[26] = member(26, role="developer")
    arrange, resumes = MOMENTS[moment]
    pk = resource_of(connection).pk
    child = doomed_walk(pk, arrange)
    assert died(child)
    before = {row.remote_id for row in members(45)}
    if moment not in ("after removing, before the end", "in the transaction that ends it"):
        assert present(connection) >= before
    assert walk(pk) is None  # the dead one's lease
    Resource.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    left = SyncRun.objects.latest("pk")
    run = walk_it(connection)
    assert (run.pk == left.pk) is resumes
    assert run.state == SyncRun.State.COMPLETE
    assert present(connection) == {row.remote_id for row in remote.rows}
    changed = set(Member.objects.filter(role="developer").values_list("remote_id", flat=True))
    assert changed == {"user_00001", "user_00026"}
    assert not RunIds.objects.exists()
    assert not SyncRun.objects.filter(state=SyncRun.State.RUNNING).exists()


# What happens in place of the third page → the method after which the walker dies.
NO_PAGE: dict[str, tuple[Callable[[], None], str]] = {
    "it waits": (lambda: time.sleep(0.5), "keep"),
    "it is cut short": (lambda: refuse(), "save_rest"),
}


def refuse() -> None:
    """The provider knows the place no more."""
    raise NotFound("No such id", status=404)


@pytest.mark.parametrize("instead", NO_PAGE)
def test_a_walker_that_is_killed_while_it_has_no_page_has_lost_none_before(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, settings: Any, instead: str
) -> None:
    connection: Connection = ConnectionFactory.create()
    remote = provider(Remote(members(45)))
    walk_it(connection)
    remote.rows[12] = member(12, role="developer")
    remote.rows[17] = unreadable = Unreadable("user_00017", "no name", b"{}")
    # The pages before are not written yet when the lease is extended.
    monkeypatch.setattr("apps.sync.writer.FLUSH_SECONDS", 60.0)
    monkeypatch.setattr("apps.sync.walk.LISTEN_SECONDS", 0.01)
    settings.SYNC_LEASE_SECONDS = 0.2
    happens, method = NO_PAGE[instead]
    remote.fault(2, happens)
    pk = resource_of(connection).pk
    assert died(doomed_walk(pk, lambda: after(_Walker, method, 1)))
    remote.before.clear()
    Resource.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    left = SyncRun.objects.latest("pk")
    assert left.state == SyncRun.State.RUNNING
    assert left.pages == 2
    settings.SYNC_LEASE_SECONDS = 60
    run = walk_it(connection)
    assert run.pk == left.pk
    assert (run.state, run.pages, run.gone) == (SyncRun.State.COMPLETE, 5, 0)
    assert present(connection) == {row.remote_id for row in members(45)}
    assert Member.objects.get(role="developer").remote_id == "user_00012"
    (kept,) = resource_of(connection).quarantine.all()
    assert kept.reason == unreadable.reason


def doomed_walk(pk: int, arrange: Callable[[], None]) -> int:
    """A walk in a fork, which dies as it was arranged; the fork."""
    connections.close_all()
    child = os.fork()
    if not child:
        try:
            arrange()
            walk(pk)
        finally:
            os._exit(0)  # whatever happens: nothing but this walk may run in the fork
    return child


def died(child: int) -> bool:
    """Whether it killed itself, once it has ended."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def present(connection: Connection) -> set[str]:
    """Remote ids that the mirror holds as present."""
    rows = Member.objects.filter(connection=connection, gone_at__isnull=True)
    return {str(name) for name in rows.values_list("remote_id", flat=True)}
