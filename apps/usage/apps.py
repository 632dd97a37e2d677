from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "apps.usage"

    def ready(self) -> None:
        """Have sync walk the reports of usage; say what they can be grouped by; draw into other pages."""
        from apps.sync import mirrors
        from apps.ui import slots
        from apps.usage import drawing, reads
        from apps.usage.people import PERSON
        from apps.usage.series import CODING, COSTS, USAGE

        for one in (USAGE, COSTS, CODING):
            mirrors.register(one)
        reads.add_grouping(PERSON)
        slots.fill("members:person", drawing.of_person, order=10)
        slots.fill("workspaces:workspace", drawing.of_workspace, order=10)
        slots.fill("keys:key", drawing.of_key, order=10)
        slots.fill("organizations:connection", drawing.of_connection, order=50)
        slots.fill("overview:stats", drawing.stats, order=5)
