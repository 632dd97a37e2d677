"""Ada is a viewer of an organization, and has a desk of her own with her account at Cline."""

from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.organizations.models import Connection, Grant, Role
from apps.personal.models import Account
from tests import kicks
from tests.browsing import at_desk
from tests.factories import (
    AccountFactory,
    ConnectionFactory,
    GrantFactory,
    own_desk,
    with_account,
)

NORTHWIND = {"id": "org-NORTHWIND", "name": "Northwind Robotics", "roles": ["member"]}
LAB = {"id": "org-LAB", "name": "Northwind Lab", "roles": ["owner", "admin"]}


@pytest.fixture(autouse=True)
def no_worker(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody carries Commands here, and no page waits for it."""
    settings.OUTBOX_PAGE_WAIT_SECONDS = 0  # type: ignore[attr-defined]  # the fixture is untyped
    kicks.collected(monkeypatch)


@pytest.fixture
def viewer(db: None) -> Grant:
    """Ada's role on the organization that she works for."""
    grant: Grant = GrantFactory(user__name="Ada", role=Role.VIEWER)
    return grant


@pytest.fixture
def person(viewer: Grant) -> User:
    """Ada."""
    user: User = viewer.user
    return user


@pytest.fixture
def connection(person: User) -> Connection:
    """Her own account."""
    made = with_account(ConnectionFactory.build(organization=own_desk(person), name="Mine"))
    made.save()
    return made


@pytest.fixture
def account(connection: Connection) -> Account:
    """What Cline knows of her."""
    made: Account = AccountFactory(
        connection=connection,
        memberships=[NORTHWIND, LAB],
        active_organization_id="org-LAB",
    )
    return made


@pytest.fixture
def ada(person: User) -> Client:
    """Her browser, signed in just now."""
    return at_desk(person)


@pytest.fixture
def at(connection: Connection) -> Callable[..., str]:
    """Addresses of her account."""
    slug = connection.organization.slug
    return lambda path="": f"/o/{slug}/account/{connection.uid}/{path}"
