"""Prometheus reads the whole portal from any of its processes, and nobody else does."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from apps.organizations import tally
from apps.organizations.models import Organization
from apps.sync.models import Command, CommandState, Resource
from apps.sync.outbox import turns
from portal import metrics
from tests.factories import CommandFactory, ConnectionFactory, DeliveryFactory

pytestmark = pytest.mark.django_db
TOKEN = "a-token-for-prometheus-alone"


@pytest.fixture(autouse=True)
def near(settings: Any) -> None:
    settings.METRICS_NETWORKS = ["127.0.0.0/8"]


def figures(client: Client) -> dict[tuple[str, ...], float]:
    """(name, *values of its labels, by the labels' names) → value."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("networks", "token", "how", "status"),
    [
        ([], "", {}, 404),
        ([], TOKEN, {}, 403),
        ([], TOKEN, {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}, 200),
        ([], TOKEN, {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}x"}, 403),
        ([], TOKEN, {"HTTP_AUTHORIZATION": "Bearer "}, 403),
        (["10.0.0.0/8"], "", {"HTTP_AUTHORIZATION": "Bearer "}, 403),
        (["10.0.0.0/8"], "", {"REMOTE_ADDR": "10.1.2.3", "HTTP_HOST": "10.0.0.1:8000"}, 200),
        (["10.0.0.0/8"], "", {"REMOTE_ADDR": "::ffff:10.1.2.3"}, 200),
        (["127.0.0.0/8"], "", {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 403),
        (["127.0.0.0/8"], "", {"HTTP_X_FORWARDED_PROTO": "https"}, 403),
        (["127.0.0.0/8"], "", {"REMOTE_ADDR": ""}, 403),
    ],
)
def test_only_who_brings_the_token_or_is_near_may_read(
    client: Client,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    networks: list[str],
    token: str,
    how: dict[str, str],
    status: int,
) -> None:
    settings.METRICS_NETWORKS, settings.METRICS_TOKEN = networks, token
    monkeypatch.setattr(metrics, "PARTS", {})

    assert client.get("/metrics", **how).status_code == status


def test_what_waits_lags_and_stands_still_is_told(client: Client) -> None:
    hour_ago = timezone.now() - timedelta(hours=1)
    account = ConnectionFactory(provider="anthropic", requests_per_minute=90)
    refused = ConnectionFactory(provider="cline", frozen_at=hour_ago)
    CommandFactory(connection=account, state=CommandState.QUEUED, due_at=hour_ago)
    CommandFactory(connection=account, state=CommandState.OPERATOR)
    CommandFactory(connection=account, state=CommandState.SUCCEEDED)
    Command.objects.update(created_at=hour_ago)
    Resource.objects.create(connection=account, name="members", completed_at=hour_ago, failures=2)
    Resource.objects.create(connection=account, name="invites")
    delivery = DeliveryFactory(organization=account.organization, state="waiting", due_at=hour_ago)
    Organization.objects.filter(pk=refused.organization_id).update(sending_stopped_at=hour_ago)
    turns.note_alive()
    before = tally.read()
    tally.count("remote_calls", "anthropic", "Unclear")

    read = figures(client)

    assert read["orgdesk_changes_open", "queued"] == 1
    assert read["orgdesk_changes_open", "operator"] == 1
    assert read["orgdesk_changes_open", "unknown"] == 0
    assert ("orgdesk_changes_open", "succeeded") not in read
    assert 3600 <= read["orgdesk_changes_oldest_seconds", "operator"] < 3700
    assert read["orgdesk_changes_overdue",] == 1
    assert 3600 <= read["orgdesk_changes_overdue_seconds",] < 3700
    assert 3600 <= read["orgdesk_sync_lag_seconds", "members", "anthropic"] < 3700
    assert read["orgdesk_sync_lag_seconds", "invites", "anthropic"] < 60, "since it was connected"
    assert read["orgdesk_sync_failing", "members", "anthropic"] == 1
    assert read["orgdesk_connections", "active", "anthropic"] == 1
    assert read["orgdesk_connections", "key_refused", "cline"] == 1
    assert read["orgdesk_rate_budget_left", str(account.pk), "anthropic"] == 90
    assert read["orgdesk_organizations_stopped",] == 1
    assert read["orgdesk_deliveries_open", delivery.channel] == 1
    assert 3600 <= read["orgdesk_deliveries_overdue_seconds", delivery.channel] < 3700
    assert read["orgdesk_workers_alive",] == 1
    known = before.get(("remote_calls", "anthropic", "Unclear"), 0)
    assert read["orgdesk_remote_calls_total", "Unclear", "anthropic"] == known + 1
    assert {read["orgdesk_read", part] for part in metrics.PARTS} == {1}


def test_no_figure_names_a_person_a_tenant_or_a_key(client: Client) -> None:
    account = ConnectionFactory(name="Canary account", credential_hint="…nary")
    command = CommandFactory(connection=account, state="queued", label="canary@example.com")
    text = client.get("/metrics").content.decode()

    for secret in ("anary", account.organization.slug, str(account.uid), str(command.uid)):
        assert secret not in text


def test_reading_costs_the_same_whatever_there_is(client: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            figures(client)
        return len(asked)

    one = cost()
    for _ in range(5):
        account = ConnectionFactory()
        CommandFactory(connection=account, state="queued")
        Resource.objects.create(connection=account, name="members")
    assert (one, cost()) == (7, 7)


def test_without_redis_the_rest_is_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(metrics.PARTS, "totals", lambda now: (_ for _ in ()).throw(OSError("away")))

    read = figures(client)

    assert read["orgdesk_read", "totals"] == 0
    assert read["orgdesk_changes_open", "queued"] == 0
