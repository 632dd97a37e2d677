"""One log for web, workers and command line: lines for people in the demo, JSON in production.

Whatever wrote a line, Django, Celery or a traceback, it passes ``hide_secrets`` last.
"""

import logging
import re
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from apps.providers.masking import MASK, is_secret_name, mask_text

# In free text a secret has no field's name to be known by, only what stands before it.
_NAMED_IN_TEXT = re.compile(
    r"""(?ix)
    (?P<name> \b (?: [\w-]* (?: api | secret | private | credential ) [_-]? keys?
                   | authorization | [\w-]*password | passwd | passphrase
                   | [\w-]*token | [\w-]*secret | credentials? | sessionid ) )
    (?P<between> \\?["']? \s* [:=] \s* (?: b? \\?["'] )?
               | \\?["'] , \s* b? \\?["'] )       # a pair, as headers print
    (?P<value> (?: (?:Bearer|Basic|Token) \s+ )? [^\s"'\\,;&)}\]]{4,} )
    """
)
_IN_ADDRESS = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^\s/@:]*:[^\s/@]+@")
# Addresses that open a door by themselves; tests/portal hold this against every address there is.
_LINKS = re.compile(
    r"(?P<way>/(?:invitation|password/reset/key|confirm-email|tokens(?:/organization)?)/)[^/\s'\"?]+"
)
# What ``shared_steps`` have written into every line, over whatever came under that name.
_OUR_OWN = {"at", "level", "logger"}
# Who is told of each error that the log tells with its traceback, once: (the error, its line).
listeners: list[Callable[[BaseException, EventDict], None]] = []


def hide_in_text(text: str) -> str:
    """``text`` with keys, passwords in addresses and what follows a secret's name masked."""
    text = _IN_ADDRESS.sub(rf"\g<scheme>{MASK}@", text)
    text = _LINKS.sub(rf"\g<way>{MASK}", text)
    text = _NAMED_IN_TEXT.sub(rf"\g<name>\g<between>{MASK}", text)
    return mask_text(text)


def hide(value: Any, name: str = "") -> Any:
    """A copy of ``value`` with secrets masked, by the names of fields and by their looks."""
    if isinstance(value, bool | int | float | None):
        return value
    if name and is_secret_name(name):
        return MASK
    if isinstance(value, dict):
        return {key: hide(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [hide(inner) for inner in value]
    return hide_in_text(value if isinstance(value, str) else str(value))


def hide_secrets(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """The last look at a line before it is written; tracebacks are text by now."""
    return {name: value if name in _OUR_OWN else hide(value, name) for name, value in event.items()}


class WorthALine(logging.Filter):
    """Leaves out what says nothing new."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        event = record.msg
        if not isinstance(event, dict):
            return True
        # What beat sent while no worker was there is meant to expire.
        return not (event.get("event") == "task_revoked" and event.get("expired"))


def tell_listeners(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Pass an error on while it is one still; the next step makes it text."""
    told = event.get("exc_info")
    error = sys.exc_info()[1] if told is True else told[1] if isinstance(told, tuple) else told
    if not isinstance(error, BaseException) or event.get("level") not in ("error", "critical"):
        return event
    if not getattr(error, "_told", False):  # a library and we may write about the same one
        error._told = True  # type: ignore[attr-defined]  # a mark of ours on anybody's error
        for listener in listeners:
            listener(error, event)
    return event


def shorten(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """For a terminal: without what fills lines and nobody reads in a demo."""
    for name in ("ip", "user_agent", "logger", "request_id", "task_id", "parent_task_id"):
        event.pop(name, None)
    return event


def shared_steps(*, production: bool) -> list[Processor]:
    """What every line gets, whether structlog or the standard library took it."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(
            fmt="iso" if production else "%H:%M:%S", utc=production, key="at"
        ),
        structlog.processors.StackInfoRenderer(),
        tell_listeners,
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
    ]


def set_up_structlog(*, production: bool) -> None:
    """Send structlog's events through the standard library, where everything else goes too."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared_steps(production=production),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def configuration(*, production: bool) -> dict[str, Any]:
    """The LOGGING setting."""
    last: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        hide_secrets,
    ]
    if production:
        last.append(structlog.processors.JSONRenderer(ensure_ascii=False))
    else:
        last += [shorten, _console()]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "lines": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": last,
                "foreign_pre_chain": shared_steps(production=production),
            }
        },
        "filters": {"worth": {"()": WorthALine}},
        "handlers": {
            "out": {"class": "logging.StreamHandler", "formatter": "lines", "filters": ["worth"]}
        },
        "root": {"handlers": ["out"], "level": "INFO"},
        "loggers": {
            # Django gives these handlers of their own, one of which mails settings to admins.
            "django": {"handlers": [], "propagate": True, "level": "INFO"},
            "django.server": {"handlers": [], "propagate": True},
            "django.request": {"level": "CRITICAL"},  # request_finished and request_failed say it
            # What they say at INFO is said better by our own lines.
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "celery.worker.request": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "httpcore2": {"level": "WARNING"},
            "anthropic": {"level": "WARNING"},
        },
    }


def _console() -> Processor:
    return structlog.dev.ConsoleRenderer(colors=False, timestamp_key="at", pad_event_to=0)


def watch_uncaught() -> None:
    """Send what nobody caught, in threads too, through the log instead of straight to the terminal."""
    log = structlog.get_logger("portal")

    def uncaught(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            log.critical("uncaught", exc_info=(kind, error, trace))

    def uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            uncaught(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
