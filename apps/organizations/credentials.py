"""A connection's sealed credentials: putting them in, taking them out, sealing them anew."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from allauth.mfa.models import Authenticator
from django.db import transaction

from apps.audit.record import record
from apps.organizations.factors import reseal_factor
from apps.organizations.models import Connection
from apps.organizations.sealing import (
    SealBroken,
    Secret,
    keyring,
    seal,
    sealed_with,
    unseal,
)

Field = Literal["credential", "next_credential"]
FIELDS: tuple[Field, ...] = ("credential", "next_credential")


def seal_for(connection: Connection, name: Field, clear: Secret) -> str:
    """``clear``, sealed for that field of that connection alone. Saves nothing."""
    return seal(
        clear.reveal(),
        organization_id=connection.organization_id,
        connection_uid=connection.uid,
        field=name,
    )


def unseal_from(connection: Connection, name: Field) -> Secret:
    """The clear credential of that field; SealBroken if there is none or it cannot be opened."""
    return unseal(
        getattr(connection, name),
        organization_id=connection.organization_id,
        connection_uid=connection.uid,
        field=name,
    )


def hint_of(clear: Secret) -> str:
    """What may be shown of a credential, so that its owner can tell which one it is."""
    text = clear.reveal()
    return f"…{text[-4:]}" if len(text) >= 16 else "…"


@dataclass(slots=True)
class Resealed:
    """What ``reseal_all`` did: counts of sealed fields, and the connections it could not open."""

    version: int
    resealed: int = 0
    current: int = 0
    broken: list[str] = field(default_factory=list)


LOOKED_AT = 500  # connections, the newest
ENOUGH = 5  # of one version: a damaged one must not stop everybody


def versions_in_use() -> set[int]:
    """Of the keyring: those that credentials here are sealed with."""
    return set(_sealed_by_version())


def versions_that_open_nothing() -> list[int]:
    """Those of them of which not one of a few credentials opens: the keyring is not the one that sealed."""
    return sorted(
        version
        for version, connections in _sealed_by_version().items()
        if not any(map(_opens, connections[:ENOUGH]))
    )


def _sealed_by_version() -> dict[int, list[Connection]]:
    found: dict[int, list[Connection]] = {}
    sealed = Connection.objects.exclude(credential="").only("organization_id", "uid", "credential")
    for connection in sealed.order_by("-pk")[:LOOKED_AT]:
        version = sealed_with(connection.credential)
        if version is not None:
            found.setdefault(version, []).append(connection)
    return found


def _opens(connection: Connection) -> bool:
    try:
        unseal_from(connection, "credential")
    except SealBroken:
        return False
    return True


# What shelves keep sealed besides: each seals its own anew, and counts what it did.
also_sealed: "list[Callable[[Resealed], None]]" = []


def reseal_all() -> Resealed:
    """Seal every stored credential, and every second factor's secret, with the newest key.

    One short transaction each. One that somebody replaces meanwhile is left alone: what replaced it is sealed with the newest key.
    """
    done = Resealed(keyring().newest)
    for pk in list(Connection.objects.order_by("pk").values_list("pk", flat=True)):
        for name in FIELDS:
            _reseal(pk, name, done)
    for pk in list(Authenticator.objects.order_by("pk").values_list("pk", flat=True)):
        _count_factor(pk, done)
    for reseal in also_sealed:
        reseal(done)
    with transaction.atomic(durable=True):
        record(
            organization=None,
            actor=None,
            verb="credentials.reseal",
            details={
                "version": done.version,
                "resealed": done.resealed,
                "already": done.current,
                "broken": len(done.broken),
            },
        )
    return done


def _count_factor(pk: int, done: Resealed) -> None:
    outcome = reseal_factor(pk, done.version)
    if outcome is None:
        done.broken.append(f"second factor {pk}")
    else:
        done.resealed += outcome
        done.current += not outcome


def _reseal(pk: int, name: Field, done: Resealed) -> None:
    connection = Connection.objects.filter(pk=pk).first()
    sealed = getattr(connection, name, "")
    if connection is None or not sealed:
        return
    if sealed_with(sealed) == done.version:
        done.current += 1
        return
    try:
        clear = unseal_from(connection, name)
    except SealBroken:
        done.broken.append(f"{connection.organization_id}/{connection.uid} {name}")
        return
    with transaction.atomic(durable=True):
        done.resealed += Connection.objects.filter(pk=pk, **{name: sealed}).update(
            **{name: seal_for(connection, name, clear)}
        )
