"""An identity provider with a token, and what it says."""

from typing import Any

import pytest
from celery import Celery
from django.test import Client

from apps.directory.models import DirectoryGroup, DirectoryUser
from apps.directory.services import map_group
from apps.organizations.models import ApiToken, Grant, Role
from apps.organizations.token_services import create_token
from tests.factories import GrantFactory

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


class Provider:
    """An identity provider: sends what it is told to, with its token."""

    def __init__(self, slug: str, secret: str) -> None:
        self.base = f"/scim/v2/{slug}"
        self.client = Client()
        self.headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One request; the answer, whatever it is."""
        kwargs: dict[str, Any] = {"headers": {**self.headers, **headers}}
        if body is not None:
            kwargs |= {"data": body, "content_type": "application/scim+json"}
        return getattr(self.client, method)(f"{self.base}/{path}", **kwargs)

    def get(self, path: str, **headers: str) -> Any:
        """GET."""
        return self.ask("get", path, **headers)

    def patch(self, path: str, *operations: dict[str, Any], **headers: str) -> Any:
        """PATCH."""
        body = {"schemas": [PATCH], "Operations": list(operations)}
        return self.ask("patch", path, body, **headers)

    def person(self, name: str, **more: Any) -> DirectoryUser:
        """A person who was sent, as they are kept."""
        answer = self.ask("post", "Users", {"schemas": [USER], "userName": name, **more})
        assert answer.status_code == 201, answer.content
        return DirectoryUser.objects.get(uid=answer.json()["id"])

    def group(self, name: str, *members: DirectoryUser, role: str = "") -> DirectoryGroup:
        """A group that was sent, with what an owner has made of it."""
        said = [{"value": str(one.uid)} for one in members]
        answer = self.ask(
            "post", "Groups", {"schemas": [GROUP], "displayName": name, "members": said}
        )
        assert answer.status_code == 201, answer.content
        group = DirectoryGroup.objects.get(uid=answer.json()["id"])
        if role:
            owner = Grant.objects.filter(organization=group.organization, role=Role.OWNER).first()
            assert owner is not None
            group = map_group(group=group, role=Role(role), actor=owner.user)
        return group


@pytest.fixture(autouse=True)
def kicked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of tasks that workers were told of."""
    names: list[str] = []
    monkeypatch.setattr(Celery, "send_task", lambda self, name, *a, **k: names.append(name))
    return names


@pytest.fixture
def owner() -> Grant:
    """Olga owns the organization and has a second factor."""
    grant: Grant = GrantFactory(
        organization__slug="acme",
        role=Role.OWNER,
        user__email="olga@example.com",
        user__second_factor=True,
    )
    return grant


def secret_for(owner: Grant, scope: str = "scim", kind: str = "service") -> str:
    """A token of the owner's."""
    _token, secret = create_token(
        organization=owner.organization,
        user=owner.user,
        name="Okta",
        scope=ApiToken.Scope(scope),
        kind=ApiToken.Kind(kind),
    )
    return secret


@pytest.fixture
def provider(owner: Grant) -> Provider:
    """Her identity provider."""
    return Provider("acme", secret_for(owner))
