"""What Okta and Entra ID send, in their own shapes and order, and what SCIM says of the rest."""

import contextlib
import json
import uuid
from typing import Any
from urllib.parse import quote

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scim2_models import InvalidFilterException, ScimFilter

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.directory import filters
from apps.directory.models import DirectoryGroup, DirectoryUser
from tests.directory.conftest import GROUP, USER, Provider

pytestmark = pytest.mark.django_db
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


def found(provider: Provider, kind: str, text: str, more: str = "") -> list[Any]:
    """What a filter finds."""
    answer = provider.get(f"{kind}?filter={quote(text)}{more}")
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert body["totalResults"] == len(body["Resources"])
    return list(body["Resources"])


def test_okta_tries_its_service(provider: Provider) -> None:
    """Its own test of a service (SCIM 2.0 Spec Test), and pushing a profile and its end."""
    name = "Runscope@example.com"
    assert provider.get("ServiceProviderConfig").json()["patch"] == {"supported": True}
    assert found(provider, "Users", f'userName eq "{name}"', "&startIndex=1&count=100") == []
    person = {
        "schemas": [USER],
        "userName": name,
        "name": {"givenName": "Run", "familyName": "Scope"},
        "emails": [{"primary": True, "value": name, "type": "work"}],
        "displayName": "Run Scope",
        "locale": "en-US",
        "externalId": "00u1",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
    }
    made = provider.ask("post", "Users", person, Accept="application/json")
    body = made.json()
    assert made.status_code == 201
    assert made["Content-Type"] == "application/scim+json; charset=utf-8"
    assert made["Location"] == body["meta"]["location"]
    assert body["meta"]["location"].endswith(f"/scim/v2/acme/Users/{body['id']}")
    kept = {key: person[key] for key in ("userName", "name", "emails", "displayName", "active")}
    assert {key: body[key] for key in kept} == kept
    assert "1mz050nq" not in made.content.decode()
    assert not any("1mz050nq" in str(row) for row in DirectoryUser.objects.values())
    where = f"Users/{body['id']}"
    assert provider.get(where).json() == body
    assert [one["id"] for one in found(provider, "Users", f'userName eq "{name.lower()}"')] == [
        body["id"]
    ]
    again = provider.ask("post", "Users", person)
    assert (again.status_code, again.json()["scimType"]) == (409, "uniqueness")
    for nobody in ("010101001010101011001010101011", uuid.uuid4()):
        absent = provider.get(f"Users/{nobody}")
        assert (absent.status_code, absent.json()["status"]) == (404, "404")
    whole = {**person, "id": body["id"], "name": {"givenName": "Runa", "familyName": "Scope"}}
    changed = provider.ask("put", where, whole).json()
    assert changed["name"]["givenName"] == "Runa"
    # Who is only said to be called otherwise is not let in again by it.
    for active in (False, True, False):
        said = provider.patch(where, {"op": "replace", "value": {"active": active}})
        assert (said.status_code, said.json()["active"]) == (200, active)
    del whole["active"]
    assert provider.ask("put", where, whole).json()["active"] is False


def test_okta_pushes_a_group(provider: Provider) -> None:
    ana, ben, cai = (provider.person(f"{name}@example.com") for name in ("ana", "ben", "cai"))
    group = provider.group("Staff", ana)
    where = f"Groups/{group.uid}"
    renamed = provider.patch(
        where, {"op": "replace", "value": {"id": str(group.uid), "displayName": "All"}}
    )
    assert renamed.status_code == 204
    assert [one["displayName"] for one in found(provider, "Groups", 'displayName eq "all"')] == [
        "All"
    ]
    both = [{"value": str(ben.uid), "display": "ben"}, {"value": str(cai.uid)}]
    for _twice in range(2):
        assert (
            provider.patch(where, {"op": "add", "path": "members", "value": both}).status_code
            == 204
        )
    gone = {"op": "remove", "path": f'members[value eq "{ana.uid}"]'}
    assert provider.patch(where, gone).status_code == 204
    assert {one["display"] for one in provider.get(where).json()["members"]} == {
        "ben@example.com",
        "cai@example.com",
    }
    assert provider.get(f"Users/{ben.uid}").json()["groups"][0]["display"] == "All"
    whole = {"schemas": [GROUP], "displayName": "All", "members": [{"value": str(ana.uid)}]}
    assert [one["value"] for one in provider.ask("put", where, whole).json()["members"]] == [
        str(ana.uid)
    ]
    del whole["members"]  # says nothing of them
    assert len(provider.ask("put", where, whole).json()["members"]) == 1
    assert provider.ask("delete", where).status_code == 204
    assert provider.get(where).status_code == 404
    assert DirectoryUser.objects.count() == 3


@pytest.mark.parametrize("flagged", [False, True], ids=["as it is", "aadOptscim062020"])
def test_entra_provisions(provider: Provider, flagged: bool) -> None:
    add, replace, remove = ("add", "replace", "remove") if flagged else ("Add", "Replace", "Remove")
    name = "ella@example.com"
    assert found(provider, "Users", 'userName eq "5f1e0000-0000-0000-0000-000000000000"') == []
    body = {
        "schemas": [USER, ENTERPRISE],
        "externalId": "ella",
        "userName": name,
        "active": True,
        "displayName": "Ella E",
        "name": {"formatted": "Ella E", "givenName": "Ella", "familyName": "E"},
        "emails": [{"primary": True, "type": "work", "value": name}],
        "title": "Architect",
        "addresses": [{"type": "work", "primary": True, "formatted": "1 Street"}],
        "phoneNumbers": [{"type": "mobile", "value": "+4912345"}],
        "roles": [],
        ENTERPRISE: {"department": "Design", "manager": {"value": "boss"}},
        "meta": {"resourceType": "User"},
    }
    made = provider.ask("post", "Users", body).json()
    assert "+4912345" not in json.dumps(made)
    where = f"Users/{made['id']}"
    values = {
        "displayName": "Ella F",
        'emails[type eq "work"].value': "f@example.com",
        "name.givenName": "Ell",
        "name.familyName": "F",
        "externalId": "ella2",
        f"{ENTERPRISE}:employeeNumber": "43",
    }
    parts = (
        [{"op": replace, "value": values}]
        if flagged
        else [{"op": replace, "path": path, "value": value} for path, value in values.items()]
    )
    others = [
        {"op": add, "path": "nickName", "value": "Babs"},
        {"op": add, "path": f"{ENTERPRISE}:manager", "value": "boss2"},
        {"op": add, "path": 'phoneNumbers[type eq "fax"].value', "value": "1"},
        {"op": add, "path": 'emails[type eq "home"].value', "value": "home@example.com"},
    ]
    changed = provider.patch(where, *parts, *others).json()
    assert (changed["displayName"], changed["externalId"]) == ("Ella F", "ella2")
    assert changed["name"] == {"formatted": "Ella E", "givenName": "Ell", "familyName": "F"}
    assert [one["value"] for one in changed["emails"]] == ["f@example.com", "home@example.com"]
    # Its account, if there were one, is found by the primary address.
    assert DirectoryUser.objects.get().email == "f@example.com"

    assert found(provider, "Groups", 'displayName eq "Design"', "&excludedAttributes=members") == []
    group = provider.group("Design")
    member = [{"value": made["id"]}]
    for _twice in range(2):
        answer = provider.patch(
            f"Groups/{group.uid}", {"op": add, "path": "members", "value": member}
        )
        assert answer.status_code == 204
    has = f'id eq "{group.uid}" and members eq "{made["id"]}"'
    assert "members" not in found(provider, "Groups", has, "&excludedAttributes=members")[0]
    assert provider.get(f"Groups/{group.uid}").json()["members"][0]["value"] == made["id"]
    away = (
        {"op": remove, "path": f'members[value eq "{made["id"]}"]'}
        if flagged
        else {"op": remove, "path": "members", "value": member}
    )
    assert provider.patch(f"Groups/{group.uid}", away).status_code == 204
    assert found(provider, "Groups", has) == []
    renamed = {"op": replace, "path": "displayName", "value": "Designers"}
    assert provider.patch(f"Groups/{group.uid}", renamed).status_code == 204
    assert DirectoryGroup.objects.get().name == "Designers"

    off = {"op": replace, "path": "active", "value": False if flagged else "False"}
    assert provider.patch(where, off).json()["active"] is False
    on = {"op": replace, "path": "active", "value": True if flagged else "True"}
    assert provider.patch(where, on).json()["active"] is True
    assert provider.ask("delete", where).status_code == 204
    assert provider.get(where).status_code == provider.ask("delete", where).status_code == 404
    assert not User.objects.filter(email__in=[name, "f@example.com"]).exists()
    assert {entry.source for entry in Entry.objects.filter(verb__startswith="directory.")} == {
        "directory"
    }


def test_members_come_and_go_in_every_shape(provider: Provider) -> None:
    a, b, c = (provider.person(f"{name}@example.com") for name in "abc")
    group = provider.group("G", a)
    where = f"Groups/{group.uid}"

    def after(*operations: dict[str, Any], status: int = 204) -> set[str]:
        answer = provider.patch(where, *operations)
        assert answer.status_code == status, answer.content
        return {one.user_name[0] for one in group.members.all()}

    one, two, three = ({"value": str(person.uid)} for person in (a, b, c))
    assert after({"op": "add", "value": {"members": [two]}}) == {"a", "b"}
    assert after({"op": "add", "path": "members", "value": three}) == {"a", "b", "c"}
    either = f'members[value eq "{a.uid}" or value eq "{b.uid}"]'
    assert after({"op": "remove", "path": either}) == {"c"}
    assert after({"op": "replace", "path": "members", "value": [one, two]}) == {"a", "b"}
    # One after the other: the last word counts.
    assert after(
        {"op": "remove", "path": "members"}, {"op": "add", "path": "members", "value": [three]}
    ) == {"c"}
    assert after(
        {"op": "add", "path": "members", "value": [one]},
        {"op": "remove", "path": f'members[value eq "{a.uid}"]'},
    ) == {"c"}
    # Whoever is no member, or nobody at all, goes without a word.
    nobody = f'members[value eq "{uuid.uuid4()}"]'
    assert after({"op": "remove", "path": nobody}) == {"c"}
    assert after({"op": "remove", "path": "members", "value": [one]}) == {"c"}
    version = DirectoryGroup.objects.get().version
    # Of several operations all happen or none.
    stranger = {"op": "add", "path": "members", "value": [{"value": str(uuid.uuid4())}]}
    assert after({"op": "remove", "path": "members"}, stranger, status=400) == {"c"}
    for wrong in (
        {"op": "replace", "path": f'members[value eq "{c.uid}"].display', "value": "x"},
        {"op": "add", "path": "members", "value": [{"display": "x"}]},
        {"op": "add", "path": "members", "value": [7]},
        {"op": "remove", "path": 'members[display sw "c"]'},
        {"op": "remove"},
        {"op": "replace", "path": "displayName", "value": " "},
        {"op": "remove", "path": "displayName"},
        {"op": "move", "path": "members"},
    ):
        assert after(wrong, status=400) == {"c"}
    assert DirectoryGroup.objects.get().version == version
    assert after({"op": "replace", "path": "members", "value": []}) == set()
    assert "members" in provider.get(where).json()


def test_what_cannot_be_is_refused_with_the_reason(provider: Provider) -> None:
    person = provider.person("a@example.com")
    provider.person("b@example.com")
    where = f"Users/{person.uid}"
    for body, kind in (
        ({"schemas": [USER]}, "invalidValue"),
        ({"schemas": [USER], "userName": "  "}, "invalidValue"),
        ({"schemas": [USER], "userName": "x" * 300}, "invalidValue"),
        ({"schemas": [USER], "userName": "c", "active": "perhaps"}, "invalidValue"),
        ([1], "invalidSyntax"),
    ):
        answer = provider.ask("post", "Users", body)
        assert (answer.status_code, answer.json()["scimType"]) == (400, kind), body
    for operation, status, kind in (
        ({"op": "replace", "path": "id", "value": "1"}, 400, "mutability"),
        ({"op": "remove", "path": "userName"}, 400, "mutability"),
        ({"op": "replace", "path": "userName", "value": "B@example.com"}, 409, "uniqueness"),
        ({"op": "replace", "path": "active", "value": "perhaps"}, 400, "invalidValue"),
        ({"op": "replace", "path": "name[", "value": "x"}, 400, "invalidPath"),
        ({"op": "remove"}, 400, "noTarget"),
    ):
        answer = provider.patch(where, operation)
        assert (answer.status_code, answer.json().get("scimType")) == (status, kind), operation
        assert "\n" not in answer.json()["detail"]
    odd = {"userName": "x\x00\ud800y", "emails": [{"value": "e\x00@x.org\udfff", "type": "\x00w"}]}
    kept = provider.ask("post", "Users", json.dumps({"schemas": [USER], **odd}))
    assert (kept.json()["userName"], kept.json()["emails"]) == (
        "xy",
        [{"value": "e@x.org", "type": "w"}],
    )
    assert found(provider, "Users", 'userName eq "x\\u0000\\udfffy"')
    messages: list[dict[str, Any]] = [
        {},
        {"Operations": []},
        {"Operations": ["x"]},
        {"Operations": {"op": "add"}},
    ]
    for message in messages:
        assert provider.ask("patch", where, message).status_code == 400
    for text in (
        "userName eq",
        'nickName eq "x"',
        "userName pr and (",
        'active co "x"',
        "a" * 2000,
    ):
        answer = provider.get(f"Users?filter={text}")
        assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidFilter"), text
    raw = provider.client.post(
        f"{provider.base}/Users", "{", content_type="application/json", headers=provider.headers
    )
    assert (raw.status_code, raw.json()["scimType"]) == (400, "invalidSyntax")
    assert provider.ask("post", "Bulk", {}).status_code == 404
    assert provider.ask("delete", "Users").status_code == 405
    person.refresh_from_db()
    assert person.version == 1


def test_versions_keep_two_from_writing_over_each_other(provider: Provider) -> None:
    person = provider.person("a@example.com")
    group = provider.group("G")
    for where, path in (
        (f"Users/{person.uid}", "displayName"),
        (f"Groups/{group.uid}", "externalId"),
    ):
        seen = provider.get(where)["ETag"]
        assert provider.get(where).json()["meta"]["version"] == seen
        assert provider.get(where, **{"If-None-Match": seen}).status_code == 304
        change = {"op": "replace", "path": path, "value": "One"}
        assert provider.patch(where, change, **{"If-Match": seen}).status_code in (200, 204)
        late = provider.patch(where, {**change, "value": "Two"}, **{"If-Match": seen})
        assert late.status_code == 412
        assert provider.ask("delete", where, **{"If-Match": seen}).status_code == 412
        assert provider.get(where, **{"If-None-Match": seen}).status_code == 200
        # The same once more is no change.
        now = provider.get(where)["ETag"]
        provider.patch(where, change)
        assert provider.get(where)["ETag"] == now


def test_lists_come_in_pages_at_a_fixed_number_of_queries(
    provider: Provider, owner: Any, django_assert_max_num_queries: Any
) -> None:
    organization = owner.organization
    people = DirectoryUser.objects.bulk_create(
        DirectoryUser(organization=organization, user_name=f"p{n:03}", changed_at=timezone.now())
        for n in range(250)
    )
    for number in range(3):
        group = provider.group(f"G{number}")
        group.members.add(*people[: 100 * number])
    for kind, size in (("Users", 250), ("Groups", 3)):
        with django_assert_max_num_queries(8):
            body = provider.get(kind).json()
        assert (body["schemas"], body["totalResults"], body["startIndex"]) == ([LIST], size, 1)
        assert body["itemsPerPage"] == len(body["Resources"]) == min(size, 100)
    seen: list[str] = []
    for start in (1, 101, 201):
        page = provider.get(f"Users?startIndex={start}&count=100&attributes=userName").json()
        assert page["startIndex"] == start
        assert all(set(one) == {"schemas", "id", "userName"} for one in page["Resources"])
        seen += [one["userName"] for one in page["Resources"]]
    assert seen == [f"p{n:03}" for n in range(250)]
    assert len(provider.get("Users?count=1000").json()["Resources"]) == 200
    for query, size in (
        ("count=0", 0),
        ("startIndex=900", 0),
        ("startIndex=-3&count=2", 2),
        ("count=-1", 0),
    ):
        page = provider.get(f"Users?{query}").json()
        assert (page["totalResults"], len(page["Resources"])) == (250, size)
    assert provider.get("Users?count=many").status_code == 400


def test_a_large_group_takes_one_more_without_being_read(
    provider: Provider, owner: Any, django_assert_max_num_queries: Any
) -> None:
    people = DirectoryUser.objects.bulk_create(
        (DirectoryUser(organization=owner.organization, user_name=f"p{n}") for n in range(2_000)),
        batch_size=2000,
    )
    group = provider.group("All")
    where = f"Groups/{group.uid}"
    everybody = [{"value": str(one.uid)} for one in people]
    assert (
        provider.patch(where, {"op": "add", "path": "members", "value": everybody[1:]}).status_code
        == 204
    )
    assert group.memberships.count() == 1_999
    with django_assert_max_num_queries(36) as asked:
        provider.patch(where, {"op": "add", "path": "members", "value": everybody[:1]})
        provider.patch(where, {"op": "Remove", "path": "members", "value": everybody[5:6]})
    assert group.memberships.count() == 1_999
    written = [query["sql"] for query in asked.captured_queries if "membership" in query["sql"]]
    assert all(len(sql) < 1000 for sql in written)
    entry = Entry.objects.filter(verb="directory.change_members").order_by("pk")[0]
    assert (entry.details["came_number"], len(entry.details["came"])) == (1_999, 50)


# --- Filters -------------------------------------------------------------------------------------

SAMPLES: list[dict[str, Any]] = [
    {"user_name": "Ann@x.org", "email": "ann@x.org", "external_id": "E1", "given_name": "Ann"},
    {"user_name": "bob", "email": "", "external_id": "", "active": False, "display_name": "Bob B"},
    {"user_name": "ann%_\\", "email": "z@y.org", "external_id": "e1", "family_name": "O'Neil"},
]
ATOMS = [
    ('userName eq "ANN@X.ORG"', {0}),
    ('userName eq "ann_x.org"', set()),
    ('userName sw "ann"', {0, 2}),
    ('userName co "%_"', {2}),
    ('userName ew ".ORG"', {0}),
    ('userName ne "bob"', {0, 2}),
    ('externalId eq "e1"', {2}),
    ('externalId eq "E1"', {0}),
    ("externalId pr", {0, 2}),
    ('name.givenName eq "ann"', {0}),
    ('name.familyName co "\'"', {2}),
    ('displayName eq "bob b"', {1}),
    ("displayName pr", {1}),
    ("active eq true", {0, 2}),
    ('active eq "False"', {1}),
    ("active ne false", {0, 2}),
    ('emails.value eq "ann@x.org"', {0}),
    ('emails eq "Z@Y.org"', {2}),
    ('emails[type eq "work" and value eq "z@y.org"]', {2}),
    ("emails pr", {0, 2}),
    ('meta.lastModified gt "2001-01-01T00:00:00Z"', {0, 1, 2}),
    ('meta.created lt "2001-01-01T00:00:00Z"', set()),
    (f'{USER}:userName eq "bob"', {1}),
    ('id eq "nobody"', set()),
    ('USERNAME EQ "bob"', {1}),
]


@pytest.fixture
def sample(owner: Any) -> list[int]:
    """Three people."""
    return [
        DirectoryUser.objects.create(organization=owner.organization, **one).pk for one in SAMPLES
    ]


def hits(sample: list[int], text: str) -> set[int]:
    """Numbers of the people whom a filter leaves."""
    rows = filters.narrowed(DirectoryUser.objects.all(), text, filters.PEOPLE)
    return {sample.index(pk) for pk in rows.values_list("pk", flat=True)}


def test_each_comparison_finds_whom_it_means(sample: list[int]) -> None:
    assert [(text, hits(sample, text)) for text, _wanted in ATOMS] == ATOMS
    one = DirectoryUser.objects.get(pk=sample[0])
    assert hits(sample, f'id eq "{one.uid}"') == {0}


expressions = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        inner.map(lambda one: (f"not ({one[0]})", {0, 1, 2} - one[1])),
        st.tuples(inner, inner).map(
            lambda two: (f"({two[0][0]}) and ({two[1][0]})", two[0][1] & two[1][1])
        ),
        st.tuples(inner, inner).map(
            lambda two: (f"({two[0][0]}) or ({two[1][0]})", two[0][1] | two[1][1])
        ),
    ),
    max_leaves=4,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(expression=expressions)
def test_filters_join_as_they_say(sample: list[int], expression: tuple[str, set[int]]) -> None:
    text, wanted = expression
    if len(text) <= filters.DEEP:
        assert hits(sample, text) == wanted


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=st.text(max_size=30))
def test_a_value_stays_a_value(sample: list[int], value: str) -> None:
    named = hits(sample, f"userName eq {ScimFilter.quote(value)}")
    assert named == {
        n for n, one in enumerate(SAMPLES) if str(one["user_name"]).lower() == value.lower()
    }


@given(text=st.text(alphabet='userNameid eqco"()[]andornt 1.:', max_size=40))
@settings(max_examples=60, deadline=None)
def test_whatever_is_sent_is_a_filter_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidFilterException):
        filters.condition(text, filters.PEOPLE)
