"""Whatever is sent, nothing breaks: no answer is a 5xx, and each says what is wrong."""

import base64
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.organizations.models import Connection
from apps.sync.models import Command

pytestmark = pytest.mark.django_db

LISTS = ["people/", "invites/", "changes/", "connections/"]


def cursor(text: str) -> str:
    """A cursor as ours are written."""
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "given",
    [
        "x",
        cursor("p=abc"),
        cursor("p=1&o=x"),
        cursor("p=" + "9" * 400),
        cursor("p=-1"),
        cursor("p=1; DROP TABLE"),
        cursor("o=-5"),
    ],
)
def test_a_cursor_that_is_not_ours_is_a_400(
    api: APIClient, base: str, connection: Connection, path: str, given: str
) -> None:
    answer = api.get(f"{base}{path}", {"cursor": given})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/cursor"


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["0", "-1", "x", "1000000", "9" * 5000])
def test_a_limit_that_is_none_is_the_usual_one(
    api: APIClient, base: str, connection: Connection, path: str, limit: str
) -> None:
    assert api.get(f"{base}{path}", {"limit": limit}).status_code == 200


@pytest.mark.parametrize(
    "asked",
    [
        {"q": "%"},
        {"q": "\"'*"},
        {"q": "_" * 200},
        {"q": "\x00"},
        {"q": "é\u202e😀"},
        {"q": "a"},
        {"q": "x" * 10_000},
        {"role": "'; --"},
        {"connection": "none"},
    ],
)
@pytest.mark.parametrize("path", ["people/", "invites/"])
def test_odd_searches_find_nothing_or_are_refused(
    api: APIClient, base: str, path: str, asked: dict[str, str]
) -> None:
    assert api.get(f"{base}{path}", asked).status_code in (200, 400)


@pytest.mark.parametrize("path", ["people/{}/", "members/{}/", "invites/{}/"])
@pytest.mark.parametrize("number", [0, 2**63, 10**30, "9" * 4000])
def test_a_number_that_no_row_has_is_absent(
    api: APIClient, base: str, path: str, number: object
) -> None:
    assert api.get(base + path.format(number)).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff\xfe",
        b"NaN",
        b"[[]]",
        b"[null]",
        b'[{"connection": {}, "email": [], "role": 1}]',
        b'{"connection": "x", "email": "\\ud800@example.com", "role": "\\u0000"}',
        b'"' + b"x" * 100 + b'"',
        b"1e999",
        b"true",
    ],
)
def test_odd_bodies_are_refused(api: APIClient, base: str, body: bytes) -> None:
    # The test client's own signature says text; it sends bytes as they are.
    send: Any = api.generic
    answer = send("POST", f"{base}invites/", body, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert not Command.objects.exists()


def test_a_body_without_end_is_not_read_to_its_end(
    api: APIClient, base: str, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    answer = api.post(f"{base}invites/", ["x" * 2000], format="json")
    assert answer.status_code == 413
    assert "in parts" in answer.json()["detail"]


@pytest.mark.parametrize("method", ["put", "patch", "delete", "post", "options", "head"])
def test_methods_that_an_address_does_not_have_are_said_so(
    api: APIClient, base: str, connection: Connection, method: str
) -> None:
    answer = getattr(api, method)(f"{base}people/")
    assert answer.status_code == (200 if method in ("options", "head") else 405)


@pytest.mark.parametrize("header", ["Bearer", "Bearer x y", "Bearer odk_wrong", "Basic eA==", "x"])
def test_a_header_that_is_no_token_lets_nobody_in(base: str, header: str) -> None:
    answer = APIClient().get(f"{base}people/", HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
