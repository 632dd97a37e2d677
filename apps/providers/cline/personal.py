"""One person's own Cline account, spoken to with that person's API key."""

from django.utils.translation import gettext as _

from apps.providers.abilities import Needs, Reads, look
from apps.providers.catalogue import CLINE_PERSONAL
from apps.providers.cline.adapter import ClineAdapter
from apps.providers.errors import Unclear
from apps.providers.records import Found, RemoteOrganization
from apps.providers.records.configuration import RemoteConfig

_ME = ("get_current_user",)
# Writes are not tried: whoever may read their own account may change it.
NEEDS: Needs = {
    "account.read": _ME,
    "account.change": _ME,
    "account.terms": _ME,
    "account.join": _ME,
    "account.token": _ME,
    "account.delete": _ME,
    "config.read": ("get_current_user_remote_config",),
}


class PersonalClineAdapter(ClineAdapter):
    """What ``protocol.AccountAdapter`` names stands in ``account``; below is what differs.

    Where an organization's adapter has an organization, this one has the person: the provider's id of
    the user is the connection's ``remote_organization_id``.
    """

    NEEDS = NEEDS

    def __repr__(self) -> str:
        return f"<PersonalClineAdapter {self._organization or 'of whoever has the key'}>"

    def probe(self) -> Found:
        """get_current_user, and get_current_user_remote_config."""
        caller = self.get_current_user()
        account = caller.email or caller.name or caller.remote_id
        reads: Reads = {
            "get_current_user": lambda: None,
            "get_current_user_remote_config": self.get_current_user_remote_config,
        }
        abilities = look(NEEDS, reads) | CLINE_PERSONAL.impossible
        return Found(account, (RemoteOrganization(caller.remote_id, account, ()),), abilities)

    def configuration(self) -> RemoteConfig | None:
        """get_current_user_remote_config. Unclear if one applies and cannot be read."""
        found = self.get_current_user_remote_config()
        if found is not None and found.missing:
            raise Unclear(_("The remote config cannot be read."))
        return found
