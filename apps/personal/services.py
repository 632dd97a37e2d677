"""What a person may ask for their own account at a provider. Each checks, then hands over a Command."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.configuration.sealed import as_arguments
from apps.personal.models import Account
from apps.sync.models import Command
from apps.sync.outbox.requests import Refusal, Wish, ask

LONGEST_NAME = 200
LONGEST_TOKEN = 4000
_TOKEN = re.compile(rf"[\x21-\x7e]{{4,{LONGEST_TOKEN}}}")


def about(
    kind: str, account: Account, why: str, arguments: dict[str, Any], **before: Any
) -> Wish | Refusal:
    """The wish for a change of an account, or what is against it: ``why``, if anything."""
    if account.gone_at:
        why = _("This account is gone.")
    if why:
        return Refusal(str(account), account.connection.name, why)
    return Wish(
        kind=kind,
        connection=account.connection,
        target=account.target,
        label=str(account),
        arguments={"remote_id": account.remote_id, **arguments},
        before=before,
        row_id=account.pk,
    )


def update_profile(
    *,
    account: Account,
    name: str,
    takes_part_in_benchmarks: bool | None,
    actor: User,
    nonce: str,
) -> Command:
    """Ask for another profile; only what differs is sent. None: it stays. Raises RequestRefused."""
    name = name.strip()
    wanted = {"name": name, "takes_part_in_benchmarks": takes_part_in_benchmarks}
    held = {field: getattr(account, field) for field in wanted}
    changed = {
        field: value
        for field, value in wanted.items()
        if value is not None and value != held[field]
    }
    why = "" if changed else _("Nothing is changed.")
    if not 1 <= len(name) <= LONGEST_NAME:
        why = _("A name has 1 to %(longest)d characters.") % {"longest": LONGEST_NAME}
    wish = about("personal.update_profile", account, why, changed, **held)
    return ask(wish, actor=actor, nonce=nonce)


def accept_terms(*, account: Account, actor: User, nonce: str) -> Command:
    """Ask to accept the provider's terms of service. Raises RequestRefused."""
    why = _("They are accepted already.") if account.terms_accepted_at else ""
    return ask(about("personal.accept_terms", account, why, {}), actor=actor, nonce=nonce)


def token_in(text: str) -> str:
    """The token in what a person pastes: an invite's link, or the token itself. "" if there is none."""
    text = text.strip()
    if "://" in text:
        link = urlsplit(text)
        named = parse_qs(link.query)
        text = next(
            (named[name][0] for name in ("token", "invite", "invite_token") if name in named),
            link.path.rstrip("/").rpartition("/")[2],
        )
    return text if _TOKEN.fullmatch(text) else ""


def accept_invite(*, account: Account, token: str, actor: User, nonce: str) -> Command:
    """Ask to join the organization that ``token`` invites to. Raises RequestRefused.

    The token is sealed until it is over, then wiped.
    """
    sealed = as_arguments(account.connection, {"token": token})
    ids = sorted(place.remote_id for place in account.places)
    wish = about("personal.accept_invite", account, "", sealed, ids=ids)
    return ask(wish, actor=actor, nonce=nonce)


def set_active(*, account: Account, organization_id: str, actor: User, nonce: str) -> Command:
    """Ask that use is billed to an organization, or ("") to the person. Raises RequestRefused."""
    place = account.place(organization_id)
    why = ""
    if organization_id and place is None:
        why = _("You are not in that organization (any more).")
    elif organization_id == account.active_organization_id:
        why = _("It is active already.")
    arguments = {"organization_id": organization_id, "name": place.name if place else ""}
    before = {"organization_id": account.active_organization_id}
    wish = about("personal.set_active", account, why, arguments, **before)
    return ask(wish, actor=actor, nonce=nonce)


def refresh_token(*, account: Account, token: str, actor: User, nonce: str) -> Command:
    """Ask for a new account token; it is in the Command then, once, for ``actor``. Raises RequestRefused.

    The refresh token is sealed until it is over, then wiped: it works once.
    """
    sealed = as_arguments(account.connection, {"token": token})
    wish = about("personal.refresh_token", account, "", sealed)
    return ask(wish, actor=actor, nonce=nonce)


def delete(*, account: Account, actor: User, nonce: str) -> Command:
    """Ask to delete the account at its provider, for good. Raises RequestRefused."""
    wish = about("personal.delete_account", account, "", {}, email=account.email)
    return ask(wish, actor=actor, nonce=nonce)
