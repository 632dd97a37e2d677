"""What a directory has sent, over the API."""

from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from apps.organizations.models import Grant
from apps.organizations.services import remove_grant
from tests.api.conftest import client_for
from tests.browsing import at_desk
from tests.directory.conftest import Provider
from tests.factories import GrantFactory

pytestmark = pytest.mark.django_db
BASE = "/api/v1/organizations/acme/directory/"


def ask(api: Any, path: str) -> Any:
    answer = api.get(f"{BASE}{path}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_people_and_groups_are_told_with_where_that_leaves_them(
    provider: Provider, owner: Grant
) -> None:
    ann, bob = provider.person("ann@example.com", externalId="E1"), provider.person("bob")
    group = provider.group("Team", ann, bob, role="viewer")
    provider.group("Others")
    api = client_for(GrantFactory(organization=owner.organization, role="viewer"))
    told = {one["name"]: one for one in ask(api, "groups/")["results"]}
    assert (told["Team"]["role"], told["Team"]["members"]) == ("viewer", 2)
    assert (told["Others"]["role"], told["Others"]["members"]) == ("", 0)
    assert told["Team"]["id"] == str(group.uid)
    one = ask(api, f"people/{ann.uid}/")
    assert (one["external_id"], one["role"], one["by_directory"]) == ("E1", "viewer", True)
    assert ask(api, f"people/{bob.uid}/")["role"] is None
    for narrowed in ("state=in", f"group={group.uid}&state=in", "email=ANN@example.com"):
        rows = ask(api, f"people/?{narrowed}")["results"]
        assert [row["user_name"] for row in rows] == ["ann@example.com"], narrowed
    remove_grant(grant=Grant.objects.get(user__email="ann@example.com"), actor=owner.user)
    assert ask(api, f"people/{ann.uid}/")["kept_out_at"]
    assert api.get(f"{BASE}people/?state=x").status_code == 400
    assert api.get(f"{BASE}groups/?role=viewer").status_code == 400


def test_an_owner_who_is_there_says_what_a_group_gives(provider: Provider, owner: Grant) -> None:
    ann = provider.person("ann@example.com")
    group = provider.group("Team", ann)
    browser = at_desk(owner.user)

    def say(role: Any) -> Any:
        return browser.patch(
            f"{BASE}groups/{group.uid}/", {"role": role}, content_type="application/json"
        )

    assert say("viewer").json()["role"] == "viewer"
    assert ask(browser, f"people/{ann.uid}/")["role"] == "viewer"
    assert [say(role).status_code for role in ("self", "boss", None)] == [400] * 3
    remove_grant(grant=Grant.objects.get(user__email="ann@example.com"), actor=owner.user)
    assert ask(browser, f"people/{ann.uid}/")["role"] is None
    back = browser.post(f"{BASE}people/{ann.uid}/hand-over/")
    assert (back.status_code, back.json()["role"], back.json()["kept_out_at"]) == (
        200,
        "viewer",
        None,
    )
    assert say("").json()["role"] == ""
    assert ask(browser, f"people/{ann.uid}/")["role"] is None
    script = client_for(owner)
    refused = script.patch(f"{BASE}groups/{group.uid}/", {"role": "owner"}, format="json")
    assert refused.status_code == 403
    assert "sign-in of the last five minutes" in refused.json()["detail"]


def test_lists_take_the_same_queries_however_many_there_are(
    provider: Provider, owner: Grant
) -> None:
    api, counts = client_for(owner), []
    ask(api, "people/")
    for number in range(2):
        people = [provider.person(f"p{number}{at}@example.com") for at in range(1 + 5 * number)]
        provider.group(f"Team {number}", *people, role="viewer")
        for path in ("people/", "groups/"):
            with CaptureQueriesContext(database) as captured:
                ask(api, path)
            counts.append(len(captured))
    assert counts[:2] == counts[2:]
