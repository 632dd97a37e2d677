"""Changes of memberships: how each is sent, read back, and written to the mirror."""

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.members.models import Member
from apps.members.standing import role_label
from apps.providers.catalogue import PROVIDERS
from apps.providers.errors import NotFound
from apps.providers.protocol import Adapter
from apps.sync.models import Command
from apps.sync.outbox.kinds import Done, Json, Kind, Moot, NotDone, Step, Verdict, register
from apps.ui.prepared import Prepared


def _remote_id(command: Command) -> str:
    return str(command.arguments["remote_id"])


_members = Prepared(lambda ids: Member.objects.filter(pk__in=ids).values_list("role", "gone_at"))


def _check(command: Command) -> str:
    """The before-image: the row must still be what the person saw when they asked."""
    found = _members(ids=[command.row_id]) if command.row_id else []
    if not found or found[0][1]:
        return _("This membership is gone.")
    role = found[0][0]
    if role != command.before.get("role"):
        return _("Meanwhile the role was changed at the provider: it is %(role)s now.") % {
            "role": role
        }
    return ""


# --- Role ----------------------------------------------------------------------------------------


def _send_role(adapter: Adapter, command: Command) -> Json:
    record = adapter.change_role(_remote_id(command), command.arguments["role"])
    return {"role": record.role if record else command.arguments["role"]}


def _read_role(adapter: Adapter, command: Command) -> Verdict:
    try:
        record = adapter.member(_remote_id(command))
    except NotFound:
        return Moot(_("This membership is gone."))
    return Done({"role": record.role}) if record.role == command.arguments["role"] else NotDone()


def _settle_role(command: Command) -> None:
    role = command.results[-1].get("role", command.arguments["role"])
    Member.objects.filter(pk=command.row_id).update(
        role=role, changed_at=timezone.now(), fingerprint=0
    )


def _describe_role(command: Command) -> str:
    provider = command.connection.provider
    return _("%(label)s: %(before)s becomes %(after)s at %(connection)s.") % {
        "label": command.label,
        "before": role_label(provider, command.before.get("role", "")),
        "after": role_label(provider, command.arguments["role"]),
        "connection": command.connection,
    }


CHANGE_ROLE = Kind(
    name="members.change_role",
    label=gettext_lazy("Change role"),
    action="people.change_role",
    capability="members.change_role",
    resource="members",
    steps=(Step("change_role", _send_role, _read_role),),
    describe=_describe_role,
    settle=_settle_role,
    check=_check,
)


# --- Removal -------------------------------------------------------------------------------------


def _send_removal(adapter: Adapter, command: Command) -> Json:
    adapter.remove_member(_remote_id(command))
    return {}


def _read_removal(adapter: Adapter, command: Command) -> Verdict:
    try:
        adapter.member(_remote_id(command))
    except NotFound:
        return Done()
    return NotDone()


def _settle_removal(command: Command) -> None:
    now = timezone.now()
    Member.objects.filter(pk=command.row_id).update(gone_at=now, changed_at=now, fingerprint=0)


def _describe_removal(command: Command) -> str:
    return _("%(label)s loses access to %(connection)s. %(leaves)s") % {
        "label": command.label,
        "connection": command.connection,
        "leaves": PROVIDERS[command.connection.provider].removal_leaves,
    }


REMOVE = Kind(
    name="members.remove",
    label=gettext_lazy("Remove member"),
    action="people.remove",
    capability="members.remove",
    resource="members",
    steps=(Step("remove", _send_removal, _read_removal, gone_is_done=True),),
    describe=_describe_removal,
    settle=_settle_removal,
    check=_check,
)


def register_kinds() -> None:
    """Make the changes of this shelf known to the outbox."""
    register(CHANGE_ROLE)
    register(REMOVE)
