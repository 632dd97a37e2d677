from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks
from django.db.backends.signals import connection_created


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        """Have `manage.py check --deploy` say what a production portal lacks, and databases serve pages well."""
        from apps.organizations import evidence
        from portal import logs, postgresql, sqlite, versions
        from portal.checks import check_production

        checks.register(check_production, checks.Tags.security, deploy=True)
        connection_created.connect(sqlite.set_up, dispatch_uid="sqlite waits in short naps")
        connection_created.connect(postgresql.set_up, dispatch_uid="postgresql plans for pages")
        evidence.add("versions", versions.evidence)
        if _count_error not in logs.listeners:
            logs.listeners.append(_count_error)
        if settings.SENTRY_DSN:
            from portal import error_reports  # where nobody wants it, not even the SDK is imported

            error_reports.set_up()


def _count_error(error: BaseException, line: Mapping[str, Any]) -> None:
    from apps.audit.context import origin
    from apps.organizations import tally

    tally.count("errors", origin().source)


class DeskTemplatesConfig(AppConfig):
    """Unfold's templates. Its own configurations import its site and widgets at once."""

    name = "unfold"


class DeskConfig(SimpleAdminConfig):
    """Django admin, whose pages are imported with the first request for one (``portal/desk_urls.py``)."""

    default_site = "unfold.sites.UnfoldAdminSite"

    def ready(self) -> None:
        """Have `manage.py check` look at pages that nobody has asked for yet."""
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(_check_desk, checks.Tags.admin)


def _check_desk(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> Sequence[checks.CheckMessage]:
    import_module("portal.desk_urls")
    return check_admin_app(app_configs, **kwargs)
