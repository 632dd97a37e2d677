"""The audit log cannot be changed quietly."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from apps.audit import triggers
from apps.audit.chain import verify
from apps.audit.models import ChainHead, Entry
from apps.audit.record import Line, record, record_many


def write(lines: int, organization: int = 7) -> None:
    record_many(
        organization=organization,
        actor="alice@example.com",
        lines=[Line("people.change_role", ("member", n), details={"n": n}) for n in range(lines)],
    )


@pytest.fixture
def tampering(db: None) -> Callable[..., None]:
    """Run SQL as somebody who owns the database and has taken the triggers away."""

    def run(sql: str) -> None:
        triggers.remove(connection)
        with connection.cursor() as cursor:
            cursor.execute(sql)
        triggers.install(connection)

    return run


@pytest.mark.django_db
@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE audit_entry SET verb = 'nothing' WHERE sequence = 1",
        "DELETE FROM audit_entry WHERE sequence = 2",
        "DELETE FROM audit_entry",
    ],
)
def test_the_database_refuses_to_change_or_delete_a_line(attempt: str) -> None:
    write(3)
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(attempt)
    assert Entry.objects.count() == 3
    assert verify(7).whole


@pytest.mark.django_db
def test_the_database_refuses_to_empty_or_overwrite_the_log() -> None:
    write(3)
    attempt = (
        "TRUNCATE audit_entry"
        if connection.vendor == "postgresql"
        else "INSERT OR REPLACE INTO audit_entry SELECT * FROM audit_entry WHERE sequence = 2"
    )
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(attempt)
    assert verify(7).checked == 3


@pytest.mark.django_db
def test_the_orm_cannot_change_or_delete_a_line_either() -> None:
    write(1)
    entry = Entry.objects.get()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        entry.save()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        entry.delete()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Entry.objects.all().delete()


@pytest.mark.django_db
def test_an_untouched_log_is_whole() -> None:
    write(5)
    verdict = verify(7)
    assert verdict.whole
    assert (verdict.checked, verdict.head) == (5, Entry.objects.get(sequence=5).hash)
    assert verify(12345).whole  # nothing was ever written: nothing is missing


@pytest.mark.parametrize(
    ("sql", "line", "why"),
    [
        ("UPDATE audit_entry SET actor = 'bob' WHERE sequence = 3", 3, "changed"),
        ("UPDATE audit_entry SET details = '{\"n\": 9}' WHERE sequence = 2", 2, "changed"),
        ("UPDATE audit_entry SET at = '2020-01-01 00:00:00+00' WHERE sequence = 4", 4, "changed"),
        ("UPDATE audit_entry SET previous_hash = '00' WHERE sequence = 2", 2, "follow"),
        ("DELETE FROM audit_entry WHERE sequence = 1", 1, "missing"),
        ("DELETE FROM audit_entry WHERE sequence = 3", 3, "missing"),
        ("DELETE FROM audit_entry WHERE sequence >= 4", 4, "missing"),
        ("DELETE FROM audit_entry", 1, "missing"),
        ("UPDATE audit_chainhead SET sequence = 3", 3, "end"),
    ],
)
def test_tampering_is_found_and_the_line_is_named(
    tampering: Callable[..., None], sql: str, line: int, why: str
) -> None:
    write(5)
    tampering(sql)
    broken = verify(7).broken
    assert broken is not None
    assert broken.sequence == line
    assert why in str(broken.reason)


@pytest.mark.django_db
def test_a_line_forged_past_the_end_is_found() -> None:
    write(2)
    last = Entry.objects.get(sequence=2)
    last.pk, last.sequence, last.previous_hash = None, 3, last.hash
    Entry.objects.bulk_create([last])
    broken = verify(7).broken
    assert broken is not None
    assert broken.sequence == 3


@pytest.mark.django_db
def test_one_organizations_damage_is_not_anothers(tampering: Callable[..., None]) -> None:
    write(2, organization=7)
    write(2, organization=8)
    tampering("UPDATE audit_entry SET verb = 'x' WHERE organization_id = 8")
    assert verify(7).whole
    assert not verify(8).whole


@pytest.mark.django_db
def test_the_command_names_the_broken_line_and_fails(tampering: Callable[..., None]) -> None:
    write(3, organization=7)
    write(3, organization=8)
    out = StringIO()
    call_command("verify_audit", stdout=out)
    assert "organization 7: 3 lines, whole" in out.getvalue()
    tampering("UPDATE audit_entry SET verb = 'x' WHERE organization_id = 8 AND sequence = 2")
    call_command("verify_audit", "--organization=7", stdout=out)
    with pytest.raises(CommandError):
        call_command("verify_audit", stdout=out)
    assert "organization 8: BROKEN at line 2" in out.getvalue()


@pytest.mark.django_db
def test_progress_is_told_while_verifying() -> None:
    write(5001)
    told: list[tuple[int, int]] = []
    assert verify(7, progress=lambda done, of: told.append((done, of))).whole
    assert told == [(5000, 5001)]


@pytest.mark.django_db(transaction=True)
def test_appending_from_many_threads_keeps_the_chain_whole() -> None:
    def append(number: int) -> None:
        try:
            with transaction.atomic():
                record(organization=7, actor=f"thread {number}", verb="x")
                if number % 5 == 0:
                    write(3)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(append, range(40)))
    verdict = verify(7)
    assert verdict.broken is None
    assert verdict.checked == 40 + 8 * 3
    assert ChainHead.objects.get(pk=7).hash == verdict.head


@pytest.mark.django_db(transaction=True)
def test_the_triggers_are_back_after_the_flush_of_a_transactional_test() -> None:
    # The test above was one: had its flush left the triggers away, this would pass.
    with transaction.atomic():
        write(1)
    with pytest.raises(DatabaseError, match="append-only"):
        Entry.objects.all().delete()
