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
)
NEVER_NEEDED = ("anthropic", "rich", "requests", "prometheus_client", "sentry_sdk")


def test_pages_do_without_what_the_api_exports_and_workers_need(tmp_path: Path) -> None:
    environ = os.environ | {
        "ORGDESK_DEMO": "1",
        "ORGDESK_VAR": str(tmp_path),
        "SECRET_KEY": "x" * 50,
        "CREDENTIAL_KEYS": settings.CREDENTIAL_KEYS[0],
        "DATABASE_URL": f"sqlite:///{tmp_path / 'lean.sqlite3'}",
        "REDIS_URL": settings.REDIS_URL,
    }
    ended = subprocess.run(
        [sys.executable, "-c", SERVE, *RARELY_NEEDED, *NEVER_NEEDED],
        cwd=settings.BASE_DIR,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
