"""The pages of notices: the bell, the list, choices, webhooks, the log."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.notices import endpoints, services
from apps.notices.models import Choice, Delivery, Endpoint, Hearing, Notice
from apps.notices.topics import Topic, register
from apps.organizations.models import Grant, Role
from tests import factories
from tests.browsing import at_desk
from tests.notices.test_telling import tell


@pytest.fixture
def owner(db: None) -> Grant:
    """An owner with a second factor."""
    grant: Grant = factories.GrantFactory(role=Role.OWNER)
    return grant


@pytest.fixture
def desk(owner: Grant) -> Client:
    """Their browser."""
    return at_desk(owner.user)


def url(owner: Grant, name: str, **given: Any) -> str:
    """An address below the owner's organization."""
    return reverse(f"notices:{name}", kwargs={"slug": owner.organization.slug, **given})


def text(answer: Any) -> str:
    """A page in words."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_the_bell_counts_until_it_is_read(owner: Grant, desk: Client) -> None:
    first, _second = tell(owner.organization, "1"), tell(owner.organization, "2")
    page = desk.get(url(owner, "own")).content.decode()
    assert "2 notices that you have not read" in page

    answer = desk.get(url(owner, "notice", pk=first.pk))
    assert "It rains." in text(answer)
    assert "1 notice that you have not read" in desk.get(url(owner, "own")).content.decode()


def test_the_bell_leaves_out_what_a_lesser_role_no_longer_reads(owner: Grant, desk: Client) -> None:
    register(Topic("tests.secret", "Secrets", frozenset({Role.OWNER}), "grants.change"))
    tell(owner.organization)
    services.tell(
        topic="tests.secret",
        organization=owner.organization,
        cause="1",
        title="x",
        text="",
        url="/",
    )
    assert "2 notices that you have not read" in desk.get(url(owner, "own")).content.decode()
    Grant.objects.filter(pk=owner.pk).update(role=Role.VIEWER)
    assert "1 notice that you have not read" in desk.get(url(owner, "own")).content.decode()


def test_acknowledging_takes_it_off_everybodys_bell(owner: Grant, desk: Client) -> None:
    factories.GrantFactory(organization=owner.organization, role=Role.ADMIN)
    notice = tell(owner.organization)
    desk.post(url(owner, "acknowledge", pk=notice.pk))
    notice.refresh_from_db()
    assert notice.acknowledged_by == owner.user
    assert not Hearing.objects.filter(read_at__isnull=True).exists()


def test_several_are_acknowledged_after_a_page_that_names_them(owner: Grant, desk: Client) -> None:
    ids = [tell(owner.organization, str(n), title=f"Storm {n}").pk for n in range(3)]
    where, given = url(owner, "bulk_acknowledge"), {"id": ids[:2]}
    asking = text(desk.post(where, given))
    assert "Storm 0" in asking
    assert "Storm 2" not in asking
    assert not Notice.objects.filter(acknowledged_at__isnull=False).exists()
    desk.post(where, {**given, "confirmed": "1"})
    assert Notice.objects.filter(acknowledged_at__isnull=False).count() == 2


def test_the_list_can_be_narrowed_to_what_is_open_or_unread(owner: Grant, desk: Client) -> None:
    read = tell(owner.organization, "1", title="Old storm")
    tell(owner.organization, "2", title="New storm")
    desk.post(url(owner, "bulk_read"), {"id": [read.pk]})
    listing = url(owner, "list")
    assert "Old storm" not in text(desk.get(f"{listing}?state=unread"))
    assert "Old storm" in text(desk.get(f"{listing}?state=open"))
    assert "Storm" in desk.get(f"{listing}?export=csv").getvalue().decode().title()


def test_a_page_asks_as_often_whatever_there_is_to_list(owner: Grant, desk: Client) -> None:
    counts = []
    for many in (2, 12):
        for n in range(many):
            tell(owner.organization, f"{many}:{n}")
        desk.get(url(owner, "list"))
        with CaptureQueriesContext(connection) as found:
            assert desk.get(url(owner, "list")).status_code == 200
        counts.append(len(found))
        about_bells = [q for q in found.captured_queries if "COUNT(*)" in q["sql"]]
        assert sum("hearing" in query["sql"] for query in about_bells) == 1
    assert counts[0] == counts[1]


def test_another_tenants_notice_is_absent(owner: Grant, desk: Client) -> None:
    other = factories.GrantFactory(role=Role.OWNER)
    notice = tell(other.organization)
    assert desk.get(url(owner, "notice", pk=notice.pk)).status_code == 404
    desk.post(url(owner, "bulk_acknowledge"), {"id": [notice.pk], "confirmed": "1"})
    notice.refresh_from_db()
    assert notice.acknowledged_at is None


def test_whoever_does_not_want_to_hear_says_so(owner: Grant, desk: Client) -> None:
    answer = desk.post(
        url(owner, "own"), {"tests.weather:mail": "on", "rhythm": "at_once"}, follow=True
    )
    assert "Kept." in text(answer)
    assert not Choice.objects.get(topic="tests.weather").hears
    tell(owner.organization)
    assert not Hearing.objects.exists()
    assert not Delivery.objects.exists()


def test_a_webhook_shows_its_secret_once(owner: Grant, desk: Client) -> None:
    given = {"name": "Ours", "url": "https://hooks.example/in", "speaks": "signed"}
    answer = desk.post(url(owner, "new_webhook"), given)
    assert "no-store" in answer["Cache-Control"]
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", answer.content.decode())
    assert secret
    endpoint = Endpoint.objects.get()
    for name in ("webhook", "change_webhook"):
        page = desk.get(url(owner, name, pk=endpoint.pk)).content.decode()
        assert secret[0] not in page


def test_a_bad_address_is_refused_beside_its_field(owner: Grant, desk: Client) -> None:
    given = {"name": "Ours", "url": "https://10.0.0.1/in"}
    answer = desk.post(url(owner, "new_webhook"), given)
    assert "private network" in text(answer)
    assert 'value="https://10.0.0.1/in"' in answer.content.decode()
    assert not Endpoint.objects.exists()


def test_a_webhook_is_paused_tried_and_deleted(owner: Grant, desk: Client) -> None:
    endpoint = factories.EndpointFactory(organization=owner.organization)
    page = url(owner, "webhook", pk=endpoint.pk)
    assert 'name="paused" value="1"' in desk.get(page).content.decode()
    for _tab in range(2):
        desk.post(url(owner, "pause_webhook", pk=endpoint.pk), {"paused": "1"})
    assert 'name="paused" value="0"' in desk.get(page).content.decode()
    tell(owner.organization)
    assert not Delivery.objects.filter(endpoint=endpoint).exists()
    paused = desk.post(url(owner, "test_webhook", pk=endpoint.pk), follow=True)
    assert "It is paused" in text(paused)
    desk.post(url(owner, "pause_webhook", pk=endpoint.pk), {"paused": "0"})
    desk.post(url(owner, "test_webhook", pk=endpoint.pk))
    delivery = Delivery.objects.get(endpoint=endpoint)
    assert "Being tried" not in text(desk.get(url(owner, "delivery", pk=delivery.pk)))
    assert "Test" in text(desk.get(url(owner, "deliveries")))
    assert endpoint.url in text(desk.get(url(owner, "delete_webhook", pk=endpoint.pk)))
    desk.post(url(owner, "delete_webhook", pk=endpoint.pk))
    assert not Endpoint.objects.exists()


def test_of_two_webhooks_given_one_name_in_the_same_moment_the_second_form_says_so(
    owner: Grant, desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = factories.EndpointFactory(organization=owner.organization)

    def somebody_is_faster(address: str) -> str:
        factories.EndpointFactory(organization=owner.organization, name="Ours")
        return address

    body = {"name": "Ours", "speaks": "signed", "url": "https://hooks.example/in"}
    for address in (url(owner, "new_webhook"), url(owner, "change_webhook", pk=mine.pk)):
        with monkeypatch.context() as patch:
            patch.setattr(endpoints, "checked", somebody_is_faster)
            page = desk.post(address, body)
        assert page.status_code == 200
        assert "There is a webhook of this name already." in text(page)
        assert "https://hooks.example/in" in page.content.decode(), "what was typed stays"
        Endpoint.objects.get(name="Ours").delete()


def test_a_webhook_that_goes_in_the_same_moment_is_said_to_have_gone(
    owner: Grant, desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"name": "New", "speaks": "signed", "url": "https://hooks.example/in"}
    for name in (
        "change_webhook",
        "renew_secret",
        "pause_webhook",
        "test_webhook",
        "delete_webhook",
    ):
        one = factories.EndpointFactory(organization=owner.organization)
        with monkeypatch.context() as patch:
            patch.setattr(endpoints, "must", lambda *_asked: Endpoint.objects.all().delete())
            page = desk.post(url(owner, name, pk=one.pk), body, follow=True)
        assert page.status_code == 200, name
        assert "The webhook was deleted meanwhile." in text(page), name
