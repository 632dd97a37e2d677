"""The organization's document, the remote config in it, and the provider keys it shares.

All three may carry secrets in clear text. They are masked here: no record, log line or error has them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from apps.providers.cline.answers import data_of, read
from apps.providers.cline.client import SHORT_ORGANIZATION, Client
from apps.providers.decoding import Fields, text
from apps.providers.errors import NOT_JSON, ProviderError, Refused, Unclear
from apps.providers.http import Answer, garbled
from apps.providers.masking import MASK, fingerprints, mask
from apps.providers.reading import DocumentReader, Reading
from apps.providers.records.configuration import OrganizationRecord, RemoteConfig, SharedKeys

FIRST_VERSION = "v1"


def _document(value: Any) -> Fields | None:
    """The config inside its JSON string, in clear; None where there is none that can be read."""
    if not isinstance(value, str):
        return value if isinstance(value, dict) else None
    try:
        found = msgspec.json.decode(value)
    except NOT_JSON:
        return None
    return found if isinstance(found, dict) else None


def _config(
    organization: str,
    enabled: bool | None,
    value: Any,
    missing: tuple[str, ...] = (),
    keys: Mapping[str, bytes] | None = None,
) -> RemoteConfig:
    """``keys``: what hidden values are fingerprinted with."""
    document = _document(value)
    # What is switched off may hold anything, and an empty text is no config: neither is a fault.
    if document is None and enabled is not False and value != "":
        missing = (*missing, "value")
    shown = mask(document)
    hidden = fingerprints(document, shown, keys or {})
    return RemoteConfig(organization, enabled, shown, missing=missing, hidden=hidden)


def _organization(reading: Reading, raw: bytes) -> OrganizationRecord:
    remote_id = reading.id("id", needed=True)
    enabled = reading.flag("remoteConfigEnabled", needed=True)
    return OrganizationRecord(
        remote_id,
        reading.text("name", needed=True) or remote_id,
        reading.id("externalOrganizationId"),
        reading.count("memberCount"),
        _config(remote_id, enabled, reading.fields.get("defaultRemoteConfig") or ""),
        reading.moment("createdAt", needed=True),
        reading.moment("updatedAt", needed=True),
        reading.moment("deletedAt"),
        raw,
        reading.missing,
    )


ORGANIZATION = DocumentReader(_organization)


class Configuration(Client):
    """What the organization is, and what it hands to its members."""

    def create_organization(self, name: str) -> OrganizationRecord:
        """create_organization: the caller becomes its owner. Unclear where the answer names none."""
        answer = self._call("POST", "/api/v1/organizations", body={"name": name})
        made = read(ORGANIZATION, answer)
        if not made.remote_id:
            raise garbled(answer, _("it does not name the new organization"))
        return made

    def get_organization(self) -> OrganizationRecord:
        """get_organization. NotFound if it is gone."""
        answer = self._call("GET", SHORT_ORGANIZATION, id=self._organization)
        return read(ORGANIZATION, answer)

    def update_organization(
        self,
        *,
        name: str | None = None,
        config_enabled: bool | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> OrganizationRecord | None:
        """update_organization: what is not given stays. The organization if the answer has it.

        ``config`` is the whole document as a record shows it, changed at will: what is masked in it is
        put back from what the remote holds (one more read), and so is its ``version`` where it has
        none. Refused where a masked value has no counterpart there; nothing was sent then.
        """
        body: dict[str, Any] = {}
        if name is not None:
            body["name"] = name
        if config_enabled is not None:
            body["remoteConfigEnabled"] = config_enabled
        told = self._update(body, config)
        if isinstance(told, ProviderError):
            raise told
        try:
            return read(ORGANIZATION, told)
        except Unclear:
            return None  # a 2xx: it has happened, whatever else the answer says

    def _update(
        self, body: dict[str, Any], config: Mapping[str, Any] | None
    ) -> Answer | ProviderError:
        """Send it. Failures are returned without their way here: its frames hold the clear config."""
        try:
            if config is not None:
                document = dict(config)
                if "version" not in document or _is_masked(document):
                    document = _unmasked(document, self._clear_config())
                body = {**body, "defaultRemoteConfig": msgspec.json.encode(document).decode()}
            return self._call("PUT", SHORT_ORGANIZATION, body=body, id=self._organization)
        except ProviderError as error:
            error.__context__ = None
            return error.with_traceback(None)

    def _clear_config(self) -> Fields:
        return _document(self._fields().get("defaultRemoteConfig")) or {}

    def _fields(self) -> Fields:
        answer = self._call("GET", SHORT_ORGANIZATION, id=self._organization)
        data = data_of(answer)
        fields = _object(data) if data is not None else None
        if fields is None:
            raise garbled(answer, _("it is no object"))
        return fields

    def config_is(self, wanted: Mapping[str, Any] | None, enabled: bool) -> bool:
        """get_organization: whether it has this config (None: none), and hands it out or not.

        A masked value in ``wanted`` fits whatever stands in its place.
        """
        fields = self._fields()
        value, flag = fields.get("defaultRemoteConfig"), fields.get("remoteConfigEnabled")
        if bool(flag) != enabled:
            return False
        if wanted is None:
            return value in ("", None)
        clear = _document(value)
        if clear is None:
            return False
        try:
            return _unmasked(dict(wanted), clear) == clear
        except Refused:
            return False

    def delete_organization(self) -> None:
        """delete_organization: closed for good. NotFound if it is gone."""
        self._call("DELETE", SHORT_ORGANIZATION, id=self._organization)

    def get_organization_provider_keys(self) -> SharedKeys:
        """get_organization_provider_keys: whose keys are shared. The keys themselves stay out."""
        answer = self._list(f"{SHORT_ORGANIZATION}/api-keys", id=self._organization)
        shared = _shared(answer)
        if shared is None:
            raise garbled(answer, _("it has no provider keys"))
        return shared

    def get_organization_remote_config(self) -> RemoteConfig | None:
        """get_organization_remote_config: None if there is none."""
        answer = self._list(f"{SHORT_ORGANIZATION}/remote-config", id=self._organization)
        data = data_of(answer)
        if data is None:
            return None
        fields = _object(data)
        if fields is None:
            raise garbled(answer, _("it is no object"))
        reading = Reading(fields)
        enabled = reading.flag("enabled", needed=True)
        return _config(
            self._organization,
            enabled,
            fields.get("value"),
            reading.missing,
            self._fingerprint_keys,
        )

    def get_current_user_remote_config(self) -> RemoteConfig | None:
        """get_current_user_remote_config: the one that applies to the caller; None if there is none."""
        answer = self._list("/api/v1/users/me/remote-config")
        data = data_of(answer)
        if data is None:
            return None
        fields = _object(data)
        if fields is None:
            raise garbled(answer, _("it is no object"))
        reading = Reading(fields)
        listed = map(Reading, reading.objects("organizations"))
        sources = tuple((one.id("organizationId"), one.text("name")) for one in listed)
        organization = reading.id("organizationId", needed=True)
        enabled = reading.flag("enabled")
        value, keys = fields.get("value"), self._fingerprint_keys
        found = _config(organization, enabled, value, reading.missing, keys)
        return replace(found, sources=sources)


def _object(data: bytes) -> Fields | None:
    try:
        found = msgspec.json.decode(data)
    except NOT_JSON:
        return None
    return found if isinstance(found, dict) else None


def _shared(answer: Answer) -> SharedKeys | None:
    """The names in ``providerApiKeys``, which is a JSON object inside a string, or empty."""
    data = data_of(answer)
    fields = _object(data) if data is not None else {}
    if fields is None:
        return None
    value = fields.get("providerApiKeys")
    if value in ("", None):
        return SharedKeys((), () if value == "" else ("providerApiKeys",))
    found = _document(value)
    if found is None:
        return None
    return SharedKeys(tuple(sorted(name[:200] for name, key in found.items() if text(key))))


# --- Masked values back in place ----------------------------------------------------------------


def _is_masked(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_is_masked, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_is_masked, value))
    return isinstance(value, str) and MASK in value


def _unmasked(document: Fields, clear: Fields) -> Fields:
    """``document`` with its masked values taken from ``clear``, and with a version."""
    whole = {"version": clear.get("version", FIRST_VERSION), **document}
    restored: Fields = _restored(whole, clear, mask(clear), "")
    return restored


def _restored(wanted: Any, clear: Any, hidden: Any, where: str) -> Any:
    """``wanted`` with what is masked in it replaced by what stands in ``clear`` at the same place;
    ``hidden`` is ``clear`` masked. An entry of a list may have moved."""
    if not _is_masked(wanted):
        return wanted
    if wanted == hidden:
        return clear
    if isinstance(wanted, Mapping) and isinstance(clear, Mapping):
        return {
            name: _restored(inner, clear.get(name), hidden.get(name), f"{where}.{name}")
            for name, inner in wanted.items()
        }
    if isinstance(wanted, list | tuple) and isinstance(clear, list):
        return [
            _restored_entry(inner, place, clear, hidden, f"{where}[{place}]")
            for place, inner in enumerate(wanted)
        ]
    raise Refused(
        _("The hidden value at %(place)s is not known any more; enter it anew.")
        % {"place": where.lstrip(".") or "/"}
    )


def _restored_entry(wanted: Any, place: int, clear: list[Any], hidden: Any, where: str) -> Any:
    """An entry is known by its place, or else by being the only one that looks like it."""
    if not (place < len(hidden) and hidden[place] == wanted) and hidden.count(wanted) == 1:
        place = hidden.index(wanted)
    if place < len(clear):
        return _restored(wanted, clear[place], hidden[place], where)
    return _restored(wanted, None, None, where)
