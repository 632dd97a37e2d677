"""A desk for tests: an organization whose connections reach the sandbox through the real adapters.

Take the fixture ``desk`` where the test's database is flushed or rolled back, or call ``open_desk``.
Nothing limits it: a test that wants the rate budget sets ``requests_per_minute`` itself.
"""

from dataclasses import dataclass

from apps.accounts.models import User
from apps.organizations.credentials import seal_for
from apps.organizations.models import Connection, Organization
from apps.organizations.sealing import Secret
from apps.providers.guard import worker_scope
from apps.sync import mirrors
from apps.sync.models import Resource, SyncRun
from apps.sync.walk import walk
from tests.factories import (
    ConnectionFactory,
    GrantFactory,
    with_keys,
    with_organization,
    with_workspaces,
)
from tests.sandbox_server import SandboxProcess, SandboxServer

UNLIMITED = 1_000_000  # requests a minute
PROVIDERS = ("anthropic", "cline")
Sandbox = SandboxServer | SandboxProcess


@dataclass(slots=True)
class Desk:
    """An organization, its owner, and one connection to each provider of ``sandbox``."""

    sandbox: Sandbox
    organization: Organization
    owner: User
    connections: dict[str, Connection]

    def walk(self, *providers: str) -> None:
        """Mirror both listings of these connections (of all, if none is named) as they are now."""
        for provider in providers or PROVIDERS:
            walk_connection(self.connections[provider])


def open_desk(sandbox: Sandbox) -> Desk:
    """Make the rows; ``settings.SANDBOX_URL`` must name the sandbox. Nothing is mirrored yet."""
    grant = GrantFactory.create()
    organization = grant.organization
    connections = {name: connect(sandbox, organization, name) for name in PROVIDERS}
    return Desk(sandbox, organization, grant.user, connections)


def connect(sandbox: Sandbox, organization: Organization, provider: str) -> Connection:
    """A connection of ``organization`` to the sandbox's first remote organization there."""
    is_cline = provider == "cline"
    key = sandbox.cline_key() if is_cline else sandbox.anthropic_key
    connection: Connection = ConnectionFactory.build(
        organization=organization,
        provider=provider,
        name=provider.title(),
        base_url=sandbox.base_url,
        remote_organization_id=(
            sandbox.cline_organization if is_cline else sandbox.anthropic_organization
        ),
        requests_per_minute=UNLIMITED,
        offers={"roles": ["owner", "admin", "member"]} if is_cline else {},
    )
    if not is_cline:
        with_workspaces(connection)
    with_keys(connection)
    with_organization(connection)
    connection.credential = seal_for(connection, "credential", Secret(key))
    connection.save()
    return connection


def walk_connection(connection: Connection) -> None:
    """Walk every listing of the connection now; each must come to its end."""
    for mirror in mirrors.readable(connection):
        resource, _ = Resource.objects.get_or_create(connection=connection, name=mirror.name)
        with worker_scope():
            run = walk(resource.pk)
        assert run is not None
        assert run.state == SyncRun.State.COMPLETE, run.error
