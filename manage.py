#!/usr/bin/env python
"""Orgdesk's command line."""

import os
import sys


def main() -> None:
    """Run a management command with the portal's settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.core.management import execute_from_command_line

    from portal.checks import stop_command_unless_ready

    stop_command_unless_ready(sys.argv)
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
