"""What is written to the audit log, and what never is."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpRequest
from django.test import RequestFactory

from apps.accounts.access import client_address
from apps.accounts.models import User
from apps.audit.context import Origin, coming_from, origin
from apps.audit.middleware import AuditOriginMiddleware
from apps.audit.models import Entry
from apps.audit.record import Line, record, record_many
from apps.organizations.models import Organization


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice@example.com", "a password of hers")


@pytest.fixture
def acme() -> Organization:
    return Organization.objects.create(name="Acme", slug="acme")


@pytest.mark.django_db(transaction=True)
def test_a_line_outside_a_transaction_is_refused(acme: Organization) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        record(organization=acme, actor=None, verb="connections.connect")
    assert not Entry.objects.exists()


@pytest.mark.django_db
def test_a_line_says_who_what_and_on_what(alice: User, acme: Organization) -> None:
    entry = record(
        organization=acme,
        actor=alice,
        verb="organization.change",
        target=acme,
        details={"name": ["Acme Ltd", "Acme"], "price": Decimal("1.50"), "share": 0.1},
    )
    entry.refresh_from_db()
    assert (entry.actor, entry.actor_id) == ("alice@example.com", alice.pk)
    assert (entry.target_type, entry.target_id, entry.target) == (
        "organization",
        str(acme.pk),
        "Acme",
    )
    assert entry.details == {"name": ["Acme Ltd", "Acme"], "price": "1.50", "share": "0.1"}
    assert (entry.sequence, entry.source) == (1, "command line")


@pytest.mark.django_db
def test_what_nobody_asked_for_is_put_down_to_the_portal(acme: Organization) -> None:
    assert record(organization=acme, actor=None, verb="connections.freeze").actor == "Orgdesk"


@pytest.mark.django_db
def test_each_organization_has_a_chain_of_its_own(acme: Organization) -> None:
    other = Organization.objects.create(name="Other", slug="other")
    for organization in (acme, other, None, acme):
        record(organization=organization, actor=None, verb="x")
    numbers = Entry.objects.order_by("pk").values_list("organization_id", "sequence")
    assert list(numbers) == [(acme.pk, 1), (other.pk, 1), (0, 1), (acme.pk, 2)]


@pytest.mark.django_db
def test_a_line_goes_when_its_change_is_rolled_back(acme: Organization) -> None:
    record(organization=acme, actor=None, verb="stays")
    with transaction.atomic():
        record(organization=acme, actor=None, verb="goes")
        transaction.set_rollback(True)
    entry = record(organization=acme, actor=None, verb="next")
    assert entry.sequence == 2
    assert list(Entry.objects.order_by("sequence").values_list("verb", flat=True)) == [
        "stays",
        "next",
    ]


@pytest.mark.django_db
def test_a_bulk_takes_the_chain_once(
    acme: Organization, django_assert_max_num_queries: Any
) -> None:
    record(organization=acme, actor=None, verb="first")
    lines = [Line("invites.invite", ("invite", n), f"p{n}@example.com") for n in range(300)]
    with django_assert_max_num_queries(10):
        entries = record_many(organization=acme, actor=None, lines=lines)
    assert [entry.sequence for entry in entries] == list(range(2, 302))
    assert record_many(organization=acme, actor=None, lines=[]) == []


@pytest.mark.django_db
def test_secrets_are_masked_by_name_and_by_looks(acme: Organization) -> None:
    key = "sk-ant-admin01-" + "abcDEF123_-" * 5
    entry = record(
        organization=acme,
        actor=f"tool with {key}",
        verb="connections.rotate",
        label=f"pasted {key} as a name",
        details={
            "password": "hunter2hunter2",
            "awsSecretAccessKey": "wJalrXUtnFEMI",
            "refreshToken": {"deep": "value"},
            "note": f"the provider said: {key} is wrong",
            "list": [key, {"authorization": "Bearer abc.def.ghi"}],
            "credential_hint": "…wxyz",
            "key_id": "apikey_01",
            "input_tokens": 12,
        },
    )
    entry.refresh_from_db()
    everything = f"{entry.actor}{entry.target}{entry.details}"
    for secret in (key, "hunter2", "wJalr", "deep", "abc.def"):
        assert secret not in everything
    assert entry.details["credential_hint"] == "…wxyz"
    assert entry.details["key_id"] == "apikey_01"
    assert entry.details["input_tokens"] == 12
    assert entry.details["note"] == "the provider said: ••• is wrong"


@pytest.mark.django_db
def test_text_that_a_database_cannot_hold_is_cleaned(acme: Organization) -> None:
    entry = record(
        organization=acme, actor=None, verb="x", label="a\x00b", details={"n": "c\x00d\ud800"}
    )
    entry.refresh_from_db()
    assert (entry.target, entry.details) == ("ab", {"n": "cd?"})


@pytest.mark.django_db
def test_a_line_names_the_request_it_was_written_in(acme: Organization) -> None:
    def view(request: HttpRequest) -> Any:
        return record(organization=acme, actor=None, verb="x")

    request = RequestFactory().get("/api/v1/people/", REMOTE_ADDR="::ffff:192.0.2.7")
    entry = AuditOriginMiddleware(view)(request)
    assert isinstance(entry, Entry)
    assert (entry.source, entry.address) == ("api", "192.0.2.7")


@pytest.mark.parametrize(
    ("proxies", "hops", "believed"),
    [
        (0, "192.0.2.1", "10.0.0.1"),
        (1, "198.51.100.9, 192.0.2.1", "192.0.2.1"),
        (2, "198.51.100.9, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        (2, "192.0.2.1", None),  # fewer than there are: nobody knows who that is
        (1, "::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_an_address_is_the_one_that_our_own_proxies_tell(
    settings: Any, proxies: int, hops: str, believed: str | None
) -> None:
    seen = []
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=hops)

    def view(request: HttpRequest) -> Any:
        seen.append(origin())

    AuditOriginMiddleware(view)(request)
    assert [known.address for known in seen] == [believed]
    assert client_address(request) == (believed or ""), "limits go by the same"


@pytest.mark.django_db
def test_the_origin_ends_with_its_block(acme: Organization) -> None:
    with coming_from(Origin("worker", "task-1")):
        inside = record(organization=acme, actor=None, verb="x")
    outside = record(organization=acme, actor=None, verb="x")
    assert (inside.source, inside.request_id) == ("worker", "task-1")
    assert outside.source == "command line"
