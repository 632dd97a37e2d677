"""Personal API keys (``ApiKey`` of the contract; this resource alone is written in snake case)."""

from django.utils.translation import gettext as _

from apps.providers.catalogue import CLINE
from apps.providers.cline.account import Account
from apps.providers.cline.answers import value_of
from apps.providers.cline.configuration import Configuration
from apps.providers.decoding import LONGEST_ID, search, text
from apps.providers.errors import NotFound, Refused, Unclear
from apps.providers.http import Answer, garbled
from apps.providers.reading import DocumentReader, Reading
from apps.providers.records import Page
from apps.providers.records.account import NewApiKey, PersonalKeyRecord
from apps.providers.records.keys import KeyRecord, NewKey, SharedKeyRecord

LONGEST_PREFIX = 16  # characters: more would no longer be a hint


def _key(reading: Reading, raw: bytes) -> PersonalKeyRecord:
    return PersonalKeyRecord(
        reading.id("id", needed=True),
        reading.text("name", needed=True),
        reading.text("key_prefix", "keyPrefix", longest=LONGEST_PREFIX),
        reading.moment("created_at", "createdAt", needed=True),
        reading.moment("last_used_at", "lastUsedAt"),
        raw,
        reading.missing,
    )


KEYS = DocumentReader(_key)


class Keys(Account, Configuration):
    """The API keys of the credential's owner; first what every adapter with keys has.

    A listed key works: there are no states. The listing does not say whose they are, so the owner is
    asked for once.
    """

    _owner: str | None = None  # their id as a member of the organization

    def keys(self, cursor: str | None = None) -> Page[KeyRecord]:
        """list_api_keys, and get_current_user once."""
        asked = self._owner is None
        owner = self._member_id()
        page = self.list_api_keys(cursor=cursor)
        rows = [self._as_key(row, owner) for row in page.rows]
        return Page(rows, page.next_cursor, page.unreadable, page.requests + asked, page.total)

    def key(self, remote_id: str) -> KeyRecord:
        """list_api_keys until it is found: there is no operation for a single one."""
        found = search(
            self.keys,
            lambda one: one.remote_id == remote_id,
            maybe=lambda row: row.remote_id in ("", remote_id),
            first=True,
        )
        if not found:
            raise NotFound(_("There is no such key any more."))
        return found[0]

    def change_key(
        self, remote_id: str, *, name: str | None = None, status: str | None = None
    ) -> KeyRecord:
        """Not in this API: always Refused."""
        raise Refused(str(CLINE.cannot["keys.change"]))

    def create_key(self, name: str) -> NewKey:
        """create_api_key."""
        made = self.create_api_key(name)
        return NewKey(self._as_key(made.key, self._owner or ""), made.secret)

    def delete_key(self, remote_id: str, *, hint: str = "") -> None:
        """delete_api_key, but for the one that is used here."""
        if self._channel.uses(hint):
            raise Refused(
                _("This is the key that the connection itself uses, by what is shown of it.")
            )
        self.delete_api_key(remote_id)

    def shared_keys(self, cursor: str | None = None) -> Page[SharedKeyRecord]:
        """get_organization_provider_keys."""
        shared = self.get_organization_provider_keys()
        if shared.missing:
            raise Unclear(_("The provider does not say which keys it shares."))
        return Page([SharedKeyRecord(name[:LONGEST_ID]) for name in shared.providers], None)

    def _member_id(self) -> str:
        if self._owner is None:
            places = self.get_current_user().memberships
            mine = (one for one in places if one.organization_id == self._organization)
            self._owner = next((one.member_id for one in mine), "")
        return self._owner

    def _as_key(self, row: PersonalKeyRecord, owner: str) -> KeyRecord:
        return KeyRecord(
            row.remote_id,
            row.name,
            "active",
            f"{row.prefix}..." if row.prefix else "",
            None,
            owner,
            "user",
            row.created_at,
            None,
            row.raw,
            row.missing,
            row.last_used_at,
            self._channel.uses(row.prefix),
        )

    def list_api_keys(self, *, cursor: str | None = None) -> Page[PersonalKeyRecord]:
        """list_api_keys: inferred; ``missing`` names what a key did not say."""
        return self._page(KEYS, "/api/v1/api-keys", cursor=cursor)

    def create_api_key(self, name: str) -> NewApiKey:
        """create_api_key: the one time that the secret is shown.

        Unclear where the answer has no secret: then there may be a key of that name that nobody can use.
        """
        answer = self._call("POST", "/api/v1/api-keys", body={"name": name})
        made = _made(answer)
        if made is None:
            raise garbled(answer, _("it has no secret"))
        return made

    def delete_api_key(self, key_id: str) -> None:
        """delete_api_key: at once. NotFound if it is gone."""
        self._call("DELETE", "/api/v1/api-keys/{key_id}", key_id=key_id)


def _made(answer: Answer) -> NewApiKey | None:
    """The new key: beside its secret, as seen, or with the secret among its own fields."""
    fields = value_of(answer)
    if not isinstance(fields, dict):
        return None
    secret = next(
        filter(None, (text(fields.get(one)) for one in ("secret_key", "secret", "key"))), ""
    )
    if not secret:
        return None
    reading = Reading(fields)
    inner = reading.inner("api_key", needed=True) or reading
    key = _key(Reading({name: one for name, one in inner.fields.items() if one != secret}), b"{}")
    return NewApiKey(key, secret, (*reading.missing, *key.missing))
