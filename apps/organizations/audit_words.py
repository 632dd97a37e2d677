"""The audit log's verbs of this shelf, in words."""

from django.utils.translation import gettext_lazy as _

WORDS = {
    "organizations.start": _("Set the portal up"),
    "organizations.change": _("Changed the organization's settings"),
    "organizations.stop_sending": _("Stopped changes: the database was put back from a backup"),
    "organizations.resume_sending": _("Let changes go on after a restore"),
    "organizations.open_personal": _("Opened a desk for their own account"),
    "connections.begin_beside": _(
        "Began to connect an organization with a key that is there already"
    ),
    "connections.begin": _("Pasted a key to connect an account"),
    "connections.paste_again": _("Pasted another key to connect an account"),
    "connections.connect": _("Connected an account"),
    "connections.discard": _("Left connecting an account"),
    "connections.rename": _("Renamed a connection"),
    "connections.ask_again": _("Had a connection's key checked"),
    "connections.rotate.begin": _("Pasted a new key for a connection"),
    "connections.rotate": _("Replaced a connection's key"),
    "connections.rotate.refused": _("A new key was not taken"),
    "connections.rotate.drop": _("Gave up replacing a key"),
    "connections.pause": _("Paused a connection"),
    "connections.resume": _("Resumed a connection"),
    "connections.disconnect": _("Disconnected an account"),
    "connections.freeze": _("Stopped a connection: the provider refused its key"),
    "connections.unfreeze": _("The provider accepts the connection's key again"),
    "credentials.reseal": _("Sealed the stored keys anew"),
    "grants.invite": _("Invited a colleague"),
    "grants.invite_again": _("Invited a colleague again"),
    "grants.withdraw_invitation": _("Withdrew a colleague's invitation"),
    "grants.accept_invitation": _("Accepted an invitation"),
    "grants.give": _("Gave a colleague a role"),
    "grants.change": _("Changed a colleague's role"),
    "grants.remove": _("Removed a colleague"),
    "tokens.create": _("Made an API token"),
    "tokens.rename": _("Renamed an API token"),
    "tokens.revoke": _("Ended an API token"),
    "tokens.end_with_role": _("An API token ended with its maker's role"),
}
# The log's filter: everything that begins with it.
AREAS = {
    "members.": _("People"),
    "invites.": _("Invites"),
    "connections.": _("Connections"),
    "sync.": _("Syncing"),
    "grants.": _("Colleagues"),
    "tokens.": _("API tokens"),
    "directory.": _("Directory"),
    "reports.": _("Reports"),
    "notices.": _("Notices and webhooks"),
    "organizations.": _("Settings"),
}
