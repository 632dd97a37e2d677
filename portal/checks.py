"""What a production portal must be given. Without it the start stops, naming all that is missing."""

from collections.abc import Callable, Sequence
from email.utils import parseaddr
from ipaddress import ip_network
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from apps.organizations.sealing import KeyringInvalid, parse_keyring

SECRET_KEY_LENGTH = 50
METRICS_TOKEN_LENGTH = 24
MAKE_SECRETS = "`manage.py generate_secrets` prints one."
# Commands that neither serve nor touch data: an image is built, code is looked at, without secrets.
NEED_NOTHING = frozenset(
    {
        "check",
        "collectstatic",
        "compilemessages",
        "generate_secrets",
        "help",
        "makemessages",
        "makemigrations",
        "sandbox",
        "spectacular",
        "version",
        "--help",
        "-h",
        "--version",
    }
)


def _secret_key() -> str:
    try:
        key: str = settings.SECRET_KEY
    except ImproperlyConfigured:  # Django's own word for an empty one
        key = ""
    weak = (
        len(key) < SECRET_KEY_LENGTH
        or len(set(key)) < 5
        or key.startswith(("django-insecure-", "tests-only-"))
    )
    return f"at least {SECRET_KEY_LENGTH} random characters. {MAKE_SECRETS}" if weak else ""


def _credential_keys() -> str:
    try:
        parse_keyring(settings.CREDENTIAL_KEYS)
    except KeyringInvalid as reason:
        return f"the keyring that seals credentials, newest key first. {reason} {MAKE_SECRETS}"
    return ""


def _database_url() -> str:
    engine: str = settings.DATABASES["default"]["ENGINE"]
    if engine.endswith("postgresql"):
        return ""
    return "a PostgreSQL database: postgres://user:password@host:5432/name"


def _redis_url() -> str:
    url: str = settings.REDIS_URL
    if url.startswith(("redis://", "rediss://")):
        return ""
    return "a Redis server for the queue and the cache: redis://:password@host:6379/0"


def _allowed_hosts() -> str:
    hosts: list[str] = settings.ALLOWED_HOSTS
    if hosts and "*" not in hosts:
        return ""
    return 'the names that the portal is reached under, with commas between; never "*"'


def _email_url() -> str:
    if settings.EMAIL_BACKEND.endswith("smtp.EmailBackend") and settings.EMAIL_HOST not in (
        "",
        "localhost",
        None,
    ):
        return ""
    return (
        "the mail server for invitations and password resets: "
        "smtp+tls://user:password@mail.example.com:587 (another machine than localhost)"
    )


def _default_from_email() -> str:
    address = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    if "." in address.rpartition("@")[2]:
        return ""
    return 'the sender of the portal\'s mail: "Orgdesk <orgdesk@example.com>"'


def _portal_url() -> str:
    if settings.PORTAL_URL.startswith(("https://", "http://")) or _allowed_hosts():
        return ""
    return "the portal's own address, for links in its mails: https://desk.example.com"


def _metrics_token() -> str:
    token: str = settings.METRICS_TOKEN
    if not token or len(token) >= METRICS_TOKEN_LENGTH:
        return ""
    return f"at least {METRICS_TOKEN_LENGTH} random characters, or nothing at all"


def _metrics_networks() -> str:
    try:
        for network in settings.METRICS_NETWORKS:
            ip_network(network.strip())
    except ValueError:
        return "networks with commas between: 127.0.0.0/8,10.20.0.0/16"
    return ""


def _no_sandbox() -> str:
    return "belongs to the demo; unset it" if settings.SANDBOX_URL else ""


REQUIRED: dict[str, Callable[[], str]] = {
    "SECRET_KEY": _secret_key,
    "CREDENTIAL_KEYS": _credential_keys,
    "DATABASE_URL": _database_url,
    "REDIS_URL": _redis_url,
    "ALLOWED_HOSTS": _allowed_hosts,
    "EMAIL_URL": _email_url,
    "DEFAULT_FROM_EMAIL": _default_from_email,
    "PORTAL_URL": _portal_url,
    "SANDBOX_URL": _no_sandbox,
    "METRICS_TOKEN": _metrics_token,
    "METRICS_NETWORKS": _metrics_networks,
}


def missing() -> dict[str, str]:
    """Return what production still wants: variable → what it must be. Empty in demo and tests."""
    if settings.DEVELOPMENT:
        return {}
    wants = {name: want() for name, want in REQUIRED.items()}
    return {name: want for name, want in wants.items() if want}


def check_production(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """Django's check for ``--deploy``."""
    return [Error(f"{name}: {want}", id=f"portal.{name}") for name, want in missing().items()]


def stop_unless_ready() -> None:
    """Raise ImproperlyConfigured with every missing or weak variable; what serves calls this first."""
    wants = missing()
    if wants:
        lines = "\n".join(f"  {name}: {want}" for name, want in wants.items())
        raise ImproperlyConfigured(
            f"This portal cannot start. Its environment lacks, or has too weak:\n{lines}\n"
            "Each may also be given as NAME_FILE, the path of a file that holds it. "
            "To look around without any of this, run `make demo`."
        )


def wrong_keyring() -> str:
    """Why CREDENTIAL_KEYS cannot be those that sealed what is stored; "" if they can. Asks the database."""
    from apps.organizations.credentials import versions_that_open_nothing

    versions = [] if settings.CREDENTIAL_KEYS_LOST else versions_that_open_nothing()
    if not versions:
        return ""
    return (
        f"Nothing that was sealed with key {versions[0]} of CREDENTIAL_KEYS can be opened: the keyring lacks "
        "it, or has another key of that number. Put the right one in. If it is lost for good, set "
        "CREDENTIAL_KEYS_LOST=true: then the portal starts, and every connection asks for its key anew."
    )


def stop_command_unless_ready(argv: Sequence[str]) -> None:
    """The same for ``manage.py``; ends the process with the sentence alone, without a traceback."""
    command = argv[1] if len(argv) > 1 else "help"
    if command in NEED_NOTHING:
        return
    try:
        stop_unless_ready()
    except ImproperlyConfigured as reason:
        raise SystemExit(str(reason)) from None
