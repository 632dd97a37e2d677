"""The organization's document, the remote config in it, and the provider keys it shares.

Where the contract is silent: admins change provider settings and what is handed to members as text;
any other part of the config is a security setting, which is the owners' (403). An organization with a
plan that was not cancelled cannot be closed (409).
"""

from typing import Any

import msgspec

from ..app import Answer, Call, Refusal, json_body, operation
from ..ids import digest, ulid
from ..world import Change, Member, Open, Organization, Put, Set, micros_stamp
from .access import RANKS, Access, check_kinds, malformed, plan_in_force, rank, success
from .account import active_id, memberships

OF_ADMINS = {"providerSettings", "globalRules", "globalWorkflows", "globalSkills"}
FLAGS = {
    "telemetryEnabled",
    "kanbanEnabled",
    "yoloModeAllowed",
    "mcpMarketplaceEnabled",
    "blockPersonalRemoteMCPServers",
    "openTelemetryEnabled",
    "openTelemetryOtlpInsecure",
}


def shown(organization: Organization) -> dict[str, Any]:
    settings = organization.settings
    return {
        "id": organization.id,
        "name": organization.name,
        "externalOrganizationId": settings["external_id"],
        "memberCount": len(organization.tables["members"]),
        "remoteConfigEnabled": settings["remote_config_enabled"],
        "defaultRemoteConfig": settings["remote_config"],
        "createdAt": settings["created_at"],
        "updatedAt": settings["updated_at"],
    }


def document_in(text: object) -> dict[str, Any]:
    """The config that a member's client would accept; 422 for any other."""
    if not isinstance(text, str):
        raise malformed()
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise Refusal(422, "defaultRemoteConfig is not valid JSON") from None
    if not isinstance(document, dict) or not isinstance(document.get("version"), str):
        raise Refusal(422, "defaultRemoteConfig has no version")
    wrong = [name for name in FLAGS & set(document) if not isinstance(document[name], bool)]
    if wrong or not isinstance(document.get("providerSettings", {}), dict):
        raise Refusal(
            422, f"defaultRemoteConfig: wrong type of {(wrong or ['providerSettings'])[0]}"
        )
    return document


def touched(before: str, after: dict[str, Any]) -> set[str]:
    """The parts of the config that differ."""
    old = msgspec.json.decode(before) if before else {}
    return {name for name in {*old, *after} if old.get(name) != after.get(name)}


class Organizations(Access):
    """What the organization is, and what it hands to its members."""

    @operation("POST", "/api/v1/organizations", "create_organization")
    def create_organization(self, call: Call) -> Answer:
        name, account = json_body(call, malformed).get("name"), self._account(call)
        if not isinstance(name, str) or not name.strip():
            raise malformed()
        if any(one.name == name for one, _ in memberships(call, account)):
            raise Refusal(409, "you have an organization of that name")
        ordinal = len(call.state.journal) + 1
        source = digest(call.state.seed, "new organization", ordinal)
        stamp = micros_stamp(call.now)
        settings: dict[str, Any] = {
            "seats": 1,
            "plan_history": [],
            "verified_domains": [account.email.rpartition("@")[2].lower()],
            "external_id": f"org_{ulid('x', ordinal, source[16:])[2:]}",
            "remote_config_enabled": False,
            "remote_config": "",
            "provider_keys": "",
            "created_at": stamp,
            "updated_at": stamp,
        }
        organization = ulid("org", 1_000_000 + ordinal, source)
        owner = Member(
            ulid("mbr", 1_000_000 + ordinal, source[32:48]),
            account.id,
            organization,
            account.email,
            account.display_name,
            ("owner",),
            stamp,
            stamp,
        )
        data = {
            "id": organization,
            "name": name,
            "externalOrganizationId": settings["external_id"],
            "memberCount": 1,
            "remoteConfigEnabled": False,
            "defaultRemoteConfig": "",
            "createdAt": stamp,
            "updatedAt": stamp,
        }
        changes: list[Change] = [
            Open(organization, name, settings),
            Put(organization, "members", owner),
        ]
        return success(data, status=201, target=organization, changes=changes)

    @operation("GET", "/api/v1/organizations/{id}", "get_organization")
    def get_organization(self, call: Call) -> Answer:
        organization, _ = self._enter(call, "member", "id")
        return success(shown(organization))

    @operation("PUT", "/api/v1/organizations/{id}", "update_organization")
    def update_organization(self, call: Call) -> Answer:
        organization, caller = self._enter(call, "admin", "id")
        body = json_body(call, malformed)
        name, enabled = body.get("name"), body.get("remoteConfigEnabled")
        if not {"name", "remoteConfigEnabled", "defaultRemoteConfig"} & set(body):
            raise malformed()
        check_kinds(body, name=str, remoteConfigEnabled=bool)
        if name is not None and not name.strip():
            raise Refusal(422, "name must not be empty")
        settings: dict[str, Any] = {"updated_at": micros_stamp(call.now)}
        if enabled is not None:
            settings["remote_config_enabled"] = enabled
        if "defaultRemoteConfig" in body:
            document = document_in(body["defaultRemoteConfig"])
            parts = touched(organization.settings["remote_config"], document)
            if parts - OF_ADMINS - {"version"} and rank(caller) < RANKS["owner"]:
                raise Refusal(403, "security settings need the role owner")
            settings["remote_config"] = body["defaultRemoteConfig"]
        changes: list[Change] = [Set(organization.id, key, one) for key, one in settings.items()]
        if name is not None:
            changes.append(Set(organization.id, "name", name))
        data = shown(organization) | {"updatedAt": settings["updated_at"]}
        data["name"] = organization.name if name is None else name
        data["remoteConfigEnabled"] = settings.get(
            "remote_config_enabled", data["remoteConfigEnabled"]
        )
        data["defaultRemoteConfig"] = settings.get("remote_config", data["defaultRemoteConfig"])
        return success(data, target=organization.id, changes=changes)

    @operation("DELETE", "/api/v1/organizations/{id}", "delete_organization")
    def delete_organization(self, call: Call) -> Answer:
        organization, _ = self._enter(call, "owner", "id")
        held = plan_in_force(organization, call.now)
        if held and not held["canceled_at"]:
            raise Refusal(409, "cancel the plan first")
        stamp = micros_stamp(call.now)
        return Answer(
            status=204,
            target=organization.id,
            changes=[Set(organization.id, "deleted_at", stamp)],
        )

    @operation("GET", "/api/v1/organizations/{id}/api-keys", "get_organization_provider_keys")
    def get_organization_provider_keys(self, call: Call) -> Answer:
        organization, _ = self._enter(call, "member", "id")
        return success({"providerApiKeys": organization.settings["provider_keys"]})

    @operation("GET", "/api/v1/organizations/{id}/remote-config", "get_organization_remote_config")
    def get_organization_remote_config(self, call: Call) -> Answer:
        organization, _ = self._enter(call, "member", "id")
        settings = organization.settings
        if not settings["remote_config"]:
            return success(None)
        enabled = settings["remote_config_enabled"]
        return success({"value": settings["remote_config"], "enabled": enabled})

    @operation("GET", "/api/v1/users/me/remote-config", "get_current_user_remote_config")
    def get_current_user_remote_config(self, call: Call) -> Answer:
        account = self._account(call)
        sources = [
            one
            for one, _ in memberships(call, account)
            if one.settings["remote_config_enabled"] and one.settings["remote_config"]
        ]
        if not sources:
            return success(None)
        active = active_id(call, account)
        chosen = next((one for one in sources if one.id == active), sources[0])
        data = {
            "organizationId": chosen.id,
            "value": chosen.settings["remote_config"],
            "enabled": True,
            "organizations": [{"organizationId": one.id, "name": one.name} for one in sources],
        }
        return success(data)
