"""The OpenAPI file and the page that shows it."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.urls import get_resolver
from drf_spectacular import generators, renderers, validation
from rest_framework.test import APIClient

from tests.browsing import at_desk
from tests.factories import GrantFactory

FILE = Path(settings.BASE_DIR) / "docs" / "openapi.yaml"


# drf-spectacular's own types are half there.
SchemaGenerator: Any = generators.SchemaGenerator
OpenApiYamlRenderer: Any = renderers.OpenApiYamlRenderer
validate_schema: Any = validation.validate_schema


def generated() -> Any:
    """The schema as the code has it now."""
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
    page.goto(f"{live_server.url}/api/v1/docs/")
    page.get_by_role("heading", name="Orgdesk API").wait_for()
    operation = page.locator("#operations-people-people_list")
    operation.get_by_role("button").first.click()
    operation.get_by_text("A part of the name or the address.").wait_for()
    operation.get_by_role("button", name="Try it out").click()
    assert troubles == []
    assert all(address.startswith((live_server.url, "data:")) for address in asked), asked
