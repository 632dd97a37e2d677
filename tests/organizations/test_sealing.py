"""Sealed credentials open where they belong, and nowhere else."""

import json
import pickle
import traceback
import uuid
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.audit.models import Entry
from apps.organizations.credentials import hint_of, seal_for, unseal_from
from apps.organizations.models import Connection
from apps.organizations.sealing import (
    KeyringInvalid,
    SealBroken,
    Secret,
    new_key,
    parse_keyring,
    seal,
    sealed_with,
    unseal,
)
from tests.factories import ConnectionFactory

CLEAR = "sk-ant-admin01-the-canary-in-the-mine"
PLACE: dict[str, Any] = {
    "organization_id": 7,
    "connection_uid": uuid.UUID(int=1),
    "field": "credential",
}
ONE, TWO = new_key(1), new_key(2)


def test_what_was_sealed_opens_in_its_place() -> None:
    sealed = seal(CLEAR, **PLACE)
    assert CLEAR not in sealed
    assert sealed_with(sealed) == 1
    assert unseal(sealed, **PLACE).reveal() == CLEAR


def test_the_same_text_never_seals_the_same_way_twice() -> None:
    assert seal(CLEAR, **PLACE) != seal(CLEAR, **PLACE)


@pytest.mark.parametrize(
    "elsewhere",
    [{"organization_id": 8}, {"connection_uid": uuid.UUID(int=2)}, {"field": "next_credential"}],
)
def test_a_sealed_text_that_was_moved_does_not_open(elsewhere: dict[str, Any]) -> None:
    sealed = seal(CLEAR, **PLACE)
    with pytest.raises(SealBroken):
        unseal(sealed, **{**PLACE, **elsewhere})


def test_a_sealed_text_that_was_changed_does_not_open() -> None:
    version, nonce, text = seal(CLEAR, **PLACE).split(".")
    flipped = ("B" if text[0] == "A" else "A") + text[1:]
    for broken in (
        f"{version}.{nonce}.{flipped}",
        f"{version}.{nonce}.{text[:-4]}",
        f"{version}.AAAA.{text}",
        f"v9.{nonce}.{text}",
        f"{nonce}.{text}",
        CLEAR,
        "",
    ):
        with pytest.raises(SealBroken) as caught:
            unseal(broken, **PLACE)
        assert CLEAR not in str(caught.value)


def test_a_new_key_opens_what_the_old_one_sealed(settings: Any) -> None:
    settings.CREDENTIAL_KEYS = [ONE]
    old = seal(CLEAR, **PLACE)
    settings.CREDENTIAL_KEYS = [TWO, ONE]
    assert unseal(old, **PLACE).reveal() == CLEAR
    assert sealed_with(seal(CLEAR, **PLACE)) == 2
    settings.CREDENTIAL_KEYS = [TWO]
    with pytest.raises(SealBroken, match="key 1"):
        unseal(old, **PLACE)


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([], "empty"),
        (["no version"], "version"),
        ([":" + ONE[2:]], "version"),
        (["0:" + ONE[2:]], "version"),
        (["1:not base64!"], "base64"),
        (["1:c2hvcnQ="], "5 bytes"),
        (["1:" + "A" * 43 + "="], "regular"),
        ([ONE, ONE], "twice"),
    ],
)
def test_a_bad_keyring_is_told_plainly_and_never_repeated(entries: list[str], why: str) -> None:
    with pytest.raises(KeyringInvalid, match=why) as caught:
        parse_keyring(entries)
    for entry in entries:
        assert entry.partition(":")[2] == "" or entry.partition(":")[2] not in str(caught.value)


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret(CLEAR)
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r:>9}", f"{[secret]}"):
        assert CLEAR not in shown
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps({"key": secret})
    try:
        raise RuntimeError(secret)
    except RuntimeError as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        assert CLEAR not in "".join(line for line in told.format() if "CLEAR" not in line)


def test_a_hint_shows_the_last_four_characters_of_a_long_key_only() -> None:
    assert hint_of(Secret(CLEAR)) == "…mine"
    assert hint_of(Secret("short")) == "…"


def sealed_connection(**fields: Any) -> Connection:
    connection: Connection = ConnectionFactory.create()
    for name in ("credential", "next_credential"):
        setattr(connection, name, seal_for(connection, name, Secret(CLEAR)))
    connection.save()
    return connection


@pytest.mark.django_db
def test_rotation_seals_everything_with_the_newest_key(settings: Any) -> None:
    settings.CREDENTIAL_KEYS = [ONE]
    connection, empty = sealed_connection(), ConnectionFactory.create()
    settings.CREDENTIAL_KEYS = [TWO, ONE]
    out = StringIO()
    call_command("rotate_credentials", stdout=out)
    settings.CREDENTIAL_KEYS = [TWO]
    connection.refresh_from_db()
    assert unseal_from(connection, "credential").reveal() == CLEAR
    assert unseal_from(connection, "next_credential").reveal() == CLEAR
    empty.refresh_from_db()
    assert empty.credential == ""
    assert "2 sealed anew with key 2" in out.getvalue()
    call_command("rotate_credentials", stdout=out)
    assert "0 sealed anew with key 2, 2 already were" in out.getvalue()
    assert Entry.objects.filter(verb="credentials.reseal").count() == 2


@pytest.mark.django_db
def test_rotation_names_what_it_could_not_open_and_fails(settings: Any) -> None:
    settings.CREDENTIAL_KEYS = [ONE]
    connection = sealed_connection()
    settings.CREDENTIAL_KEYS = [TWO]
    err = StringIO()
    with pytest.raises(CommandError):
        call_command("rotate_credentials", stdout=StringIO(), stderr=err)
    assert str(connection.uid) in err.getvalue()
