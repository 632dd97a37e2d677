from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class UsageConfig(AppConfig):
    name = "apps.usage"

    def ready(self) -> None:
        """Have sync walk the reports of usage; add to the pages of keys, workspaces and connections."""
        from apps.audit import words
        from apps.keys import findings
        from apps.keys.lists import add_column
        from apps.sync import mirrors
        from apps.ui import slots
        from apps.usage import backfill_views, shelf
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
        used_on, cost = shelf.KEY_COLUMNS
        add_column(used_on, shelf.prepare_keys)
        add_column(cost, shelf.prepared_already)
        findings.add(shelf.UNUSED_KEY)
        add_figure(shelf.WORKSPACE_COST)
        slots.fill("organizations:connection", backfill_views.progress)
