"""A production portal is set up by its environment alone, and says what that lacks."""

import base64
import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as project_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from apps.organizations.credentials import seal_for
from apps.organizations.models import Connection
from apps.organizations.sealing import Secret, new_key
from portal import checks
from portal.celery import stop_unless_keys_open
from tests.factories import ConnectionFactory

KEYRING = "1:" + base64.b64encode(bytes(range(32))).decode()
PRODUCTION = {
    "SECRET_KEY": "".join(chr(65 + n % 57) for n in range(64)),
    "CREDENTIAL_KEYS": KEYRING,
    "DATABASE_URL": "postgres://orgdesk:pw@127.0.0.1:5432/orgdesk",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "ALLOWED_HOSTS": "desk.example.com",
    "EMAIL_URL": "smtp+tls://mail:pw@mail.example.com:587",
    "DEFAULT_FROM_EMAIL": "Orgdesk <desk@example.com>",
}
WEAK: list[tuple[str, str, Any]] = [
    ("SECRET_KEY", "SECRET_KEY", "short"),
    ("SECRET_KEY", "SECRET_KEY", "django-insecure-" + "abcdefgh" * 8),
    ("SECRET_KEY", "SECRET_KEY", "a" * 80),
    ("CREDENTIAL_KEYS", "CREDENTIAL_KEYS", []),
    ("CREDENTIAL_KEYS", "CREDENTIAL_KEYS", ["1:" + base64.b64encode(b"x" * 32).decode()]),
    ("CREDENTIAL_KEYS", "CREDENTIAL_KEYS", ["1:c2hvcnQ="]),
    ("CREDENTIAL_KEYS", "CREDENTIAL_KEYS", [KEYRING, KEYRING]),
    ("CREDENTIAL_KEYS", "CREDENTIAL_KEYS", [KEYRING.removeprefix("1:")]),
    ("CREDENTIAL_KEYS", "CREDENTIAL_KEYS", ["1:not base64"]),
    ("DATABASE_URL", "DATABASES", {"default": {"ENGINE": "django.db.backends.sqlite3"}}),
    ("REDIS_URL", "REDIS_URL", ""),
    ("ALLOWED_HOSTS", "ALLOWED_HOSTS", []),
    ("ALLOWED_HOSTS", "ALLOWED_HOSTS", ["*"]),
    ("EMAIL_URL", "EMAIL_HOST", "localhost"),
    ("EMAIL_URL", "EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend"),
    ("DEFAULT_FROM_EMAIL", "DEFAULT_FROM_EMAIL", "orgdesk@localhost"),
    ("PORTAL_URL", "PORTAL_URL", ""),
    ("SANDBOX_URL", "SANDBOX_URL", "http://127.0.0.1:9100"),
    ("METRICS_TOKEN", "METRICS_TOKEN", "short"),
    ("METRICS_NETWORKS", "METRICS_NETWORKS", ["10.0.0.0/33"]),
]


@pytest.fixture
def production(settings: Any) -> Any:
    """Settings of a production portal that lacks nothing."""
    settings.DEVELOPMENT = False
    settings.SECRET_KEY = PRODUCTION["SECRET_KEY"]
    settings.CREDENTIAL_KEYS = [KEYRING]
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}}
    settings.REDIS_URL = PRODUCTION["REDIS_URL"]
    settings.ALLOWED_HOSTS = ["desk.example.com"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "mail.example.com"
    settings.DEFAULT_FROM_EMAIL = PRODUCTION["DEFAULT_FROM_EMAIL"]
    settings.SANDBOX_URL = ""
    return settings


def run(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the project's folder with nothing of a portal in the environment but what is given."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, *argv],
        cwd=project_settings.BASE_DIR,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_complete_environment_wants_nothing(production: Any) -> None:
    assert checks.missing() == {}


@pytest.mark.parametrize(("variable", "setting", "value"), WEAK)
def test_each_weak_value_is_named(production: Any, variable: str, setting: str, value: Any) -> None:
    setattr(production, setting, value)

    assert list(checks.missing()) == [variable]
    with pytest.raises(ImproperlyConfigured, match=variable):
        checks.stop_unless_ready()


@pytest.mark.parametrize(
    "argv",
    [
        ("manage.py", "migrate"),
        ("-c", "import portal.wsgi"),
        ("-m", "portal.worker", "actions"),
        ("-m", "celery", "--app", "portal", "beat"),
    ],
    ids=["manage.py", "web", "worker", "beat"],
)
def test_nothing_starts_without_its_environment_and_all_names_are_said_at_once(
    argv: tuple[str, ...],
) -> None:
    ended = run(*argv)

    assert ended.returncode != 0
    for name in PRODUCTION:
        assert f"  {name}: " in ended.stdout + ended.stderr


def test_check_deploy_is_clean_in_production() -> None:
    ended = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "no issues" in ended.stdout


def test_check_deploy_names_what_is_missing() -> None:
    environment = {**PRODUCTION, "ALLOWED_HOSTS": "*"}
    del environment["SECRET_KEY"]

    ended = run("manage.py", "check", "--deploy", **environment)

    assert ended.returncode != 0
    assert "portal.SECRET_KEY" in ended.stderr
    assert "portal.ALLOWED_HOSTS" in ended.stderr
    assert "portal.DATABASE_URL" not in ended.stderr


def test_secrets_may_stand_in_files(tmp_path: Any) -> None:
    environment = dict(PRODUCTION)
    for name in ("SECRET_KEY", "CREDENTIAL_KEYS"):
        path = tmp_path / name
        path.write_text(environment.pop(name) + "\n")
        environment[f"{name}_FILE"] = str(path)

    ended = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **environment)

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_debug_and_the_sandbox_cannot_be_switched_on_in_production() -> None:
    said = (
        "from django.conf import settings as s;"
        "print(s.DEBUG, s.SANDBOX_URL, 'apps.sandbox' in s.INSTALLED_APPS, sep='|')"
    )
    wanted = {"DEBUG": "1", "SANDBOX_URL": "http://127.0.0.1:1"}

    ended = run("manage.py", "shell", "--no-imports", "-c", said, **wanted, **PRODUCTION)

    assert ended.stdout.strip() == "False||False", ended.stderr


@pytest.mark.parametrize(
    ("given", "proxies"),
    [
        ({}, "0"),
        ({"BEHIND_TLS_PROXY": "true"}, "1"),
        ({"BEHIND_TLS_PROXY": "true", "TRUSTED_PROXY_COUNT": "2"}, "2"),
        ({"TRUSTED_PROXY_COUNT": "1"}, "1"),
    ],
)
def test_the_proxy_that_ends_tls_is_one_that_is_believed(
    given: dict[str, str], proxies: str
) -> None:
    said = "import portal.settings as s; print(s.ALLAUTH_TRUSTED_PROXY_COUNT)"

    ended = run("-c", said, **given, **PRODUCTION)

    assert ended.stdout.strip() == proxies, ended.stderr


@pytest.mark.django_db
def test_demo_sign_ins_cannot_be_made_outside_the_demo() -> None:
    with pytest.raises(CommandError, match="make demo"):
        call_command("load_demo")


def test_generated_secrets_are_good_enough(production: Any, capsys: Any) -> None:
    call_command("generate_secrets")

    lines = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    production.SECRET_KEY = lines["SECRET_KEY"]
    production.CREDENTIAL_KEYS = [lines["CREDENTIAL_KEYS"]]
    assert checks.missing() == {}


@pytest.mark.django_db
def test_a_worker_refuses_a_keyring_of_which_nothing_opens_and_no_other(settings: Any) -> None:
    for _ in range(2):
        connection = ConnectionFactory()
        connection.credential = seal_for(connection, "credential", Secret("sk-of-somebody"))
        connection.save()
    stop_unless_keys_open()
    Connection.objects.filter(pk=connection.pk).update(credential="v1.AAAA.BBBB")  # one is damaged
    stop_unless_keys_open()

    settings.CREDENTIAL_KEYS = [new_key(version=2)]
    with pytest.raises(SystemExit, match="key 1 of CREDENTIAL_KEYS"):
        stop_unless_keys_open()
    settings.CREDENTIAL_KEYS = [new_key(version=1)]
    with pytest.raises(SystemExit, match="key 1 of CREDENTIAL_KEYS"):
        stop_unless_keys_open()

    settings.CREDENTIAL_KEYS_LOST = True
    stop_unless_keys_open()
