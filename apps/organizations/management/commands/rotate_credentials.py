"""``manage.py rotate_credentials``: seal every stored credential with the newest key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.organizations.credentials import reseal_all


class Command(BaseCommand):
    """Re-seal everything, so that the older keys can be taken out of CREDENTIAL_KEYS."""

    help = (
        "Seal every stored credential and second factor with the newest key of CREDENTIAL_KEYS. Put the new key "
        "first, restart, run this, and then take the old key away. Safe to run at any time."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Re-seal and report; fail if a credential could not be opened."""
        done = reseal_all()
        self.stdout.write(
            f"{done.resealed} sealed anew with key {done.version}, {done.current} already were."
        )
        for name in done.broken:
            self.stderr.write(self.style.ERROR(f"{name}: cannot be opened; replace it."))
        if done.broken:
            raise CommandError("Some credentials could not be opened. Keep the old keys.")
