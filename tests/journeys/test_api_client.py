"""A script that has the API's file and a token, and nothing else of the portal."""

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from apps.organizations.token_services import create_token
from tests.desk import open_desk
from tests.sandbox_server import SandboxServer

FILE = Path(settings.BASE_DIR) / "docs" / "openapi.yaml"
PEOPLE = 100
PATIENCE = 120  # seconds


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The package that the generator makes of the file, as it comes out of it."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"post_hooks": []}))  # nobody reads it: its format does not matter
    name = "made_of_the_file"
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"]
    into = ["--output-path", str(tmp_path / name), "--meta", "none", "--config", str(config)]
    told = subprocess.run(
        [*command, "--path", str(FILE), *into],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_a_script_invites_a_hundred_people_and_waits_for_the_outcome(
    portal: str, sandbox: SandboxServer, generated: str
) -> None:
    desk = open_desk(sandbox)
    _token, secret = create_token(
        organization=desk.organization, user=desk.owner, name="script", days=1
    )

    def of(module: str) -> Any:
        return importlib.import_module(f"{generated}.{module}")

    client = of("client").AuthenticatedClient(base_url=portal, token=secret, timeout=60)
    here = of("api.organizations.organizations_list").sync(client=client)[0].slug
    connections = of("api.connections.connections_list").sync(here, client=client).results
    connection = next(one for one in connections if one.provider == "anthropic")
    roles = of("api.connections.connections_roles").sync(here, connection.id, client=client)
    emails = [f"person{number:03}@northgate.example" for number in range(PEOPLE)]
    guest = of("models.new_invite").NewInvite
    body = [guest(connection=connection.id, email=one, role=roles[0].value) for one in emails]
    invite = of("api.invites.invites_create")
    # Sent twice, as after a lost answer: one batch.
    batch = invite.sync(here, client=client, body=body, idempotency_key="onboarding")
    again = invite.sync(here, client=client, body=body, idempotency_key="onboarding")
    assert (again.id, batch.refusals) == (batch.id, [])
    until = time.monotonic() + PATIENCE
    look = of("api.changes.batches_retrieve")
    while (counts := look.sync(here, batch.id, client=client).counts).settled < PEOPLE:
        assert time.monotonic() < until, counts
        time.sleep(0.5)
    assert (counts.total, counts.done) == (PEOPLE, PEOPLE)
    listed = of("api.changes.changes_list")
    page = listed.sync(here, client=client, batch=batch.id, limit=PEOPLE)
    assert {one.label for one in page.results} == set(emails)
    assert all(one.settled and one.remote_id for one in page.results)
    wrong = invite.sync_detailed(
        here, client=client, body=guest(connection=connection.id, email="nobody", role="user")
    )
    assert wrong.status_code == 400
    assert wrong.parsed.errors[0].pointer == "#/email"
    sent = [one for one in sandbox.state.journal if one.effect]
    assert len(sent) == PEOPLE
