"""``Idempotency-Key`` on what the portal makes of its own: the first answer again, and nothing twice."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from apps.audit.models import Entry
from apps.budgets.models import Budget
from apps.centres.models import CostCentre, Rule
from apps.notices.models import Delivery
from apps.organizations.models import Grant
from apps.reports.models import Schedule
from apps.ui.models import SavedView
from tests import factories
from tests.api.conftest import client_for

pytestmark = pytest.mark.django_db
Made = Callable[[], int]


def of_budgets(owner: Grant) -> tuple[str, dict[str, Any], Made]:
    body = {
        "name": "All",
        "scope": "organization",
        "currency": "USD",
        "period": "month",
        "amount": "5",
    }
    return "budgets/", body, Budget.objects.count


def of_centres(owner: Grant) -> tuple[str, dict[str, Any], Made]:
    return "centres/", {"name": "Research"}, CostCentre.objects.count


def of_rules(owner: Grant) -> tuple[str, dict[str, Any], Made]:
    centre = factories.CostCentreFactory(organization=owner.organization)
    body = {"subject": "person", "kind": "domain", "text": "acme.example"}
    return f"centres/{centre.pk}/rules/", body, Rule.objects.count


def of_reports(owner: Grant) -> tuple[str, dict[str, Any], Made]:
    body = {
        "name": "People",
        "page": f"/o/{owner.organization.slug}/people/",
        "list": "people",
        "rhythm": "day",
    }
    return "reports/", body, Schedule.objects.count


def of_views(owner: Grant) -> tuple[str, dict[str, Any], Made]:
    return "saved-views/", {"list": "people", "name": "Mine"}, SavedView.objects.count


def of_tests(owner: Grant) -> tuple[str, dict[str, Any], Made]:
    endpoint = factories.EndpointFactory(organization=owner.organization)
    return f"webhooks/{endpoint.pk}/test/", {}, Delivery.objects.count


EACH = [of_budgets, of_centres, of_rules, of_reports, of_views, of_tests]


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sends anything here."""
    monkeypatch.setattr("celery.Celery.send_task", lambda self, *a, **k: None)


@pytest.mark.parametrize("each", EACH, ids=lambda one: one.__name__)
def test_the_same_key_gives_the_first_answer_again_and_makes_nothing(
    api: APIClient, base: str, owner: Grant, each: Any
) -> None:
    path, body, count = each(owner)

    def send(given: dict[str, Any], key: str = "one") -> Any:
        return api.post(f"{base}{path}", given, format="json", headers={"Idempotency-Key": key})

    first = send(body)
    assert first.status_code in (201, 202), first.content
    made, lines = count(), Entry.objects.count()
    again = send(body)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert (count(), Entry.objects.count()) == (made, lines)
    other = send({**body, "name": "Other"})
    assert other.status_code == 422
    assert count() == made
    # Without permission the door says no before: nothing is given away by the key.
    Grant.objects.filter(pk=owner.pk).delete()
    assert send(body).status_code == 404


def test_a_key_is_of_one_caller_and_one_organization(
    api: APIClient, base: str, owner: Grant
) -> None:
    headers = {"Idempotency-Key": "one"}
    assert (
        api.post(f"{base}centres/", {"name": "A"}, format="json", headers=headers).status_code
        == 201
    )
    # Another token of the same person has keys of its own: the name is taken.
    other = client_for(owner).post(f"{base}centres/", {"name": "A"}, format="json", headers=headers)
    assert other.status_code == 400
    second = factories.GrantFactory(user=owner.user)
    there = f"/api/v1/organizations/{second.organization.slug}/centres/"
    made = client_for(second).post(there, {"name": "A"}, format="json", headers=headers)
    assert made.status_code == 201


def test_what_was_refused_is_not_kept(api: APIClient, base: str, owner: Grant) -> None:
    headers = {"Idempotency-Key": "one"}
    taken = factories.CostCentreFactory(organization=owner.organization, name="A")
    for _ in range(2):
        refused = api.post(f"{base}centres/", {"name": "A"}, format="json", headers=headers)
        assert refused.status_code == 400
    taken.delete()
    made = api.post(f"{base}centres/", {"name": "A"}, format="json", headers=headers)
    assert made.status_code == 201


def test_while_the_first_is_being_answered_the_second_is_told_to_wait(
    api: APIClient, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"Idempotency-Key": "one"}
    answers: list[Any] = []
    real = cache.add

    def add(*args: Any, **kwargs: Any) -> bool:
        taken: bool = real(*args, **kwargs)
        if taken and not answers and args[0].startswith("api-once"):
            answers.append(None)
            answers.append(
                api.post(f"{base}centres/", {"name": "A"}, format="json", headers=headers)
            )
        return taken

    monkeypatch.setattr(cache, "add", add)
    first = api.post(f"{base}centres/", {"name": "A"}, format="json", headers=headers)
    assert first.status_code == 201
    assert answers[1].status_code == 409
    assert CostCentre.objects.count() == 1
