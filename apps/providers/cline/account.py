"""The account that owns the credential (``User`` of the contract), and the ways to sign in as it.

``User`` was recorded. What changes it is documented, the shapes of those answers are inferred: a
success that cannot be read is still one, so they give the record or None.
"""

from django.utils.translation import gettext as _

from apps.providers.cline.answers import read, value_of
from apps.providers.cline.client import Client
from apps.providers.decoding import Fields, Missing, text
from apps.providers.errors import Unclear
from apps.providers.http import Answer, garbled
from apps.providers.reading import DocumentReader, Reading
from apps.providers.records.account import AccountRecord, AccountTokens, Membership

ME = "/api/v1/users/me"


def _membership(fields: Fields) -> Membership | None:
    reading = Reading(fields)
    organization = reading.id("organizationId", "id")
    if not organization:
        return None
    return Membership(
        organization,
        reading.text("name", needed=True) or organization,
        reading.id("memberId", needed=True),
        reading.texts("roles", "role", needed=True),
        reading.flag("active", needed=True),
        reading.missing,
    )


def _active(reading: Reading, memberships: tuple[Membership, ...]) -> str | None:
    """The entry that says so; "" where all say no; else the reference page's own field."""
    active = [one.organization_id for one in memberships if one.active]
    if active:
        return active[0]
    if memberships and all(one.active is False for one in memberships):
        return ""
    return reading.id("active_account_id") or None


def _account(reading: Reading, raw: bytes) -> AccountRecord:
    memberships = tuple(
        filter(None, map(_membership, reading.objects("organizations", needed=True)))
    )
    return AccountRecord(
        reading.id("id", needed=True),
        reading.text("email", needed=True, longest=254),
        reading.text("displayName", "name"),
        memberships,
        _active(reading, memberships),
        reading.moment("termsAcceptedAt"),
        reading.flag("clineBenchConsent"),
        reading.moment("createdAt", needed=True),
        reading.moment("updatedAt", needed=True),
        raw,
        reading.missing,
    )


def _joined(reading: Reading, raw: bytes) -> Membership:
    found = _membership(reading.fields)
    if found is None:
        raise Missing(_("it has no %(field)s") % {"field": "organizationId"})
    return found


ACCOUNT = DocumentReader(_account)
JOINED = DocumentReader(_joined, ("organizationId",))


class Account(Client):
    """What the key's owner may do with their own account."""

    def get_current_user(self) -> AccountRecord:
        """get_current_user: whose key it is, and each membership."""
        answer = self._call("GET", ME)
        return read(ACCOUNT, answer)

    def update_current_user(
        self, *, name: str | None = None, takes_part_in_benchmarks: bool | None = None
    ) -> AccountRecord | None:
        """update_current_user: what is not given stays. The account if the answer has it."""
        wanted = {"displayName": name, "clineBenchConsent": takes_part_in_benchmarks}
        body = {field: value for field, value in wanted.items() if value is not None}
        return _told(self._call("PATCH", ME, body=body))

    def delete_current_user(self) -> None:
        """delete_current_user: the account of the key's owner, for good."""
        self._call("DELETE", ME)

    def accept_terms(self) -> AccountRecord | None:
        """accept_terms. Refused (409) once they are accepted. The account if the answer has it."""
        return _told(self._call("POST", f"{ME}/accept-terms"))

    def set_active_account(self, organization_id: str | None) -> str:
        """set_active_account: bill use to an organization, or (None) to the personal account, for
        every client of that person. The provider's words, "" for none."""
        body = {"organizationId": organization_id}
        return text(value_of(self._call("PUT", "/api/v1/users/active-account", body=body)))[:500]

    def request_budget_increase(self) -> None:
        """request_budget_increase: ask the organization's admins for a higher spend cap."""
        self._call("POST", f"{ME}/budget/request")

    def accept_invite(self, token: str) -> Membership | None:
        """accept_invite, as the person invited. Forbidden for another address; Refused with 409 when
        it was accepted before, with 410 when it has expired or was withdrawn. The membership if the
        answer has it."""
        answer = self._call("POST", "/api/v1/invites/accept", body={"token": token})
        try:
            return read(JOINED, answer)
        except Unclear:
            return None  # a 2xx: it has happened, whatever else the answer says

    def refresh_account_token(self, refresh_token: str) -> AccountTokens:
        """refresh_account_token: a new account token for a refresh token, which is used up by it.

        Unauthorized or Refused for one that is used up already; one refresh at a time.
        """
        body = {"refreshToken": refresh_token, "grantType": "refresh_token"}
        answer = self._call("POST", "/api/v1/auth/refresh", body=body, anonymous=True)
        tokens = _tokens(answer)
        if tokens is None:
            raise garbled(answer, _("it has no token"))
        return tokens


def _told(answer: Answer) -> AccountRecord | None:
    """The account in the answer to a change; None where it has none that can be read."""
    try:
        return read(ACCOUNT, answer)
    except Unclear:
        return None  # a 2xx: it has happened, whatever else the answer says


def _tokens(answer: Answer) -> AccountTokens | None:
    fields = value_of(answer)
    if not isinstance(fields, dict):
        return None
    reading = Reading(fields)
    token = text(fields.get("accessToken"))
    if not token:
        return None
    expires = reading.moment("expiresAt", needed=True)
    reading.text("tokenType", needed=True)  # always Bearer
    return AccountTokens(token, text(fields.get("refreshToken")), expires, reading.missing)
