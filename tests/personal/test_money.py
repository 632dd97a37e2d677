"""The money of one's own account: what is mirrored of it, its pages, and that they are nobody else's."""

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import User
from apps.billing.mirror import CARD, CREDIT, PAYMENTS, PROMOTIONS, SUBSCRIPTION, TOP_UP
from apps.billing.models import Card, Credit, CreditPoint, Payment, Promotion, Subscription, TopUp
from apps.billing.runway import DAYS, paces
from apps.notices.models import Notice
from apps.organizations.models import Connection, Grant, Role
from apps.personal.models import Account
from apps.providers.guard import worker_scope
from apps.sync import mirrors
from apps.sync.models import Command, CommandState, Resource
from apps.sync.outbox import delivery
from apps.usage.days import day_of
from tests import factories
from tests.api.conftest import client_for
from tests.billing.conftest import walk_now
from tests.browsing import at_desk, tired
from tests.desk import open_desk
from tests.faults.own_account_changes import key_of, own_account, profile_of
from tests.sandbox_server import SandboxServer, call

At = Callable[..., str]
S = CommandState


@pytest.fixture
def money(at: At) -> At:
    """Addresses of its money."""
    return lambda path="": at(f"billing/{path}")


def lost_purchase(connection: Connection, person: User) -> Command:
    """One of which nobody can tell what has become of it."""
    made: Command = factories.CommandFactory(
        connection=connection,
        actor=person,
        kind="billing.own_purchase",
        label="$25.00",
        arguments={"cents": 2_500},
        state="operator",
        is_money=True,
        attempts=1,
        sent_at=timezone.now() - timedelta(hours=1),
        error="No payment of this amount has appeared.",
    )
    return made


# --- What is mirrored -----------------------------------------------------------------------------


def carry(command: Command) -> Command:
    """As a worker does."""
    with worker_scope():
        delivery.carry(command.pk)
    command.refresh_from_db()
    return command


@pytest.mark.django_db(transaction=True)
def test_a_card_is_stored_credit_bought_on_a_page_and_all_of_it_mirrored(
    sandbox: SandboxServer, settings: Any
) -> None:
    settings.SANDBOX_URL = sandbox.base_url
    desk = open_desk(sandbox)
    connection = own_account(desk, "purse@northgate.example", joined=False).connection
    key, me = key_of(connection), connection.remote_organization_id
    browser = at_desk(connection.organization.personal_of)
    home = f"/o/{connection.organization.slug}/account/{connection.uid}/billing/"

    answer = browser.post(f"{home}card/", {"nonce": uuid.uuid4().hex})
    command = carry(Command.objects.get())
    assert (command.kind, command.state) == ("billing.own_card_page", S.SUCCEEDED)
    opened = browser.get(answer["Location"]).text
    assert command.results[-1]["url"] in opened
    page = urlsplit(command.results[-1]["url"]).path
    back = call(sandbox.base_url, "POST", page, b"outcome=pay")[1]["location"]
    assert browser.get(back).request["PATH_INFO"] == f"{home}begun/{command.uid}/"
    walk_now(connection, CARD.name)
    assert "is stored now" in browser.get(back).text

    given = {"connection": connection.pk, "amount": "40", "way": "page", "nonce": uuid.uuid4().hex}
    answer = browser.post(f"{home}buy/", given | {"confirmed": "1"})
    command = carry(Command.objects.latest("pk"))
    payment = Payment.objects.get(command=command)
    assert browser.get(answer["Location"])["Location"] == f"{home}payments/{payment.pk}/"
    page = urlsplit(command.results[-1]["url"]).path
    assert call(sandbox.base_url, "POST", page, b"outcome=pay")[0] == 303
    walk_now(connection, "payment_states")
    payment.refresh_from_db()
    assert (payment.status, payment.processor) == ("completed", "stripe")
    assert payment.receipt_url

    body = {"enabled": True, "thresholdCents": 500, "amountCents": 1_000}
    assert sandbox.cline("PUT", f"/users/{me}/auto-top-up", body, key=key)[0] == 200
    sandbox.control.promotion(me, 1_234, name="Welcome")
    names = (CREDIT, PAYMENTS, SUBSCRIPTION, TOP_UP, CARD, PROMOTIONS)
    walk_now(connection, *(one.name for one in names))
    of_it = {"connection": connection, "gone_at": None}
    balance = sandbox.cline("GET", f"/users/{me}/balance", key=key)[2]["data"]["balance"]
    assert Credit.objects.get(**of_it).micros == balance == 52_340_000
    assert [one.amount for one in Payment.objects.filter(**of_it)] == [Decimal(40)]
    assert TopUp.objects.get(**of_it).threshold_micros == 5_000_000
    assert Promotion.objects.get(**of_it).name == "Welcome"
    assert Card.objects.get(**of_it).last4 == "4242"
    assert not Subscription.objects.filter(**of_it).exists(), "a plan is not everybody's"
    shown = browser.get(home).text
    for words in ("$52.34", "Welcome", "4242", "There is no plan of your own"):
        assert words in shown


@pytest.mark.django_db(transaction=True)
def test_a_plan_of_ones_own_is_mirrored_without_seats(
    sandbox: SandboxServer, settings: Any
) -> None:
    settings.SANDBOX_URL = sandbox.base_url
    desk = open_desk(sandbox)
    email = profile_of(desk, sandbox.cline_key())["email"]
    connection = own_account(desk, email, joined=False).connection
    assert walk_now(connection, "plan").requests == 1, "its details are an organization's"
    plan = Subscription.objects.get(connection=connection)
    assert (plan.plan_name, plan.seat_price) == ("Cline Pass (Monthly)", Decimal("9.99"))
    assert plan.seats is None


def test_the_pace_of_own_credit_is_what_it_fell_by(connection: Connection) -> None:
    today = day_of(timezone.now())

    def look(days_ago: int, micros: int) -> None:
        at = timezone.now() - timedelta(days=days_ago)
        CreditPoint.objects.create(
            connection=connection, at=at, day=today - days_ago, micros=micros
        )

    read = Resource.objects.create(
        connection=connection, name=CREDIT.name, completed_at=timezone.now()
    )
    assert paces([connection])[connection.pk].read == 0
    look(10, 50_000_000)
    look(9, 47_000_000)  # three dollars used
    look(8, 90_000_000)  # bought
    look(3, 85_000_000)  # five more
    look(0, 1_000_000)  # today is not over
    pace = paces([connection])[connection.pk]
    assert (pace.spent, pace.read, pace.as_it_fell) == (Decimal(8), 9, True)
    look(40, 60_000_000)  # watched for longer: what it fell by since is used too
    pace = paces([connection])[connection.pk]
    assert (pace.spent, pace.read) == (Decimal(18), DAYS)
    read.completed_at = timezone.now() - timedelta(
        days=3
    )  # nobody has looked since: no days without use
    read.save()
    pace = paces([connection])[connection.pk]
    assert (pace.spent, pace.read) == (Decimal(13), DAYS - 3)


# --- Pages ----------------------------------------------------------------------------------------


def test_the_page_tells_credit_plan_card_and_what_is_bought_by_itself(
    ada: Client, at: At, money: At, account: Account
) -> None:
    connection = account.connection
    assert f'href="{money()}"' in ada.get(at()).text
    assert ada.get(money()).text.count("Not read yet.") == 6
    factories.CreditFactory(connection=connection, micros=-1_230_000)
    factories.TopUpFactory(connection=connection)
    factories.SubscriptionFactory(connection=connection, plan_name="Cline Pass", seats=None)
    page = ada.get(money()).text
    for words in ("−$1.23", "below zero", "Cline Pass", "falls below $20.00"):
        assert words in page
    for place in ("buy/", "top-up/", "card/", "payments/"):
        assert f'href="{money(place)}"' in page
    for place in ("plans/", "seats/"):
        assert place not in page
    connection.capabilities["credit.buy"] = {"ok": False, "reason": "Not with this key."}
    connection.capabilities["card.read"] = {"ok": False, "reason": "Not for you."}
    connection.save()
    page = ada.get(money()).text
    assert "Not for you." in page
    assert f'href="{money("buy/")}"' not in page
    assert "no account to buy credit for" in ada.get(money("buy/")).text


def test_credit_is_bought_in_the_words_of_one_person(
    ada: Client, money: At, account: Account
) -> None:
    connection = account.connection
    given = {"connection": connection.pk, "amount": "12.5", "way": "card", "nonce": uuid.uuid4()}
    assert "yours alone" in ada.get(money("buy/")).text
    page = ada.post(money("buy/"), given).text
    assert "Buy $12.50 of credit?" in page
    assert "second person" not in page
    assert not Command.objects.exists()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    for _twice in range(2):
        answer = ada.post(money("buy/"), hidden | {"confirmed": "1"})
    command = Command.objects.get()
    assert answer["Location"] == money(f"begun/{command.uid}/")
    assert (command.kind, command.state, command.is_money) == (
        "billing.own_purchase",
        S.QUEUED,
        True,
    )
    assert "goes on by itself" in ada.get(answer["Location"]).text
    assert "Buy credit: $12.50" in ada.get(money()).text
    bad = ada.post(money("buy/"), given | {"amount": "1.001"}).text
    assert "two decimals at most" in bad[bad.index('name="amount"') :]


def test_automatic_purchases_are_changed_here_too(ada: Client, money: At, account: Account) -> None:
    assert ada.get(money("top-up/")).status_code == 404, "nothing is known of them"
    factories.TopUpFactory(connection=account.connection, enabled=False)
    given = {"enabled": "on", "threshold": "5", "amount": "10", "nonce": uuid.uuid4()}
    assert "falls below $5.00, $10.00" in ada.post(money("top-up/"), given).text
    ada.post(money("top-up/"), given | {"confirmed": "1"})
    assert Command.objects.get().kind == "billing.own_top_up"


def test_payments_are_listed_and_tell_their_way(ada: Client, money: At, account: Account) -> None:
    connection = account.connection
    mine = factories.PaymentFactory(
        connection=connection, creator=connection.remote_organization_id
    )
    other = factories.with_account(
        factories.ConnectionFactory.build(organization=connection.organization)
    )
    other.save()
    elsewhere = factories.PaymentFactory(connection=other, amount_micros=987_650_000)
    listed = ada.get(money("payments/")).text
    assert "1 payment" in listed
    assert "you, or an automatic purchase" in listed
    assert "987.65" not in listed
    assert f'href="{money(f"payments/{mine.pk}/")}"' in listed
    assert "It is complete" in ada.get(money(f"payments/{mine.pk}/")).text
    assert ada.get(money(f"payments/{elsewhere.pk}/")).status_code == 404
    assert b"Amount" in ada.get(money("payments/?export=csv")).getvalue()


def test_who_decides_alone_has_the_evidence_before_them_and_signs_in_anew(
    ada: Client, money: At, person: User, account: Account
) -> None:
    connection = account.connection
    command = lost_purchase(connection, person)
    since = factories.PaymentFactory(
        connection=connection, amount_micros=25_000_000, at=timezone.now() - timedelta(minutes=30)
    )
    factories.PaymentFactory(connection=connection, amount_micros=77_000_000)
    slug = connection.organization.slug
    address = f"/o/{slug}/activity/{command.uid}/"
    page = ada.get(address).text
    assert "have not been read whole since" in page
    assert "since it was sent" in page
    assert f'href="{money(f"payments/{since.pk}/")}"' in page
    assert "77.00" not in page
    assert "the decision is yours" in page
    resend = {"decision": "resend"}
    refused = ada.post(f"{address}decide/", resend, follow=True).text
    assert "have not been read since it was sent" in refused
    Resource.objects.create(connection=connection, name="payments", completed_at=timezone.now())
    assert "All payments were read after it was sent" in ada.get(address).text
    assert "reauthenticate" in tired(ada).post(f"{address}decide/", resend)["Location"]
    assert Command.objects.count() == 1
    at_desk(person).post(f"{address}decide/", resend)
    again = Command.objects.latest("pk")
    assert (again.kind, again.state) == ("billing.own_purchase", S.QUEUED)
    assert again.before == {"in_place_of": str(command.uid)}


@pytest.mark.parametrize("path", ["", "payments/"])
def test_a_page_costs_the_same_however_much_there_is(
    ada: Client, money: At, account: Account, path: str
) -> None:
    connection, counts = account.connection, []
    factories.CreditFactory(connection=connection)
    for number in (10, 200):
        Payment.objects.bulk_create(
            factories.PaymentFactory.build(connection=connection, remote_id=f"{number}-{at}")
            for at in range(number)
        )
        CreditPoint.objects.bulk_create(
            CreditPoint(
                connection=connection,
                at=timezone.now(),
                day=day_of(timezone.now()) - at % 100,
                micros=at,
            )
            for at in range(number)
        )
        ada.get(money(path))
        with CaptureQueriesContext(database) as captured:
            assert ada.get(money(path)).status_code == 200
        counts.append(len(captured))
    assert counts[1] <= counts[0] + 1, "one more counts the rows beyond the page"


def test_a_failed_payment_leads_to_pages_of_the_account(
    ada: Client, money: At, account: Account
) -> None:
    connection = account.connection
    me = {"connection": connection, "creator": connection.remote_organization_id}
    failed = factories.PaymentFactory(
        **me,
        status="failed",
        failure_reason="card declined",
        at=timezone.now() - timedelta(hours=2),
    )
    page = ada.get(money(f"payments/{failed.pk}/")).text
    assert f'href="{money("buy/")}?connection={connection.pk}"' in page
    assert "an automatic purchase: nobody here" not in page, "it may be the person's own"
    later = factories.PaymentFactory(**me)
    page = ada.get(money(f"payments/{failed.pk}/")).text
    assert f'href="{money(f"payments/{later.pk}/")}"' in page


def test_of_own_money_nothing_is_told_as_of_an_organizations(account: Account) -> None:
    connection = account.connection
    seen = {"connection": connection, "first_seen_at": timezone.now(), "changed_at": timezone.now()}
    Card.objects.create(remote_id="pm", last4="4242", expires_month=1, expires_year=2020, **seen)
    factories.PaymentFactory(connection=connection, status="failed", detailed_at=timezone.now())
    for name in (CARD, PAYMENTS):
        for look in mirrors.listeners(name.name):
            look(connection, timezone.now())
    assert not Notice.objects.exists(), "its pages would be an organization's, and nobody hears it"


# --- Nobody else's --------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.OWNER, Role.BILLING, "another", "staff"])
def test_nobody_else_finds_own_money(
    ada: Client, money: At, account: Account, person: User, viewer: Grant, role: str
) -> None:
    payment = factories.PaymentFactory(connection=account.connection)
    factories.TopUpFactory(connection=account.connection)
    command = lost_purchase(account.connection, person)
    if role == "another":
        user = factories.own_desk().personal_of
    elif role == "staff":
        user = factories.UserFactory(is_staff=True, is_superuser=True, second_factor=True)
    else:
        user = factories.GrantFactory(organization=viewer.organization, role=role).user
    browser = at_desk(user)
    places = ["", "payments/", f"payments/{payment.pk}/", "buy/", "top-up/", "card/"]
    for place in (*places, f"begun/{command.uid}/"):
        assert browser.get(money(place)).status_code == 404, place
        assert ada.get(money(place)).status_code in (200, 302), place
        assert browser.post(money(place), {"nonce": "x"}).status_code in (404, 405), place
    slug = account.connection.organization.slug
    assert ada.get(f"/o/{slug}/billing/").status_code == 404, "organizations have that"
    assert Command.objects.count() == 1


# --- Over the API ---------------------------------------------------------------------------------


@pytest.fixture
def own_api(connection: Connection) -> At:
    """Addresses of the account in the API."""
    slug = connection.organization.slug
    return lambda path="": f"/api/v1/organizations/{slug}/accounts/{connection.uid}/{path}"


def sent(browser: Client, method: str, address: str, body: Any = None, key: str = "") -> Any:
    """A request with JSON."""
    headers = {"Idempotency-Key": key} if key else {}
    return getattr(browser, method)(address, body, content_type="application/json", headers=headers)


def test_whoever_is_there_buys_for_themselves_over_the_api(
    ada: Client, at: At, own_api: At, account: Account
) -> None:
    for _twice in range(2):
        bought = sent(ada, "post", own_api("credit/purchase/"), {"amount": "12.5"}, "k")
        assert bought.status_code == 202, bought.content
    command = Command.objects.get()
    assert (command.kind, command.is_money) == ("billing.own_purchase", True)
    assert bought["Location"].endswith(f"/changes/{command.uid}/")
    bad = sent(ada, "post", own_api("credit/purchase/"), {"amount": "1.001"})
    assert bad.json()["errors"][0]["pointer"] == "#/amount"
    for path, kind in (("credit/checkout/", "checkout"), ("card/", "card_page")):
        assert sent(ada, "post", own_api(path), {"amount": 30}).status_code == 202
        made = Command.objects.get(kind=f"billing.own_{kind}")
        assert made.arguments["back"].endswith(at("billing/begun/"))
    assert ada.get(own_api("top-up/")).status_code == 404, "nothing is known of it"
    factories.TopUpFactory(connection=account.connection, enabled=False)
    assert ada.get(own_api("top-up/")).json()["enabled"] is False
    wanted = {"enabled": True, "threshold": "5", "amount": "10"}
    assert sent(ada, "put", own_api("top-up/"), wanted).status_code == 202
    assert Command.objects.filter(kind="billing.own_top_up").exists()


def test_the_page_that_a_purchase_has_opened_is_in_its_change(
    ada: Client, own_api: At, account: Account, person: User
) -> None:
    command = factories.CommandFactory(
        connection=account.connection,
        actor=person,
        kind="billing.own_card_page",
        state="succeeded",
        results=[{"session": "s", "url": "https://pay.example/c/1"}],
    )
    slug = account.connection.organization.slug
    changes = f"/api/v1/organizations/{slug}/changes/"
    assert ada.get(f"{changes}{command.uid}/").json()["page"] == "https://pay.example/c/1"
    assert "pay.example" not in ada.get(changes).text, "of one change alone"
    command.state = "sending"
    command.save()
    assert ada.get(f"{changes}{command.uid}/").json()["page"] == ""


def test_the_rest_of_an_account_can_be_asked_for_over_the_api(
    ada: Client, own_api: At, account: Account
) -> None:
    ask = sent(ada, "post", own_api("cap/"))
    assert ask.status_code == 202, ask.content
    busy = sent(ada, "post", own_api("token/"), {"token": "refresh-1"})
    assert (busy.status_code, "change" in busy.json()) == (409, True), "one change at a time"
    Command.objects.update(state="succeeded", settled_at=timezone.now())
    assert sent(ada, "post", own_api("cap/")).status_code == 409, "once in five minutes"
    renewed = sent(ada, "post", own_api("token/"), {"token": "refresh-1"})
    assert renewed.status_code == 202
    assert "refresh-1" not in renewed.text
    assert Command.objects.filter(kind="personal.refresh_token").exists()
    Command.objects.update(state="succeeded", settled_at=timezone.now())
    assert sent(ada, "delete", own_api()).status_code == 202
    assert Command.objects.filter(kind="personal.delete_account").exists()


def test_a_token_buys_nothing_for_its_holder(
    person: User, connection: Connection, own_api: At, account: Account
) -> None:
    factories.TopUpFactory(connection=connection)
    grant = Grant.objects.get(user=person, organization=connection.organization)
    script = client_for(grant)
    for method, path in (
        ("post", "credit/purchase/"),
        ("post", "credit/checkout/"),
        ("post", "card/"),
        ("put", "top-up/"),
        ("post", "token/"),
        ("delete", ""),
    ):
        answer = getattr(script, method)(own_api(path), {"amount": "5"}, format="json")
        assert answer.status_code == 403, path
        assert "sign-in of the last five minutes" in answer.json()["detail"]
    assert script.get(own_api("top-up/")).status_code == 200
    assert not Command.objects.exists()
