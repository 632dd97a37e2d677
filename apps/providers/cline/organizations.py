"""The organization itself, as every adapter that can change one has it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from apps.providers.cline.account import Account
from apps.providers.cline.configuration import Configuration
from apps.providers.errors import NotFound, Unclear
from apps.providers.records import RemoteOrganization
from apps.providers.records.configuration import OrganizationRecord, RemoteConfig


class Organizations(Account, Configuration):
    """What ``protocol.ConfigurationAdapter`` names."""

    @property
    def organization_id(self) -> str:
        """The one that the connection was made for."""
        return self._organization

    def organization(self) -> OrganizationRecord:
        """get_organization; what it hands to members has an operation of its own."""
        found = self.get_organization()
        if found.deleted_at is not None:
            raise NotFound(_("The organization was deleted."))
        fields = msgspec.json.decode(found.raw)
        fields.pop("defaultRemoteConfig", None)
        return replace(found, raw=msgspec.json.encode(fields))

    def rename_organization(self, name: str) -> None:
        """update_organization with a name."""
        self.update_organization(name=name)

    def organizations_of_caller(self) -> list[RemoteOrganization]:
        """get_current_user."""
        return [
            RemoteOrganization(one.organization_id, one.organization_name, one.roles)
            for one in self.get_current_user().memberships
        ]

    def new_organization(self, name: str) -> RemoteOrganization:
        """create_organization."""
        made = self.create_organization(name)
        return RemoteOrganization(made.remote_id, made.name)

    def configuration(self) -> RemoteConfig | None:
        """get_organization_remote_config. Unclear if it is handed out and cannot be read."""
        found = self.get_organization_remote_config()
        if found is not None and found.missing:
            raise Unclear(_("The remote config cannot be read."))
        return found

    def write_configuration(self, document: Mapping[str, Any] | None, enabled: bool) -> None:
        """update_organization: the document as it was read (inferred), and the switch."""
        self.update_organization(config_enabled=enabled, config=document)

    def holds_configuration(self, document: Mapping[str, Any] | None, enabled: bool) -> bool:
        """get_organization, compared in clear."""
        return self.config_is(document, enabled)
