"""How an organization and its settings are mirrored: a walk of one row each."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.configuration.models import RemoteConfiguration, RemoteOrganization
from apps.providers.errors import Refused
from apps.providers.protocol import Adapter, ConfigurationAdapter, OrganizationAdapter
from apps.providers.records import Page, Record
from apps.providers.records.configuration import OrganizationRecord
from apps.sync.mirrors import Mirror


def with_configuration(adapter: Adapter) -> ConfigurationAdapter:
    """The adapter, as one that can change its organization. Refused where its provider cannot."""
    if isinstance(adapter, ConfigurationAdapter):
        return adapter
    raise Refused(_("This provider's API cannot change an organization."))


def digest(document: object) -> str:
    """What tells one document from another, whatever the order of its fields; "" for none."""
    if document is None:
        return ""
    encoded = msgspec.json.encode(document, order="sorted")
    return blake2b(encoded, digest_size=6).hexdigest()


# --- The organization ----------------------------------------------------------------------------


def _fetch_organization(adapter: Adapter, cursor: str | None) -> Page[OrganizationRecord]:
    if isinstance(adapter, OrganizationAdapter):
        return Page([adapter.organization()], None)
    raise Refused(_("This provider tells nothing of the organization."))


def _organization_values(record: OrganizationRecord, now: datetime) -> tuple[Any, ...]:
    return (
        record.name,
        record.external_id,
        record.member_count,
        record.created_at,
        record.updated_at,
    )


ORGANIZATIONS = Mirror(
    name="organization",
    label=gettext_lazy("Organization"),
    capability="settings.read",
    model=RemoteOrganization,
    fetch=_fetch_organization,
    columns=("name", "external_id", "member_count", "created_at", "updated_at"),
    values=_organization_values,
    label_column="name",
    target_column="remote_id",
    watched=("name",),
    ends=frozenset({"configuration.delete_organization"}),
)


# --- Its settings --------------------------------------------------------------------------------


class SettingsRecord(Record, frozen=True, gc=False):
    """The settings as a row: ``raw`` is what the mirror keeps."""

    enabled: bool
    content: str
    raw: bytes


def as_raw(
    document: object,
    enabled: bool,
    *,
    unreadable: bool = False,
    sources: Sequence[tuple[str, str]] = (),
    hidden: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Any]:
    """What ``RemoteConfiguration.raw`` holds. ``sources``: id and name of each organization that hands
    one to a person's own account. ``hidden``: as ``RemoteConfig`` has it."""
    raw: dict[str, Any] = {"document": document, "enabled": enabled, "unreadable": unreadable}
    more = {"sources": list(sources), "hidden": hidden}
    return raw | {name: value for name, value in more.items() if value}


def _fetch_settings(adapter: Adapter, cursor: str | None) -> Page[SettingsRecord]:
    adapter_of = with_configuration(adapter)
    found, remote_id = adapter_of.configuration(), adapter_of.organization_id
    document, enabled = (found.document, bool(found.enabled)) if found else (None, False)
    kept = as_raw(
        document,
        enabled,
        unreadable=found is not None and document is None,
        sources=found.sources if found else (),
        hidden=found.hidden if found else None,
    )
    raw = msgspec.json.encode(kept, order="sorted")
    return Page([SettingsRecord(remote_id, enabled, digest(document), raw)], None)


CONFIGURATIONS = Mirror(
    name="remote_config",
    label=gettext_lazy("Remote config"),
    capability="config.read",
    model=RemoteConfiguration,
    fetch=_fetch_settings,
    columns=("enabled", "content"),
    values=lambda record, now: (record.enabled, record.content),
    label_column="remote_id",
    target_column="remote_id",
    watched=("enabled", "content"),
)
