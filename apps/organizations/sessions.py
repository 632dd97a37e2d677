"""Sessions in the database, read by a query that is written once: every request begins with it."""

from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.utils import timezone

from apps.ui.prepared import Prepared

_sessions = Prepared(lambda keys: Session.objects.filter(session_key__in=keys))


class SessionStore(db.SessionStore):
    """Django's own but for the reading."""

    _unread: DatabaseError | None = None

    def load(self) -> dict[str, Any]:
        """What the session holds; one that has ended, or that there never was, holds nothing.

        A request asks once: where the database is away, whoever writes the log of its failure asks whose
        session it was, and would wait as long again.
        """
        if self._unread:
            raise self._unread
        try:
            found = _sessions(keys=[self.session_key or ""])
        except DatabaseError as error:
            self._unread = error
            raise
        if found and found[0].expire_date > timezone.now():
            return self.decode(found[0].session_data)
        self._session_key = None
        return {}
