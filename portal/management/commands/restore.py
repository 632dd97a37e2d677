"""``manage.py restore``: an empty database becomes what a backup holds, and nothing is sent."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection
from django.utils import timezone

from apps.audit import triggers
from apps.organizations.models import Organization
from apps.sync.outbox.restored import stop
from portal import backups
from portal.checks import wrong_keyring
from portal.logs import hide_in_text


class Command(BaseCommand):
    """Fill the database, bring it up to date, stop all changes, end all sessions."""

    help = (
        "Fill the empty database that DATABASE_URL names from a backup. Nothing is sent afterwards until "
        "every open change was checked at its provider and an owner lets changes go on. Stop the old "
        "portal's workers first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which."""
        parser.add_argument("path", type=Path, help="the file that `manage.py backup` wrote")

    def handle(self, *args: Any, path: Path, **options: Any) -> None:
        """Refuse before anything is touched, or do all of it."""
        try:
            with backups.opened(path) as (heading, file):
                if why := backups.why_not(heading):
                    raise CommandError(why)
                backups.load(file)
        except (backups.BackupError, Error) as reason:
            raise CommandError(hide_in_text(str(reason))) from reason
        # Before all else, should the rest fail: nothing is sent.
        Organization.objects.update(sending_stopped_at=timezone.now())
        # The database of an earlier release is brought up to this one before it is asked anything.
        call_command("migrate", interactive=False, verbosity=0)
        triggers.install(connection)
        # Of one that was stopped when the backup was taken, too, nobody knows what was sent since.
        checking = sum(stop(one, again=True) for one in Organization.objects.all())
        ended, _ = Session.objects.all().delete()
        UserSession.objects.all().delete()
        backups.note("restore", heading, sessions_ended=ended, changes_to_check=checking)
        self.stdout.write(
            f"Restored from a backup of {heading.taken_at} (Orgdesk {heading.orgdesk}).\n"
            f"Changes are stopped: {checking} open ones will be checked at their providers once workers "
            "run, and owners let changes go on (or `manage.py restored --lift`).\n"
            f"{ended} sessions are ended: everybody signs in anew. Roles, API tokens and second factors "
            "are those of the backup: take away again what was taken away since."
        )
        if why := wrong_keyring():
            raise CommandError(f"{why} Workers will not start like this.")
