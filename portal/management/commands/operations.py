"""``manage.py operations``."""

import dataclasses
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from portal import operations

COLUMNS = ("operation_id", "contract", "in_seed", "adapter", "used_by", "exercised_by")


class Command(BaseCommand):
    """Show each operation of the contracts: its adapter method, its users, who has exercised it."""

    help = "List every operation of the providers' contracts and how far the portal uses it."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """``--json``."""
        parser.add_argument("--json", action="store_true", help="One JSON array")

    def handle(self, *args: object, **options: Any) -> None:
        """Print the table."""
        rows = operations.rows()
        if options["json"]:
            listed = [dataclasses.asdict(row) for row in rows]
            self.stdout.write(json.dumps(listed, indent=2))
            return
        table = [COLUMNS, *(_cells(row) for row in rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for cells in table:
            line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
            self.stdout.write(line.rstrip())
        self.stdout.write(f"\n{_sum(rows)}")


def _cells(row: operations.Row) -> tuple[str, ...]:
    """``used_by`` without the single capabilities, which ``--json`` has."""
    users = dict.fromkeys("probe" if one.startswith("probe") else one for one in row.used_by)
    return (
        row.operation_id,
        row.contract,
        "yes" if row.in_seed else "extra",
        row.adapter or "-",
        ", ".join(users) or "-",
        row.exercised_by or (f"later: {row.later}" if row.later else "-"),
    )


def _sum(rows: list[operations.Row]) -> str:
    seed = [row for row in rows if row.in_seed]
    whole = sum(bool(row.adapter) and row.sandbox for row in seed)
    exercised = sum(bool(row.exercised_by) for row in seed)
    return (
        f"Of {len(seed)} operations in the vendors' references {whole} have an adapter method and an "
        f"answer of the sandbox, {exercised} were exercised by the portal itself; {len(rows) - len(seed)} are extra."
    )
