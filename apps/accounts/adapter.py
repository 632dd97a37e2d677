"""How allauth behaves here: nobody signs up unasked, and a sign-in just now counts as a fresh one."""

import time
from smtplib import SMTPException
from typing import Any

import structlog
from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy

log = structlog.get_logger(__name__)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Accounts are made by the first run and by invitation, never by an open form."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "too_many_login_attempts": gettext_lazy(
            "Too many failed attempts. Wait five minutes, then try again."
        )
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Say no: see ``apps.organizations`` for the two ways in."""
        return False

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Whether to ask again: not within five minutes of a sign-in of any kind, confirmed or first."""
        if self.request is not None:
            records = get_authentication_records(self.request, self.request.user)
            if records and time.time() - records[-1]["at"] < app_settings.REAUTHENTICATION_TIMEOUT:
                return False
        return bool(super().is_reauthentication_required(app=app, **kwargs))

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Tell the user of a change to their account; a broken mail server must not undo the change."""
        try:
            super().send_notification_mail(*args, **kwargs)
        except (OSError, SMTPException) as error:
            log.warning("account_notice_not_sent", error=type(error).__name__)


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # likewise
    """Single sign-on lets in those who already have an account here, known by their address."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Say no: the address must have been invited first."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Refuse to connect a second identity by hand.

        The way to the provider starts with a plain link. Were it able to connect, a page elsewhere
        could tie a stranger's identity to the account of whoever follows it.
        """
        if sociallogin.state.get("process") == "connect":
            raise ImmediateHttpResponse(redirect("home"))
