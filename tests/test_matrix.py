"""Role × tenant: every address, every method, everybody; what is expected stands in ``matrix.py``.

An address that ``matrix.PAGES`` does not know fails, and so does a row whose address is gone.
"""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from pytest_django.plugin import DjangoDbBlocker

from apps.accounts.models import StaffRole
from apps.organizations import viewing
from apps.organizations.models import Organization, Role
from apps.organizations.policy import POLICY, is_of_one, role_may, shown_to_viewers
from tests.browsing import tired
from tests.matrix import (
    ACTORS,
    ANONYMOUS,
    NUMBERED,
    OBJECTS,
    OUTSIDER,
    PAGES,
    PERSONAL,
    ROLES,
    STAFF,
    Api,
    Closed,
    Desk,
    Open,
    Page,
    Provisioned,
    SignedIn,
    World,
    make_world,
)
from tests.shares import share

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


# --- Every address --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Address:
    """One pattern of the resolver: its full name, or its route where it has none."""

    key: str
    name: str
    route: str
    callback: Any


def addresses(resolver: URLResolver, route: str = "", namespace: str = "") -> Iterator[Address]:
    """Every pattern below ``resolver``."""
    for entry in resolver.url_patterns:
        here = route + str(entry.pattern)
        if isinstance(entry, URLPattern):
            name = f"{namespace}{entry.name}" if entry.name else ""
            yield Address(name or here, name, here, entry.callback)
        else:
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from addresses(entry, here, inner)


EVERY = list(addresses(get_resolver()))
ADMIN = [one for one in EVERY if one.route.startswith("admin/")]
OURS = {one.key: one for one in EVERY if not one.route.startswith("admin/")}


def row(key: str) -> Page:
    """What is expected of an address; fails with what to do where nothing is."""
    if key not in PAGES:
        pytest.fail(
            f"{key!r} ({OURS[key].route}) is in no row of tests/matrix.py. Add it to PAGES with the "
            "actions that it needs, as its docstring shows."
        )
    return PAGES[key]


def test_every_row_has_its_address() -> None:
    assert sorted(set(PAGES) - set(OURS)) == []


@pytest.fixture(autouse=True)
def no_worker_to_wait_for(settings: Any) -> None:
    """Have no page wait for a worker's word: there is none."""
    settings.OUTBOX_PAGE_WAIT_SECONDS = 0.0


# --- Knocking -------------------------------------------------------------------------------------


@contextmanager
def undone() -> Iterator[None]:
    """Take back whatever a request changed, so that the next one meets the same world."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]  # services ask for the outermost one
    with block:
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Made once: every test takes back all that it changes, and the next meets it as it was."""
    with django_db_blocker.unblock(), undone():
        yield make_world()


def parameters(world: World, page: Page, actor: str) -> dict[str, Any]:
    """The address's parameters with the actor's own things (of the first tenant's owner, if none)."""
    tenant = world.tenant_of(actor)
    user = world.users.get(actor, tenant.owner)
    made: dict[str, Any] = {}  # one of each kind: an address may name a person and their membership
    found = dict(page.given)
    for name, what in page.objects.items():
        kind, _dot, attribute = what.partition(".")
        made[kind] = made.get(kind) or OBJECTS[kind](tenant, user)
        found[name] = attrgetter(attribute or name)(made[kind])
    return found


def absent(like: Any) -> Any:
    """A value of the same kind that nothing has."""
    if isinstance(like, uuid.UUID):
        return uuid.uuid4()
    return 2_000_000_000 if isinstance(like, int) else "nobody-has-this"


def address_of(one: Address, arguments: dict[str, Any]) -> str:
    """The path of an address."""
    return reverse(one.name, kwargs=arguments) if one.name else f"/{one.route}"


def knock(client: Client, method: str, path: str, page: Page, *, json: bool = False) -> Any:
    """Send one request and forget what it changed."""
    kwargs: dict[str, Any] = {}
    if method in ("POST", "PUT", "PATCH"):
        kwargs["data"] = dict(page.data)
        if json or method != "POST":
            kwargs["content_type"] = "application/json"
    with undone():
        answer = getattr(client, method.lower())(path + page.query, **kwargs)
        if getattr(answer, "streaming", False):
            list(answer.streaming_content)
    return answer


def verdict(answer: HttpResponseBase) -> str:
    """What became of a request, in one word."""
    if answer.status_code in (301, 302, 303):
        target = str(answer.headers["Location"])
        if target.startswith("/accounts/login/"):
            return "sign in"
        return "sign in again" if "/reauthenticate/" in target else "in"
    words = {401: "sign in", 403: "forbidden", 404: "absent", 405: "no such method"}
    return words.get(answer.status_code, "in")


# --- Pages and API of an organization -------------------------------------------------------------

ORGANIZED = [key for key in OURS if isinstance(PAGES.get(key), Desk | Api)]


def expected(actor: str, action: str) -> str:
    """What the policy says."""
    if actor == ANONYMOUS:
        return "sign in"
    if actor in (OUTSIDER, STAFF):
        return "absent"
    if role_may(Role(actor), action):
        return "in"
    return "absent" if is_of_one(action) else "forbidden"


def knockers(key: str, page: Page) -> list[str]:
    """Everybody; on PostgreSQL a share, others at each address, and whoever may do everything there."""
    return sorted({*share(ACTORS, ORGANIZED.index(key)), insider(page)})


def insider(page: Page) -> Role:
    """Who may do everything at this address: an owner, or the person whose own desk it is of."""
    assert isinstance(page, Desk | Api)
    return Role.SELF if any(map(is_of_one, page.needs().values())) else Role.OWNER


@pytest.mark.parametrize("key", sorted(OURS))
def test_every_address_has_its_row(key: str) -> None:
    page, one = row(key), OURS[key]
    if one.route.startswith("o/<slug:slug>/"):
        assert isinstance(page, Desk), "a page of an organization is a Desk"
        guarded = getattr(one.callback, "access", None)
        assert guarded, "a page of an organization goes through desk_view"
    if "slug" in one.route and "api/" in one.route:
        assert isinstance(page, Api), "an address of the API below an organization is an Api"


@pytest.mark.django_db
@pytest.mark.parametrize("key", ORGANIZED)
def test_each_role_reaches_what_the_policy_gives_it(world: World, key: str) -> None:
    page, one = row(key), OURS[key]
    assert isinstance(page, Desk | Api)
    found, wanted = {}, {}
    for actor in knockers(key, page):
        client = world.browser_of(actor)
        arguments = {"slug": world.acme.organization.slug, **parameters(world, page, actor)}
        for method, action in page.needs().items():
            answer = knock(
                client, method, address_of(one, arguments), page, json=isinstance(page, Api)
            )
            found[actor, method] = verdict(answer)
            wanted[actor, method] = expected(actor, action)
            if wanted[actor, method] == "in" and page.besides:
                wanted[actor, method] = expected(actor, page.besides)
    assert found == wanted


@pytest.mark.django_db
def test_lists_of_the_api_are_told_with_something_in_each(world: World) -> None:
    with undone():
        for make in OBJECTS.values():
            make(world.acme, world.users["owner"])
        client = world.browser_of("owner")
        for key in ORGANIZED:
            page = row(key)
            action = page.needs().get("GET") if isinstance(page, Api) else None
            if action and not page.objects and expected("owner", action) == "in":
                arguments = {"slug": world.acme.organization.slug, **page.given}
                assert client.get(address_of(OURS[key], arguments)).status_code == 200, key


@pytest.mark.django_db
@pytest.mark.crossed("key")
@pytest.mark.parametrize("key", ORGANIZED)
def test_methods_that_a_page_does_not_have_change_nothing(world: World, key: str) -> None:
    page, one = row(key), OURS[key]
    assert isinstance(page, Desk | Api)
    others = [method for method in METHODS if method not in page.needs()]
    refusals = {insider(page): {"no such method"}, ANONYMOUS: {"no such method", "sign in"}}
    for actor, refused in refusals.items():
        client = world.browser_of(actor)
        arguments = {"slug": world.acme.organization.slug, **parameters(world, page, actor)}
        for method in others:
            answer = knock(client, method, address_of(one, arguments), page)
            assert verdict(answer) in refused, f"{method} by {actor}: {answer.status_code}"


@pytest.mark.django_db
@pytest.mark.crossed("key")
@pytest.mark.parametrize("key", [key for key in ORGANIZED if PAGES[key].objects])
def test_another_tenants_thing_is_as_absent_as_one_that_never_was(world: World, key: str) -> None:
    page, one = row(key), OURS[key]
    assert isinstance(page, Desk | Api)
    client = world.browser_of(insider(page))
    slug = world.acme.organization.slug
    own = parameters(world, page, insider(page))
    theirs = parameters(world, page, OUTSIDER)
    for name in page.objects:
        kind = page.objects[name].partition(".")[0]
        strange = {"absent": absent(own[name])}
        if kind not in NUMBERED:
            strange["another's"] = theirs[name]
        if kind in PERSONAL:
            strange["a colleague's"] = parameters(world, page, Role.ADMIN)[name]
        for method in page.needs():
            bodies = set()
            for whose, value in strange.items():
                path = address_of(one, {"slug": slug, **own, name: value})
                answer = knock(client, method, path, page, json=isinstance(page, Api))
                assert verdict(answer) == "absent", f"{method} with {whose} {name}"
                bodies.add(answer.content)
            assert len(bodies) == 1, f"{method}: the answers differ"


@pytest.mark.django_db
@pytest.mark.crossed("key")
@pytest.mark.parametrize("key", ORGANIZED)
def test_another_tenant_is_as_absent_as_one_that_never_was(world: World, key: str) -> None:
    page, one = row(key), OURS[key]
    assert isinstance(page, Desk | Api)
    client = world.browser_of(insider(page))
    own = parameters(world, page, insider(page))
    for method in page.needs():
        bodies = set()
        for slug in (world.other.organization.slug, "nobody-has-this"):
            path = address_of(one, {"slug": slug, **own})
            answer = knock(client, method, path, page, json=isinstance(page, Api))
            assert verdict(answer) == "absent", f"{method} at {slug}"
            bodies.add(answer.content)
        assert len(bodies) == 1, f"{method}: the answers differ"


def _fresh(key: str) -> list[str]:
    page = PAGES[key]
    assert isinstance(page, Desk | Api)
    return [method for method, action in page.needs().items() if POLICY[action].fresh]


@pytest.mark.django_db
@pytest.mark.crossed("key")
@pytest.mark.parametrize("key", [key for key in ORGANIZED if _fresh(key)])
def test_what_asks_for_a_fresh_sign_in_does_not_go_without(world: World, key: str) -> None:
    page, one = row(key), OURS[key]
    client = tired(world.browser_of(insider(page)))
    own = parameters(world, page, insider(page))
    arguments = {"slug": world.acme.organization.slug, **own}
    for method in _fresh(key):
        answer = knock(client, method, address_of(one, arguments), page, json=isinstance(page, Api))
        assert verdict(answer) == ("forbidden" if isinstance(page, Api) else "sign in again")


def _posts(page: Page | None) -> bool:
    if isinstance(page, Desk | Api):
        return "POST" in page.needs()
    return isinstance(page, SignedIn | Open) and "POST" in page.methods


@pytest.mark.django_db
@pytest.mark.crossed("key")
@pytest.mark.parametrize("key", [key for key in OURS if _posts(PAGES.get(key))])
def test_nothing_is_posted_from_elsewhere(world: World, key: str) -> None:
    page, one = row(key), OURS[key]
    client = Client(enforce_csrf_checks=True)
    client.cookies = world.browser_of(Role.OWNER).cookies
    arguments = parameters(world, page, Role.OWNER)
    if isinstance(page, Desk | Api):
        arguments["slug"] = world.acme.organization.slug
    answer = knock(client, "POST", address_of(one, arguments), page, json=isinstance(page, Api))
    assert answer.status_code == 403


# --- SCIM -----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_no_sign_in_opens_what_is_for_the_directory(world: World) -> None:
    keys = [key for key in OURS if OURS[key].route.startswith("scim/")]
    for actor in ACTORS:
        client = world.browser_of(actor)
        for key in keys:
            page, one = row(key), OURS[key]
            assert isinstance(page, Provisioned), f"{key} is Provisioned"
            arguments = {"slug": world.acme.organization.slug, **parameters(world, page, actor)}
            for method in page.methods:
                answer = knock(client, method, address_of(one, arguments), page, json=True)
                assert answer.status_code == 401, f"{method} {key} by {actor}"


# --- Pages of no organization ---------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("key", [key for key in OURS if isinstance(PAGES.get(key), SignedIn)])
def test_ones_own_pages_are_for_the_signed_in(world: World, key: str) -> None:
    page, one = row(key), OURS[key]
    assert isinstance(page, SignedIn)
    for actor in ACTORS:
        path = address_of(one, parameters(world, page, actor))
        for method in page.methods:
            answer = knock(world.browser_of(actor), method, path, page)
            if actor == ANONYMOUS:
                assert verdict(answer) in ("sign in", "forbidden"), f"{method}: anonymous"
            else:
                # Some of them ask for another proof first, or for one that the actor has not.
                assert verdict(answer) in ("in", "sign in again"), f"{method} by {actor}"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "key", [key for key in OURS if isinstance(PAGES.get(key), SignedIn) and PAGES[key].objects]
)
def test_somebody_elses_things_are_as_absent_as_what_never_was(world: World, key: str) -> None:
    page, one = row(key), OURS[key]
    assert isinstance(page, SignedIn)
    client = world.browser_of(Role.OWNER)
    theirs = parameters(world, page, Role.ADMIN)
    nobodys = {name: absent(value) for name, value in theirs.items()}
    for method in page.methods:
        answers = [
            knock(client, method, address_of(one, arguments), page)
            for arguments in (theirs, nobodys)
        ]
        assert [verdict(answer) for answer in answers] == ["absent", "absent"]
        assert answers[0].content == answers[1].content


@pytest.mark.django_db
@pytest.mark.parametrize("key", [key for key in OURS if isinstance(PAGES.get(key), Open)])
def test_open_pages_let_everybody_in(world: World, key: str) -> None:
    page, one = row(key), OURS[key]
    assert isinstance(page, Open)
    for actor in (Role.OWNER, OUTSIDER, STAFF, ANONYMOUS):
        for method in page.methods:
            answer = knock(world.browser_of(actor), method, address_of(one, dict(page.given)), page)
            assert answer.status_code in (200, 301, 302, 400, 401), f"{method} by {actor}"


@pytest.mark.django_db
@pytest.mark.parametrize("key", [key for key in OURS if isinstance(PAGES.get(key), Closed)])
def test_closed_addresses_are_absent_for_everybody(world: World, key: str) -> None:
    page, one = row(key), OURS[key]
    for actor in (Role.OWNER, STAFF, ANONYMOUS):
        for method in ("GET", "POST"):
            answer = knock(world.browser_of(actor), method, address_of(one, dict(page.given)), page)
            assert answer.status_code == 404, f"{method} by {actor}"


# --- Django admin ---------------------------------------------------------------------------------


def _admin_path(one: Address) -> str:
    path = one.route.replace("<path:content_type_id>", "1").replace("<path:object_id>", "1")
    path = path.replace("<slug:name>", "abandon").replace("<slug:question>", "join")
    path = path.replace("<int:pk>", "1")
    if "(" in path:  # regular expressions: the list of an app, and whatever is left
        path = "admin/nothing/"
    return f"/{path}"


@pytest.mark.django_db
def test_django_admin_is_for_staff_alone(world: World) -> None:
    browsers = {actor: world.browser_of(actor) for actor in (Role.OWNER, OUTSIDER, ANONYMOUS)}
    for one in share(ADMIN):
        if one.name == "admin:jsi18n":
            continue  # words of Django's own scripts, the same for everybody
        for actor, client in browsers.items():
            for method in ("GET", "POST"):
                answer = knock(client, method, _admin_path(one), Page())
                said = f"{method} {one.route} by {actor}: {answer.status_code}"
                assert answer.status_code in (302, 403, 404, 405), said


@pytest.mark.django_db
def test_staff_reach_the_front_page_of_django_admin(world: World) -> None:
    assert world.browser_of(STAFF).get("/admin/").status_code == 200


# --- Support, through somebody's eyes --------------------------------------------------------------

GIVEN = {"slug:slug": "acme", "int": "1", "uuid": str(uuid.UUID(int=1))}


def _some_path(one: Address) -> str:
    """An address of the shape, of the first tenant: whether its things exist is not asked."""
    given = re.sub(
        r"<(\w+:)?(\w+)>",
        lambda found: GIVEN.get(found[0][1:-1]) or GIVEN.get((found[1] or "")[:-1]) or "x",
        one.route,
    )
    return f"/{given}"


def _methods(page: Page) -> tuple[str, ...]:
    if isinstance(page, Desk | Api):
        return tuple(page.needs())
    return page.methods if isinstance(page, SignedIn | Open) else ("GET", "POST")


@pytest.mark.django_db
def test_support_changes_nothing_through_somebodys_eyes_and_sees_nothing_of_their_own(
    world: World,
) -> None:
    Organization.objects.filter(pk=world.acme.organization.pk).update(support_may_view_as=True)
    client, owner = world.browser_of(STAFF), world.users[Role.OWNER]
    begun = viewing.begin(
        user=owner, organization=world.acme.organization, reason="x", actor=world.users[STAFF]
    )
    session = client.session
    viewing.enter(session, begun)
    session.save()
    assert client.get("/o/acme/people/").status_code == 200
    refused = 0
    for key, one in OURS.items():
        page, path = row(key), _some_path(one)
        if key in {"healthz", "readyz", "metrics"}:
            continue  # answered before anybody's session is looked at
        for method in _methods(page):
            if (key, method) in {("viewing_end", "POST"), ("account_logout", "POST")}:
                continue  # the two ways out
            closed = method != "GET"
            if isinstance(page, Desk | Api):
                action = page.needs()[method]
                closed = closed or not shown_to_viewers(action)
            elif "(?P" not in one.route:  # such a path leads nowhere as it stands
                closed = closed or key != "home"
            if not closed:
                continue
            answer = client.generic(method, path, HTTP_HX_REQUEST="true")
            of_one = isinstance(page, Desk | Api) and is_of_one(page.needs()[method])
            said = f"{method} {path}: {answer.status_code}"
            assert answer.status_code == 403 or (of_one and answer.status_code == 404), said
            refused += 1
    assert refused > 200
    for path in ("/admin/", _admin_path(ADMIN[-1])):
        assert client.get(path).status_code in (403, 404), path
        assert client.post(path).status_code == 403, path
    begun.refresh_from_db()
    assert begun.ended_at is None


# --- The table itself -----------------------------------------------------------------------------


def test_the_policy_is_the_one_that_was_agreed() -> None:
    """DESIGN's table, spelled out: a change of ``policy.py`` is a change of this as well."""
    everyone, admins, owners = set(ROLES) - {"self"}, {"owner", "admin"}, {"owner"}
    spenders = {"owner", "billing"}
    own = {"self"}  # a person on their own desk
    agreed = {
        "organization.read": everyone,
        "people.read": everyone,
        "invites.read": everyone,
        "activity.read": everyone | own,
        "audit.read": everyone | own,
        "connections.read": everyone | own,
        "people.change_role": admins,
        "people.remove": admins,
        "invites.invite": admins,
        "invites.withdraw": admins,
        "invites.resend": admins,
        "keys.read": everyone,
        "keys.change": admins,
        "keys.create": admins,
        "keys.archive": admins,
        "keys.delete": admins,
        "limits.read": everyone,
        "configuration.read": everyone | own,
        "configuration.rename": admins,
        "configuration.change": admins,
        "configuration.create_organization": admins,
        "configuration.delete_organization": owners,
        "account.read": own,
        "account.change": own,
        "account.token": own,
        "account.delete": own,
        "account.money": own,
        "account.buy": own,
        "account.top_up": own,
        "account.card": own,
        "notices.read": everyone | own,
        "notices.own": everyone | own,
        "notices.acknowledge": admins | spenders | own,
        "notices.deliveries": admins,
        "notices.webhooks": admins,
        "notices.send_again": admins,
        "reports.read": everyone,
        "reports.own": everyone,
        "reports.change": admins,
        "incidents.read": everyone,
        "incidents.change": admins | spenders,
        "budgets.read": everyone,
        "budgets.change": admins | spenders,
        "centres.read": everyone,
        "centres.change": admins | spenders,
        "centres.close": admins | spenders,
        "billing.read": everyone,
        "billing.buy": spenders,
        "billing.top_up": spenders,
        "billing.card": spenders,
        "billing.plan": spenders,
        "commands.decide": admins | spenders | own,
        "commands.close": admins | spenders | own,
        "commands.approve": admins | spenders,
        "commands.ask_resend": set(),
        "commands.confirm_resend": set(),
        "sync.start": admins | own,
        "usage.read": everyone,
        "usage.backfill": admins,
        "sync.decide": admins | own,
        "connections.connect": admins | own,
        "connections.change": admins | own,
        "connections.pause": admins | own,
        "connections.rotate": admins | own,
        "connections.disconnect": admins | own,
        "workspaces.read": everyone,
        "workspaces.create": admins,
        "workspaces.change": admins,
        "workspaces.change_members": admins,
        "workspaces.archive": admins,
        "grants.read": everyone,
        "grants.change": owners,
        "organization.change": owners,
        "organization.resume_sending": owners | own,
        "support.view_as": set(),
        "staff.change": set(),
        "tokens.own": everyone | own,
        "tokens.create": everyone | own,
        "tokens.service": admins,
        "tokens.make_service": admins,
        "tokens.end_service": admins,
    }
    assert {
        action: {role.value for role in rule.roles} for action, rule in POLICY.items()
    } == agreed
    fresh = {action for action, rule in POLICY.items() if rule.fresh}
    assert fresh == {
        "account.delete",
        "account.token",
        "account.buy",
        "account.top_up",
        "account.card",
        "billing.buy",
        "billing.top_up",
        "billing.card",
        "billing.plan",
        "commands.approve",
        "commands.ask_resend",
        "commands.confirm_resend",
        "configuration.delete_organization",
        "connections.connect",
        "connections.rotate",
        "connections.disconnect",
        "grants.change",
        "keys.create",
        "keys.archive",
        "keys.delete",
        "notices.webhooks",
        "organization.resume_sending",
        "staff.change",
        "support.view_as",
        "tokens.create",
        "tokens.make_service",
        "workspaces.archive",
    }
    support = {action for action, rule in POLICY.items() if rule.support}
    assert support == {
        *(action for action in agreed if action.endswith(".read") and action != "account.read"),
        "commands.close",
        "commands.ask_resend",
        "commands.confirm_resend",
        "sync.start",
        "connections.pause",
        "notices.deliveries",
        "organization.resume_sending",
        "staff.change",
        "support.view_as",
    }
    least = {action: rule.least for action, rule in POLICY.items() if rule.support}
    assert {action for action in least if least[action] == StaffRole.LEAD} == {
        "commands.close",
        "commands.confirm_resend",
        "organization.resume_sending",
        "support.view_as",
    }
    assert {action for action in least if least[action] == StaffRole.SUPERUSER} == {"staff.change"}
