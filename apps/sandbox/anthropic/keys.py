"""API keys: what there is to know of them, and their states. Their secrets are the vendor's console's."""

from typing import Any

import msgspec

from ..app import Answer, Call, json_body, operation
from ..world import Change, Organization, Put, seconds_stamp
from .console import Console, invalid, listing, missing, page
from .rows import CLAUDE_CODE, ApiKey, Switch

STATUSES = ("active", "inactive", "archived", "expired")
WRITABLE = STATUSES[:3]


def as_of(key: ApiKey, now: float) -> ApiKey:
    """The key as it reads now: one past its date has expired, whatever it was switched to."""
    past = key.expires_at is not None and key.expires_at <= seconds_stamp(now)
    return with_status(key, "expired") if past and key.status != "archived" else key


def with_status(key: ApiKey, status: str) -> ApiKey:
    return msgspec.structs.replace(key, status=status)


def turned(organization: Organization, key: ApiKey, now: float) -> list[Change]:
    """The key in its new state, and since when it is on or off."""
    changes: list[Change] = [Put(organization.id, "api_keys", key)]
    switch = organization.tables["switches"].get(key.id)
    off: tuple[tuple[float, float | None], ...] = switch.off if switch else ()
    is_off = bool(off) and off[-1][1] is None
    if is_off and key.status == "active":
        off = (*off[:-1], (off[-1][0], now))
    elif not is_off and key.status != "active":
        off = (*off, (now, None))
    else:
        return changes
    return [*changes, Put(organization.id, "switches", Switch(key.id, off))]


def stopped_with(
    organization: Organization, user_id: str, now: float, workspace_id: str | None = None
) -> list[Change]:
    """The keys that stop when their maker leaves: those of the Claude Code workspace alone.

    ``workspace_id``: the one workspace that the person leaves; None for all.
    """
    tables = organization.tables
    coding = {one.id for one in tables["workspaces"] if one.name == CLAUDE_CODE}
    if workspace_id is not None:
        coding &= {workspace_id}
    return [
        change
        for key in tables["api_keys"]
        if key.workspace_id in coding
        and key.status != "archived"
        and key.created_by is not None
        and key.created_by.id == user_id
        for change in turned(organization, with_status(key, "archived"), now)
    ]


def wanted_in(body: dict[str, Any]) -> tuple[str | None, str | None]:
    """Name and status asked for; None where one is to stay."""
    name, status = body.get("name"), body.get("status")
    if name is not None and not (isinstance(name, str) and 1 <= len(name) <= 500):
        raise invalid("name: must be a string of 1 to 500 characters")
    if status is not None and status not in WRITABLE:
        raise invalid(f"status: must be one of {', '.join(WRITABLE)}")
    return name, status


class Keys(Console):
    """Tag "API keys" of the contract."""

    def _key(self, call: Call) -> ApiKey:
        key = self.organization(call).tables["api_keys"].get(call.params["api_key_id"])
        if key is None:
            raise missing()
        return as_of(key, call.now)

    @operation("GET", "/v1/organizations/api_keys", "listApiKeys")
    def list_api_keys(self, call: Call) -> Answer:
        status, workspace = call.query.get("status"), call.query.get("workspace_id")
        maker = call.query.get("created_by_user_id")
        if status is not None and status not in STATUSES:
            raise invalid(f"status: must be one of {', '.join(STATUSES)}")

        def keep(key: ApiKey) -> bool:
            return (
                (workspace is None or key.workspace_id == workspace)
                and (maker is None or (key.created_by is not None and key.created_by.id == maker))
                and (status is None or as_of(key, call.now).status == status)
            )

        unfiltered = status is workspace is maker is None
        table = self.organization(call).tables["api_keys"]
        rows, has_more = page(table, call, keep=None if unfiltered else keep)
        return listing([as_of(key, call.now) for key in rows], has_more)

    @operation("GET", "/v1/organizations/api_keys/{api_key_id}", "getApiKey")
    def get_api_key(self, call: Call) -> Answer:
        return Answer(self._key(call))

    @operation("POST", "/v1/organizations/api_keys/{api_key_id}", "updateApiKey")
    def update_api_key(self, call: Call) -> Answer:
        key, organization = self._key(call), self.organization(call)
        name, status = wanted_in(json_body(call, invalid))
        if status is not None and status != key.status:
            self._check_turn(organization, key, status, call.now)
        changed = msgspec.structs.replace(key, name=name or key.name, status=status or key.status)
        changes: list[Change] = []
        if changed != key:
            changes = turned(organization, changed, call.now)
        return Answer(changed, target=key.id, changes=changes)

    def _check_turn(self, organization: Organization, key: ApiKey, wanted: str, now: float) -> None:
        if wanted == "archived":
            return
        if key.status in ("archived", "expired"):
            raise invalid(f"An {key.status} API key cannot be made {wanted} again.")
        if wanted != "active":
            return
        active = [
            one for one in organization.tables["api_keys"] if as_of(one, now).status == "active"
        ]
        settings = organization.settings
        nearby = sum(one.workspace_id == key.workspace_id for one in active)
        for limit, count, code in (
            (settings["active_key_limit"], len(active), "org_api_key_limit_exceeded"),
            (settings["workspace_active_key_limit"], nearby, "workspace_api_key_limit_exceeded"),
        ):
            if limit is not None and count >= limit:
                raise invalid("The limit of active API keys has been reached.", code)
