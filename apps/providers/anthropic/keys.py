"""API keys: what is known of them, their names and their states."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from apps.providers.anthropic.client import PAGE_LIMIT, Client
from apps.providers.catalogue import ANTHROPIC
from apps.providers.decoding import (
    LONGEST_ID,
    LONGEST_NAME,
    LONGEST_STATUS,
    NOT_READ,
    Fields,
    Id,
    Name,
    RowReader,
    Status,
    in_utc,
    moment,
    needed,
    text,
)
from apps.providers.errors import Refused
from apps.providers.records import Page
from apps.providers.records.keys import KeyRecord, NewKey, SharedKeyRecord

LONGEST_HINT = 80
ONE = "/v1/organizations/api_keys/{api_key_id}"

Hint = Annotated[str, msgspec.Meta(max_length=LONGEST_HINT)]


class CreatorRow(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``APIKeyCreator`` of the contract."""

    id: Id
    type: Status


class KeyRow(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``APIKey`` of the contract. ``scope`` and ``principal`` are what later servers add."""

    id: Id
    name: Name
    status: Status
    partial_key_hint: Hint | None
    workspace_id: Id | None
    created_by: CreatorRow | None
    created_at: datetime | None
    expires_at: datetime | None
    type: msgspec.Raw = NOT_READ
    scope: msgspec.Raw = NOT_READ
    principal: msgspec.Raw = NOT_READ


def _key(row: KeyRow, raw: bytes) -> KeyRecord:
    creator = row.created_by
    return KeyRecord(
        row.id,
        row.name,
        row.status,
        row.partial_key_hint or "",
        row.workspace_id or "",
        creator.id if creator else "",
        creator.type if creator else "",
        in_utc(row.created_at),
        in_utc(row.expires_at),
        raw,
    )


def _lenient_key(fields: Fields) -> KeyRow:
    return KeyRow(
        id=needed(fields, "id"),
        name=text(fields.get("name"))[:LONGEST_NAME],
        status=text(fields.get("status"))[:LONGEST_STATUS],
        partial_key_hint=text(fields.get("partial_key_hint"))[:LONGEST_HINT],
        workspace_id=_workspace(fields),
        created_by=_creator(fields.get("created_by")),
        created_at=moment(fields.get("created_at")),
        expires_at=moment(fields.get("expires_at")),
    )


def _workspace(fields: Fields) -> str | None:
    """The workspace, as ``scope`` tells it where a later server has left ``workspace_id`` out."""
    scope = fields.get("scope")
    if "workspace_id" not in fields and isinstance(scope, dict):
        return text(scope.get("workspace_id"))[:LONGEST_ID] or None
    return text(fields.get("workspace_id"))[:LONGEST_ID] or None


def _creator(value: Any) -> CreatorRow | None:
    if not isinstance(value, dict) or not text(value.get("id")):
        return None
    return CreatorRow(text(value["id"])[:LONGEST_ID], text(value.get("type"))[:LONGEST_STATUS])


KEYS = RowReader(KeyRow, _key, _lenient_key, ("id",))


class Keys(Client):
    """Tag "API keys" of the contract; first what every adapter with keys has."""

    def keys(self, cursor: str | None = None) -> Page[KeyRecord]:
        """listApiKeys: of every state and workspace."""
        page = self.list_api_keys(after_id=cursor)
        rows = [self._marked(row) for row in page.rows]
        return Page(rows, page.next_cursor, page.unreadable, page.requests)

    def key(self, remote_id: str) -> KeyRecord:
        """getApiKey."""
        return self._marked(self.get_api_key(remote_id))

    def change_key(
        self, remote_id: str, *, name: str | None = None, status: str | None = None
    ) -> KeyRecord:
        """updateApiKey."""
        return self._marked(self.update_api_key(remote_id, name=name, status=status))

    def create_key(self, name: str) -> NewKey:
        """Not in this API: always Refused."""
        raise Refused(str(ANTHROPIC.cannot["keys.create"]))

    def delete_key(self, remote_id: str, *, hint: str = "") -> None:
        """Not in this API: always Refused."""
        raise Refused(str(ANTHROPIC.cannot["keys.delete"]))

    def shared_keys(self, cursor: str | None = None) -> Page[SharedKeyRecord]:
        """There is nothing of the kind here: always Refused."""
        raise Refused(str(ANTHROPIC.cannot["shared_keys.read"]))

    def _marked(self, row: KeyRecord) -> KeyRecord:
        return msgspec.structs.replace(row, own=True) if self._channel.uses(row.hint) else row

    def list_api_keys(
        self,
        *,
        after_id: str | None = None,
        status: str | None = None,
        workspace_id: str | None = None,
        created_by_user_id: str | None = None,
        limit: int = PAGE_LIMIT,
    ) -> Page[KeyRecord]:
        """listApiKeys: one page. Nothing selects the default workspace: look for "" yourself."""
        raw = self._sdk.organization.api_keys.with_raw_response
        return self.page(
            "GET /v1/organizations/api_keys",
            raw.list,
            KEYS,
            cursor=("after_id", after_id),
            status=status,
            workspace_id=workspace_id,
            created_by_user_id=created_by_user_id,
            limit=limit,
        )

    def get_api_key(self, api_key_id: str) -> KeyRecord:
        """getApiKey."""
        raw = self._sdk.organization.api_keys.with_raw_response
        answer = self.read(f"GET {ONE}", lambda: raw.retrieve(api_key_id))
        return KEYS.read_one(answer.body, answer)

    def update_api_key(
        self, api_key_id: str, *, name: str | None = None, status: str | None = None
    ) -> KeyRecord:
        """updateApiKey: ``name`` of 1 to 500 characters, ``status`` "active", "inactive" or "archived".

        None leaves one as it is. Refused for a key that has expired or was archived, and at a cap of
        active keys (org_api_key_limit_exceeded, workspace_api_key_limit_exceeded).
        """
        raw = self._sdk.organization.api_keys.with_raw_response
        wanted: dict[str, Any] = {"name": name, "status": status}
        given = {field: value for field, value in wanted.items() if value is not None}
        answer = self.write(f"POST {ONE}", lambda: raw.update(api_key_id, **given))
        return KEYS.read_one(answer.body, answer)
