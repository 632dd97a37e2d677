from django.apps import AppConfig
from django.core import checks
from django.db.backends.signals import connection_created


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        """Have `manage.py check --deploy` say what a production portal lacks, and databases serve pages well."""
        from portal import postgresql, sqlite
        from portal.checks import check_production

        checks.register(check_production, checks.Tags.security, deploy=True)
        connection_created.connect(sqlite.set_up, dispatch_uid="sqlite waits in short naps")
        connection_created.connect(postgresql.set_up, dispatch_uid="postgresql plans for pages")
