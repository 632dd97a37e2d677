"""Sign-in to the API by a token. REST framework imports this while it imports its own views."""

import ipaddress
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from apps.accounts.access import client_address
from apps.accounts.models import User
from apps.audit.context import origin
from apps.organizations.api_limits import FAILED, meter_of
from apps.organizations.models import ApiToken, Role
from apps.organizations.policy import held_by, role_by_token

USED_EVERY = timedelta(minutes=1)  # how exactly a token's last use is known
PROVISIONING = "/scim/"  # addresses that tokens of that scope reach, and no others do
Scope = ApiToken.Scope


def role_of_token(token: ApiToken) -> Role | None:
    """What ``token`` may do now: the lower of its role and what its maker holds. None: nothing.

    One query. A closed account's tokens may do nothing.
    """
    held = held_by(token.made_by, token.organization)
    return role_by_token(token, held) if held else None


class ApiTokenAuthentication(TokenAuthentication):  # type: ignore[misc]  # knox ships no types
    """``Authorization: Bearer odk_…``: acts as the token's maker, on the token's organization alone.

    ``request.auth`` is the token, ``request.user`` its maker with ``acting`` set to it. 401 for what is
    no token (any more), 403 for what its scope leaves out, whatever the view.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Who calls, None where no token is shown. Notes when and from where the token was last used.

        TooMany for an address that has shown too many tokens which do not work; one that was last used from
        its network is let through all the same, for strangers share addresses.
        """
        meter, address = meter_of(request), client_address(request._request)
        try:
            found: tuple[User, ApiToken] | None = super().authenticate(request)
        except AuthenticationFailed:
            meter.count(FAILED, _counted_as(address))
            raise
        if found:
            if found[1].last_used_from != network_of(origin().address):
                meter.must_have_left(FAILED, _counted_as(address))
            _note_used(found[1])
            self._check_scope(found[1], request)
        return found

    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiToken]:
        """Find the token by its hash. One query."""
        try:
            digest = hash_token(token.decode())
        except UnicodeDecodeError:
            digest = ""
        found = (
            ApiToken.objects.select_related("user", "organization").filter(digest=digest).first()
        )
        if found is None or found.has_expired or not found.user.is_active:
            raise AuthenticationFailed(_("This token does not work (any more)."))
        user = found.made_by
        user.acting = found
        return user, found

    def _check_scope(self, token: ApiToken, request: Request) -> None:
        for_provisioning = request._request.path_info.startswith(PROVISIONING)
        if for_provisioning != (token.scope == Scope.SCIM):
            raise PermissionDenied(
                _("This token is not for provisioning. Make one whose scope that is.")
                if for_provisioning
                else _("This token is for provisioning (SCIM) alone.")
            )
        if token.scope == Scope.READ and request.method not in SAFE_METHODS:
            raise PermissionDenied(_("This token may read and change nothing."))


def _note_used(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > USED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(
            last_used_at=now, last_used_from=network_of(origin().address)
        )


def _counted_as(address: str) -> str:
    """Whose failures these are: an address; of IPv6 the network that one customer of a provider has."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address, 64), strict=False))


def network_of(address: str | None) -> str:
    """The network of an IP address, "203.0.113.0/24": enough to notice a stranger. "" for none."""
    if not address:
        return ""
    bits = 24 if ipaddress.ip_address(address).version == 4 else 48
    return str(ipaddress.ip_network((address, bits), strict=False))
