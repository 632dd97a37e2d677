"""What PostgreSQL's pool holds; imported where there is one alone."""

from select import POLLIN, poll
from typing import Any

import psycopg


class PooledConnection(psycopg.Connection[Any]):
    """A connection that knows by itself whether the server has gone.

    Before each request the pool sends an empty query, to see that the connection lives. A server that ends
    says so, or its system does: then something waits to be read, which nothing does otherwise.
    """

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> "psycopg.Cursor[Any]":
        """Any other query is sent."""
        if query == "" and self._is_quiet():
            return self.cursor()
        return super().execute(query, *args, **kwargs)

    def _is_quiet(self) -> bool:
        watched = poll()
        watched.register(self.fileno(), POLLIN)
        return not watched.poll(0)
