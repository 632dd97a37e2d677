"""One id leads from the page to the log, the audit log and the worker, and on to the provider's own."""

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import include, path

from tests.portal.test_error_pages import breaks
from tests.portal.test_logs import log

__all__ = ["log"]

handler500 = "portal.views.broken"
urlpatterns = [
    path("breaks/", breaks),
    path("api/v1/breaks/", breaks),
    path("", include("portal.urls")),
]
OURS = re.compile(r"[0-9a-f]{32}")


@pytest.mark.django_db
@pytest.mark.urls("tests.portal.test_request_ids")
def test_an_error_page_shows_the_id_that_the_log_has(log: Any) -> None:
    client = Client(raise_request_exception=False)

    page, api = client.get("/breaks/"), client.get("/api/v1/breaks/")

    known = page["X-Request-ID"]
    assert OURS.fullmatch(known)
    assert f">{known}</code>" in page.content.decode()
    assert api["Content-Type"] == "application/problem+json"
    assert api.json()["request_id"] == api["X-Request-ID"] != known
    failed = [line for line in map(json.loads, log().splitlines()) if "exception" in line]
    assert [line["request_id"] for line in failed] == [known, api["X-Request-ID"]]


@pytest.mark.parametrize(
    ("claimed", "behind_proxy", "kept"),
    [
        ("proxy-4711.abc", True, True),
        ("proxy-4711.abc", False, False),
        ("short", True, False),
        ("with space and\nmore", True, False),
        ("x" * 65, True, False),
    ],
)
def test_only_a_proxy_that_is_believed_gives_an_id(
    client: Client, settings: Any, log: Any, claimed: str, behind_proxy: bool, kept: bool
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if behind_proxy else None

    answer = client.get("/robots.txt", HTTP_X_REQUEST_ID=claimed)

    assert (answer["X-Request-ID"] == claimed) is kept
    (line,) = map(json.loads, log().splitlines())
    assert line["request_id"] == answer["X-Request-ID"]
