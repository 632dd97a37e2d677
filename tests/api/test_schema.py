"""The OpenAPI file and the page that shows it."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest
from django.urls import get_resolver
from drf_spectacular import generators, renderers, validation
from drf_spectacular.views import SpectacularAPIView
from jsonschema import Draft202012Validator
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient

from apps.organizations.policy import POLICY
from portal.api_urls import Schema
from tests.browsing import at_desk
from tests.factories import GrantFactory
from tests.matrix import PAGES, Api, Desk

FILE = Path(settings.BASE_DIR) / "docs" / "openapi.yaml"


# drf-spectacular's own types are half there.
SchemaGenerator: Any = generators.SchemaGenerator
OpenApiYamlRenderer: Any = renderers.OpenApiYamlRenderer
validate_schema: Any = validation.validate_schema


@cache
def generated() -> Any:
    """The schema as the code has it now. Made once: nobody changes it."""
    return SchemaGenerator().get_schema(request=None, public=True)


def test_the_file_in_the_tree_is_the_api_as_it_is() -> None:
    schema = generated()
    validate_schema(schema)
    assert schema["openapi"].startswith("3.1")
    written = OpenApiYamlRenderer().render(schema, renderer_context={}).decode()
    assert FILE.read_text() == written, "docs/openapi.yaml has drifted: run `make openapi`."


def test_every_address_of_the_api_is_in_the_file() -> None:
    views = {"schema", "docs", "nothing"}
    names = {key for key in get_resolver("portal.api_urls").reverse_dict if isinstance(key, str)}
    assert len(generated()["paths"]) == len(names - views)


def test_every_operation_is_told_whole() -> None:
    document = generated()
    names = []
    for path, item in document["paths"].items():
        for method, one in item.items():
            said = f"{method} {path}"
            names.append(one["operationId"])
            assert re.fullmatch(r"[a-z]+(_[a-z]+)+", one["operationId"]), said
            assert len(one["tags"]) == 1, said
            assert one["description"], said
            assert one["description"].startswith(one["summary"]), said
            assert 3 < len(one["summary"]) < 120, said
            assert {"token": []} in one["security"], said
            assert {"401", "429"} <= set(one["responses"]), said
            for status, answer in one["responses"].items():
                if status.startswith("2") and "content" in answer:
                    assert answer["content"]["application/json"]["examples"], said
            if method != "get":
                continue
            given = {each.get("name", each.get("$ref")) for each in one["parameters"]}
            assert "#/components/parameters/IfNoneMatch" in given, said
            assert "fields" in given, said
    assert len(names) == len(set(names))


def test_every_example_is_what_its_schema_says() -> None:
    document = generated()
    components = document["components"]
    for name, example in components["examples"].items():
        one = name.removesuffix("Many")
        ref = {"$ref": f"#/components/schemas/{one}"}
        described = {"type": "array", "items": ref} if name != one else ref
        checked = Draft202012Validator({**described, "components": components})
        found = [
            f"{each.json_path}: {each.message}" for each in checked.iter_errors(example["value"])
        ]
        assert found == [], name
    problem = Draft202012Validator(
        {"$ref": "#/components/schemas/Problem", "components": components}
    )
    for answer in components["responses"].values():
        problem.validate(answer["content"]["application/problem+json"]["example"])


def test_what_can_be_sent_is_named_one_by_one() -> None:
    for folder in ("apps", "portal"):
        for file in (Path(settings.BASE_DIR) / folder).rglob("*api*.py"):
            assert "__all__" not in file.read_text(), f"{file}: name the fields one by one"
    components = generated()["components"]["schemas"]
    for path, item in generated()["paths"].items():
        for method, one in item.items():
            body = one.get("requestBody", {}).get("content", {})
            assert set(body) <= {"application/json"}, f"{method} {path}"
            ref = body.get("application/json", {}).get("schema", {}).get("$ref")
            if ref:
                assert "additionalProperties" not in components[ref.rpartition("/")[2]], path


# What the pages can do and the API cannot, and why.
NOT_BY_API = {
    "tokens.end_service": "the API's list of tokens ends them, of either kind, as ``tokens.own``",
    "tokens.service": "the API's list of tokens shows them to whom they are shown here",
}


def test_what_the_pages_can_do_the_api_can_too() -> None:
    def needed(sort: type[Desk | Api]) -> set[str]:
        return {
            action
            for page in PAGES.values()
            if isinstance(page, sort)
            for action in page.needs().values()
        }

    missing = needed(Desk) - needed(Api)
    assert missing - set(NOT_BY_API) == set()
    # A token cannot show that somebody is there, so what asks for that is done on the pages.
    assert all(POLICY[name].fresh for name, why in NOT_BY_API.items() if why == "fresh")


@pytest.mark.django_db
def test_schema_and_docs_are_for_those_who_have_signed_in() -> None:
    assert APIClient().get("/api/v1/schema/").status_code == 401
    assert APIClient().get("/api/v1/docs/")["Location"].startswith("/accounts/login/")
    browser = at_desk(GrantFactory().user)
    for address in ("/api/v1/schema/", "/api/v1/docs/", "/api/v1/docs/?script="):
        assert browser.get(address).status_code == 200


@pytest.mark.browser
def test_the_docs_page_renders_under_the_strict_policy(page: Any, live_server: Any) -> None:
    user = GrantFactory().user
    client = at_desk(user)
    page.context.add_cookies(
        [
            {
                "name": settings.SESSION_COOKIE_NAME,
                "value": client.cookies[settings.SESSION_COOKIE_NAME].value,
                "url": live_server.url,
            }
        ]
    )
    troubles: list[str] = []
    asked: list[str] = []
    page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.set_default_timeout(60_000)
    page.goto(f"{live_server.url}/api/v1/docs/")
    page.get_by_role("heading", name="Orgdesk API").wait_for()
    page.locator("#operations-tag-people").click()
    operation = page.locator("#operations-people-people_list")
    operation.get_by_role("button").first.click()
    operation.get_by_text("A part of the name or the address.").wait_for()
    operation.get_by_role("button", name="Try it out").click()
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("getComputedStyle(document.body).backgroundColor === 'rgb(28, 32, 34)'")
    assert troubles == []
    assert all(address.startswith((live_server.url, "data:")) for address in asked), asked


def test_it_is_drawn_for_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work: list[SpectacularAPIView] = []
    most = []

    def draw(view: SpectacularAPIView, request: Request) -> Response:
        at_work.append(view)
        most.append(len(at_work))
        time.sleep(0.02)
        at_work.remove(view)
        return Response()

    monkeypatch.setattr(SpectacularAPIView, "get", draw)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Schema().get(Request(HttpRequest())), range(4)))
    assert most == [1, 1, 1, 1]
