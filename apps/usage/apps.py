from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class UsageConfig(AppConfig):
    name = "apps.usage"

    def ready(self) -> None:
        """Have sync walk the reports of usage; say what they can be grouped by; draw into other pages."""
        from apps.audit import words
        from apps.keys import findings, use
        from apps.keys.lists import add_column
        from apps.reports import pages
        from apps.sync import mirrors
        from apps.ui import slots
        from apps.usage import backfill_views, drawing, headroom, mailed, minute_views, shelf
        from apps.usage.calls import CALLS
        from apps.usage.groupings import add_grouping
        from apps.usage.people import PERSON
        from apps.usage.series import CODING, COSTS, USAGE
        from apps.usage.summaries import SUMMARY
        from apps.workspaces import limit_lists
        from apps.workspaces.lists import add_figure

        for one in (USAGE, COSTS, CODING, SUMMARY, CALLS):
            mirrors.register(one)
        words.name(
            {
                "usage.pause_backfill": _("Paused the reading of past usage"),
                "usage.resume_backfill": _("Let the reading of past usage go on"),
                "usage.read_calls": _("Had single calls of people read"),
                "usage.read_minutes": _("Had the last hours read by the minute"),
            }
        )
        add_grouping(PERSON)
        use.tell(shelf.SEEN_USED)
        add_column(shelf.KEY_COST, shelf.prepare_keys)
        findings.add(shelf.UNUSED_KEY)
        add_figure(shelf.WORKSPACE_COST)
        limit_lists.add_column(headroom.COLUMN, headroom.prepare)
        slots.fill("limits:before", minute_views.on_limits)
        for url_name, digester in mailed.SHOWN.items():
            pages.digest_by(url_name, digester)
        slots.fill("members:person", drawing.of_person, order=10)
        slots.fill("workspaces:workspace", drawing.of_workspace, order=10)
        slots.fill("workspaces:archive", drawing.ending, order=10)
        slots.fill("keys:key", drawing.of_key, order=10)
        slots.fill("organizations:connection", drawing.of_connection, order=50)
        slots.fill("organizations:connection", backfill_views.progress)
        slots.fill("overview:stats", drawing.stats, order=5)
