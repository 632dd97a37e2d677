"""What people may ask for an organization at its provider. Each checks, then hands over a Command."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.configuration.checking import faults
from apps.configuration.mirror import digest
from apps.configuration.models import RemoteConfiguration, RemoteOrganization
from apps.configuration.sealed import as_arguments
from apps.organizations import connections
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.providers.settings import Configuration
from apps.sync.models import Command, CommandState
from apps.sync.outbox.requests import Refusal, Wish, ask

LONGEST_NAME = 200


def rules_of(connection: Connection) -> Configuration | None:
    """What is known of the document that this connection's provider hands out; None if there is none."""
    provider = PROVIDERS.get(connection.provider)
    return provider.configuration if provider else None


def _why_not_named(name: str) -> str:
    if not 1 <= len(name) <= LONGEST_NAME:
        return _("A name has 1 to %(longest)d characters.") % {"longest": LONGEST_NAME}
    return ""


def _about(kind: str, row: RemoteOrganization, why: str, **arguments: Any) -> Wish | Refusal:
    if row.gone_at:
        why = _("This organization is gone.")
    if why:
        return Refusal(row.name, row.connection.name, why)
    return Wish(
        kind=kind,
        connection=row.connection,
        target=row.target,
        label=row.name,
        arguments={"remote_id": row.remote_id, **arguments},
        before={"name": row.name},
        row_id=row.pk,
    )


def rename(*, row: RemoteOrganization, name: str, actor: User, nonce: str) -> Command:
    """Ask for another name. Raises RequestRefused with the reason."""
    name = name.strip()
    why = _why_not_named(name) or (_("It is called that already.") if name == row.name else "")
    return ask(_about("configuration.rename", row, why, name=name), actor=actor, nonce=nonce)


def delete(*, row: RemoteOrganization, actor: User, nonce: str) -> Command:
    """Ask to delete it, for good. Raises RequestRefused with the reason."""
    return ask(_about("configuration.delete_organization", row, ""), actor=actor, nonce=nonce)


def create(*, connection: Connection, name: str, actor: User, nonce: str) -> Command:
    """Ask for another organization with this connection's credential. Raises RequestRefused."""
    name = name.strip()
    if why := _why_not_named(name):
        return ask(Refusal(name, connection.name, why), actor=actor, nonce=nonce)
    wish = Wish(
        kind="configuration.create_organization",
        connection=connection,
        # By name, so that two who press at once make one.
        target=f"organization:new:{name.lower()}"[:300],
        label=name,
        arguments={"name": name},
    )
    return ask(wish, actor=actor, nonce=nonce)


def opened_with(connection: Connection) -> QuerySet[Command]:
    """Changes that have opened another organization with this connection's credential, its id in each."""
    return Command.objects.filter(
        connection=connection,
        kind="configuration.create_organization",
        state=CommandState.SUCCEEDED,
        remote_id__isnull=False,
    ).select_related("connection")


def begin_opened(*, opened: Command, actor: User) -> Connection:
    """A draft for the organization that a change has opened, with the key that opened it. Raises Refused."""
    return connections.begin_beside(
        connection=opened.connection,
        actor=actor,
        remote_organization_id=str(opened.remote_id),
        name=opened.label,
    )


def change(
    *,
    row: RemoteConfiguration,
    document: dict[str, Any] | None,
    enabled: bool,
    seen: str,
    actor: User,
    nonce: str,
) -> Command:
    """Ask for other settings: the whole document (masked values mean what is there), and whether
    members get it. ``seen``: the content that whoever asks saw. Raises RequestRefused."""
    if document is not None:
        document = with_version(row, document)
    if why := _why_not(row, document, enabled, seen):
        return ask(Refusal(str(row), row.connection.name, why), actor=actor, nonce=nonce)
    arguments = as_arguments(row.connection, document)
    wish = Wish(
        kind="configuration.change",
        connection=row.connection,
        target=row.target,
        label=row.connection.remote_organization_name or row.connection.name,
        arguments={**arguments, "enabled": enabled, "content": digest(arguments["document"])},
        before={"document": row.document, "enabled": row.enabled, "content": row.content},
        row_id=row.pk,
    )
    return ask(wish, actor=actor, nonce=nonce)


def with_version(row: RemoteConfiguration, document: dict[str, Any]) -> dict[str, Any]:
    """The document with the version that it must have: as it was, or the first."""
    rules = rules_of(row.connection)
    if rules is None or rules.version in document:
        return document
    version = (row.document or {}).get(rules.version, rules.first_version)
    return {rules.version: version, **document}


def _why_not(
    row: RemoteConfiguration, document: dict[str, Any] | None, enabled: bool, seen: str
) -> str:
    rules = rules_of(row.connection)
    if rules is None or row.gone_at:
        return _("There are no such settings.")
    if row.is_unreadable:
        return _("What is there cannot be read, so nothing can be put in its place from here.")
    if seen != row.content:
        return _("Meanwhile the settings have changed. Look at them before you change them.")
    if document is None:
        return _("There are no settings yet.") if row.document is None and enabled else ""
    wrong = faults(document, rules)
    if wrong:
        return str(wrong[0])
    if document == row.document and enabled == row.enabled:
        return _("Nothing is changed.")
    return ""
