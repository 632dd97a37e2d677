"""Rate limits: walked from the sandbox, and shown side by side."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.organizations.models import Connection, Grant
from apps.providers.anthropic import AnthropicAdapter
from apps.providers.guard import worker_scope
from apps.sync.models import RemoteChange, SyncRun
from apps.sync.walk import walk
from apps.workspaces.models import RateLimit
from tests.desk import Desk
from tests.factories import ConnectionFactory, RateLimitFactory, WorkspaceFactory, with_keys
from tests.sync.remote import resource_of

pytestmark = pytest.mark.django_db


def walk_now(connection: Connection, name: str = "rate_limits") -> SyncRun:
    """Walk one listing, as a worker does."""
    with worker_scope():
        run = walk(resource_of(connection, name).pk)
    assert run is not None
    return run


def remote_limits(desk: Desk) -> dict[tuple[str, str, str, str], tuple[int, int | None]]:
    """Value and organization's value by (workspace, group, models, kind), as the sandbox says."""
    ask = desk.sandbox.anthropic
    _, _, workspaces = ask("GET", "/workspaces?limit=1000")
    places = {
        "": "/rate_limits",
        **{one["id"]: f"/workspaces/{one['id']}/rate_limits" for one in workspaces["data"]},
    }
    found = {}
    for workspace, path in places.items():
        _, _, listed = ask("GET", path)
        for group in listed["data"]:
            models = ", ".join(group["models"] or ())
            for one in group["limits"]:
                key = (workspace, group["group_type"], models, one["type"])
                found[key] = (one["value"], one.get("org_limit"))
    return found


def mirrored_limits(desk: Desk) -> dict[tuple[str, str, str, str], tuple[int, int | None]]:
    """The same, as the mirror has it."""
    rows = RateLimit.objects.present().filter(connection=desk.connections["anthropic"])
    return {
        (one.workspace_remote_id, one.group, one.model_names, one.kind): (
            one.value,
            one.organization_value,
        )
        for one in rows
    }


# --- The mirror ----------------------------------------------------------------------------------


def test_limits_of_the_organization_and_of_every_live_workspace_are_one_walk(desk: Desk) -> None:
    run = walk_now(desk.connections["anthropic"])

    there = remote_limits(desk)
    workspaces = {key[0] for key in there} - {""}
    assert run.state == SyncRun.State.COMPLETE, run.error
    assert mirrored_limits(desk) == there
    assert workspaces
    assert any(key[0] == "" for key in there)
    _, _, live = desk.sandbox.anthropic("GET", "/workspaces?limit=1000")
    assert run.requests == 2 + len(live["data"]), "the list, the organization's, each workspace's"


def test_a_walk_goes_on_where_it_stopped(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    connection = desk.connections["anthropic"]
    original = AnthropicAdapter.rate_limits
    asked: list[str | None] = []
    settings.SYNC_LEASE_SECONDS = 0.0

    class Killed(BaseException):
        """The worker's end."""

    def stops(self: Any, cursor: str | None = None) -> Any:
        asked.append(cursor)
        if len(asked) == 3:
            raise Killed
        return original(self, cursor)

    monkeypatch.setattr(AnthropicAdapter, "rate_limits", stops)
    monkeypatch.setattr("apps.sync.writer.FLUSH_SECONDS", 0.0)
    with pytest.raises(Killed):
        walk_now(connection)

    run = walk_now(connection)

    assert asked[3] not in (None, asked[0]), "it began anew"
    assert (run.state, run.gone) == (SyncRun.State.COMPLETE, 0)
    assert mirrored_limits(desk) == remote_limits(desk)


@pytest.mark.parametrize("kind", ["500", "reset_after", "garbage", "429", "truncated_json"])
def test_a_fault_on_the_way_costs_nothing(desk: Desk, kind: str, settings: Any) -> None:
    settings.SYNC_RETRY_BASE_SECONDS = 0.01
    connection = desk.connections["anthropic"]
    options = {"retry_after": 0} if kind == "429" else {}
    desk.sandbox.control.fault("listWorkspaceRateLimits", kind, **options)
    run = walk_now(connection)
    assert run.state == SyncRun.State.COMPLETE, run.error
    assert mirrored_limits(desk) == remote_limits(desk)


def test_what_is_refused_removes_nothing_and_says_why(desk: Desk) -> None:
    connection = desk.connections["anthropic"]
    walk_now(connection)
    before = mirrored_limits(desk)
    desk.sandbox.control.fault("listOrganizationRateLimits", "403", count=None)
    run = walk_now(connection)
    desk.sandbox.control.clear_faults()
    assert run.state == SyncRun.State.CUT_SHORT
    assert mirrored_limits(desk) == before
    connection.refresh_from_db()
    assert not connection.can("limits.read")
    assert connection.why_not("limits.read")


def test_an_archived_workspace_has_no_limits_of_its_own_any_more(desk: Desk) -> None:
    connection = desk.connections["anthropic"]
    walk_now(connection, "workspaces")
    walk_now(connection)
    ended = next(key[0] for key in remote_limits(desk) if key[0])
    desk.sandbox.anthropic("POST", f"/workspaces/{ended}/archive")

    walk_now(connection, "workspaces")

    gone = RateLimit.objects.filter(workspace_remote_id=ended)
    assert gone.exists()
    assert not gone.present().exists()
    assert not RemoteChange.objects.filter(resource="rate_limits").exists()
    assert RateLimit.objects.present().filter(workspace_remote_id="").exists()


def test_a_limit_that_changed_at_the_provider_is_told_of(desk: Desk) -> None:
    connection = desk.connections["anthropic"]
    walk_now(connection)
    row = RateLimit.objects.filter(connection=connection).order_by("pk")[0]
    RateLimit.objects.filter(pk=row.pk).update(value=row.value + 7, fingerprint=1)
    walk_now(connection)
    change = RemoteChange.objects.get(resource="rate_limits")
    assert change.difference == {"value": [row.value + 7, row.value]}
    assert change.label == row.label


# --- The page ------------------------------------------------------------------------------------


@pytest.fixture
def at(owner: Grant) -> Callable[[str], str]:
    """Addresses of the page."""
    return lambda query="": f"/o/{owner.organization.slug}/limits/{query}"


def body(answer: Any) -> str:
    """The page, or the file, as text."""
    return b"".join(answer).decode()


def test_a_limit_stands_beside_what_workspaces_have_instead(
    olga: Client, at: Callable[..., str], claude: Connection
) -> None:
    search = WorkspaceFactory(connection=claude, name="Search")
    WorkspaceFactory.create_batch(2, connection=claude)
    RateLimitFactory(connection=claude, value=4000)
    RateLimitFactory(workspace=search, value=500, organization_value=4000)
    page = body(olga.get(at()))
    assert "4,000" in page
    assert ">Search<" in page
    assert "<strong>500</strong>" in page
    assert "2 inherit" in page
    assert "Requests per minute" in page


def test_one_workspace_is_set_against_its_organization(
    olga: Client, at: Callable[..., str], claude: Connection
) -> None:
    search = WorkspaceFactory(connection=claude, name="Search")
    RateLimitFactory(connection=claude, value=4000)
    RateLimitFactory(connection=claude, kind="input_tokens_per_minute", value=90_000)
    RateLimitFactory(workspace=search, value=5000, organization_value=4000)
    page = body(olga.get(at(f"?workspace={search.pk}")))
    assert "its own" in page
    assert "capped" in page, "its 5,000 are more than the organization's 4,000"
    assert "inherited" in page
    assert "5,000" not in page, "what counts is shown, not what was written down"
    rows = body(olga.get(at(f"?workspace={search.pk}&export=csv")))
    assert "4000,no" in rows
    assert "90000,yes" in rows


def test_what_a_workspace_limits_and_its_organization_does_not_is_a_row_too(
    olga: Client, at: Callable[..., str], claude: Connection
) -> None:
    search = WorkspaceFactory(connection=claude, name="Search")
    RateLimitFactory(workspace=search, model_names="", group="files", value=7)
    page = body(olga.get(at()))
    assert "Files" in page
    assert "none" in page
    assert "<strong>7</strong>" in page
    other = WorkspaceFactory(connection=claude, name="Batch")
    RateLimitFactory(workspace=other, model_names="", group="files", value=8)
    page = body(olga.get(at()))
    assert "1 limit" in page, "both stand in one row"
    assert "<strong>7</strong>" in page
    assert "<strong>8</strong>" in page
    page = body(olga.get(at(f"?workspace={other.pk}")))
    assert ">7<" not in page
    assert "8 <span" in page


def test_the_page_says_why_nothing_is_set_here_and_who_tells_of_no_limits(
    olga: Client, at: Callable[..., str], owner: Grant, claude: Connection
) -> None:
    cline = with_keys(
        ConnectionFactory.build(organization=owner.organization, provider="cline", name="Cline")
    )
    cline.capabilities["limits.read"] = {"ok": False, "reason": "It tells of none."}
    cline.save()
    RateLimitFactory(connection=claude)
    page = body(olga.get(at()))
    assert "no provider&#x27;s API changes them" in page or "no provider's API changes them" in page
    assert "It tells of none." in page


def test_another_organizations_limits_are_not_shown(
    olga: Client, at: Callable[..., str], claude: Connection
) -> None:
    RateLimitFactory(model_names="claude-of-others")
    RateLimitFactory(connection=claude)
    assert "claude-of-others" not in body(olga.get(at()))
    assert "claude-of-others" not in body(olga.get(at("?export=csv")))


def test_the_number_of_queries_does_not_depend_on_the_number_of_limits(
    olga: Client, at: Callable[..., str], claude: Connection
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(database) as seen:
            assert olga.get(at()).status_code == 200
        return len(seen)

    def add(count: int) -> None:
        for number in range(count):
            models = f"claude-{RateLimit.objects.count()}"
            RateLimitFactory(connection=claude, model_names=models)
            workspace = WorkspaceFactory(connection=claude)
            RateLimitFactory(workspace=workspace, model_names=models, organization_value=number)

    add(2)
    queries()
    before = queries()
    add(20)
    assert queries() == before
