"""What error pages and error mails show of a failure: never a secret, with DEBUG on either."""

import re
from typing import Any

from django.http import HttpRequest
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from portal.logs import hide_in_text


class SecretsFilter(SafeExceptionReporterFilter):
    """Hides by name what Django hides in production alone, and our own names besides."""

    hidden_settings = re.compile(
        "API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|COOKIE|CREDENTIAL|SESSION|_URL",
        flags=re.IGNORECASE,
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        """Hide always: a developer's screen is seen by others too, and pages are pasted into tickets."""
        return True


class SecretsReporter(ExceptionReporter):
    """Looks once more over the finished page for what has the looks of a key."""

    def get_traceback_html(self) -> Any:
        """The page, keys masked wherever they stand: local variables, messages, posted fields."""
        return hide_in_text(super().get_traceback_html())

    def get_traceback_text(self) -> Any:
        """The same as text."""
        return hide_in_text(super().get_traceback_text())
