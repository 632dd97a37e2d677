"""What leaves for Sentry: where and by which id, and not a word of what somebody typed."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from portal import error_reports, logs

CANARY = "canary-8f14e45fceea"


def breaks(request: HttpRequest, name: str) -> HttpResponse:
    """An error that quotes what was typed, of another one that does."""
    typed = request.POST["name"]  # a local variable
    try:
        raise KeyError(typed)
    except KeyError as error:
        raise ValueError(f"{typed} <{CANARY}@example.com>") from error


handler500 = "portal.views.broken"
urlpatterns = [path("breaks/<str:name>/", breaks), path("", include("portal.urls"))]


class Kept(Transport):
    """Keeps in memory what would be sent."""

    def __init__(self) -> None:
        super().__init__({"dsn": "https://key@sentry.example.com/1"})
        self.sent: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        """Take what the SDK would send, as it would."""
        self.sent += [json.loads(item.get_bytes()) for item in envelope.items]


@pytest.fixture
def kept(settings: Any) -> Iterator[Kept]:
    settings.SENTRY_DSN, transport = "https://key@sentry.example.com/1", Kept()
    error_reports.set_up(transport=transport)
    yield transport
    logs.listeners.remove(error_reports.report)
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


@pytest.mark.django_db
@pytest.mark.urls("tests.portal.test_error_reports")
def test_an_error_is_sent_once_with_its_place_and_id_and_nothing_that_was_typed(kept: Kept) -> None:
    client = Client(raise_request_exception=False, headers={"cookie": f"theme={CANARY}"})

    answer = client.post(f"/breaks/{CANARY}/?q={CANARY}", {"name": CANARY})

    (event,) = kept.sent
    first, second = event["exception"]["values"]
    assert (first["type"], second["type"]) == ("KeyError", "ValueError")
    frame = second["stacktrace"]["frames"][-1]
    assert (frame["function"], frame["module"]) == ("breaks", __name__)
    assert "raise ValueError" in frame["context_line"]
    assert event["tags"]["request_id"] == answer["X-Request-ID"]
    assert event["release"] == "orgdesk@0.1.0"
    assert CANARY not in json.dumps(kept.sent)
    assert set(event) <= {*error_reports.OF_EVENT, "exception"}


def test_what_a_worker_logs_with_its_traceback_is_sent_and_what_it_merely_says_is_not(
    kept: Kept,
) -> None:
    log = structlog.get_logger("apps.reports")
    with structlog.contextvars.bound_contextvars(command="0f8fad5b", task="actions.carry"):
        log.error("marks_gone")
        log.warning("late", exc_info=ValueError(CANARY))
        try:
            raise RuntimeError(CANARY)
        except RuntimeError as error:
            log.exception("report_failed", name=CANARY)
            logging.getLogger("celery.app.trace").error("again", exc_info=error)
    logging.getLogger("a.library").error("%s", CANARY, exc_info=KeyError(CANARY))

    event, of_library = kept.sent
    assert of_library["exception"]["values"][0]["type"] == "KeyError"
    assert event["tags"] == {
        "command": "0f8fad5b",
        "task": "actions.carry",
        "event": "report_failed",
    }
    assert CANARY not in json.dumps(kept.sent)
