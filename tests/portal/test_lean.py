"""What a web process imports before anybody asks for it: every module is memory of each process."""

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings
from django.db.migrations.loader import MigrationLoader
from django.template.backends.django import get_installed_libraries
from django.template.library import import_library

from portal import migrated, tag_libraries

SERVE = """
import sys
from portal.wsgi import application
from django.template import engines
from django.template.loader import get_template
from django.urls import resolve, reverse
from portal import migrated
assert reverse("account_login") == "/accounts/login/"
assert get_template("account/login.html")
assert ("members", "0001_initial") in migrated.brought()
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
assert engines["django"].from_string("{% load unfold admin_list %}")
import redis, sqlparse
assert sqlparse.format("SELECT 1 -- one", strip_comments=True) == "SELECT 1"
assert callable(redis.asyncio.Redis.from_url)
from redis.asyncio.client import Redis
assert redis.asyncio.Redis is Redis
"""
RARELY_NEEDED = (
    "rest_framework.views",
    "numpy",
    "celery",
    "kombu",
    "drf_spectacular.views",
    "django.test",
    "openpyxl",
    "unfold.admin",
    "unfold.sites",
    "unfold.templatetags.unfold",
    "django.contrib.admin.templatetags.admin_list",
    "apps.members.migrations.0001_initial",
    "redis.asyncio.client",
    "sqlparse.sql",
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


def test_tags_are_found_where_django_finds_them() -> None:
    found = tag_libraries.Installed()
    known = get_installed_libraries()

    assert set(known) <= set(found)
    assert {name: found[name] for name in known} == {
        name: import_library(module) for name, module in known.items()
    }
    assert found.get("no_such_tags") is None


def test_migrations_are_known_by_name_as_django_knows_them() -> None:
    assert migrated.brought() == set(MigrationLoader(None).disk_migrations or {})
