"""Secrets do not get into the log, whoever writes the line."""

import io
import json
import logging
import logging.config
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from apps.providers.masking import MASK, is_secret_name
from portal.logs import configuration, hide_in_text

CANARY = "canary-8f14e45fceea"
KEY = f"sk-ant-admin01-{CANARY}-AAAAAAAAAAAAAAAA"


@pytest.fixture
def log() -> Iterator[Any]:
    """Return what reads the production log written so far."""
    made = configuration(production=True)
    formatter = dict(made["formatters"]["lines"])
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter.pop("()")(**formatter))
    for name in made["handlers"]["out"]["filters"]:
        handler.addFilter(made["filters"][name]["()"]())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream.getvalue
    root.removeHandler(handler)
    root.setLevel(level)


TEXTS = [
    f"key {KEY}",
    f"x-api-key: {CANARY}",
    f"{{'x-api-key': '{CANARY}'}}",
    f"[(b'x-api-key', b'{CANARY}')]",
    f"Authorization: Bearer {CANARY}",
    f"Authorization: Token {CANARY}",
    f"password={CANARY}&next=/",
    f'{{"password": "{CANARY}"}}',
    f"client_secret = '{CANARY}'",
    f"could not connect to redis://:{CANARY}@127.0.0.1:6379/0",
    f"could not connect to postgres://orgdesk:{CANARY}@db/orgdesk",
    f"Not Found: /invitation/{CANARY}/",
    f"GET /accounts/password/reset/key/1-{CANARY}/?next=/",
    f"Cookie: sessionid={CANARY}; theme=dark",
    f"CREDENTIAL_KEYS=1:{CANARY}",
]


@pytest.mark.parametrize("text", TEXTS)
def test_free_text_is_masked(log: Any, text: str) -> None:
    logging.getLogger("somebody.else").error("It says %s", text)

    assert CANARY not in log()
    assert MASK in log()


@pytest.mark.parametrize("text", ["members: 12", "the key of a person", "token_id=ab12 state=open"])
def test_what_is_no_secret_stays(text: str) -> None:
    assert hide_in_text(text) == text


def test_fields_are_masked_by_name_however_deep(log: Any) -> None:
    structlog.get_logger("x").warning(
        "sent", credential=CANARY, inner={"headers": [{"x-api-key": CANARY}]}, user_id=7
    )

    line = json.loads(log())
    assert CANARY not in json.dumps(line)
    assert (line["event"], line["user_id"], line["level"]) == ("sent", 7, "warning")


@pytest.mark.parametrize("logger", [structlog.get_logger("x"), logging.getLogger("y")])
def test_tracebacks_are_masked_with_the_exceptions_they_came_from(log: Any, logger: Any) -> None:
    try:
        try:
            raise ValueError(f"x-api-key: {CANARY}")
        except ValueError as error:
            raise RuntimeError(KEY) from error
    except RuntimeError:
        logger.exception("failed")

    line = json.loads(log())
    assert CANARY not in log()
    assert "RuntimeError" in line["exception"]
    assert "ValueError" in line["exception"]


def test_objects_in_fields_are_masked_as_they_print(log: Any) -> None:
    structlog.get_logger("x").error("failed", exception=RuntimeError(KEY), args=(KEY,))

    assert CANARY not in log()


def test_what_says_nothing_new_leaves_no_line(log: Any) -> None:
    web = structlog.get_logger("django_structlog")
    web.warning("task_revoked", expired=True, task="actions.sweep")
    web.warning("task_revoked", terminated=True, task="walks.walk")

    assert [json.loads(line)["task"] for line in log().splitlines()] == ["walks.walk"]


def test_a_request_leaves_one_line_that_says_where_it_came_from(log: Any, client: Client) -> None:
    client.get("/robots.txt", REMOTE_ADDR="192.0.2.7", HTTP_X_FORWARDED_FOR="198.51.100.9")

    (line,) = (json.loads(line) for line in log().splitlines())
    assert (line["event"], line["request"], line["code"]) == (
        "request_finished",
        "GET /robots.txt",
        404,
    )
    assert line["ip"] == "192.0.2.7"  # what a stranger claims is not believed


def test_every_address_that_carries_a_secret_is_masked() -> None:
    addresses = [address for address in _addresses(get_resolver()) if CANARY in address]

    assert len(addresses) >= 2  # an invitation, a password reset
    for address in addresses:
        assert CANARY not in hide_in_text(f"GET {address}")


def _addresses(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    """Every address of the portal, with the canary in place of each secret."""
    for entry in resolver.url_patterns:
        address = before + re.sub(
            r"\(\?P<(\w+)>[^)]*\)|<(?:(?!int:)\w+:)?(\w+)>",
            lambda found: CANARY if is_secret_name(found[1] or found[2]) else "1",
            str(entry.pattern),
        ).strip("^$")
        if isinstance(entry, URLPattern):
            yield address
        else:
            yield from _addresses(entry, address)
