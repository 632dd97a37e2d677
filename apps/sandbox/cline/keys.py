"""A person's API keys. This resource alone is written in snake case."""

from typing import Any

from ..app import Answer, Call, Refusal, json_body, operation
from ..ids import cline_key, digest, ulid
from ..world import Drop, Key, Put, micros_stamp
from .access import Access, malformed, success

MOST = 50
PREFIX = 10  # characters of the secret that stay readable


class Keys(Access):
    """Where the contract is silent: two keys of a person never share a name (409)."""

    def _held(self, call: Call) -> list[Key]:
        account = self._account(call)
        return [one for one in call.state.world.keys if one.account == account.id and one.key_id]

    def _shown(self, key: Key) -> dict[str, Any]:
        used = self.last_used.get(key.key_id)
        return {
            "id": key.key_id,
            "name": key.name,
            "key_prefix": key.id[:PREFIX],
            "created_at": key.created_at,
            "last_used_at": None if used is None else micros_stamp(used),
        }

    @operation("GET", "/api/v1/api-keys", "list_api_keys")
    def list_api_keys(self, call: Call) -> Answer:
        return success({"items": [self._shown(one) for one in self._held(call)]})

    @operation("POST", "/api/v1/api-keys", "create_api_key")
    def create_api_key(self, call: Call) -> Answer:
        name = json_body(call, malformed).get("name")
        if not isinstance(name, str) or not name.strip():
            raise malformed()
        account, held = self._account(call), self._held(call)
        if any(one.name == name for one in held):
            raise Refusal(409, "a key of that name exists")
        if len(held) >= MOST:
            raise Refusal(409, "too many keys")
        ordinal = len(call.state.journal) + 1
        key = Key(
            cline_key(call.state.seed, account.id, ordinal),
            "cline",
            account=account.id,
            key_id=ulid("key", ordinal, digest(call.state.seed, "new key", ordinal, size=16)),
            name=name,
            created_at=micros_stamp(call.now),
        )
        shown = self._shown(key)
        del shown["last_used_at"]
        return success(
            {"secret_key": key.id, "api_key": shown},
            status=201,
            target=key.key_id,
            changes=[Put("", "keys", key)],
        )

    @operation("DELETE", "/api/v1/api-keys/{key_id}", "delete_api_key")
    def delete_api_key(self, call: Call) -> Answer:
        wanted = call.params["key_id"]
        key = next((one for one in self._held(call) if one.key_id == wanted), None)
        if key is None:
            raise Refusal(404, "api key not found")
        return Answer(status=204, target=wanted, changes=[Drop("", "keys", key.id)])
