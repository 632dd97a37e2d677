"""Errors of the portal's own, sent to the Sentry that SENTRY_DSN names. Without it this is never imported.

An event says what kind of error it was, where in the code, in which release, and by which ids its lines
are found in the log. Nothing else leaves: an error's own words quote what somebody typed or a database
holds, and so do local variables, bodies, headers and addresses. They stay in the log, masked. The SDK's
integrations, which collect all that, are switched off; what the log tells as an error is what is sent.
"""

import re
from collections.abc import Mapping
from typing import Any

import sentry_sdk
from django.conf import settings

from portal import logs
from portal.version import VERSION

FLUSH_SECONDS = 2
# Of a line of the log: ids, and names from our own code.
TAGS = ("request_id", "command", "task_id", "task", "connection", "listing", "event")
HARMLESS = re.compile(r"[\w.@:-]{1,64}")
OF_FRAME = (
    "module",
    "function",
    "filename",
    "lineno",
    "pre_context",
    "context_line",
    "post_context",
    "in_app",
)
OF_EVENT = ("event_id", "timestamp", "level", "platform", "release", "environment", "tags")


def set_up(**other: Any) -> None:
    """Begin sending; ``other`` are options of the SDK, for tests."""
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        release=f"orgdesk@{VERSION}",
        environment=settings.SENTRY_ENVIRONMENT,
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        send_client_reports=False,
        server_name="",
        in_app_include=["apps", "portal"],
        shutdown_timeout=FLUSH_SECONDS,
        before_send=bare,
        **other,
    )
    if report not in logs.listeners:
        logs.listeners.append(report)


def report(error: BaseException, line: Mapping[str, Any]) -> None:
    """Send ``error``, which the log tells of in ``line``."""
    with sentry_sdk.new_scope() as scope:
        for name in TAGS:
            # What a library says in place of our events' names may hold anything.
            foreign = name == "event" and line.get("_from_structlog") is False
            value = "" if foreign else str(line.get(name) or "")
            if HARMLESS.fullmatch(value):
                scope.set_tag(name, value)
        scope.capture_exception(error)


def bare(event: Any, hint: dict[str, Any]) -> Any:
    """The event with what is named here and nothing else, whatever the SDK has put into it."""
    kept = {name: event[name] for name in OF_EVENT if name in event}
    causes = event.get("exception", {}).get("values", [])
    kept["exception"] = {"values": [_cause(one) for one in causes]}
    return kept


def _cause(one: dict[str, Any]) -> dict[str, Any]:
    frames = (one.get("stacktrace") or {}).get("frames", [])
    return {
        "type": one.get("type"),
        "module": one.get("module"),
        "value": "Its words stand in the log.",
        "stacktrace": {
            "frames": [
                {name: frame[name] for name in OF_FRAME if name in frame} for frame in frames
            ]
        },
    }
