from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "apps.usage"

    def ready(self) -> None:
        """Have sync walk the reports of usage; say what they can be grouped by; draw into other pages."""
        from apps.sync import mirrors
        from apps.usage import reads
        from apps.usage.people import PERSON
        from apps.usage.series import CODING, COSTS, USAGE

        for one in (USAGE, COSTS, CODING):
            mirrors.register(one)
        reads.add_grouping(PERSON)
