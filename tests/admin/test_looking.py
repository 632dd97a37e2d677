"""What support sees in Django admin, and what it does not."""

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection as database
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import User
from apps.directory.models import Directory
from apps.organizations.models import (
    ApiToken,
    Connection,
    Grant,
    Organization,
    PersonalConnection,
)
from apps.organizations.support import SupportAdmin
from apps.sync.models import Command
from apps.sync.outbox.kinds import KINDS
from apps.workspaces.models import Workspace
from tests import factories
from tests.admin.conftest import MODELS, list_of, one_of, page_of, stuck
from tests.browsing import at_desk

pytestmark = pytest.mark.django_db

each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model._meta))
# A hash of a token is its key: tokens have a list and no pages.
each_with_page = pytest.mark.parametrize(
    "model",
    [model for model in MODELS if model is not ApiToken],
    ids=lambda model: str(model._meta),
)
SECRETS = {
    "password",
    "credential",
    "next_credential",
    "token_hash",
    "digest",
    "token_key",
    "session_epoch",
    "approval_hash",
    "nonce",
    "probe_result",
    "secret",
}


def test_what_support_sees_is_what_was_meant() -> None:
    assert {str(model._meta) for model in MODELS} == {
        "accounts.user",
        "audit.entry",
        "billing.credit",
        "billing.creditpoint",
        "billing.payment",
        "billing.subscription",
        "billing.topup",
        "budgets.budget",
        "budgets.standing",
        "centres.closing",
        "centres.costcentre",
        "configuration.remoteconfiguration",
        "directory.directory",
        "directory.directorygroup",
        "directory.directoryuser",
        "configuration.remoteorganization",
        "configuration.version",
        "incidents.incident",
        "invites.invite",
        "keys.key",
        "keys.sharedkey",
        "members.member",
        "members.person",
        "organizations.apitoken",
        "organizations.colleagueinvitation",
        "organizations.connection",
        "organizations.grant",
        "organizations.organization",
        "organizations.personalconnection",
        "organizations.viewing",
        "notices.delivery",
        "notices.endpoint",
        "notices.notice",
        "reports.run",
        "reports.schedule",
        "sync.batch",
        "sync.command",
        "sync.quarantinedrow",
        "sync.remotechange",
        "sync.resource",
        "sync.syncrun",
        "usage.callledger",
        "usage.codingday",
        "usage.correction",
        "usage.dimension",
        "usage.minutereading",
        "usage.readday",
        "usage.report",
        "workspaces.ratelimit",
        "workspaces.workspace",
        "workspaces.workspacemember",
    }


@each_model
def test_every_model_is_shown_field_by_field_and_no_secret_among_them(model: type[Model]) -> None:
    shown = admin.site._registry[model]
    assert isinstance(shown, SupportAdmin)
    assert shown.fields
    searched = {name.lstrip("=^@").split("__")[-1] for name in shown.search_fields}
    assert not SECRETS & {*shown.fields, *shown.list_display, *searched}


@each_model
def test_support_sees_list_and_row_and_neither_shows_a_key_or_a_hash(
    model: type[Model], desk: Client, connection: Connection
) -> None:
    connection.credential = connection.next_credential = "sealed-canary"
    connection.probe_result = {"hint": "canary"}
    connection.save()
    token = factories.ApiTokenFactory(organization=connection.organization, digest="d1ge57" * 10)
    row = one_of(model, connection)
    answer = desk.get(list_of(model))
    assert answer.status_code == 200
    assert str(row.pk) in {str(shown.pk) for shown in answer.context["cl"].result_list}
    assert desk.get(list_of(model), {"q": "some body"}).status_code == 200
    page = desk.get(page_of(row))
    assert page.status_code == (403 if model is ApiToken else 200)
    pages = [answer]
    if model is not ApiToken:
        pages += [page, desk.get(f"{page_of(row)}../history/")]
    for shown in pages:
        text = shown.content.decode()
        for secret in ("canary", token.digest, token.token_key):
            assert secret not in text


@pytest.mark.parametrize(
    "model",
    [model for model in MODELS if model not in (ApiToken, PersonalConnection)],
    ids=lambda model: str(model._meta),
)
def test_what_does_not_let_support_look_is_not_there(
    model: type[Model], desk: Client, connection: Connection
) -> None:
    row = one_of(model, connection)
    Organization.objects.update(support_may_read=False)
    assert row not in desk.get(list_of(model)).context["cl"].result_list
    gone = desk.get(page_of(row))
    row_that_never_was = type(row)(pk=2_000_000_000)
    absent = desk.get(page_of(row_that_never_was))
    assert (gone.status_code, gone["Location"]) == (absent.status_code, absent["Location"])


def test_of_a_persons_own_account_support_sees_that_it_is_there_and_how_it_does(
    desk: Client,
) -> None:
    own = factories.own_desk(factories.UserFactory(email="ada@example.com", name="Ada"))
    connection = factories.with_account(
        factories.ConnectionFactory(
            organization=own,
            name="private name",
            remote_organization_name="private account",
            frozen_at=timezone.now(),
            frozen_reason="private words",
            last_error="private words",
        )
    )
    connection.save()
    account = factories.AccountFactory(connection=connection, email="private@example.com")
    factories.CommandFactory(connection=connection, label="private label")
    factories.PaymentFactory(connection=connection, remote_id="private-payment")
    factories.CreditFactory(connection=connection, remote_id="private-owner")
    there = PersonalConnection.objects.get(pk=connection.pk)
    for page in (desk.get(list_of(PersonalConnection)), desk.get(page_of(there))):
        text = page.content.decode()
        assert "ada@example.com" in text
        assert "refuses the key" in text
        assert "private" not in text
    for model in MODELS:
        if model is not PersonalConnection:
            text = desk.get(list_of(model)).content.decode()
            assert "private" not in text, model
            assert str(own.slug) not in text, model
    assert desk.get(page_of(connection)).status_code == 302
    assert account.connection.organization.support_may_read is False


@pytest.mark.crossed("model", "superuser")
@each_model
@pytest.mark.parametrize("superuser", [False, True])
def test_nothing_is_added_changed_or_deleted_by_forms(
    model: type[Model], connection: Connection, superuser: bool
) -> None:
    browser = at_desk(
        factories.UserFactory(is_staff=True, is_superuser=superuser, second_factor=True)
    )
    row = one_of(model, connection)
    before = type(row).objects.filter(pk=row.pk).values().get()
    for address in (f"{list_of(model)}add/", page_of(row), f"{page_of(row)}../delete/"):
        assert browser.post(address, {"name": "x", "post": "yes"}).status_code == 403
    assert type(row).objects.filter(pk=row.pk).values().get() == before
    assert "delete_selected" not in browser.get(list_of(model)).content.decode()


@pytest.mark.crossed("model")
@each_model
def test_owners_and_strangers_do_not_get_in(model: type[Model], connection: Connection) -> None:
    owner = factories.GrantFactory(organization=connection.organization).user
    assert at_desk(owner).get(list_of(model)).status_code == 302
    assert Client().get(list_of(model))["Location"].startswith("/admin/login/")


def test_staff_sign_in_where_everybody_does() -> None:
    assert Client().get("/admin/login/")["Location"].startswith("/accounts/login/")


def test_staff_without_a_second_factor_do_not_get_in() -> None:
    bare = factories.UserFactory(is_staff=True)
    answer = at_desk(bare).get("/admin/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/second-factor/")


@pytest.mark.crossed("model")
@each_model
def test_a_list_costs_the_same_whatever_its_length(
    model: type[Model], desk: Client, connection: Connection
) -> None:
    def fill(first: int, last: int) -> None:
        for number in range(first, last):
            owner = connection
            if model in (Organization, Connection, Directory):  # one to an organization
                owner = factories.ConnectionFactory()
            one_of(model, owner, number)

    fill(0, 3)
    desk.get(list_of(model))
    with CaptureQueriesContext(database) as few:
        assert len(desk.get(list_of(model)).context["cl"].result_list) >= 3
    fill(3, 51)  # more than a page
    with CaptureQueriesContext(database) as many:
        assert len(desk.get(list_of(model)).context["cl"].result_list) == 50
    assert len(many) == len(few), [query["sql"] for query in many.captured_queries]


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        (Connection, "credential__startswith"),
        (Connection, "credential"),
        (Connection, "organization__slug"),
        (User, "password__startswith"),
        (User, "session_epoch"),
        (ApiToken, "digest__startswith"),
        (ApiToken, "user__password__startswith"),
    ],
)
def test_no_list_can_be_narrowed_by_what_it_does_not_show(
    model: type[Model], lookup: str, desk: Client
) -> None:
    assert desk.get(list_of(model), {lookup: "a"}).status_code == 400


@each_with_page
def test_every_link_leads_somewhere(
    model: type[Model], desk: Client, connection: Connection
) -> None:
    page = desk.get(page_of(one_of(model, connection)))
    for link in page.context["links"]:
        assert desk.get(link["url"]).status_code == 200, link


def test_people_are_found_by_address_and_by_remote_id(desk: Client, connection: Connection) -> None:
    member: Any = factories.MemberFactory(
        connection=connection,
        person=factories.PersonFactory(
            organization=connection.organization, email="wanted@example.com"
        ),
        remote_id="user_wanted",
    )
    factories.MemberFactory(connection=connection)
    for asked in ("WANTED@", "user_wanted"):
        for row in (member, member.person):
            found = desk.get(list_of(type(row)), {"q": asked}).context["cl"].result_list
            assert list(found) == [row]
    command = stuck(connection, label="wanted@example.com")
    for asked in (str(command.uid), "wanted@"):
        assert list(desk.get(list_of(type(command)), {"q": asked}).context["cl"].result_list) == [
            command
        ]


def test_a_users_page_names_only_organizations_that_let_support_look(
    desk: Client, connection: Connection
) -> None:
    grant: Grant = factories.GrantFactory(organization=connection.organization)
    hidden = factories.GrantFactory(user=grant.user, organization__support_may_read=False)
    text = desk.get(page_of(grant.user)).content.decode()
    assert connection.organization.name in text
    assert hidden.organization.name not in text


def test_the_way_through_leads_to_every_list(desk: Client, connection: Connection) -> None:
    one = stuck(connection)
    factories.CommandFactory(connection=connection)
    front = desk.get("/admin/")
    links = [
        item["link"] for group in front.context["sidebar_navigation"] for item in group["items"]
    ]
    lists = {list_of(model) for model in MODELS}
    assert {link.partition("?")[0] for link in links} == lists | {"/admin/stuck/"}
    for link in links:
        answer = desk.get(link)
        assert answer.status_code == 200, link
        marked = [
            item["link"]
            for group in answer.context["sidebar_navigation"]
            for item in group["items"]
            if item["active"]
        ]
        assert marked == [link]
    marked = [
        item["link"]
        for group in front.context["sidebar_navigation"]
        for item in group["items"]
        if item["active"]
    ]
    assert marked == ["/admin/stuck/"], "what stands still is at the front"
    assert list(desk.get(links[0]).context["cl"].result_list) == [one]


def test_kinds_and_providers_are_said_as_on_the_pages(desk: Client, connection: Connection) -> None:
    command = stuck(connection)
    for page in (list_of(Command), page_of(command)):
        shown = desk.get(page).content.decode()
        assert str(KINDS[command.kind].label) in shown
        assert f">{command.kind}<" not in "".join(shown.lower().split())
    factories.WorkspaceFactory(connection=connection)
    for page in (list_of(Connection), page_of(connection), list_of(Workspace)):
        shown = desk.get(page).content.decode()
        assert "Anthropic" in shown
        assert ">anthropic<" not in "".join(shown.split())


def test_an_empty_list_says_so_and_advises_nothing_that_support_cannot_do(desk: Client) -> None:
    address = list_of(Command)
    assert "There is nothing here yet" in desk.get(address).content.decode()
    narrowed = desk.get(address, {"state__exact": "operator"}).content.decode()
    assert "Nothing matches" in narrowed
    assert "Show all" in narrowed
    assert "Create a new item" not in narrowed
