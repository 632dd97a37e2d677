"""From a click to the provider: the request's id leads to the change, and the change to the provider's id."""

from typing import Any

import structlog
from django.urls import reverse

from apps.audit.models import Entry
from apps.organizations import tally
from apps.sync.models import Command
from tests.browsing import at_desk
from tests.desk import Desk
from tests.faults.changes import mirrored_member
from tests.faults.conftest import Workers


def counted(*what: str) -> int:
    """How often /metrics would say that it has happened."""
    return tally.read().get(what, 0)


def test_a_change_is_found_by_its_id_on_every_line_from_the_click_to_the_provider(
    desk: Desk, workers: Workers, settings: Any
) -> None:
    settings.OUTBOX_PAGE_WAIT_SECONDS = 0.0
    row = mirrored_member(desk, "anthropic", "traced@northgate.example", "user")
    page = reverse("members:change_role", args=[desk.organization.slug, row.person_id, row.pk])
    changes, calls = counted("changes", "succeeded"), counted("remote_calls", "anthropic", "ok")
    steps = [structlog.contextvars.merge_contextvars]
    with structlog.testing.capture_logs(processors=steps) as lines:
        answer = at_desk(desk.owner).post(page, {"role": "developer", "nonce": "traced"})
        command = Command.objects.get(organization=desk.organization)
        workers.settle(command)

    assert counted("changes", "succeeded") == changes + 1
    assert counted("remote_calls", "anthropic", "ok") > calls
    told = {line["event"]: line for line in lines}
    uid = str(command.uid)
    assert told["changes_asked"]["command"] == uid
    assert told["changes_asked"]["request_id"] == answer["X-Request-ID"]
    assert told["remote_call"]["command"] == uid
    assert told["remote_call"]["remote_request_id"]
    assert (told["command_ended"]["command"], told["command_ended"]["state"]) == (uid, "succeeded")
    entry = Entry.objects.get(organization_id=desk.organization.pk, verb__endswith=".asked")
    assert entry.request_id == answer["X-Request-ID"]
    assert "command" not in structlog.contextvars.get_contextvars()
