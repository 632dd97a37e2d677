from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class UsageConfig(AppConfig):
    name = "apps.usage"

    def ready(self) -> None:
        """Have sync walk the reports of usage; say what they can be grouped by; draw into other pages."""
        from apps.audit import words
        from apps.keys import findings
        from apps.keys.lists import add_column
        from apps.reports import pages
        from apps.sync import mirrors
        from apps.ui import slots
        from apps.usage import backfill_views, drawing, mailed, reads, shelf
        from apps.usage.people import PERSON
        from apps.usage.series import CODING, COSTS, USAGE
        from apps.workspaces.lists import add_figure

        for one in (USAGE, COSTS, CODING):
            mirrors.register(one)
        words.name(
            {
                "usage.pause_backfill": _("Paused the reading of past usage"),
                "usage.resume_backfill": _("Let the reading of past usage go on"),
            }
        )
        reads.add_grouping(PERSON)
        used_on, cost = shelf.KEY_COLUMNS
        add_column(used_on, shelf.prepare_keys)
        add_column(cost, shelf.prepared_already)
        findings.add(shelf.UNUSED_KEY)
        add_figure(shelf.WORKSPACE_COST)
        for url_name, digester in mailed.SHOWN.items():
            pages.digest_by(url_name, digester)
        slots.fill("members:person", drawing.of_person, order=10)
        slots.fill("workspaces:workspace", drawing.of_workspace, order=10)
        slots.fill("workspaces:archive", drawing.ending, order=10)
        slots.fill("keys:key", drawing.of_key, order=10)
        slots.fill("organizations:connection", drawing.of_connection, order=50)
        slots.fill("organizations:connection", backfill_views.progress)
        slots.fill("overview:stats", drawing.stats, order=5)
