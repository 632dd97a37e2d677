"""Changes of an organization: how each is asked for, and what it must come to at the remote."""

import json
from collections.abc import Callable
from typing import Any

from apps.configuration import services as configuration
from apps.configuration.mirror import digest
from apps.configuration.models import RemoteConfiguration, RemoteOrganization
from apps.providers.masking import mask
from tests.desk import Desk
from tests.factories import RemoteConfigurationFactory, RemoteOrganizationFactory
from tests.faults.changes import RENAME_ORGANIZATION, Change

ORGANIZATION = "/organizations/{org}"


class OrganizationChange(Change):
    """``before`` and ``after`` are the organization's name, or the contents of its only rule."""

    def assert_mirrored(self) -> None:
        """It has happened, and the mirror shows what the remote has."""
        self.desk.sandbox.control.clear_faults()
        assert self.remote() == self.after
        assert self.mirrored() == self.after

    def assert_untouched(self, why: str) -> None:
        """Nothing has happened, and the mirror shows what was before."""
        self.desk.sandbox.control.clear_faults()
        assert self.effects() == {}
        assert self.remote() == self.before
        assert self.mirrored() == self.before

    def _is_about_us(self, entry: dict[str, Any]) -> bool:
        # Both kinds act on the same organization: what is sent tells them apart.
        return self.email in json.dumps(entry["arguments"])

    def remote(self) -> str:
        """What the remote has; a secret in it must have survived."""
        _, _, answer = self.desk.sandbox.cline("GET", ORGANIZATION)
        name: str = answer["data"]["name"]
        if self.kind == RENAME_ORGANIZATION:
            return name
        document = json.loads(answer["data"]["defaultRemoteConfig"])
        rule = rule_in(document)
        assert document == settings_with(rule)
        return rule

    def mirrored(self) -> str:
        """What the mirror has."""
        if self.kind == RENAME_ORGANIZATION:
            return RemoteOrganization.objects.get(connection=self._connection).name
        row = RemoteConfiguration.objects.get(connection=self._connection)
        assert row.content == digest(row.document)
        return rule_in(row.document or {})


def rule_in(document: dict[str, Any]) -> str:
    """The contents of its only rule."""
    (rule,) = document["globalRules"]
    contents: str = rule["contents"]
    return contents


def settings_with(rule: str) -> dict[str, Any]:
    """A remote config with a secret, a field that nobody knows, and one rule."""
    return {
        "version": "v1",
        "openTelemetryOtlpHeaders": {"x-team": "kept by the provider alone"},
        "aFieldOfTomorrow": {"kept": 0.1},
        "globalRules": [{"alwaysEnabled": True, "name": "Rule", "contents": rule}],
    }


def prepare_organization(desk: Desk, kind: str, provider: str, name: str) -> Callable[[], Change]:
    """Mirror the organization as it is; what is returned asks for its change."""
    if kind == RENAME_ORGANIZATION:
        return _prepare_name(desk, kind, provider, name)
    return _prepare_settings(desk, kind, provider, name)


def _prepare_name(desk: Desk, kind: str, provider: str, name: str) -> Callable[[], Change]:
    connection = desk.connections[provider]
    _, _, answer = desk.sandbox.cline("GET", ORGANIZATION)
    before = answer["data"]["name"]
    row = RemoteOrganizationFactory.create(connection=connection, name=before)
    began = desk.sandbox.control.journal_end()

    def ask() -> Change:
        command = configuration.rename(row=row, name=name, actor=desk.owner, nonce=name)
        old_id = str(row.remote_id)
        return OrganizationChange(desk, kind, provider, command, name, began, old_id, before, name)

    return ask


def _prepare_settings(desk: Desk, kind: str, provider: str, rule: str) -> Callable[[], Change]:
    row = mirrored_settings(desk, before := f"before {rule}")
    began = desk.sandbox.control.journal_end()

    def ask() -> Change:
        command = configuration.change(
            row=row,
            document=mask(settings_with(rule)),
            enabled=True,
            seen=row.content,
            actor=desk.owner,
            nonce=rule,
        )
        old_id = str(row.remote_id)
        return OrganizationChange(desk, kind, provider, command, rule, began, old_id, before, rule)

    return ask


def mirrored_settings(desk: Desk, rule: str) -> RemoteConfiguration:
    """Settings with that rule, which the remote has and the mirror shows."""
    text = json.dumps(settings_with(rule))
    wanted = {"remoteConfigEnabled": True, "defaultRemoteConfig": text}
    status, _, answer = desk.sandbox.cline("PUT", ORGANIZATION, wanted)
    assert status == 200, answer
    row: RemoteConfiguration = RemoteConfigurationFactory.create(
        connection=desk.connections["cline"], document=mask(settings_with(rule))
    )
    return row
