"""Changes of keys: how each is asked for, and what it must come to at the remote.

A new key, whose read-back is its own kind of thing, stands in ``test_key_creation.py``.
"""

from collections.abc import Callable

from apps.keys import services as keys
from apps.keys.models import Key
from tests.desk import Desk
from tests.factories import KeyFactory
from tests.faults.changes import ACTIVATE_KEY, DELETE_KEY, RENAME_KEY, Change


class KeyChange(Change):
    """A change of a key; ``email`` is its name, ``before`` and ``after`` its status."""

    def assert_mirrored(self) -> None:
        """It has happened, and the mirror shows what the remote has."""
        self.desk.sandbox.control.clear_faults()
        if self.kind == DELETE_KEY:
            assert self.remote_key() is None
            assert self.row().gone_at
            return
        name = self._new_name if self.kind == RENAME_KEY else self.email
        assert self.remote_key() == (name, self.after)
        assert (self.row().name, self.row().status) == (name, self.after)

    def assert_untouched(self, why: str) -> None:
        """Nothing has happened, and the mirror shows what was before."""
        assert self.effects() == {}
        assert self.remote_key() == (self.email, self.before)
        assert (self.row().name, self.row().status) == (self.email, self.before)
        assert self.row().gone_at is None

    @property
    def _new_name(self) -> str:
        return f"{self.email} renamed"

    def remote_key(self) -> tuple[str, str] | None:
        """Its name and status at the remote; None if it is gone."""
        if self.provider == "anthropic":
            _, _, key = self.desk.sandbox.anthropic("GET", f"/api_keys/{self.old_id}")
            return key["name"], key["status"]
        _, _, listed = self.desk.sandbox.cline("GET", "/api-keys")
        names = {one["id"]: one["name"] for one in listed["data"]["items"]}
        return (names[self.old_id], "active") if self.old_id in names else None

    def row(self) -> Key:
        """Its row in the mirror."""
        return Key.objects.get(connection=self._connection, remote_id=self.old_id)


def prepare_key(desk: Desk, kind: str, provider: str, name: str) -> Callable[[], Change]:
    """Put a key into the remote and the mirror; what is returned asks for its change."""
    before = "inactive" if kind == ACTIVATE_KEY else "active"
    row = mirrored_key(desk, provider, name, before)
    began = desk.sandbox.control.journal_end()

    def ask() -> Change:
        if kind == RENAME_KEY:
            new = f"{name} renamed"
            command = keys.rename(key=row, name=new, actor=desk.owner, nonce=name)
        else:
            command = keys.change(kind=kind, key=row, actor=desk.owner, nonce=name)
        after = keys.LEADS_TO.get(kind, before)
        old_id = str(row.remote_id)
        return KeyChange(desk, kind, provider, command, name, began, old_id, before, after)

    return ask


def mirrored_key(desk: Desk, provider: str, name: str, status: str) -> Key:
    """A key that the remote has and the mirror shows."""
    connection = desk.connections[provider]
    if provider == "anthropic":
        organization = connection.remote_organization_id
        made = desk.sandbox.control.api_key(organization, name, status=status)
    else:
        answered, _, answer = desk.sandbox.cline("POST", "/api-keys", {"name": name})
        assert answered == 201
        made = answer["data"]["api_key"]
    row: Key = KeyFactory.create(
        connection=connection, remote_id=made["id"], name=name, status=status, hint=""
    )
    return row
