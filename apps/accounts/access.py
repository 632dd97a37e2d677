"""Ending what a user has open, and making sessions look again at what their user may do."""

import ipaddress
from collections.abc import Iterable
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.models import User

SEEN_EVERY = 300  # seconds between two notes of when a session was last seen


def end_sessions(user: User) -> None:
    """End every session of ``user``, also those that no list knows of. Inside the caller's transaction."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    for session in UserSession.objects.filter(user_id=user.pk):
        session.end()


def access_changed(users: Iterable[int]) -> None:
    """Have the sessions of these users (ids) ask anew what is demanded of them."""
    User.objects.filter(pk__in=users).update(access_version=F("access_version") + 1)


def note_seen(request: HttpRequest) -> None:
    """Note when and from where this session was last seen, at most every five minutes.

    allauth's own tracking writes with every request; on SQLite that would stand in the way of a walk.
    """
    session: SessionBase = request.session
    now = timezone.now()
    seen = session.get("seen_at")
    if not session.session_key or (seen and now.timestamp() - seen < SEEN_EVERY):
        return
    if seen:  # the first note is the sign-in's own
        UserSession.objects.create_from_request(request)
    session["seen_at"] = now.timestamp()


def factor_changed(instance: Authenticator, created: bool | None = None, **kwargs: Any) -> None:
    """Signal: a second factor came or went (``created`` is False where one was merely used)."""
    if created is not False:
        access_changed([instance.user_id])


def client_address(request: HttpRequest) -> str:
    """Whose request it is, by IP address: that of the audit log, of sessions, of limits on failed sign-ins and
    tokens. An IPv4 address that IPv6 wraps is itself.

    Behind TRUSTED_PROXY_COUNT proxies it is the hop that the outermost of them has added. "" where there
    is none: a unix socket, or fewer hops than proxies.
    """
    try:
        address = ipaddress.ip_address(get_adapter().get_client_ip(request))
    except (PermissionDenied, ImproperlyConfigured, ValueError):
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
