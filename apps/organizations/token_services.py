"""Changes to API tokens: made, renamed, ended. Each is one durable transaction with its audit line."""

import secrets
import zlib
from collections.abc import Callable, Iterable
from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from knox.crypto import hash_token
from knox.settings import CONSTANTS, knox_settings

from apps.accounts.models import User
from apps.audit.record import Line, record, record_many
from apps.organizations.models import ApiToken, Grant, Organization, Role
from apps.organizations.policy import at_most, must, role_by_token, role_may, role_of

MAX_DAYS = 365  # no token works for longer
KEPT_DAYS = 30  # how long one whose time is over is still listed
AT_ONCE = 500  # cleared away by one transaction
Kind, Scope = ApiToken.Kind, ApiToken.Scope

# Called with service tokens that end with their maker's Grant, in the transaction that ends them. Higher
# shelves add theirs in ``AppConfig.ready()``.
ended_listeners: list[Callable[[Organization, list[ApiToken]], None]] = []


def new_secret() -> str:
    """A token nobody can guess: "odk_", 64 hexadecimal digits, and their CRC-32 in 8 more.

    By the sum a scanner for leaked secrets tells a token of ours from what only looks like one.
    """
    body = secrets.token_hex(32)
    return f"{knox_settings.TOKEN_PREFIX}{body}{zlib.crc32(body.encode()):08x}"


def visible_tokens(organization: Organization, user: User, role: Role) -> QuerySet[ApiToken]:
    """Those that ``user``, who acts there as ``role``, may see and end, the newest first.

    Their own; where ``role`` may see them, the organization's. An organization's token has none of its
    maker's own.
    """
    service = bool(user.acting and user.acting.is_service)
    which = Q(pk__in=[]) if service else Q(user=user, kind=Kind.PERSONAL)
    if role_may(role, "tokens.end_service"):
        which |= Q(kind=Kind.SERVICE)
    found = ApiToken.objects.filter(which, organization=organization)
    return found.select_related("user", "organization")


@transaction.atomic(durable=True)
def create_token(
    *,
    organization: Organization,
    user: User,
    name: str,
    days: int | None = None,
    role: Role | None = None,
    scope: ApiToken.Scope = Scope.WRITE,
    kind: ApiToken.Kind = Kind.PERSONAL,
) -> tuple[ApiToken, str]:
    """Make a token of ``user``'s, or of the organization; the second value is shown once.

    ``role``: the most it may do, by default what ``user`` may; PermissionDenied for more than that.
    ``days``: how long it works, at most and by default MAX_DAYS; ValueError outside of that.
    """
    must(user, "tokens.make_service" if kind == Kind.SERVICE else "tokens.create", organization)
    held = role_of(user, organization)
    role = role or held
    if scope == Scope.SCIM:
        role = Role.OWNER  # it gives and takes roles, of owners too
    if held is None or role is None or at_most(held, role) != role:
        raise PermissionDenied(_("A token may do no more than its maker."))
    days = MAX_DAYS if days is None else days
    if not 0 < days <= MAX_DAYS:
        raise ValueError("A token works for a day at least and for a year at most.")
    secret = new_secret()
    token = ApiToken.objects.create(
        user=user,
        organization=organization,
        name=name,
        kind=kind,
        role=role,
        scope=scope,
        digest=hash_token(secret),
        token_key=secret[: CONSTANTS.TOKEN_KEY_LENGTH],
        expiry=timezone.now() + timedelta(days=days),
    )
    record(
        organization=organization,
        actor=user,
        verb="tokens.create",
        target=_target(token),
        label=name,
        details={"kind": kind, "role": role, "scope": scope, "days": days},
    )
    return token, secret


@transaction.atomic(durable=True)
def rename_token(*, token: ApiToken, name: str, actor: User) -> None:
    """Call a token something else. What it has done stays under its old name."""
    _must_own(token, actor)
    if name == token.name:
        return
    ApiToken.objects.filter(pk=token.pk).update(name=name)
    record(
        organization=token.organization,
        actor=actor,
        verb="tokens.rename",
        target=_target(token),
        label=name,
        details={"name": [token.name, name]},
    )


@transaction.atomic(durable=True)
def revoke_token(*, token: ApiToken, actor: User) -> None:
    """End a token at once."""
    _must_own(token, actor)
    _end([token], actor, "tokens.revoke")


@transaction.atomic(durable=True)
def revoke_all(*, organization: Organization, actor: User) -> int:
    """End every token of the actor's own there at once; how many those were."""
    mine = list(ApiToken.objects.filter(organization=organization, user=actor, kind=Kind.PERSONAL))
    _end(mine, actor, "tokens.revoke")
    return len(mine)


def tidy_expired() -> int:
    """Clear away those whose time was over KEPT_DAYS ago; how many. A transaction for each organization."""
    before = timezone.now() - timedelta(days=KEPT_DAYS)
    over = ApiToken.objects.filter(expiry__lt=before).order_by()
    ended = 0
    for organization in over.values_list("organization_id", flat=True).distinct():
        with transaction.atomic(durable=True):
            tokens = list(over.filter(organization=organization).select_related("user")[:AT_ONCE])
            _end(tokens, None, "tokens.tidy")
        ended += len(tokens)
    return ended


def end_with_grant(grant: Grant, left: Role | None) -> None:
    """End what ``grant``'s holder has made and may do less from now on, in the caller's transaction.

    ``left`` is the role that they hold from now on, None for nothing.
    """
    made = ApiToken.objects.filter(user=grant.user_id, organization=grant.organization_id)
    ended = [
        token
        for token in made.select_related("user", "organization")
        if left is None or role_by_token(token, left) != token.role
    ]
    _end(ended, None, "tokens.end_with_role")
    services = [token for token in ended if token.is_service]
    if services:
        for listener in ended_listeners:
            listener(services[0].organization, services)


def _must_own(token: ApiToken, actor: User) -> None:
    if token.is_service:
        must(actor, "tokens.end_service", token.organization)
    elif token.user_id != actor.pk:
        raise PermissionDenied(_("Your role here does not allow this any more."))


def _end(tokens: Iterable[ApiToken], actor: User | None, verb: str) -> None:
    tokens = list(tokens)
    if not tokens:
        return
    ApiToken.objects.filter(pk__in=[token.pk for token in tokens]).delete()
    record_many(
        organization=tokens[0].organization_id,
        actor=actor,
        lines=[
            Line(verb, _target(token), token.name, {"maker": token.made_by.email})
            for token in tokens
        ],
    )


def _target(token: ApiToken) -> tuple[str, str]:
    return "apitoken", token.token_key
