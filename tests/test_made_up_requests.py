"""Schemathesis makes up requests from the API's own file: no answer is a 5xx, each is as the file says."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from django.conf import settings as portal
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis import Case, GenerationMode

from tests.matrix import Api, World
from tests.test_matrix import (
    OURS,
    address_of,
    insider,
    no_worker_to_wait_for,
    parameters,
    row,
    undone,
    world,
)

__all__ = ["no_worker_to_wait_for", "world"]

EXAMPLES = 3
# What any text is wrong for, so that hardly a made-up request would come any further.
LEFT_OUT = {"fields", "cursor"}
JSON = ("application/json", "application/problem+json")


@cache
def document() -> Any:
    """The file in the tree."""
    return yaml.load((Path(portal.BASE_DIR) / "docs/openapi.yaml").read_text(), yaml.CSafeLoader)


OPERATIONS = {
    operation["operationId"]: (path, method)
    for path, item in document()["paths"].items()
    for method, operation in item.items()
}
ADDRESSES = {re.sub(r"<[^>]+>", "{}", f"/{one.route}"): key for key, one in OURS.items()}


@cache
def schema() -> Any:
    """The file for Schemathesis."""
    return schemathesis.openapi.from_dict(document())


def hold(answer: Any, path: str, method: str) -> None:
    """Fail unless ``answer`` is one that the file knows of the operation."""
    known = document()["paths"][path][method]["responses"]
    told = known.get(str(answer.status_code))
    assert told, f"{answer.status_code} is not in the file: {answer.content[:300]!r}"
    told = document()["components"]["responses"].get(told.get("$ref", "").rpartition("/")[2], told)
    if "content" not in told:
        assert not answer.content
        return
    kind = answer["Content-Type"]
    assert kind in told["content"]
    described = told["content"][kind]["schema"] | {"components": document()["components"]}
    Draft202012Validator(described).validate(answer.json())


def ask(client: Client, address: str, case: Case[Any]) -> Any:
    """Send a made-up query, body and key to ``address``, and forget what that changed."""
    query = {name: one for name, one in (case.query or {}).items() if name not in LEFT_OUT}
    kwargs: dict[str, Any] = {"query_params": query}
    headers: Any = case.headers or {}
    if key := headers.get("Idempotency-Key"):
        kwargs["headers"] = {"Idempotency-Key": key}
    if case.method.upper() != "GET":
        kwargs["content_type"] = "application/json"
    if isinstance(case.body, dict | list):
        kwargs["data"] = case.body
    with undone():
        return getattr(client, case.method.lower())(address, **kwargs)


@pytest.mark.django_db
@pytest.mark.crossed("name")
@pytest.mark.parametrize("name", OPERATIONS)
def test_made_up_requests_are_answered_as_the_file_says(world: World, name: str) -> None:
    path, method = OPERATIONS[name]
    key = ADDRESSES[re.sub(r"\{[^}]+\}", "{}", path)]
    page = row(key)
    actor = insider(page) if isinstance(page, Api) else "owner"
    arguments = parameters(world, page, actor)
    if isinstance(page, Api):
        arguments["slug"] = world.acme.organization.slug
    client, address = world.browser_of(actor), address_of(OURS[key], arguments)
    if method == "get":
        plain = client.get(address)
        assert plain.status_code == 200, plain.content
        hold(plain, path, method)
    made_up = schema()[path][method].as_strategy(generation_mode=GenerationMode.POSITIVE)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=made_up)
    def one(case: Case[Any]) -> None:
        hold(ask(client, address, case), path, method)

    one()
