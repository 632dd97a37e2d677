"""What a web process imports before anybody asks for it: every module is memory of each process."""

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings

SERVE = """
import sys
from portal.wsgi import application
from django.urls import resolve, reverse
assert reverse("account_login") == "/accounts/login/"
for module in sys.argv[1:]:
    assert not sys.modules.get(module), f"{module} is imported by every web process"
assert reverse("api:organizations") == "/api/v1/organizations/"
assert resolve("/api/v1/organizations/").view_name == "api:organizations"
assert resolve("/api/v1/no/such/thing").view_name == "api:nothing"
assert reverse("admin:index") == "/admin/"
assert resolve("/admin/members/person/").view_name == "admin:members_person_changelist"
from allauth.mfa.webauthn.internal import auth
assert "fido2.server" not in sys.modules
assert callable(auth.begin_authentication)
assert "fido2.server" in sys.modules
"""
RARELY_NEEDED = (
    "rest_framework.views",
    "drf_spectacular.views",
    "django.test",
    "openpyxl",
    "unfold.admin",
    "psycopg",
    "fido2.server",
    "cryptography.hazmat",
    "httpx2",
    "greenlet",
    "pydantic",
    "scim2_models",
    "yaml",
)
NEVER_NEEDED = ("anthropic", "rich", "requests", "prometheus_client", "sentry_sdk")


WORK = """
import sys
import django
django.setup()
from apps.providers.anthropic import slim
import anthropic
from anthropic.resources.organization import users

def brought():
    return len([name for name in sys.modules if name.partition(".")[0] == "anthropic"])

def works():
    client = anthropic.Anthropic(api_key="x", base_url="http://localhost", max_retries=0)
    return callable(client.organization.users.with_raw_response.list)

assert works() and brought() < 1500, brought()
# Whoever uses one of the parts that are left out is told which.
from anthropic.types.beta import BetaMessage
for use in (BetaMessage, lambda: BetaMessage.model_validate({})):
    try:
        use()
    except slim.NotImported as error:
        assert "anthropic.types.beta.BetaMessage" in str(error), error
    else:
        raise AssertionError("nothing was said")
# A later one that needs what is left out is imported whole.
sys.meta_path[:] = [one for one in sys.meta_path if type(one).__name__ != "_Slim"]
for name in [name for name in sys.modules if name.partition(".")[0] == "anthropic"]:
    del sys.modules[name]
slim.UNUSED += ("anthropic._base_client",)
slim.import_sdk()
import anthropic
assert works() and brought() > 2000, brought()
"""


def run(tmp_path: Path, program: str, *arguments: str) -> None:
    """Run a program as a process of the demo; it must end well."""
    environ = os.environ | {
        "ORGDESK_DEMO": "1",
        "ORGDESK_VAR": str(tmp_path),
        "SECRET_KEY": "x" * 50,
        "CREDENTIAL_KEYS": settings.CREDENTIAL_KEYS[0],
        "DATABASE_URL": f"sqlite:///{tmp_path / 'lean.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "REDIS_URL": settings.REDIS_URL,
    }
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=settings.BASE_DIR,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_pages_do_without_what_the_api_exports_and_workers_need(tmp_path: Path) -> None:
    run(tmp_path, SERVE, *RARELY_NEEDED, *NEVER_NEEDED)


def test_workers_import_what_they_call_of_the_sdk_or_else_all_of_it(tmp_path: Path) -> None:
    run(tmp_path, WORK)
