"""What a worker does with its connection to the database once a task is done."""

import os
import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from celery.fixups.django import DjangoWorkerFixup
from django.conf import settings

from portal import celery


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("actions.carry", "close_if_unusable_or_obsolete"),
        ("actions.make_report", "close"),
        ("walks.walk", "close"),
    ],
)
def test_sqlite_stays_open_after_what_reads_little(
    monkeypatch: pytest.MonkeyPatch, name: str, called: str
) -> None:
    one = Mock()
    monkeypatch.setattr(celery, "connections", Mock(all=Mock(return_value=[one])))
    task = SimpleNamespace(name=name, request=SimpleNamespace(is_eager=False))
    celery.leave_database(task)
    asked = [call[0] for call in one.method_calls]
    assert asked == ([called] if settings.SQLITE else [])


def test_celery_itself_leaves_sqlite_alone_and_gives_back_what_came_from_a_pool() -> None:
    kept = Mock()
    fixup = DjangoWorkerFixup(celery.app)
    fixup._db = Mock()
    fixup._db.connections.all.return_value = [kept]
    fixup.close_database()
    assert kept.close.called is not settings.SQLITE


def test_settings_may_be_taken_from_ours() -> None:
    # ``portal`` imports the app when ``portal.settings`` is imported: it must read none of them yet.
    child = "import django; django.setup(); from django.conf import settings; settings.SQLITE"
    environ = os.environ | {"DJANGO_SETTINGS_MODULE": "bench.pages_settings", "ORGDESK_DEMO": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", child],
        cwd=settings.BASE_DIR,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_what_leaves_it_open_is_among_the_tasks() -> None:
    celery.app.loader.import_default_modules()
    assert set(celery.app.tasks) >= celery.SMALL
