"""Incidents by API: the list, one of them, and what is made of it by the pages' own services."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.audit.models import Entry
from apps.incidents.models import Incident, State
from apps.organizations.models import Connection, Grant
from tests.factories import IncidentFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def one(connection: Connection) -> Incident:
    made: Incident = IncidentFactory(
        connection=connection,
        kind="key",
        value="apikey_1",
        unit="money",
        currency="USD",
        causes=[
            {"name": "new_key", "value": "apikey_1", "label": "k", "first": 1, "share": 900_000}
        ],
    )
    made.take({20_000: [483_600_001, 5_100_000, 12_750_000], 20_001: [7_000_000, 5_000_000, 6]})
    made.save()
    return made


def test_the_list_narrows_and_amounts_are_exact(
    api: APIClient, base: str, one: Incident, connection: Connection
) -> None:
    IncidentFactory(connection=connection, kind="workspace", value="w1", state=State.RESOLVED)
    IncidentFactory()  # somebody else's
    address = f"{base}incidents/"
    assert len(api.get(address).json()["results"]) == 2
    for query in ("state=wanting", "kind=key", "value=apikey_1"):
        (found,) = api.get(f"{address}?{query}&connection={connection.uid}").json()["results"]
        assert found["id"] == one.pk, query
    for since, count in (("2024-10-05", 2), ("2024-10-06", 1)):
        assert len(api.get(f"{address}?since={since}").json()["results"]) == count
    assert api.get(f"{address}?status=open").status_code == 400, "no such parameter"
    found = api.get(f"{address}{one.pk}/").json()
    assert (found["observed"], found["expected"]) == ("490.600001", "10.100000")
    assert [day["day"] for day in found["days"]] == ["2024-10-04", "2024-10-05"]
    assert found["days"][0]["limit"] == "12.750000"
    assert found["causes"][0]["kind"] == "key"
    assert "90" in found["causes"][0]["text"]


def test_acknowledged_muted_taken_up_and_resolved(
    api: APIClient, base: str, one: Incident, owner: Grant
) -> None:
    address = f"{base}incidents/{one.pk}/"
    found = api.post(f"{address}acknowledge/").json()
    assert (found["state"], found["acted_by"]) == ("acknowledged", owner.user.email)
    assert api.post(f"{address}acknowledge/").status_code == 200, "twice is once"
    today = timezone.now().date()
    refused = api.post(
        f"{address}mute/", {"reason": "a test", "until": today.isoformat()}, format="json"
    )
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"] == "#/until"
    assert api.post(f"{address}mute/", {}, format="json").status_code == 400, "without a reason"
    until = (today + timedelta(days=9)).isoformat()
    found = api.post(f"{address}mute/", {"reason": "a test", "until": until}, format="json").json()
    assert (found["state"], found["muted_until"], found["reason"]) == ("muted", until, "a test")
    refused = api.post(f"{address}resolve/", {"reason": "over"}, format="json")
    assert refused.status_code == 409
    assert "take it up" in refused.json()["detail"]
    assert api.post(f"{address}take-up/").json()["times_opened"] == one.opened + 1
    found = api.post(f"{address}resolve/", {}, format="json").json()
    assert (found["state"], found["ended"]) == ("resolved", "person")
    verbs = Entry.objects.filter(verb__startswith="incidents.").values_list("verb", flat=True)
    assert [verb.partition(".")[2] for verb in verbs.order_by("sequence")] == [
        "acknowledge",
        "mute",
        "take_up",
        "resolve",
    ]
