from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "apps.usage"

    def ready(self) -> None:
        """Tell what usage can be grouped by beyond its own columns; draw into the pages of others."""
        from apps.usage import reads
        from apps.usage.people import PERSON

        reads.add_grouping(PERSON)
