"""``manage.py verify_audit``: is the audit log whole?"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.audit.chain import Verdict, organizations_with_a_chain, verify


class Command(BaseCommand):
    """Recompute the chains and say whether every line is there and as it was written."""

    help = (
        "Recompute the audit log's chain of every organization and name the first line that does "
        "not fit. Ends with status 1 if there is one. Keep the printed hashes elsewhere: whoever "
        "rewrites a whole log cannot make it end in the same one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare ``--organization``."""
        parser.add_argument(
            "--organization", type=int, help="id of one organization (0: the portal's own log)"
        )

    def handle(self, *args: Any, organization: int | None = None, **options: Any) -> None:
        """Verify one chain or all."""
        ids = [organization] if organization is not None else organizations_with_a_chain()
        verdicts = [self.report(verify(number)) for number in ids]
        if not all(verdict.whole for verdict in verdicts):
            raise CommandError("The audit log is not whole.")

    def report(self, verdict: Verdict) -> Verdict:
        """Print one line on one chain."""
        name = f"organization {verdict.organization_id}" if verdict.organization_id else "portal"
        if verdict.broken:
            broken = verdict.broken
            self.stdout.write(
                self.style.ERROR(f"{name}: BROKEN at line {broken.sequence}: {broken.reason}")
            )
        else:
            self.stdout.write(f"{name}: {verdict.checked} lines, whole, ends in {verdict.head}")
        return verdict
