"""Single sign-on, against a small OpenID provider on this machine."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/oidc/oidc/login/"


@dataclass
class Provider:
    """What the provider says of whoever comes by, and where it listens."""

    url: str = ""
    who: dict[str, Any] = field(default_factory=dict)
    token_requests: list[dict[str, list[str]]] = field(default_factory=list)


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    """Run the provider and configure the portal for it, as OIDC_… in the environment would."""
    told = Provider()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, body: dict[str, Any]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def do_GET(self) -> None:
            if self.path == "/.well-known/openid-configuration":
                self.answer(
                    {
                        "issuer": told.url,
                        "authorization_endpoint": f"{told.url}/authorize",
                        "token_endpoint": f"{told.url}/token",
                        "userinfo_endpoint": f"{told.url}/userinfo",
                        "jwks_uri": f"{told.url}/keys",
                    }
                )
            else:
                self.answer(told.who)

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            told.token_requests.append(parse_qs(sent))
            self.answer({"access_token": "an-access-token", "token_type": "Bearer"})

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {
            "OAUTH_PKCE_ENABLED": True,
            "APPS": [
                {
                    "provider_id": "oidc",
                    "name": "Acme sign-in",
                    "client_id": "orgdesk",
                    "secret": "the-clients-secret",
                    "settings": {"server_url": told.url},
                }
            ],
        }
    }
    yield told
    server.shutdown()
    server.server_close()


def come_back(client: Client, start: str = LOGIN) -> Any:
    """Follow the link to the provider and come back with its code."""
    away = client.get(start)
    query = parse_qs(urlsplit(away["Location"]).query)
    assert query["code_challenge_method"] == ["S256"]
    return client.get(f"{LOGIN}callback/", {"code": "a-code", "state": query["state"][0]})


def test_without_settings_there_is_no_button_and_no_address(client: Client) -> None:
    assert "Continue with" not in client.get(reverse("account_login")).content.decode()
    assert client.get(LOGIN).status_code == 404


def test_with_settings_the_sign_in_page_offers_it(client: Client, provider: Provider) -> None:
    html = client.get(f"{reverse('account_login')}?next=/profile/").content.decode()
    assert "Continue with Acme sign-in" in html
    assert f'href="{LOGIN}?process=login&amp;next=%2Fprofile%2F"' in html


def test_whoever_has_an_account_here_comes_in_by_their_confirmed_address(
    client: Client, provider: Provider
) -> None:
    user = UserFactory(email="ada@example.com")
    provider.who = {"sub": "42", "email": "ada@example.com", "email_verified": True}
    answer = come_back(client, f"{LOGIN}?next=/profile/")
    assert answer["Location"] == "/profile/"
    assert client.session["_auth_user_id"] == str(user.pk)
    assert SocialAccount.objects.get().user_id == user.pk
    assert provider.token_requests[0]["code_verifier"]
    # From then on the identity counts, whatever becomes of the address there.
    provider.who = {"sub": "42", "email": "renamed@example.com", "email_verified": True}
    second = Client()
    come_back(second)
    assert second.session["_auth_user_id"] == str(user.pk)


def test_an_address_that_the_provider_has_not_confirmed_counts_for_nothing(
    client: Client, provider: Provider
) -> None:
    UserFactory(email="ada@example.com")
    provider.who = {"sub": "666", "email": "ada@example.com", "email_verified": False}
    come_back(client)
    assert "_auth_user_id" not in client.session


def test_strangers_are_told_that_accounts_are_made_by_invitation(
    client: Client, provider: Provider
) -> None:
    provider.who = {"sub": "7", "email": "stranger@example.com", "email_verified": True}
    answer = come_back(client)
    assert "by invitation" in answer.content.decode()
    assert not User.objects.exists()


def test_a_second_factor_is_asked_for_all_the_same(client: Client, provider: Provider) -> None:
    UserFactory(email="ada@example.com", second_factor=True)
    provider.who = {"sub": "42", "email": "ada@example.com", "email_verified": True}
    assert come_back(client)["Location"] == reverse("mfa_authenticate")
    assert "_auth_user_id" not in client.session


def test_no_page_elsewhere_can_tie_an_identity_to_whoever_is_signed_in(
    client: Client, provider: Provider
) -> None:
    user = UserFactory()
    client.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})
    provider.who = {"sub": "666", "email": "mallory@example.com", "email_verified": True}
    come_back(client, f"{LOGIN}?process=connect")
    assert not SocialAccount.objects.exists()


def test_a_sign_in_that_was_not_begun_here_is_refused(client: Client, provider: Provider) -> None:
    UserFactory(email="ada@example.com")
    provider.who = {"sub": "42", "email": "ada@example.com", "email_verified": True}
    answer = client.get(f"{LOGIN}callback/", {"code": "a-code", "state": "made-up"})
    assert "Sign-in failed" in answer.content.decode()
    assert "_auth_user_id" not in client.session
