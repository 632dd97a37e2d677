"""Pages for what goes wrong: plain words and a way out."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from apps.organizations.models import Role
from tests.browsing import at_desk
from tests.factories import GrantFactory, UserFactory


def breaks(request: HttpRequest) -> HttpResponse:
    """An error of our own."""
    raise ZeroDivisionError("a secret of the inside")


def refuses(request: HttpRequest) -> HttpResponse:
    """A role too small."""
    raise PermissionDenied("Ask Alice.")


handler500 = "portal.views.broken"
urlpatterns = [
    path("breaks/", breaks),
    path("refuses/", refuses),
    path("", include("portal.urls")),
]


@pytest.mark.django_db
@pytest.mark.urls("tests.portal.test_error_pages")
@pytest.mark.parametrize("signed_in", [True, False])
@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/breaks/", 500, "an error of its own"),
        ("/refuses/", 403, "Ask Alice."),
        ("/nothing/", 404, "There is nothing here"),
    ],
)
def test_an_error_says_what_and_leads_on(
    address: str, status: int, words: str, signed_in: bool
) -> None:
    client = at_desk(UserFactory()) if signed_in else Client()
    client.raise_request_exception = False
    answer = client.get(address)
    html = answer.content.decode()
    assert answer.status_code == status
    assert words in html
    assert 'href="/"' in html
    assert "a secret of the inside" not in html
    # What is not there names none: others' things and what never was get the very same page.
    assert (f">{answer['X-Request-ID']}</code>" in html) == (status != 404)
    assert "Content-Security-Policy" in answer.headers


@pytest.mark.django_db
def test_a_database_that_is_away_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    client = at_desk(UserFactory())
    client.raise_request_exception = False
    asked: list[Any] = []

    def wait_in_vain(**values: Any) -> None:
        asked.append(values)
        raise OperationalError("couldn't get a connection after 4.00 sec")

    monkeypatch.setattr("apps.organizations.sessions._sessions", wait_in_vain)
    answer = client.get("/accounts/profile/")
    assert answer.status_code == 500
    assert "an error of its own" in answer.content.decode()
    assert len(asked) == 1


@pytest.mark.django_db
def test_a_form_that_is_too_old_says_so() -> None:
    UserFactory()
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/accounts/login/", {"login": "a", "password": "b"})
    assert answer.status_code == 403
    assert "too old" in answer.content.decode()
    assert f">{answer['X-Request-ID']}</code>" in answer.content.decode()


def test_what_no_browser_sends_is_refused_without_the_database() -> None:
    answer = Client(raise_request_exception=False).get("/accounts/login/", HTTP_HOST="evil.test")
    assert answer.status_code == 400
    html = answer.content.decode()
    assert "could not be understood" in html
    assert 'href="/"' in html
    assert f">{answer['X-Request-ID']}</code>" in html


@pytest.mark.django_db
def test_an_address_of_a_form_opened_like_a_page_says_so() -> None:
    desk = GrantFactory(role=Role.OWNER)
    client = at_desk(desk.user)
    address = f"/o/{desk.organization.slug}/people/bulk/role/"

    answer = client.get(address, headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 405
    assert answer["Allow"] == "POST"
    assert "This page comes from a form" in answer.text
    assert not client.get(address).content, "a program wants no page"


@pytest.mark.django_db
def test_guessing_too_fast_says_when_to_come_back(client: Client, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login": "1/m/ip"}
    client.get("/accounts/login/")
    client.post("/accounts/login/", {"login": "a@example.com", "password": "b"})
    answer = client.post("/accounts/login/", {"login": "a@example.com", "password": "b"})
    assert answer.status_code == 429
    assert "five minutes" in answer.content.decode()
