"""What people may ask for keys. Each function checks, then hands a Command to the outbox."""

from collections.abc import Callable, Iterable, Iterator

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User
from apps.keys.models import Key
from apps.organizations.models import Connection, Organization
from apps.sync.models import Batch, Command
from apps.sync.outbox.batches import draft_batch
from apps.sync.outbox.kinds import KINDS
from apps.sync.outbox.requests import Refusal, Wish, ask

# The status that each change leads to.
LEADS_TO = {
    "keys.deactivate": "inactive",
    "keys.activate": "active",
    "keys.archive": "archived",
}
TITLES = {
    "keys.deactivate": gettext_lazy("Deactivate keys"),
    "keys.activate": gettext_lazy("Activate keys"),
    "keys.archive": gettext_lazy("Archive keys"),
    "keys.delete": gettext_lazy("Delete keys"),
}
IS_ALREADY: dict[str, Promise] = {
    "keys.deactivate": gettext_lazy("Is inactive already."),
    "keys.activate": gettext_lazy("Is active already."),
    "keys.archive": gettext_lazy("Is archived already."),
}


def why_locked(key: Key) -> str:
    """Why nothing about this key can be changed from here; "" if something can."""
    if key.gone_at:
        return _("This key is gone.")
    if key.is_own:
        return _("By what is shown of it, this is the key that the connection itself uses.")
    if key.status == "archived":
        return _("It is archived, which is final.")
    return ""


def why_not(kind: str, key: Key) -> str:
    """Why this key cannot be changed so; "" if it can, as far as the key itself goes."""
    if key.status == LEADS_TO.get(kind) and not key.gone_at:
        return str(IS_ALREADY[kind])
    if why := why_locked(key):
        return why
    if kind in ("keys.activate", "keys.deactivate") and key.state == "expired":
        return _("It has expired, which is final.")
    return ""


def _wish(kind: str, key: Key) -> Wish | Refusal:
    """The wish to switch, archive or delete."""
    if why := why_not(kind, key):
        return Refusal(str(key), key.connection.name, why)
    status = LEADS_TO.get(kind)
    return _wish_for(kind, key, {"status": status} if status else {}, {"status": key.status})


def _wish_for(kind: str, key: Key, arguments: dict[str, str], before: dict[str, str]) -> Wish:
    return Wish(
        kind=kind,
        connection=key.connection,
        target=key.target,
        label=str(key),
        arguments={"remote_id": str(key.remote_id), "hint": key.hint, **arguments},
        before=before,
        row_id=key.pk,
    )


def change(*, kind: str, key: Key, actor: User, nonce: str) -> Command:
    """Ask for one of "keys.deactivate", ".activate", ".archive", ".delete". Raises RequestRefused."""
    return ask(_wish(kind, key), actor=actor, nonce=nonce)


def rename(*, key: Key, name: str, actor: User, nonce: str) -> Command:
    """Ask for another name. Raises RequestRefused with the reason."""
    return ask(_rename_wish(key, name), actor=actor, nonce=nonce)


def _rename_wish(key: Key, name: str) -> Wish | Refusal:
    why = why_locked(key) or (_("Has that name already.") if name == key.name else "")
    if not why and not 1 <= len(name) <= 200:
        why = _("A name has 1 to 200 characters.")
    if why:
        return Refusal(str(key), key.connection.name, why)
    return _wish_for("keys.rename", key, {"name": name}, {"name": key.name})


def create(*, connection: Connection, name: str, actor: User, nonce: str) -> Command:
    """Ask for a new key. Its secret is in the Command then, once, for ``actor``."""
    wish = Wish(
        kind="keys.create",
        connection=connection,
        target=f"keys:new:{name}".lower(),
        label=name,
        arguments={"name": name},
    )
    return ask(wish, actor=actor, nonce=nonce)


def wishes(kind: str, keys: Iterable[Key]) -> Iterator[Wish | Refusal]:
    """One for each of ``keys`` (with their connections and organizations)."""
    return (_wish(kind, key) for key in keys)


def draft(
    *, kind: str, organization: Organization, keys: QuerySet[Key], actor: User, nonce: str
) -> Batch:
    """A batch for review that does ``kind`` to every one of ``keys``."""
    return draft_batch(
        wishes(kind, whole(keys)),
        action=KINDS[kind].action,
        organization=organization,
        actor=actor,
        title=str(TITLES[kind]),
        nonce=nonce,
    )


def draft_rename(
    *,
    organization: Organization,
    keys: QuerySet[Key],
    new_name: Callable[[str], str],
    actor: User,
    nonce: str,
) -> Batch:
    """A batch for review that gives each of ``keys`` the name that ``new_name`` makes of its own."""
    return draft_batch(
        (_rename_wish(key, new_name(key.name)) for key in whole(keys)),
        action="keys.change",
        organization=organization,
        actor=actor,
        title=_("Rename keys"),
        nonce=nonce,
    )


def whole(keys: QuerySet[Key]) -> QuerySet[Key]:
    """With their connections and organizations, by name."""
    return keys.select_related("connection", "connection__organization").order_by("name", "pk")
