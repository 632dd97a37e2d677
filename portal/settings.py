"""Settings: one file, typed readers, everything that differs between machines from the environment.

Two ways of running exist. Without ``ORGDESK_DEMO`` this is production: what is missing or weak stops
the start with its name (``portal/checks.py``). ``ORGDESK_DEMO=1`` is the demo on one machine: SQLite,
an embedded Redis and the sandbox under ``var/``, as ``portal.demo`` wrote them into ``demo.env``.
"""

import logging
import os
import sys
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _
from environ.fileaware_mapping import FileAwareMapping

from portal import logs
from portal.embedded_redis import free_port, next_database

BASE_DIR = Path(__file__).resolve().parent.parent


class SecretFiles(FileAwareMapping):  # type: ignore[misc]  # environ ships no types
    """The environment, in which ``NAME_FILE`` names a file that holds ``NAME``, final newline aside."""

    def __getitem__(self, name: str) -> str:
        return str(super().__getitem__(name)).rstrip("\r\n")


environ.FileAwareEnv.ENVIRON = SecretFiles()
env = environ.FileAwareEnv()

VAR_DIR = Path(env.str("ORGDESK_VAR", default=str(BASE_DIR / "var")))
TESTING = "pytest" in sys.modules
TEST_PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "")  # "gw0", "gw1"…; empty: the only one
DEMO = env.bool("ORGDESK_DEMO", default=False) and not TESTING
DEVELOPMENT = DEMO or TESTING
if DEMO:
    # Over whatever the shell has: the demo must not find its way into a production database.
    env.read_env(VAR_DIR / "demo.env", overwrite=True)
# Tracebacks in the browser, for work on the portal itself: never in production.
DEBUG = DEMO and env.bool("DEBUG", default=False)

# --- Secrets -----------------------------------------------------------------------------------
# Production: both must be given; portal.checks refuses to start otherwise.
SECRET_KEY = env.str("SECRET_KEY", default="tests-only-" + "0" * 50 if TESTING else "")
# Versioned keyring that seals credentials: "2:<base64 of 32 bytes>,1:<base64 of 32 bytes>", newest first.
CREDENTIAL_KEYS = env.list(
    "CREDENTIAL_KEYS",
    default=["1:" + "dGVzdHMtb25seS1rZXktdGVzdHMtb25seS1rZXktISE="] if TESTING else [],
)

ALLOWED_HOSTS = (
    ["localhost", "127.0.0.1", "[::1]", "testserver"]
    if DEVELOPMENT
    else env.list("ALLOWED_HOSTS", default=[])
)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# --- Providers ---------------------------------------------------------------------------------
# Base URLs that a connection may use. Loopback over HTTP exists in development and the demo alone.
PROVIDER_BASE_URLS = {
    "anthropic": env.list("ANTHROPIC_BASE_URLS", default=["https://api.anthropic.com"]),
    "cline": env.list("CLINE_BASE_URLS", default=["https://api.cline.bot"]),
}
# A gateway of your own in front of a provider may stand in a private network; names on the list that
# lead there are refused otherwise.
PROVIDER_PRIVATE_ADDRESSES = env.bool("PROVIDER_PRIVATE_ADDRESSES", default=False)
SANDBOX_URL = env.str("SANDBOX_URL", default="") if DEVELOPMENT else ""
PROVIDER_CALL_DEADLINE = env.float(
    "PROVIDER_CALL_DEADLINE", default=30.0
)  # seconds, all of one call
# After five failures in a row a connection rests this long, twice as long each time, at most the cap.
BREAKER_SECONDS = env.float("BREAKER_SECONDS", default=3.0 if DEMO else 30.0)
BREAKER_CAP_SECONDS = env.float("BREAKER_CAP_SECONDS", default=15.0 if DEMO else 300.0)
PROVIDER_ANSWER_LIMIT = env.int("PROVIDER_ANSWER_LIMIT", default=32 * 1024 * 1024)  # bytes

# --- Outbox ------------------------------------------------------------------------------------
OUTBOX_QUIET_SECONDS = env.float("OUTBOX_QUIET_SECONDS", default=120.0)
OUTBOX_MONEY_QUIET_SECONDS = env.float("OUTBOX_MONEY_QUIET_SECONDS", default=900.0)
OUTBOX_LEASE_SECONDS = env.float("OUTBOX_LEASE_SECONDS", default=90.0)
OUTBOX_BACKOFF_BASE_SECONDS = env.float("OUTBOX_BACKOFF_BASE_SECONDS", default=2.0)
OUTBOX_BACKOFF_CAP_SECONDS = env.float("OUTBOX_BACKOFF_CAP_SECONDS", default=300.0)
OUTBOX_MAX_TRIES = env.int("OUTBOX_MAX_TRIES", default=8)
# A kick that nobody answered is repeated after this; it was lost, or the queue is long.
OUTBOX_KICK_AGAIN_SECONDS = env.float("OUTBOX_KICK_AGAIN_SECONDS", default=30.0)
# How often a change that waits for a paused or refused connection looks whether it may go.
OUTBOX_HOLD_SECONDS = env.float("OUTBOX_HOLD_SECONDS", default=15.0)
# Beginning of the files that name what was sent last; not to be put back together with the database.
OUTBOX_MARKS = VAR_DIR / (f"test{TEST_PROCESS}-{os.getpid()}-sent" if TESTING else "sent")
OUTBOX_PAGE_WAIT_SECONDS = env.float("OUTBOX_PAGE_WAIT_SECONDS", default=0.7)
# Requests of one process that may wait for a worker at the same time: half of its threads.
WAITING_AT_ONCE = env.int("WAITING_AT_ONCE", default=2)

# --- Walks -------------------------------------------------------------------------------------
SYNC_LEASE_SECONDS = env.float("SYNC_LEASE_SECONDS", default=60.0)
SYNC_RETRY_BASE_SECONDS = env.float("SYNC_RETRY_BASE_SECONDS", default=1.0)
# All the waiting of one walk (rate limits, outages); then it ends and a later one begins anew.
SYNC_WAIT_LIMIT_SECONDS = env.float("SYNC_WAIT_LIMIT_SECONDS", default=600.0)
# Between two write transactions, for other writers of SQLite's only lock.
SYNC_BUCKET_PAUSE_SECONDS = env.float("SYNC_BUCKET_PAUSE_SECONDS", default=0.001)
SYNC_INTERVAL_SECONDS = env.int("SYNC_INTERVAL_SECONDS", default=60 if DEMO else 300)

# --- Usage -------------------------------------------------------------------------------------
# How far back a new connection's usage is read: thirteen months.
USAGE_BACKFILL_DAYS = env.int("USAGE_BACKFILL_DAYS", default=2 if TESTING else 396)
# How long hours are kept; days are kept for ever. 0: hours too.
USAGE_HOURS_KEPT_DAYS = env.int("USAGE_HOURS_KEPT_DAYS", default=90)
# A walk goes on with the backfill this long, then lets others have their turn.
USAGE_SLICE_SECONDS = env.float("USAGE_SLICE_SECONDS", default=60.0)
# How long single calls are kept, which are read when somebody asks for them.
USAGE_CALLS_DAYS = env.int("USAGE_CALLS_DAYS", default=31)

# How long nothing is looked at anew for what is far off its usual, however often usage is read.
INCIDENTS_LOOK_SECONDS = env.float("INCIDENTS_LOOK_SECONDS", default=60.0 if DEMO else 600.0)

# --- Applications ------------------------------------------------------------------------------
INSTALLED_APPS = [
    "apps.accounts",
    "portal.apps.DeskTemplatesConfig",  # Unfold's; the site is named by the next
    "portal.apps.DeskConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "csp",
    "django_htmx",
    "django_structlog",
    "template_partials.apps.SimpleAppConfig",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "portal.apps.PortalConfig",
    "apps.audit",
    "apps.ui",
    "apps.organizations",
    "apps.directory",
    "apps.notices",
    "apps.reports",
    "apps.sync",
    "apps.members",
    "apps.invites",
    "apps.workspaces",
    "apps.keys",
    "apps.usage",
    "apps.billing",
    "apps.centres",
    "apps.incidents",
    "apps.budgets",
    "apps.configuration",
    "apps.personal",
]
# Single sign-on, where it is set up: what it calls its server with is 5 MB of every process.
OIDC_SERVER_URL = env.str("OIDC_SERVER_URL", default="")
if OIDC_SERVER_URL or TESTING:
    INSTALLED_APPS.append("allauth.socialaccount.providers.openid_connect")
# The stand-in for both providers. Where a production key is set, not even its command exists.
if DEVELOPMENT or not SECRET_KEY:
    INSTALLED_APPS.append("apps.sandbox")

MIDDLEWARE = [
    "portal.probes.ProbesMiddleware",
    "portal.request_ids.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.ui.middleware.FragmentMiddleware",
    "apps.ui.middleware.FormAddressMiddleware",
    "apps.accounts.middleware.SignInMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "apps.audit.middleware.AuditOriginMiddleware",
    "apps.accounts.middleware.ReaderMiddleware",
    "apps.organizations.middleware.MFADemandMiddleware",
    "apps.organizations.viewing_door.ViewingMiddleware",  # the last: before it stands who really sits there
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "portal.tag_libraries.Templates",
        "NAME": "django",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "django.template.loaders.cached.Loader",
                            [
                                "django.template.loaders.filesystem.Loader",
                                "django.template.loaders.app_directories.Loader",
                            ],
                        )
                    ],
                )
            ],
            "builtins": ["template_partials.templatetags.partials"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "apps.organizations.context.desk",
            ],
        },
    },
    {
        # Rows of lists: nine tenths of a list page's time was Django's template engine (docs/decisions).
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [BASE_DIR / "templates" / "jinja"],
        "OPTIONS": {"environment": "apps.ui.jinja.environment"},
    },
]
FORM_RENDERER = "portal.tag_libraries.FormTemplates"

# --- Database ----------------------------------------------------------------------------------
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'orgdesk.sqlite3'}")}
_db = DATABASES["default"]
SQLITE = _db["ENGINE"].endswith("sqlite3")
if SQLITE:
    # Defaults lose 652 of 1,200 read-then-write transactions from four processes; these lose none.
    _db["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000;"
            "PRAGMA mmap_size=268435456; PRAGMA temp_store=MEMORY;"
        ),
    }
    # Opening it anew for each request would cost more than most of what a request asks of it.
    _db["CONN_MAX_AGE"] = None
    # Threads of one process (a live server, a worker under test) need a file, not ":memory:".
    _db["TEST"] = {"NAME": str(VAR_DIR / f"test{TEST_PROCESS}-{os.getpid()}.sqlite3")}
else:
    _db["CONN_HEALTH_CHECKS"] = True
    # A connection has a statement planned for good when it comes for the sixth time (apps/ui/prepared.py).
    _db.setdefault("OPTIONS", {}).setdefault("prepare_threshold", 5)
    if not TESTING:  # a test database must not be held open when it is dropped
        from portal.pooled import PooledConnection

        # Celery closes connections around every task: into a pool, or it would connect each time.
        _db["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": env.int("DATABASE_POOL_SIZE", default=12),  # of each process
            # Seconds to wait for a free one; a page waits as long to say that the database is away.
            "timeout": 4,
            "connection_class": PooledConnection,
        }

# --- Redis, Celery -----------------------------------------------------------------------------
REDIS_URL = env.str("REDIS_URL", default="")
# Where tests/conftest.py starts a server, one for each test process, when none is given.
TEST_REDIS_PORT = free_port() if TESTING and not REDIS_URL else None
if TEST_REDIS_PORT:
    REDIS_URL = f"redis://:tests@127.0.0.1:{TEST_REDIS_PORT}/0"
elif TESTING:
    REDIS_URL = next_database(REDIS_URL, int(TEST_PROCESS.removeprefix("gw") or 0))
CACHES = {
    "default": {
        "BACKEND": "portal.standby.StandbyCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 2},
        "KEY_PREFIX": "orgdesk",
    }
}
TASKS_GO_TO = "portal.celery.app"  # imported with the first kick
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True  # nobody takes more than it has threads for
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 60 * 60
# A task is a hint: the sweeps find what a lost one was about. So Redis keeps no book on tasks that are
# being done; with it a worker ends with an error when Redis restarts under its acknowledgements.
CELERY_BROKER_TRANSPORT_OPTIONS = {"ack_emulation": False, "socket_timeout": 10}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # Redis may be away for a night
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "walks"
# A click never waits behind a walk: what people ask for has its own queue and its own worker.
CELERY_TASK_ROUTES = {"actions.*": {"queue": "actions"}, "walks.*": {"queue": "walks"}}
if SQLITE:
    # Celery would close it before and after each task. To open it again takes 9 ms, in which SQLite reads how
    # every table is made: see ``leave_database`` in portal/celery.py.
    CELERY_DB_REUSE_MAX = sys.maxsize
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")

# --- Sign-in -----------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["apps.organizations.backends.AccountBackend"]
SESSION_ENGINE = "apps.organizations.sessions"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "apps.accounts.adapter.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "apps.accounts.adapter.SocialAccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # accounts are made by the first run and by invitation alone
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = (
    300  # seconds: a fresh sign-in before money and irreversible acts
)
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_CHANGE_EMAIL = True  # one address each; a new one counts once its link has been opened
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Orgdesk] "
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "http" if DEVELOPMENT else "https"
MFA_ADAPTER = "apps.organizations.factors.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Orgdesk"
# Addresses are invited, never typed in by strangers: changing to a new one may wait for its link.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEVELOPMENT
MFA_DEMAND_SKIPPABLE = DEMO
# How many proxies to believe about whose request it is (``client_address``): the one that ends TLS is one.
BEHIND_TLS_PROXY = not DEVELOPMENT and env.bool("BEHIND_TLS_PROXY", default=False)
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=int(BEHIND_TLS_PROXY))
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {}
SOCIALACCOUNT_ONLY = False
# Whoever the provider vouches for by a confirmed address is that user here; nobody is made by it.
SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
# A plain link, as a form that ends at the provider would need a looser form-action; the adapter
# refuses to connect identities by hand, which is what a link could otherwise be abused for.
SOCIALACCOUNT_LOGIN_ON_GET = True
if OIDC_SERVER_URL:
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "oidc",
                "name": env.str("OIDC_NAME", default="Single sign-on"),
                "client_id": env.str("OIDC_CLIENT_ID"),
                "secret": env.str("OIDC_CLIENT_SECRET"),
                "settings": {"server_url": OIDC_SERVER_URL},
            }
        ],
    }

# --- API ---------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.organizations.api_tokens.ApiTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "apps.organizations.api_schema.DeskSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.organizations.api_bodies.JSONBody"],
    "EXCEPTION_HANDLER": "apps.organizations.api_access.problem",
    "URL_FORMAT_OVERRIDE": None,  # there is JSON alone: "format" is a parameter like any unknown one
}
# Answered in a minute; 0: any number. A person's own pages are not counted.
API_REQUESTS_A_MINUTE = {
    "caller": env.int("API_REQUESTS_A_MINUTE", default=600),  # each token, each signed-in user
    "organization": env.int("API_REQUESTS_A_MINUTE_OF_ORGANIZATION", default=3000),
    "failed-tokens": env.int("API_FAILED_TOKENS_A_MINUTE", default=30),  # shown by each address
}
# Its own token table is never made: ours stands in for it, and emptying a database trips over it.
MIGRATION_MODULES = {"knox": None}
KNOX_TOKEN_MODEL = "organizations.ApiToken"  # noqa: S105 - the name of a model
REST_KNOX = {"AUTH_HEADER_PREFIX": "Bearer", "TOKEN_PREFIX": "odk_"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Orgdesk API",
    "DESCRIPTION": (
        "Everything that the pages of the portal do for an organization and its accounts at AI "
        "providers. What changes something there answers 202 with a change: look at its address "
        "until it is settled, or send `Prefer: wait=10`. Send an `Idempotency-Key` to be able to "
        "repeat a request safely. `fields` narrows an answer, `If-None-Match` asks only for what is "
        "new, `RateLimit` says how many requests are left. Errors are application/problem+json. "
        "All times are UTC."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": r"/api/v1/",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.organizations.api_schema.finish",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": True,
        "persistAuthorization": False,
        "docExpansion": "none",  # whoever wants one area does not wait for all of them to be drawn
    },
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    # Lists of states have names of their own in generated clients.
    "ENUM_NAME_OVERRIDES": {
        "TokenKindEnum": "apps.organizations.models.ApiToken.Kind",
        "TokenScopeEnum": "apps.organizations.models.ApiToken.Scope",
        "ScopeEnum": "apps.budgets.models.Scope",
        "RoleEnum": "apps.organizations.models.Role",
        "GivenRole": "apps.organizations.colleague_api.GIVEN",
        "ChangeState": "apps.sync.models.CommandState",
        "InviteState": "apps.invites.models.Invite.State",
        "WorkspaceState": "apps.workspaces.models.Workspace.State",
        "ConnectionState": "apps.organizations.models.Connection.State",
        "CheckState": "apps.organizations.api_probing.STATES",
        "CheckProblemKind": "apps.organizations.api_probing.KINDS",
        "WalkState": "apps.sync.models.SyncRun.State",
        "DeliveryState": "apps.notices.models.Delivery.State",
        "ReportRunState": "apps.reports.models.Run.State",
        "IncidentState": "apps.incidents.models.State",
        "IncidentKind": "apps.incidents.models.Kind",
        "CentreRuleKind": "apps.centres.models.RuleKind",
        "MailRhythm": "apps.notices.models.Rhythm",
        "ReportRhythm": "apps.reports.calendar.RHYTHMS",
    },
}

# --- Django admin, where support works ---------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": _("Orgdesk support"),
    "SITE_HEADER": _("Orgdesk support"),
    "SITE_SYMBOL": "support_agent",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("orgdesk/favicon.svg"),
        }
    ],
    "SHOW_HISTORY": False,  # what happened stands in the audit log
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"show_search": False, "navigation": "portal.staff.navigation"},
    # The pages' blue in Unfold's shades: (weight, lightness, chroma).
    "COLORS": {
        "primary": {
            weight: f"oklch({lightness}% {chroma} 255)"
            for weight, lightness, chroma in (
                ("50", 97, 0.014),
                ("100", 93, 0.032),
                ("200", 88, 0.059),
                ("300", 81, 0.105),
                ("400", 71, 0.165),
                ("500", 60, 0.17),
                ("600", 54.6, 0.172),
                ("700", 48, 0.16),
                ("800", 42, 0.14),
                ("900", 37, 0.12),
                ("950", 28, 0.09),
            )
        }
    },
}

# --- Mail --------------------------------------------------------------------------------------
vars().update(env.email("EMAIL_URL", default="consolemail://" if DEVELOPMENT else "smtp://"))
if TESTING:
    EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
EMAIL_TIMEOUT = env.float("EMAIL_TIMEOUT", default=15.0)  # seconds, each step with the mail server
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Orgdesk <orgdesk@localhost>")

# --- Notices -----------------------------------------------------------------------------------
# Where people reach the portal, for links in mails and webhooks; no slash at its end.
PORTAL_URL = env.str(
    "PORTAL_URL",
    default="http://localhost:8000"
    if DEVELOPMENT
    else next((f"https://{host}" for host in ALLOWED_HOSTS if host[:1] not in ".*"), ""),
).rstrip("/")
NOTICES_CALL_DEADLINE = env.float("NOTICES_CALL_DEADLINE", default=10.0)  # seconds, all of one call
NOTICES_LEASE_SECONDS = env.float("NOTICES_LEASE_SECONDS", default=120.0)
# Webhooks to this machine itself over HTTP, for receivers under development.
NOTICES_LOOPBACK = DEVELOPMENT

# --- Log ---------------------------------------------------------------------------------------
logs.set_up_structlog(production=not DEVELOPMENT)
LOGGING = logs.configuration(production=not DEVELOPMENT)
DEFAULT_EXCEPTION_REPORTER = "portal.tracebacks.SecretsReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "portal.tracebacks.SecretsFilter"
# What matters of a request stands in its last line; where it came from, AuditOriginMiddleware knows.
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True  # RequestIdMiddleware has looked at it
DJANGO_STRUCTLOG_CELERY_DEFAULT_LOG_LEVEL = (
    logging.DEBUG
)  # a line for each task that did as it should

# --- Being watched -----------------------------------------------------------------------------
# Who may read /metrics: who brings the token, or comes straight (not through a proxy) from a network.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
METRICS_NETWORKS = env.list("METRICS_NETWORKS", default=["127.0.0.0/8", "::1/128"] if DEMO else [])
# Where errors of the portal's own are sent; without it nothing is, and the client is not imported.
SENTRY_DSN = "" if TESTING else env.str("SENTRY_DSN", default="")
SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", default="demo" if DEMO else "production")
# The keys that sealed what is stored are lost for good: start all the same, to paste new ones.
CREDENTIAL_KEYS_LOST = env.bool("CREDENTIAL_KEYS_LOST", default=False)

# --- Words and times ---------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["portal.formats"]

# --- Static files ------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(VAR_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEVELOPMENT
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEVELOPMENT
WHITENOISE_AUTOREFRESH = DEBUG

# --- Headers -----------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/admin/"],
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = False
if not DEVELOPMENT:
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=True)
    SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=True)
    if BEHIND_TLS_PROXY:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
