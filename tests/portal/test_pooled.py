"""A pooled connection tells a server that is there from one that has gone, without a word to it."""

from collections.abc import Iterator

import pytest
from django.db import connection as database
from psycopg_pool import ConnectionPool

from portal.pooled import PooledConnection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]


@pytest.fixture
def pool() -> Iterator[ConnectionPool[PooledConnection]]:
    """A pool of one, as Django makes it of the settings."""
    given = database.get_connection_params()
    kept = {name: given[name] for name in ("host", "port", "user", "dbname") if name in given}
    with ConnectionPool(
        kwargs=kept | {"autocommit": True},
        connection_class=PooledConnection,
        check=ConnectionPool.check_connection,
        min_size=1,
        max_size=1,
    ) as made:
        made.wait()
        yield made


def test_nothing_is_sent_to_see_that_it_lives(pool: ConnectionPool[PooledConnection]) -> None:
    with pool.connection() as one:
        own = one.info.backend_pid
        one.execute("SELECT 'the last word'")
    with pool.connection() as one, database.cursor() as cursor:
        assert one.info.backend_pid == own
        cursor.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [own])
        assert cursor.fetchone() == ("SELECT 'the last word'",)


def test_one_whose_server_has_gone_is_replaced(pool: ConnectionPool[PooledConnection]) -> None:
    with pool.connection() as one:
        gone = one.info.backend_pid
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [gone])
    with pool.connection() as one:
        assert one.info.backend_pid != gone
        assert one.execute("SELECT 1").fetchone() == (1,)


def test_what_the_server_says_meanwhile_is_asked_about(
    pool: ConnectionPool[PooledConnection],
) -> None:
    with pool.connection() as one:
        one.execute("LISTEN anything")
        own = one.info.backend_pid
    with database.cursor() as cursor:
        cursor.execute("NOTIFY anything")
    with pool.connection() as one:  # an empty query was sent, which reads what had come
        assert one.info.backend_pid == own
        assert one._is_quiet()
