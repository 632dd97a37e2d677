"""The Celery application and what beat starts.

Tasks are thin doors: they live in each shelf's ``tasks.py``, are named ``actions.*`` (what a person
waits for) or ``walks.*`` (background), and take ids alone.
"""

import ctypes
import gc
import logging.config
import os
from typing import Any

from celery import Celery, signals
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django_structlog.celery.receivers import CeleryReceiver
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu.transport import redis

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
# Django's checks import every address, and with them what pages and the API are made of: 7 MB and a second of
# a worker that serves none. What stops a start is asked below.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

app = Celery("orgdesk")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)
# Whose request a task is of goes along with it; the app of that name would import Celery into every process.
_receiver = CeleryReceiver()
_receiver.connect_signals()

# When a connection is lost, kombu would put back through that very connection what was not
# acknowledged, and end the worker in failing. See CELERY_BROKER_TRANSPORT_OPTIONS.
redis.Channel.do_restore = False

# Tasks that come often and read little.
SMALL = frozenset(
    {
        "actions.carry",
        "actions.deliver",
        "actions.deliver_due",
        "actions.sweep",
        "walks.look_for_restore",
        "walks.start_due",
        "walks.start_reports",
        "walks.tidy_connections",
    }
)

# Name → what beat sends and how often, in seconds. One that is still waiting when the next is due
# expires, so that a worker that was away finds one of each and not a backlog.
EVERY = {
    "actions.sweep": 1.0,
    "actions.deliver_due": 5.0,
    "actions.directory_letters": 300.0,
    "walks.start_due": 5.0,
    "walks.start_reports": 30.0,
    "walks.tidy_connections": 30.0,
    "walks.end_viewings": 30.0,
    "walks.look_for_news": 30.0,
    "walks.look_for_restore": 15.0,
    "walks.prune_minutes": 600.0,
    "walks.tend_usage": 3600.0,
    "walks.forget_calls": 3600.0,
    "walks.tend_budgets": 3600.0,
    "walks.tidy_tokens": 3600.0,
}
app.conf.beat_schedule = {
    name: {
        "task": name,
        "schedule": seconds,
        "options": {"queue": name.partition(".")[0], "expires": seconds * 2},
    }
    for name, seconds in EVERY.items()
}


@signals.celeryd_init.connect
@signals.beat_init.connect
def stop_unless_configured(**kwargs: Any) -> None:
    """Refuse to work in a production that lacks something; Celery swallows lesser exceptions here."""
    from portal.checks import stop_unless_ready

    try:
        stop_unless_ready()
    except ImproperlyConfigured as reason:
        raise SystemExit(str(reason)) from None


@signals.celeryd_init.connect
def stop_unless_keys_open(**kwargs: Any) -> None:
    """Refuse to work with a keyring that is not the one that sealed: every connection would be frozen."""
    from django.db import Error

    from portal.checks import wrong_keyring

    try:
        reason = wrong_keyring()
    except Error:
        return  # the database is away: whatever is done later asks it first
    if reason:
        raise SystemExit(reason)


@signals.setup_logging.connect
def use_our_log(**kwargs: Any) -> None:
    """Keep Celery from setting up a log of its own, which would not hide secrets."""
    from portal.logs import watch_uncaught

    logging.config.dictConfig(settings.LOGGING)
    watch_uncaught()


@signals.worker_ready.connect
def look_for_restore(**kwargs: Any) -> None:
    """Have it noticed soon if the database was put back while no worker ran."""
    app.send_task("walks.look_for_restore", retry=False)


@signals.worker_ready.connect
def load_clients(**kwargs: Any) -> None:
    """Import the providers' clients before anybody waits for them: a second or two of work."""
    from apps.providers.adapters import preload

    preload()
    # What is imported stays: the collector need not go through it over and over while a walk makes rows by
    # the hundred thousand. A sixth of the time of reading usage.
    gc.collect()
    gc.freeze()


@signals.task_postrun.connect
def leave_database(task: Any = None, **kwargs: Any) -> None:
    """Keep SQLite's file open for the next change that somebody waits for, unless something is wrong with it.

    After what may read much it is closed all the same: what it keeps of that in memory goes with it.
    """
    if not settings.SQLITE or getattr(task.request, "is_eager", False):
        return
    for one in connections.all(initialized_only=True):
        if task.name in SMALL:
            one.close_if_unusable_or_obsolete()
        else:
            one.close()


@signals.task_postrun.connect
def give_memory_back(task: Any = None, **kwargs: Any) -> None:
    """After a walk, return to the system what was freed: the heap keeps it otherwise, 60 MB after a year of
    usage. Takes a few milliseconds; where the C library is not glibc there is nothing to call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim and task.name == "walks.walk":
        trim(0)
