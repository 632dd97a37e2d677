"""Commits that need not wait for the disk."""

from django.db import connection


def without_disk() -> None:
    """Let the transaction at hand end before it is on PostgreSQL's disk: SQLite's never wait.

    For what a crash of the server may forget, whole, because it is found out or done again. A later
    commit that does wait brings it to the disk as well.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
