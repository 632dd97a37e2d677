"""``manage.py sandbox``: a stand-in for both remote APIs."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.sandbox import server


class Command(BaseCommand):
    help = "Serve a stand-in for the Anthropic Admin API and the Cline Enterprise API."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        server.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(server.run(argparse.Namespace(**options)))
