"""Usage by person: the accounts of one human at several providers put together."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from apps.members.models import Member
from apps.organizations.models import Connection
from apps.usage.groupings import Grouping, is_number
from apps.usage.tuples import MARKS, NONE

ACCOUNT = "account:"  # before an account whose person is not known
CHUNK = 5000  # ids in one query: databases limit their parameters


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def persons_of(
    connections: Sequence[Connection], pairs: set[tuple[int, str]]
) -> Mapping[tuple[int, str], Any]:
    """(connection id, account) → the person's id. Marks stay marks; an account that no walk has seen
    is ``ACCOUNT`` and the provider's own id."""
    found: dict[tuple[int, str], Any] = {
        (connection, account): account if account in MARKS else f"{ACCOUNT}{account}"
        for connection, account in pairs
        if account != NONE
    }
    accounts = sorted({account for _, account in pairs} - MARKS)
    for some in _chunks(accounts):
        rows = Member.objects.filter(
            connection__in=[one.pk for one in connections], remote_id__in=some
        )
        for connection, account, person in rows.values_list(
            "connection_id", "remote_id", "person_id"
        ):
            if person is not None and (connection, str(account)) in found:
                found[connection, str(account)] = person
    return found


def accounts_of(connections: Sequence[Connection], values: Sequence[Any]) -> set[tuple[int, str]]:
    """The (connection id, account) pairs of persons by id, of marks, and of accounts by the provider's id."""
    texts = {str(value) for value in values}
    ids = [one.pk for one in connections]
    found = {
        (pk, text.removeprefix(ACCOUNT)) for pk in ids for text in texts if not is_number(text)
    }
    rows = Member.objects.filter(
        connection__in=ids, person__in=[int(text) for text in texts if is_number(text)]
    )
    found |= {(pk, str(account)) for pk, account in rows.values_list("connection_id", "remote_id")}
    return found


PERSON = Grouping("person", "account", persons_of, accounts_of)
