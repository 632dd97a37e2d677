"""Webhooks over the API: set up and changed by whoever is there, never by token; the secret is shown once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.audit.models import Entry
from apps.notices import endpoints
from apps.notices.endpoints import unseal_secret
from apps.notices.models import Endpoint
from apps.notices.topics import TOPICS, Topic, register
from apps.organizations.models import Grant, Role
from apps.organizations.token_services import create_token
from tests.api.conftest import pointers, send
from tests.browsing import at_desk, tired
from tests.factories import EndpointFactory, GrantFactory

pytestmark = pytest.mark.django_db
CHAT = "https://hooks.slack.example/services/T0/B0/canary"


@pytest.fixture(autouse=True)
def topics() -> Iterator[None]:
    """A topic that owners alone may hear of, and one of webhooks themselves."""
    before = dict(TOPICS)
    register(Topic("tests.owners", "Of owners", frozenset(), "grants.change"))
    register(Topic("tests.anybody", "Of anybody", frozenset()))
    yield
    TOPICS.clear()
    TOPICS.update(before)


@pytest.fixture
def olga(owner: Grant) -> Client:
    """The owner's browser."""
    return at_desk(owner.user)


def test_a_webhook_is_set_up_and_its_secret_is_in_that_answer_alone(
    olga: Client, base: str, owner: Grant
) -> None:
    given = {"name": "Ours", "url": " https://hooks.example/in ", "topics": ["tests.anybody"]}
    made = send(olga, "post", f"{base}webhooks/", given)
    assert made.status_code == 201, made.content
    assert made["Cache-Control"] == "no-store"
    told, endpoint = made.json(), Endpoint.objects.get()
    secret = told.pop("signing_secret")
    assert secret == unseal_secret(endpoint).reveal()
    assert (endpoint.url, endpoint.speaks) == ("https://hooks.example/in", "signed")
    assert (endpoint.topics, endpoint.created_by) == (["tests.anybody"], owner.user)
    one = f"{base}webhooks/{endpoint.pk}/"
    assert olga.get(one).json() == told
    for address in (one, f"{base}webhooks/", f"{base}audit/"):
        assert secret not in olga.get(address).text
    line = Entry.objects.get(verb="notices.webhooks.create")
    assert line.actor_id == owner.user_id
    assert line.details["topics"] == ["tests.anybody"]
    assert line.details["url"].startswith("https://hooks.example/… (")


def test_sent_again_with_its_key_it_is_the_same_webhook_without_the_secret(
    olga: Client, base: str, cached: list[Any]
) -> None:
    given = {"name": "Ours", "url": "https://hooks.example/in"}
    first = send(olga, "post", f"{base}webhooks/", given, "k")
    again = send(olga, "post", f"{base}webhooks/", given, "k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == {**first.json(), "signing_secret": None}
    assert Endpoint.objects.count() == 1
    assert send(olga, "post", f"{base}webhooks/", {**given, "name": "X"}, "k").status_code == 422
    address = f"{base}webhooks/{first.json()['id']}/secret/"
    renewed = send(olga, "post", address, key="k2")
    sealed = Endpoint.objects.get().secret
    assert renewed.status_code == 200
    assert send(olga, "post", address, key="k2").json() == {"signing_secret": None}
    assert Endpoint.objects.get().secret == sealed, "replaced once"
    secrets = [one.json()["signing_secret"] for one in (first, renewed)]
    assert all(one.startswith("whsec_") for one in secrets)
    assert len([args for args in cached if "api-once" in args[0]]) == 2
    assert not any(secret in repr(cached) for secret in secrets)


def test_a_chat_has_no_secret_to_show_or_replace(olga: Client, base: str) -> None:
    given = {"name": "Chat", "url": CHAT, "speaks": "slack"}
    made = send(olga, "post", f"{base}webhooks/", given)
    assert (made.status_code, made.json()["signing_secret"]) == (201, None)
    assert "canary" not in made.text
    sealed = Endpoint.objects.get().secret
    refused = send(olga, "post", f"{base}webhooks/{made.json()['id']}/secret/")
    assert refused.status_code == 409
    assert "no signature" in refused.json()["detail"]
    assert Endpoint.objects.get().secret == sealed


def test_what_cannot_be_is_refused_where_it_stands(
    olga: Client, base: str, owner: Grant, settings: Any
) -> None:
    settings.NOTICES_LOOPBACK = False
    address, taken = f"{base}webhooks/", EndpointFactory(organization=owner.organization)
    good = {"name": "Ours", "url": "https://hooks.example/in"}
    for url in (
        "http://hooks.example/in",
        "https://10.0.0.1/in",
        "https://localhost/in",
        "https://[::ffff:127.0.0.1]/in",
        "https://169.254.169.254/latest",
        "https://desk.internal/",
        "https://user:word@hooks.example/",
        "hooks.example",
        "",
        f"https://hooks.example/{'x' * 500}",
    ):
        assert pointers(send(olga, "post", address, {**good, "url": url})) == {"#/url"}, url
        changed = send(olga, "patch", f"{address}{taken.pk}/", {"url": url})
        assert pointers(changed) == {"#/url"}, url
    for wrong, where in (
        ({"name": taken.name}, "#/name"),
        ({"name": "x" * 81}, "#/name"),
        ({"speaks": "morse"}, "#/speaks"),
        ({"topics": ["tests.nobody"]}, "#/topics"),
        ({"topics": "tests.anybody"}, "#/topics"),
        ({"paused_at": None}, "#/paused_at"),
    ):
        assert pointers(send(olga, "post", address, {**good, **wrong})) == {where}, wrong
    assert pointers(send(olga, "post", address, {})) == {"#/name", "#/url"}
    assert list(Endpoint.objects.all()) == [taken]
    assert not Entry.objects.exists()


def test_one_is_changed_name_by_name(olga: Client, base: str, owner: Grant) -> None:
    endpoint = EndpointFactory(organization=owner.organization, topics=["tests.anybody"], url=CHAT)
    one, named = f"{base}webhooks/{endpoint.pk}/", endpoint.name
    changed = send(olga, "patch", one, {"name": "Theirs"})
    assert (changed.status_code, changed.json()["name"]) == (200, "Theirs")
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.topics) == (CHAT, ["tests.anybody"])
    assert send(olga, "patch", one, {"name": "Theirs"}).status_code == 200, "it is its own"
    send(olga, "patch", one, {"url": "https://hooks.example/b", "topics": [], "speaks": "teams"})
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.topics) == ("https://hooks.example/b", [])
    lines = list(Entry.objects.filter(verb="notices.webhooks.change").order_by("sequence"))
    assert len(lines) == 2
    assert lines[0].details == {"name": [named, "Theirs"]}
    assert lines[1].details["speaks"] == ["signed", "teams"]
    assert "canary" not in repr([line.details for line in lines])


def test_topics_that_are_not_sent_stay_also_those_that_the_caller_could_not_choose(
    base: str, owner: Grant
) -> None:
    admin = at_desk(GrantFactory(organization=owner.organization, role=Role.ADMIN).user)
    endpoint = EndpointFactory(organization=owner.organization, topics=["tests.owners"])
    one = f"{base}webhooks/{endpoint.pk}/"
    assert send(admin, "patch", one, {"name": "New"}).json()["topics"] == ["tests.owners"]
    assert pointers(send(admin, "patch", one, {"topics": ["tests.owners"]})) == {"#/topics"}
    assert send(admin, "patch", one, {"topics": ["tests.anybody"]}).status_code == 200


def test_one_is_paused_goes_on_and_is_deleted(olga: Client, base: str, owner: Grant) -> None:
    endpoint = EndpointFactory(organization=owner.organization)
    one = f"{base}webhooks/{endpoint.pk}/"
    for _twice in range(2):
        assert send(olga, "put", f"{one}pause/").json()["paused_at"]
    assert send(olga, "post", f"{one}test/").status_code == 409
    for _twice in range(2):
        assert send(olga, "delete", f"{one}pause/").json()["paused_at"] is None
    assert send(olga, "delete", one).status_code == 204
    assert send(olga, "delete", one).status_code == 404
    verbs = Entry.objects.order_by("sequence").values_list("verb", flat=True)
    assert [verb.rpartition(".")[2] for verb in verbs] == ["pause", "resume", "delete"]


def test_it_takes_the_role_and_somebody_who_has_just_signed_in(base: str, owner: Grant) -> None:
    endpoint = EndpointFactory(organization=owner.organization)
    theirs = EndpointFactory()
    one, body = f"{base}webhooks/{endpoint.pk}/", {"name": "x", "url": "https://hooks.example/in"}

    def statuses(client: Client, of: str) -> set[int]:
        asked = [("patch", of), ("put", f"{of}pause/"), ("delete", f"{of}pause/")]
        asked += [("post", f"{of}secret/"), ("delete", of)]
        return {send(client, method, address, {}).status_code for method, address in asked}

    billing = at_desk(GrantFactory(organization=owner.organization, role=Role.BILLING).user)
    _token, secret = create_token(organization=owner.organization, user=owner.user, name="script")
    script = Client(headers={"Authorization": f"Bearer {secret}"})
    for client in (billing, tired(at_desk(owner.user)), script):
        assert statuses(client, one) == {403}
        assert send(client, "post", f"{base}webhooks/", body).status_code == 403
    refused = send(script, "delete", one)
    assert "sign-in of the last five minutes" in refused.json()["detail"]
    assert statuses(at_desk(owner.user), f"{base}webhooks/{theirs.pk}/") == {404}
    assert statuses(at_desk(GrantFactory().user), one) == {404}
    assert list(Endpoint.objects.order_by("pk")) == [endpoint, theirs]
    assert not Entry.objects.filter(verb__startswith="notices").exists()


def test_of_two_that_are_given_one_name_in_the_same_moment_the_second_is_told_where(
    olga: Client, base: str, owner: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = EndpointFactory(organization=owner.organization)

    def somebody_is_faster(url: str) -> str:
        EndpointFactory(organization=owner.organization, name="Ours")
        return url

    body = {"name": "Ours", "url": "https://hooks.example/in"}
    for method, address in (("post", f"{base}webhooks/"), ("patch", f"{base}webhooks/{mine.pk}/")):
        with monkeypatch.context() as patch:
            patch.setattr(endpoints, "checked", somebody_is_faster)
            refused = send(olga, method, address, body, "k")
        assert pointers(refused) == {"#/name"}
        assert "of this name already" in refused.json()["errors"][0]["detail"]
        Endpoint.objects.get(name="Ours").delete()
    assert not Entry.objects.exists()
    assert send(olga, "post", f"{base}webhooks/", body, "k").status_code == 201, "not kept as done"


def test_one_that_goes_in_the_same_moment_is_neither_changed_nor_deleted_again(
    olga: Client, base: str, owner: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method, act in (
        ("patch", ""),
        ("post", "secret/"),
        ("put", "pause/"),
        ("post", "test/"),
        ("delete", ""),
    ):
        one = EndpointFactory(organization=owner.organization)
        with monkeypatch.context() as patch:
            patch.setattr(endpoints, "must", lambda *_asked: Endpoint.objects.all().delete())
            refused = send(olga, method, f"{base}webhooks/{one.pk}/{act}", {"name": "New"})
        assert (refused.status_code, refused.json().get("detail")) == (
            409,
            "The webhook was deleted meanwhile.",
        ), (method, act)
    assert not Entry.objects.exists()


def test_paused_twice_in_the_same_moment_it_is_told_once(
    olga: Client, base: str, owner: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = EndpointFactory(organization=owner.organization)
    first = Endpoint.objects.filter(pk=one.pk)
    at = timezone.now() - timedelta(seconds=1)
    monkeypatch.setattr(endpoints, "must", lambda *_asked: first.update(paused_at=at))
    assert send(olga, "put", f"{base}webhooks/{one.pk}/pause/").status_code == 200
    assert first.get().paused_at == at
    assert not Entry.objects.exists()
