"""Olga owns an organization with an account at each provider, whose keys may all be read."""

from collections.abc import Callable

import pytest
from django.test import Client

from apps.members.models import Member
from apps.organizations.models import Connection, Grant
from apps.sync.models import Resource
from tests import kicks
from tests.browsing import at_desk
from tests.factories import (
    ConnectionFactory,
    GrantFactory,
    MemberFactory,
    PersonFactory,
    with_keys,
)


@pytest.fixture(autouse=True)
def no_worker(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody carries Commands here, and no page waits for it."""
    settings.OUTBOX_PAGE_WAIT_SECONDS = 0  # type: ignore[attr-defined]  # the fixture is untyped
    kicks.collected(monkeypatch)


@pytest.fixture
def owner() -> Grant:
    """Olga."""
    grant: Grant = GrantFactory(user__name="Olga")
    return grant


def _connected(**fields: object) -> Connection:
    made = with_keys(ConnectionFactory(**fields))
    made.save()
    return made


@pytest.fixture
def anthropic(owner: Grant) -> Connection:
    """Her account at Anthropic; its members and roles have been walked whole."""
    made = _connected(organization=owner.organization, name="Claude")
    for name in ("members", "workspace_members", "keys"):
        Resource.objects.create(
            connection=made, name=name, completed_at=made.created_at, due_at=made.created_at
        )
    return made


@pytest.fixture
def cline(owner: Grant) -> Connection:
    """Her account at Cline."""
    return _connected(
        organization=owner.organization,
        provider="cline",
        base_url="https://api.cline.bot",
        name="Cline",
        probe_result={"account": "ada@northgate.example"},
    )


@pytest.fixture
def maker(anthropic: Connection) -> Member:
    """Ada, who makes keys at Anthropic."""
    person = PersonFactory(
        organization=anthropic.organization, name="Ada Park", email="ada@northgate.example"
    )
    member: Member = MemberFactory(connection=anthropic, person=person, role="developer")
    return member


@pytest.fixture
def olga(owner: Grant) -> Client:
    """Olga's browser, signed in just now."""
    return at_desk(owner.user)


@pytest.fixture
def at(owner: Grant) -> Callable[[str], str]:
    """Addresses of the organization's keys."""
    return lambda path="": f"/o/{owner.organization.slug}/keys/{path}"
