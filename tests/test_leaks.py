"""A key that was pasted turns up nowhere: every way it takes and every failure, end to end.

The canaries are keys that the sandbox accepts. They are looked for in every answer of the portal, in
what the log writes, in the broker, in exports and mails, and in every byte of the database.
"""

import base64
import io
import json
import logging
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import redis
from django.conf import settings as project_settings
from django.contrib import admin
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection as database
from django.test import Client

from apps.accounts.models import User
from apps.invites.services import Guest, invite
from apps.organizations import connections
from apps.organizations.models import Connection, Organization
from apps.organizations.tasks import tidy_connections
from apps.organizations.token_services import create_token
from apps.providers.anthropic import AnthropicAdapter
from apps.sync.models import Command
from apps.sync.outbox import secrets as outbox_secrets
from portal.celery import app
from portal.logs import configuration
from tests.desk import connect
from tests.factories import GrantFactory, OrganizationFactory, UserFactory
from tests.organizations.connection_tools import sign_in
from tests.sandbox_server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)

WRONG = "sk-ant-admin01-" + "CanaryThatNobodyAccepts" * 2
INFERENCE = "sk-ant-api03-" + "CanaryForTheWrongPurpose" * 2
QUEUES = ("actions", "walks")
PROBE_FAULTS = [
    "401",
    "403",
    "404",
    "429",
    "500",
    "503",
    "reset_after",
    "cut",
    "garbage",
    "truncated_json",
    "html_error",
    "empty_body",
]
PAGES = [
    "/",
    "/o/acme/",
    "/o/acme/people/",
    "/o/acme/invites/",
    "/o/acme/keys/",
    "/o/acme/keys/hygiene/",
    "/o/acme/activity/",
    "/o/acme/audit/",
    "/o/acme/audit/1/",
    "/o/acme/connections/",
    "/o/acme/settings/",
    "/api/v1/organizations/",
    "/api/v1/organizations/acme/connections/",
    "/api/v1/organizations/acme/connections/drafts/",
    "/api/v1/organizations/acme/audit/",
    "/o/acme/people/?export=csv",
    "/o/acme/people/?export=xlsx",
    "/o/acme/invites/?export=csv",
    "/o/acme/activity/?export=xlsx",
    "/o/acme/audit/?export=csv",
    "/o/acme/audit/?export=xlsx",
]


class Canaries:
    """The keys to look for, plain, in hexadecimal, and in base64 wherever they may begin in it."""

    def __init__(self, *keys: str) -> None:
        self.shapes: dict[bytes, str] = {}
        for key in keys:
            raw = key.encode()
            self.shapes |= {raw: "plain", raw.hex().encode(): "hexadecimal"}
            for shift in range(3):
                # Whole groups of three bytes look the same whatever stands around them.
                whole = raw[shift : shift + (len(raw) - shift) // 3 * 3]
                self.shapes[base64.b64encode(whole)] = "base64"
                self.shapes[base64.urlsafe_b64encode(whole)] = "base64"

    def in_(self, data: bytes | str) -> set[str]:
        """In which shapes a key stands in ``data``; empty is good."""
        raw = data.encode(errors="surrogatepass") if isinstance(data, str) else data
        return {how for shape, how in self.shapes.items() if shape in raw}


class Watched(Client):
    """A browser in which every answer is looked over."""

    canaries: Canaries

    def request(self, **given: Any) -> Any:
        answer: Any = super().request(**given)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        if answer.streaming:
            answer.streaming_content = iter([body])
        told = f"{dict(answer.headers)} {self.cookies.output()}"
        where = f"{given.get('REQUEST_METHOD')} {given.get('PATH_INFO')}"
        assert not self.canaries.in_(told), where
        assert not self.canaries.in_(body), where
        if body.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(body)) as book:
                assert not any(self.canaries.in_(book.read(name)) for name in book.namelist()), (
                    where
                )
        return answer


class Broker:
    """The real queue, read message by message; each is looked over and then carried out."""

    def __init__(self, canaries: Canaries) -> None:
        self.canaries = canaries
        self.redis: Any = redis.Redis.from_url(project_settings.REDIS_URL)
        self.redis.delete(*QUEUES)

    def run(self) -> int:
        """Carry out what waits, and what comes of it; how many tasks that were."""
        count = 0
        while message := next(filter(None, (self.redis.rpop(queue) for queue in QUEUES)), None):
            self._look_over(message)
            told = json.loads(message)
            self._look_over(base64.b64decode(told["body"]))
            args, kwargs, _ = json.loads(base64.b64decode(told["body"]))
            # ``apply`` logs a failure as a worker does.
            app.tasks[told["headers"]["task"]].apply(args=args, kwargs=kwargs)
            count += 1
        self.look_over_everything()
        return count

    def look_over_everything(self) -> None:
        """Every key and value that Redis holds."""
        for key in self.redis.scan_iter(count=1000):
            self._look_over(key)
            # A dump is packed, so that a text in it may not stand there in one piece.
            plain = self.redis.type(key) == b"string"
            self._look_over((self.redis.get(key) if plain else self.redis.dump(key)) or b"")

    def _look_over(self, data: bytes) -> None:
        assert not self.canaries.in_(data), data


class Quoting(BaseHTTPRequestHandler):
    """A provider that quotes the key in everything it says."""

    def do_GET(self) -> None:
        """Refuse, quoting."""
        key = self.headers.get("x-api-key") or self.headers.get("authorization") or ""
        words = {"type": "error", "error": {"type": key, "message": f"no such key: {key} ({key})"}}
        body = json.dumps(words).encode()
        self.send_response(401)
        self.send_header("request-id", key)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing: the test's own server is not what is tested."""


@pytest.fixture
def quoting() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Quoting)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(timeout=5)
    server.server_close()


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """All that the production's log and the demo's write, from every logger, down to DEBUG."""
    stream, handlers = io.StringIO(), []
    for production in (True, False):
        formatter = dict(configuration(production=production)["formatters"]["lines"])
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter.pop("()")(**formatter))
        handlers.append(handler)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    for handler in handlers:
        root.addHandler(handler)
    yield stream
    for handler in handlers:
        root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def other_key(sandbox: SandboxServer) -> str:
    """A second genuine key of the sandbox's Anthropic organization."""
    return sandbox.control.new_key(organization=sandbox.anthropic_organization)["api_key"]


@pytest.fixture
def canaries(sandbox: SandboxServer, other_key: str) -> Canaries:
    return Canaries(sandbox.anthropic_key, sandbox.cline_key(), other_key, WRONG, INFERENCE)


@pytest.fixture
def acme(settings: Any, sandbox: SandboxServer) -> Organization:
    settings.SANDBOX_URL = sandbox.base_url
    settings.PROVIDER_BASE_URLS = {"anthropic": [], "cline": []}
    settings.PROVIDER_CALL_DEADLINE = 2.0
    app.loader.import_default_modules()
    made: Organization = OrganizationFactory.create(name="Acme", slug="acme")
    return made


@pytest.fixture
def owner(acme: Organization) -> User:
    user: User = GrantFactory.create(organization=acme).user
    return user


@pytest.fixture
def alice(owner: User, canaries: Canaries) -> Watched:
    client = Watched(raise_request_exception=False)
    client.canaries = canaries
    sign_in(client, owner)
    return client


@pytest.fixture
def broker(canaries: Canaries) -> Broker:
    return Broker(canaries)


def scan_database(canaries: Canaries) -> None:
    """Every column of every row, what sessions hold, and on SQLite every byte of the files."""
    with database.cursor() as cursor:
        for table in database.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {database.ops.quote_name(table)}")  # noqa: S608 - a table's own name
            for row in cursor.fetchall():
                assert not canaries.in_(repr(row)), table
    for session in Session.objects.all():
        assert not canaries.in_(repr(session.get_decoded()))
    if database.vendor == "sqlite":
        name = str(database.settings_dict["NAME"])
        for suffix in ("", "-wal"):
            # In a process of its own: to close a file takes from this process all locks that SQLite holds
            # on it, and another that looks in would then take the log away under our connections.
            told = subprocess.run(["cat", name + suffix], check=True, capture_output=True)
            assert not canaries.in_(told.stdout), suffix


def paste(client: Client, provider: str, key: str) -> Any:
    return client.post(f"/o/acme/connections/new/{provider}/", {"credential": key})


API = "/api/v1/organizations/acme/connections/"


def by_api(client: Client, method: str, path: str, body: Any = None, once: str = "") -> Any:
    """A request with JSON, repeated where it may be: the second answer is one that was kept."""
    sent = {
        "content_type": "application/json",
        "headers": {"Idempotency-Key": once} if once else {},
    }
    for _time in range(2 if once else 1):
        answer = getattr(client, method)(f"{API}{path}", body, **sent)
    return answer


def paste_by_api(client: Client, provider: str, key: Any, **more: Any) -> Any:
    return by_api(client, "post", "drafts/", {"provider": provider, "key": key, **more})


def look_around(alice: Client) -> None:
    """Every page, export and support page, and each connection's own."""
    for page in PAGES:
        assert alice.get(page, follow=True).status_code == 200, page
    for connection in Connection.objects.all():
        step = "connect/" if connection.state == "draft" else ""
        assert alice.get(f"/o/acme/connections/{connection.uid}/{step}").status_code == 200


def finish(canaries: Canaries, written: io.StringIO, broker: Broker) -> None:
    broker.look_over_everything()
    assert not canaries.in_(written.getvalue())
    assert not canaries.in_(repr([vars(message) for message in mail.outbox]))
    scan_database(canaries)


def test_the_search_itself_finds_what_is_there(canaries: Canaries) -> None:
    for around in ("", "x", "xy", "xyz"):
        text = f"{around}{WRONG}{around}"
        assert canaries.in_(text) == {"plain"}
        assert "base64" in canaries.in_(base64.b64encode(text.encode()))
    assert canaries.in_(WRONG.encode().hex()) == {"hexadecimal"}
    assert canaries.in_(WRONG[:-3]) == set()


def test_connecting_syncing_changing_and_rotating_leave_no_trace_of_a_key(
    acme: Organization,
    owner: User,
    alice: Watched,
    broker: Broker,
    sandbox: SandboxServer,
    canaries: Canaries,
    other_key: str,
    written: io.StringIO,
) -> None:
    paste(alice, "anthropic", sandbox.anthropic_key)
    assert broker.run()
    draft = Connection.objects.get()
    assert draft.probe == "found"
    alice.post(f"/o/acme/connections/{draft.uid}/connect/", {"name": "Anthropic"})
    paste(alice, "cline", sandbox.cline_key())
    broker.run()
    other = Connection.objects.get(state="draft")
    if not other.remote_organization_id:
        alice.post(
            f"/o/acme/connections/{other.uid}/connect/choose/",
            {"remote_organization_id": sandbox.cline_organization},
        )
        broker.run()
    alice.post(f"/o/acme/connections/{other.uid}/connect/", {"name": "Cline"})
    assert broker.run() >= 2  # the first walks
    assert Connection.objects.filter(state="active").count() == 2

    anthropic = Connection.objects.get(provider="anthropic")
    for email, fault in (("a@example.com", ""), ("b@example.com", "400"), ("c@example.com", "401")):
        if fault:
            sandbox.control.fault("createInvite", fault)
        invite(guest=Guest(anthropic, email, "user"), actor=owner, nonce=email)
        broker.run()
    assert Connection.objects.filter(pk=anthropic.pk, frozen_at__isnull=False).exists()
    alice.post(f"/o/acme/connections/{anthropic.uid}/key/", {"credential": WRONG})
    broker.run()
    alice.post(f"/o/acme/connections/{anthropic.uid}/key/", {"credential": other_key})
    broker.run()
    anthropic.refresh_from_db()
    assert anthropic.frozen_at is None
    assert anthropic.credential_hint == f"…{other_key[-4:]}"

    look_around(alice)
    support = Watched()
    support.canaries = canaries
    sign_in(support, UserFactory.create(is_staff=True, is_superuser=True, second_factor=True))
    assert support.get("/admin/").status_code == 200
    for model in admin.site._registry:
        page = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert support.get(page).status_code == 200, page
    assert support.get(f"/admin/organizations/connection/{anthropic.pk}/change/").status_code == 200

    alice.post(f"/o/acme/connections/{anthropic.uid}/disconnect/", {"typed": "Anthropic"})
    look_around(alice)
    finish(canaries, written, broker)


def test_no_failure_of_a_probe_leaves_a_trace_of_a_key(
    acme: Organization,
    alice: Watched,
    broker: Broker,
    sandbox: SandboxServer,
    canaries: Canaries,
    written: io.StringIO,
) -> None:
    for fault in PROBE_FAULTS:
        sandbox.control.fault("getCurrentOrganization", fault, count=None)
        paste(alice, "anthropic", sandbox.anthropic_key)
        broker.run()
        sandbox.control.clear_faults()
        draft = Connection.objects.get()
        assert draft.probe == "failed", fault
        for page in ("/connections/", f"/connections/{draft.uid}/connect/", "/audit/"):
            assert alice.get(f"/o/acme{page}").status_code == 200
        draft.delete()
        for name in broker.redis.scan_iter("orgdesk:budget:*"):
            broker.redis.delete(name)  # a 429 lets nobody send for a while
    finish(canaries, written, broker)


def test_a_provider_that_quotes_the_key_is_not_quoted(
    acme: Organization,
    alice: Watched,
    broker: Broker,
    canaries: Canaries,
    quoting: str,
    settings: Any,
    sandbox: SandboxServer,
    written: io.StringIO,
) -> None:
    settings.SANDBOX_URL = quoting
    for provider, key in (("anthropic", sandbox.anthropic_key), ("cline", sandbox.cline_key())):
        paste(alice, provider, key)
        broker.run()
    assert set(Connection.objects.values_list("probe", flat=True)) == {"failed"}
    look_around(alice)
    finish(canaries, written, broker)


def test_a_key_that_is_refused_before_it_is_sealed_leaves_no_trace(
    acme: Organization,
    owner: User,
    alice: Watched,
    broker: Broker,
    canaries: Canaries,
    sandbox: SandboxServer,
    written: io.StringIO,
) -> None:
    for key in (INFERENCE, f"{WRONG} and some words", sandbox.cline_key()):
        assert paste(alice, "anthropic", key).status_code == 422
    stale = Watched()
    stale.canaries = canaries
    sign_in(stale, owner, fresh=False)
    assert paste(stale, "anthropic", sandbox.anthropic_key).status_code == 302
    stranger = Watched()
    stranger.canaries = canaries
    assert paste(stranger, "anthropic", sandbox.anthropic_key).status_code == 302
    forged = Watched(enforce_csrf_checks=True)
    forged.canaries = canaries
    sign_in(forged, owner)
    assert paste(forged, "anthropic", sandbox.anthropic_key).status_code == 403
    assert not Connection.objects.exists()
    finish(canaries, written, broker)


def test_a_key_pasted_over_the_api_leaves_no_trace_refused_or_accepted(
    acme: Organization,
    alice: Watched,
    broker: Broker,
    sandbox: SandboxServer,
    canaries: Canaries,
    other_key: str,
    written: io.StringIO,
) -> None:
    for number, key in enumerate((WRONG, sandbox.anthropic_key)):
        sent = {"provider": "anthropic", "key": key}
        answer = by_api(alice, "post", "drafts/", sent, once=f"k{number}")
        assert answer.status_code == 202
    assert broker.run() == 2
    assert set(Connection.objects.values_list("probe", flat=True)) == {"failed", "found"}
    look_around(alice)
    refused = Connection.objects.get(probe="failed")
    answer = by_api(alice, "put", f"drafts/{refused.uid}/key/", {"key": WRONG})
    assert answer.status_code == 202
    broker.run()
    assert by_api(alice, "post", f"drafts/{refused.uid}/check/").status_code == 409
    assert by_api(alice, "delete", f"drafts/{refused.uid}/").status_code == 204
    draft = Connection.objects.get()
    confirmed = by_api(alice, "post", f"drafts/{draft.uid}/confirm/", {"name": "Anthropic"})
    assert confirmed.status_code == 200
    assert broker.run()

    for key in (INFERENCE, sandbox.cline_key()):
        assert by_api(alice, "put", f"{draft.uid}/new-key/", {"key": key}).status_code == 400
    for key, state in ((WRONG, "failed"), (other_key, "found")):
        assert by_api(alice, "put", f"{draft.uid}/new-key/", {"key": key}).status_code == 202
        broker.run()
        assert alice.get(f"{API}{draft.uid}/").json()["check"]["state"] == state
        look_around(alice)
    draft.refresh_from_db()
    assert draft.credential_hint == f"…{other_key[-4:]}"
    assert by_api(alice, "delete", f"{draft.uid}/").status_code == 200
    look_around(alice)
    finish(canaries, written, broker)


def test_a_key_that_the_api_does_not_take_leaves_no_trace(
    acme: Organization,
    owner: User,
    alice: Watched,
    broker: Broker,
    canaries: Canaries,
    sandbox: SandboxServer,
    written: io.StringIO,
) -> None:
    key = sandbox.anthropic_key
    for wrong in (INFERENCE, f"{WRONG} and some words", sandbox.cline_key(), [key], {"a": key}):
        assert paste_by_api(alice, "anthropic", wrong).status_code == 400
    assert paste_by_api(alice, key, key).status_code == 400
    assert paste_by_api(alice, "anthropic", key, base_url=key).status_code == 400
    assert paste_by_api(alice, "anthropic", key, kye=key).status_code == 400
    assert paste_by_api(alice, "anthropic", WRONG, **{key: 1}).status_code == 400
    for other in ("webhooks/", "tokens/"):  # in a field of choices, and beside all fields
        body = {"name": "x", "speaks": key, "scope": key, "topics": [key], "url": key, key: key}
        answer = alice.post(f"/api/v1/organizations/acme/{other}", body, "application/json")
        assert answer.status_code == 400
    profile = {"theme": key, "time_zone": key[:60], key: key}
    assert alice.patch("/api/v1/me/", profile, "application/json").status_code == 400
    for asked in (f"fields={key}", f"fields=id,{key}"):
        assert alice.get(f"{API}?{asked}").status_code == 400
    assert alice.get(f"/api/v1/organizations/acme/audit/?{key}=1").status_code == 400
    for raw, kind in (
        (f'{{"provider": "anthropic", "key": "{key}"', "application/json"),
        (f"provider=anthropic&key={key}", "application/x-www-form-urlencoded"),
    ):
        answer = alice.post(f"{API}drafts/", raw.encode(), content_type=kind)
        assert answer.status_code in (400, 415)
    stale, stranger = Watched(), Watched()
    forged = Watched(enforce_csrf_checks=True)
    for client in (stale, stranger, forged):
        client.canaries = canaries
    sign_in(stale, owner, fresh=False)
    sign_in(forged, owner)
    assert paste_by_api(stale, "anthropic", key).status_code == 403
    assert paste_by_api(stranger, "anthropic", key).status_code == 401
    assert paste_by_api(forged, "anthropic", key).status_code == 403
    _token, secret = create_token(organization=acme, user=owner, name="script", days=None)
    stranger.defaults["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    assert paste_by_api(stranger, "anthropic", key).status_code == 403
    assert not Connection.objects.exists()
    finish(canaries, written, broker)


@pytest.mark.parametrize("paste", [paste, paste_by_api])
@pytest.mark.parametrize("debug", [True, False])
def test_a_page_that_breaks_with_a_key_in_its_hands_does_not_show_it(
    acme: Organization,
    alice: Watched,
    broker: Broker,
    canaries: Canaries,
    sandbox: SandboxServer,
    settings: Any,
    monkeypatch: Any,
    written: io.StringIO,
    debug: bool,
    paste: Callable[..., Any],
) -> None:
    settings.DEBUG = debug

    def broken(connection: Connection, name: str, clear: Any) -> str:
        text = clear.reveal()
        raise RuntimeError(f"could not seal {text}")

    monkeypatch.setattr(connections, "seal_for", broken)
    answer = paste(alice, "anthropic", sandbox.anthropic_key)
    assert answer.status_code == 500
    assert (b"could not seal" in answer.content) is debug
    finish(canaries, written, broker)


def test_a_worker_that_breaks_with_a_key_in_its_hands_does_not_tell_it(
    acme: Organization,
    alice: Watched,
    broker: Broker,
    canaries: Canaries,
    sandbox: SandboxServer,
    monkeypatch: Any,
    written: io.StringIO,
) -> None:
    def broken(adapter: AnthropicAdapter) -> None:
        raise ValueError(f"a bug of ours with {sandbox.anthropic_key} in it")

    monkeypatch.setattr(AnthropicAdapter, "probe", broken)
    paste(alice, "anthropic", sandbox.anthropic_key)
    broker.run()
    assert "a bug of ours" in written.getvalue()
    tidy_connections()
    look_around(alice)
    finish(canaries, written, broker)


def test_a_new_keys_secret_is_in_one_answer_alone(
    acme: Organization,
    owner: User,
    alice: Watched,
    broker: Broker,
    sandbox: SandboxServer,
    canaries: Canaries,
    written: io.StringIO,
) -> None:
    connection = connect(sandbox, acme, "cline")
    names = ["whole", "lost on the way", "never looked at"]
    for name in names:
        if name == "lost on the way":
            sandbox.control.fault("create_api_key", "cut")
        sent = {"connection": connection.pk, "name": name, "nonce": name}
        assert alice.post("/o/acme/keys/new/", sent).status_code == 302
        broker.run()
    # The sandbox knows what it gave out; from now on nothing of ours may show it, but for one answer.
    given = [key.id for key in sandbox.app.state.world.keys if key.name in names]
    assert len(given) == 3
    everything = Canaries(*given)
    alice.canaries = broker.canaries = everything
    whole = Command.objects.get(label="whole")
    for _ in range(2):
        look_around(alice)
        for page in ("keys/", "keys/?export=csv", f"activity/{whole.uid}/"):
            assert alice.get(f"/o/acme/{page}").status_code == 200
    browser = Client()
    sign_in(browser, owner)
    shown = browser.post(f"/o/acme/activity/{whole.uid}/secret/")
    assert everything.in_(shown.content) == {"plain"}
    assert "no-store" in shown["Cache-Control"]
    secrets = [key for key in given if key.encode() in shown.content]
    assert len(secrets) == 1
    assert alice.post(f"/o/acme/activity/{whole.uid}/secret/").status_code == 302
    look_around(alice)
    support = Watched()
    support.canaries = everything
    sign_in(support, UserFactory.create(is_staff=True, is_superuser=True, second_factor=True))
    for command in Command.objects.all():
        page = f"/admin/sync/command/{command.pk}/change/"
        assert support.get(page).status_code == 200
    finish(everything, written, broker)


def test_what_is_made_over_the_api_shows_itself_in_one_answer_alone(
    acme: Organization,
    owner: User,
    alice: Watched,
    broker: Broker,
    written: io.StringIO,
) -> None:
    base = "/api/v1/organizations/acme/"
    browser = Client()
    sign_in(browser, owner)

    def ask(client: Client, path: str, body: Any, key: str = "") -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        return client.post(base + path, body, content_type="application/json", headers=headers)

    hook = {"name": "Ours", "url": "https://hooks.example/in"}
    asked = [
        ("tokens/", {"name": "Mine"}),
        ("tokens/service/", {"name": "Job"}),
        ("webhooks/", hook),
    ]
    made = [ask(browser, path, body, path) for path, body in asked]
    asked.append((f"webhooks/{made[-1].json()['id']}/secret/", {}))
    made.append(ask(browser, *asked[-1], asked[-1][0]))
    secrets = []
    for answer in made:
        assert answer.status_code in (200, 201), answer.content
        assert answer["Cache-Control"] == "no-store"
        told = answer.json()
        secrets.append(told.get("token") or told["signing_secret"])
    assert len(set(secrets)) == 4
    assert Canaries(*secrets).in_(made[0].content) == {"plain"}
    # What signs is what stands behind the mark of the kind.
    everything = Canaries(*secrets, *(one.rpartition("_")[2] for one in secrets))
    alice.canaries = broker.canaries = everything
    for path, body in asked:
        assert ask(alice, path, body, path).status_code in (200, 201)  # the same again
        assert ask(alice, path, {**body, "name": 1}, path).status_code == 422
        assert ask(alice, path, {"wrong": True}).status_code in (200, 400)
    script = Watched(headers={"Authorization": f"Bearer {secrets[0]}"})
    script.canaries = everything
    assert script.get(f"{base}people/").status_code == 200
    assert ask(script, "tokens/", {"name": "Child"}).status_code == 403
    look_around(alice)
    pages = ["tokens/", "tokens/organization/", "notices/webhooks/", "notices/deliveries/"]
    for page in [*(f"/o/acme/{one}" for one in pages), f"{base}tokens/", f"{base}webhooks/"]:
        assert alice.get(page).status_code == 200, page
    support = Watched()
    support.canaries = everything
    sign_in(support, UserFactory.create(is_staff=True, is_superuser=True, second_factor=True))
    for model in ("organizations/apitoken", "notices/endpoint", "audit/entry"):
        assert support.get(f"/admin/{model}/").status_code == 200, model
    finish(everything, written, broker)


def test_a_worker_that_breaks_with_a_new_secret_in_its_hands_does_not_tell_it(
    acme: Organization,
    owner: User,
    alice: Watched,
    broker: Broker,
    sandbox: SandboxServer,
    canaries: Canaries,
    monkeypatch: Any,
    written: io.StringIO,
) -> None:
    made: list[str] = []

    def broken(command: Command, secret: Any) -> dict[str, Any]:
        made.append(secret.reveal())
        broker.canaries = alice.canaries = Canaries(*made)
        raise RuntimeError(f"a bug of ours with {made[0]} in it")

    monkeypatch.setattr(outbox_secrets, "kept", broken)
    connection = connect(sandbox, acme, "cline")
    sent = {"connection": connection.pk, "name": "unlucky", "nonce": "n1"}
    alice.post("/o/acme/keys/new/", sent)
    broker.run()
    assert made
    assert "a bug of ours" in written.getvalue()
    finish(Canaries(*made), written, broker)
