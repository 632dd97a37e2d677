"""What holds for every answer: chosen fields, versions, limits, and errors as problems."""

from typing import Any

import pytest
import time_machine
from django.test import Client
from rest_framework.test import APIClient

from apps.organizations.models import Connection, Grant, Role
from portal import urls, views
from tests.browsing import at_desk
from tests.factories import GrantFactory, InviteFactory

from .conftest import client_for

pytestmark = pytest.mark.django_db


def test_an_answer_holds_the_fields_that_were_asked_for(
    api: APIClient, base: str, connection: Connection
) -> None:
    invite = InviteFactory(connection=connection)
    page = api.get(f"{base}invites/", {"fields": "id, email", "state": invite.state}).json()
    assert page["results"] == [{"id": invite.pk, "email": invite.email}]
    assert set(page) == {"next", "previous", "results"}
    assert api.get(f"{base}invites/{invite.pk}/", {"fields": "role"}).json() == {
        "role": invite.role
    }
    assert api.get(f"{base}connections/{connection.uid}/roles/", {"fields": "value"}).json()[0] == {
        "value": "user"
    }
    assert set(api.get(f"{base}spend/", {"fields": "month,today"}).json()) == {"month", "today"}
    assert api.get("/api/v1/organizations/", {"fields": "slug"}).json() == [
        {"slug": connection.organization.slug}
    ]
    for asked in ("id,emial", "", "id,", "connection__credential"):
        answer = api.get(f"{base}invites/", {"fields": asked})
        assert answer.status_code == 400, asked
        assert answer.json()["errors"][0]["pointer"] == "#/fields"
    assert "emial" in api.get(f"{base}invites/?fields=emial").json()["errors"][0]["detail"]


def test_what_was_read_before_is_not_sent_again(
    api: APIClient, base: str, connection: Connection
) -> None:
    invite = InviteFactory(connection=connection)
    first = api.get(f"{base}invites/")
    etag = first["ETag"]
    assert first["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Cookie"} <= {one.strip() for one in first["Vary"].split(",")}
    again = api.get(f"{base}invites/", HTTP_IF_NONE_MATCH=etag)
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
    assert "RateLimit" in again.headers
    assert api.get(f"{base}invites/", HTTP_IF_NONE_MATCH='"another"').status_code == 200
    invite.role = "admin"
    invite.save()
    changed = api.get(f"{base}invites/", HTTP_IF_NONE_MATCH=etag)
    assert changed.status_code == 200
    assert changed["ETag"] != etag
    assert api.head(f"{base}invites/")["ETag"] == changed["ETag"]
    assert "ETag" not in api.get(f"{base}invites/0/").headers
    assert "ETag" not in api.post(f"{base}invites/", {}, format="json").headers


def test_a_version_opens_nothing(api: APIClient, base: str, owner: Grant) -> None:
    read: dict[str, Any] = {"HTTP_IF_NONE_MATCH": api.get(f"{base}tokens/")["ETag"]}
    any_version: dict[str, Any] = {"HTTP_IF_NONE_MATCH": "*"}
    assert api.get(f"{base}tokens/", **read).status_code == 304
    outsider = client_for(GrantFactory())
    for known in (read, any_version):
        assert outsider.get(f"{base}tokens/", **known).status_code == 404
        assert Client().get(f"{base}tokens/", headers={"If-None-Match": "*"}).status_code == 401
    # A problem is whole, and no version of anything.
    refused = outsider.get(f"{base}tokens/", {"fields": "id"})
    assert set(refused.json()) == {"type", "title", "status", "detail"}
    # What a lesser role sees is another answer.
    seen: dict[str, Any] = {"HTTP_IF_NONE_MATCH": api.get("/api/v1/organizations/")["ETag"]}
    Grant.objects.filter(pk=owner.pk).update(role=Role.VIEWER)
    assert api.get("/api/v1/organizations/", **seen).json()[0]["role"] == "viewer"
    Grant.objects.filter(pk=owner.pk).delete()
    for known in (read, any_version):
        assert api.get(f"{base}tokens/", **known).status_code == 404


@time_machine.travel("2026-01-31 12:00:18Z", tick=False)
def test_callers_and_organizations_have_so_many_requests_a_minute(
    api: APIClient, base: str, owner: Grant, settings: Any
) -> None:
    settings.API_REQUESTS_A_MINUTE = {
        **settings.API_REQUESTS_A_MINUTE,
        "caller": 2,
        "organization": 3,
    }
    first = api.get(f"{base}people/")
    assert first["RateLimit-Policy"] == '"caller";q=2;w=60, "organization";q=3;w=60'
    assert first["RateLimit"] == '"caller";r=1;t=42, "organization";r=2;t=42'
    assert api.get("/api/v1/organizations/")["RateLimit"] == '"caller";r=0;t=42'
    stopped = api.post(f"{base}invites/", {}, format="json")
    assert (stopped.status_code, stopped["Retry-After"]) == (429, "42")
    assert stopped["Content-Type"] == "application/problem+json"
    assert stopped["RateLimit"] == '"caller";r=0;t=42'
    assert stopped.json()["violated-policies"] == ["caller"]
    assert "42 seconds" in stopped.json()["detail"]
    # The same person's other token and session count apart; their organization is one.
    assert client_for(owner).get(f"{base}people/").status_code == 200
    session = at_desk(owner.user)
    assert session.get(f"{base}people/")["RateLimit"] == (
        '"caller";r=1;t=42, "organization";r=0;t=42'
    )
    together = session.get(f"{base}people/")
    assert (together.status_code, together.json()["violated-policies"]) == (429, ["organization"])
    # Nobody spends what another organization has.
    outsider = client_for(GrantFactory())
    assert outsider.get(f"{base}people/").status_code == 404
    with time_machine.travel("2026-01-31 12:01:00Z", tick=False):
        assert api.get(f"{base}people/")["RateLimit"].startswith('"caller";r=1;t=60')
    settings.API_REQUESTS_A_MINUTE = {
        **settings.API_REQUESTS_A_MINUTE,
        "caller": 0,
        "organization": 0,
    }
    assert "RateLimit" not in api.get(f"{base}people/").headers


def test_every_error_is_a_problem(
    api: APIClient, base: str, owner: Grant, settings: Any, rf: Any
) -> None:
    def said(answer: Any, status: int) -> str:
        assert answer.status_code == status
        assert answer["Content-Type"] == "application/problem+json"
        body = answer.json()
        assert body["status"] == status
        assert body["title"]
        return str(body["detail"])

    for address in ("/api/", "/api/v1/", "/api/v2/people/", "/api/v1/peolpe/", f"{base}peolpe/"):
        assert "There is nothing here" in said(api.get(address), 404), address
    said(Client().get("/api/v1/organizations/"), 401)
    said(api.put(f"{base}people/"), 405)
    said(api.get(f"{base}people/", HTTP_ACCEPT="text/html"), 406)
    said(api.get(f"{base}people/", {"format": "xml"}), 400)
    said(api.post(f"{base}invites/", "email=x", content_type="text/plain"), 415)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    said(api.post(f"{base}invites/", ["x" * 20], format="json"), 413)
    assert urls.handler400 == "portal.views.unusable"
    odd = views.unusable(rf.get("/api/v1/"), Exception())
    assert (odd.status_code, odd["Content-Type"]) == (400, "application/problem+json")
    strict = at_desk(owner.user)
    strict.handler.enforce_csrf_checks = True
    said(strict.post(f"{base}invites/", {}, content_type="application/json"), 403)
