"""Changes of an organization at its provider: how each is sent, read back, and written to the mirror."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.audit.record import record
from apps.configuration.mirror import as_raw, with_configuration
from apps.configuration.models import RemoteConfiguration, RemoteOrganization
from apps.configuration.reading import differences
from apps.configuration.sealed import is_lost, typed_document, wipe
from apps.configuration.versions import keep_version
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.providers.errors import NotFound, ProviderError, Refused, Unclear
from apps.providers.protocol import Adapter, ConfigurationAdapter
from apps.sync.models import Command
from apps.sync.outbox.kinds import (
    Done,
    Json,
    Kind,
    Moot,
    NotDone,
    Step,
    Undecided,
    Verdict,
    register,
)

PLACES_NAMED = 5
Document = Mapping[str, Any] | None


def _organization(command: Command) -> RemoteOrganization | None:
    return RemoteOrganization.objects.filter(pk=command.row_id, gone_at__isnull=True).first()


def _check_name(command: Command) -> str:
    """It must still be the organization whose name was seen, or typed."""
    row = _organization(command)
    if row is None:
        return _("This organization is gone.")
    if row.name != command.before.get("name"):
        return _("Meanwhile it was renamed at the provider: it is %(name)s now.") % {
            "name": row.name
        }
    return ""


def _words(command: Command) -> dict[str, object]:
    return {
        "before": command.before.get("name", ""),
        "name": command.arguments.get("name", command.label),
        "connection": command.connection,
    }


# --- Rename --------------------------------------------------------------------------------------


def _send_name(adapter: Adapter, command: Command) -> Json:
    with_configuration(adapter).rename_organization(command.arguments["name"])
    return {}


def _read_name(adapter: Adapter, command: Command) -> Verdict:
    try:
        name = with_configuration(adapter).organization().name
    except NotFound:
        return Moot(_("This organization is gone."))
    return Done() if name == command.arguments["name"] else NotDone()


def _settle_name(command: Command) -> None:
    name = command.arguments["name"]
    RemoteOrganization.objects.filter(pk=command.row_id).update(
        name=name, changed_at=timezone.now(), fingerprint=0
    )
    Connection.objects.filter(pk=command.connection_id).update(remote_organization_name=name)


RENAME = Kind(
    name="configuration.rename",
    label=gettext_lazy("Rename organization"),
    action="configuration.rename",
    capability="settings.change",
    resource="organization",
    steps=(Step("rename", _send_name, _read_name),),
    describe=lambda command: (
        _("“%(before)s” is called “%(name)s” at %(connection)s.") % _words(command)
    ),
    settle=_settle_name,
    check=_check_name,
)


# --- The settings --------------------------------------------------------------------------------


def _held(adapter: ConfigurationAdapter, document: Document, settings: Json) -> bool:
    return adapter.holds_configuration(document, bool(settings["enabled"]))


def _look(adapter: Adapter, command: Command) -> Json:
    """Right before sending: what the person saw must still be there, or already what they want."""
    there = with_configuration(adapter)
    if _held(there, command.before["document"], command.before):
        return {}
    if _held(there, typed_document(command), command.arguments):
        return {}
    raise Refused(
        _("Meanwhile somebody has changed the settings at the provider. Nothing was overwritten.")
    )


def _send_settings(adapter: Adapter, command: Command) -> Json:
    """Send, and look whether it is there: nobody has promised that this operation does it."""
    there, document = with_configuration(adapter), typed_document(command)
    unchanged = document == command.before["document"]
    there.write_configuration(None if unchanged else document, bool(command.arguments["enabled"]))
    try:
        is_there = _held(there, document, command.arguments)
    except ProviderError as error:
        raise Unclear(error.message) from None  # it was sent: a failing look refuses nothing
    if not is_there:
        raise Unclear(_("It was sent, and the provider does not show it yet."))
    return {}


def _read_settings(adapter: Adapter, command: Command) -> Verdict:
    there = with_configuration(adapter)
    try:
        if _held(there, typed_document(command), command.arguments):
            return Done()
        if _held(there, command.before["document"], command.before):
            return NotDone()
    except NotFound:
        return Moot(_("This organization is gone."))
    return Undecided(
        _(
            "The provider shows settings that are neither those before nor those that were sent. "
            "Look at them before anything is sent again."
        )
    )


def _settle_settings(command: Command) -> None:
    document, enabled = command.arguments["document"], command.arguments["enabled"]
    now = timezone.now()
    RemoteConfiguration.objects.filter(pk=command.row_id).update(
        raw=as_raw(document, enabled),
        enabled=enabled,
        content=command.arguments["content"],
        changed_at=now,
        fingerprint=0,
    )
    keep_version(command.connection, now, command, new_secrets="has_secrets" in command.arguments)
    wipe([command])


def _check_settings(command: Command) -> str:
    row = RemoteConfiguration.objects.filter(pk=command.row_id, gone_at__isnull=True).first()
    if row is None:
        return _("These settings are gone.")
    seen = (command.before["content"], command.before["enabled"])
    if (row.content, row.enabled) != seen:
        return _("Meanwhile the settings were changed at the provider.")
    if is_lost(command):
        return _("The secrets that were typed for it are wiped. Edit the settings anew.")
    return ""


def _describe_settings(command: Command) -> str:
    """The places that change, and never what stands there."""
    found = differences(command.before["document"], command.arguments["document"])
    places = [one.path for one in found[:PLACES_NAMED]]
    words = []
    if found:
        words.append(
            ngettext(
                "%(n)d place changes: %(places)s", "%(n)d places change: %(places)s", len(found)
            )
            % {"n": len(found), "places": ", ".join(places) + (", …" if found[5:] else ".")}
        )
    if "has_secrets" in command.arguments:
        words.append(_("New secrets are set."))
    if command.before["enabled"] != command.arguments["enabled"]:
        words.append(
            _("Members get these settings from now on.")
            if command.arguments["enabled"]
            else _("Members no longer get these settings.")
        )
    return " ".join(words)


CHANGE = Kind(
    name="configuration.change",
    label=gettext_lazy("Change remote config"),
    action="configuration.change",
    capability="config.change",
    resource="remote_config",
    steps=(Step("change", _send_settings, _read_settings, look=_look),),
    describe=_describe_settings,
    settle=_settle_settings,
    undo=wipe,
    check=_check_settings,
)


# --- Another organization ------------------------------------------------------------------------


def _named(adapter: Adapter, name: str) -> list[str]:
    there = with_configuration(adapter).organizations_of_caller()
    return sorted(one.remote_id for one in there if one.name == name)


def _look_new(adapter: Adapter, command: Command) -> Json:
    return {"ids": _named(adapter, command.arguments["name"])}


def _send_new(adapter: Adapter, command: Command) -> Json:
    made = with_configuration(adapter).new_organization(command.arguments["name"])
    return {"remote_id": made.remote_id}


def _read_new(adapter: Adapter, command: Command) -> Verdict:
    """One new organization of that name is ours. Names may repeat: anything else is for a person."""
    there = _named(adapter, command.arguments["name"])
    new = [one for one in there if one not in command.baseline.get("ids", there)]
    if len(new) == 1:
        return Done({"remote_id": new[0]})
    candidates = [{"id": one, "label": f"{command.label} ({one})"} for one in new or there]
    return Undecided(
        _("Nobody can tell which organization of this name is the new one, if any."), candidates
    )


CREATE = Kind(
    name="configuration.create_organization",
    label=gettext_lazy("Open organization"),
    action="configuration.create_organization",
    capability="organization.create",
    resource="organization",
    steps=(Step("create", _send_new, _read_new, look=_look_new),),
    describe=lambda command: (
        _(
            "A new organization “%(name)s”, owned by the person whose key connects %(connection)s. "
            "To look after it here, connect it as well."
        )
        % _words(command)
    ),
    settle=lambda command: None,
)


# --- Delete --------------------------------------------------------------------------------------


def _send_deletion(adapter: Adapter, command: Command) -> Json:
    with_configuration(adapter).delete_organization()
    return {}


def _read_deletion(adapter: Adapter, command: Command) -> Verdict:
    try:
        with_configuration(adapter).organization()
    except NotFound:
        return Done()
    return NotDone()


def _settle_deletion(command: Command) -> None:
    """It is gone; its connection would ask for it for ever, so it is paused."""
    now = timezone.now()
    RemoteOrganization.objects.filter(pk=command.row_id).update(
        gone_at=now, changed_at=now, fingerprint=0
    )
    RemoteConfiguration.objects.filter(connection=command.connection, gone_at__isnull=True).update(
        gone_at=now, changed_at=now, fingerprint=0
    )
    paused = Connection.objects.filter(
        pk=command.connection_id, state=Connection.State.ACTIVE
    ).update(state=Connection.State.PAUSED)
    if paused:
        record(
            organization=command.organization,
            actor=None,
            verb="connections.pause",
            target=command.connection,
            connection=command.connection,
            command=command,
        )


def _describe_deletion(command: Command) -> str:
    provider = PROVIDERS.get(command.connection.provider)
    words = _("%(before)s is deleted at %(connection)s for good.") % _words(command)
    return f"{words} {provider.deletion_ends if provider else ''}".strip()


DELETE = Kind(
    name="configuration.delete_organization",
    label=gettext_lazy("Delete organization"),
    action="configuration.delete_organization",
    capability="organization.delete",
    resource="organization",
    steps=(Step("delete", _send_deletion, _read_deletion, gone_is_done=True),),
    describe=_describe_deletion,
    settle=_settle_deletion,
    check=_check_name,
    final=True,
)


def register_kinds() -> None:
    """Make the changes of this shelf known to the outbox."""
    for kind in (RENAME, CHANGE, CREATE, DELETE):
        register(kind)
