"""``manage.py backup``: the whole database in one file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from portal import backups
from portal.logs import hide_in_text


class Command(BaseCommand):
    """Write a backup; may run at any time, beside a working portal."""

    help = (
        "Write the database into one file (mode 600), whole and of one moment, while the portal works. "
        "It never holds CREDENTIAL_KEYS or SECRET_KEY: keep those elsewhere, or the providers' keys in it "
        "cannot be opened."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to."""
        parser.add_argument(
            "path", nargs="?", type=Path, help="the file (a new one in ORGDESK_VAR/backups)"
        )

    def handle(self, *args: Any, path: Path | None = None, **options: Any) -> None:
        """Write, and say what is in it and what is not."""
        path = path or backups.default_path()
        try:
            heading = backups.write(path)
        except (backups.BackupError, Error) as reason:
            raise CommandError(hide_in_text(str(reason))) from reason
        self._note(heading, path.name)
        size = path.stat().st_size / 1e6
        keys = ", ".join(heading.keys) or "none"
        self.stdout.write(
            f"{path}: {size:.1f} MB, Orgdesk {heading.orgdesk}, {heading.database} {heading.server}, "
            f"{heading.taken_at}.\n"
            "CREDENTIAL_KEYS and SECRET_KEY are not in it. Keep them elsewhere: without the keyring that "
            f"sealed them (keys in use: {keys}) the providers' keys in this file stay closed."
        )

    def _note(self, heading: backups.Heading, name: str) -> None:
        """Into the audit log. A replica takes no line: the backup is good all the same."""
        try:
            backups.note("take", heading, file=name)
        except Error as reason:
            said = hide_in_text(str(reason)).strip()
            self.stderr.write(f"The backup is whole. The audit log has no line of it: {said}")
