"""``manage.py restored``: by hand what the portal does when it notices that its database was put back."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.organizations.models import Organization
from apps.organizations.services import release
from apps.sync.outbox.restored import stop


class Command(BaseCommand):
    """Stop all changes and have the open ones checked at their providers; with --lift, let them go on."""

    help = (
        "After a restore from backup that the portal cannot notice by itself (a whole machine was "
        "put back): send nothing, and check every open change at its provider."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """--lift."""
        parser.add_argument(
            "--lift", action="store_true", help="Let changes go on, in every organization."
        )

    def handle(self, *args: Any, lift: bool, **options: Any) -> None:
        """Without --lift: to be run before the workers start."""
        if lift:
            self._lift()
            return
        count = sum(stop(organization) for organization in Organization.objects.all())
        self.stdout.write(
            ngettext(
                "Changes are stopped. %(n)d open change will be checked at its provider.",
                "Changes are stopped. %(n)d open changes will be checked at their providers.",
                count,
            )
            % {"n": count}
        )

    def _lift(self) -> None:
        for organization in Organization.objects.filter(sending_stopped_at__isnull=False):
            with transaction.atomic(durable=True):
                release(organization, None)
        self.stdout.write(_("Changes go on."))
