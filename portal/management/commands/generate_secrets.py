"""``manage.py generate_secrets``."""

import secrets

from django.core.management.base import BaseCommand

from apps.organizations.sealing import new_key


class Command(BaseCommand):
    """Print a new SECRET_KEY and a new CREDENTIAL_KEYS, as lines of an environment file."""

    help = "Print new secrets for a production portal. Keep them: without them nothing can be unsealed."
    requires_system_checks = ()

    def handle(self, *args: object, **options: object) -> None:
        """Print both."""
        self.stdout.write(f"SECRET_KEY={secrets.token_urlsafe(64)}")
        self.stdout.write(f"CREDENTIAL_KEYS={new_key(version=1)}")
