from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "apps.usage"

    def ready(self) -> None:
        """Have sync walk the reports of usage."""
        from apps.sync import mirrors
        from apps.usage.series import CODING, COSTS, USAGE

        for one in (USAGE, COSTS, CODING):
            mirrors.register(one)
