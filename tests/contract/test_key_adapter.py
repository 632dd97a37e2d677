"""What both adapters do for keys, against the sandbox, each call held against the contracts."""

from typing import Any

import pytest

from apps.providers import errors
from tests.contract.test_adapters import Remote, pages, remote, unwatched

__all__ = ["remote", "unwatched"]  # fixtures

ANTHROPIC = pytest.mark.parametrize("provider", ["anthropic"])
CLINE = pytest.mark.parametrize("provider", ["cline"])


def everything(adapter: Any) -> list[Any]:
    return [row for page in pages(adapter.keys) for row in page.rows]


@ANTHROPIC
def test_a_walk_reads_every_key_of_the_organization_once(remote: Remote) -> None:
    found = everything(remote.adapter)
    assert len({one.remote_id for one in found}) == len(found) > 20
    assert {one.status for one in found} >= {"active", "inactive", "archived"}
    assert {""} < {one.workspace_id for one in found}
    assert not any(one.own for one in found), "an admin key is no key for models"


@ANTHROPIC
def test_a_key_is_renamed_and_switched(remote: Remote) -> None:
    key = next(one for one in everything(remote.adapter) if one.status == "active")
    assert remote.adapter.change_key(key.remote_id, name="renamed").name == "renamed"
    assert remote.adapter.change_key(key.remote_id, status="inactive").status == "inactive"
    now = remote.adapter.key(key.remote_id)
    assert (now.name, now.status) == ("renamed", "inactive")
    with pytest.raises(errors.NotFound):
        remote.adapter.key("apikey_nobody")


@ANTHROPIC
def test_what_the_console_alone_can_do_is_refused_without_asking(remote: Remote) -> None:
    end = remote.control.journal_end()
    for call in (
        lambda: remote.adapter.create_key("new"),
        lambda: remote.adapter.delete_key("apikey_1"),
        remote.adapter.shared_keys,
    ):
        with pytest.raises(errors.Refused):
            call()
    assert remote.control.journal(after=end) == []


@CLINE
def test_a_personal_key_is_made_found_and_deleted(remote: Remote) -> None:
    made = remote.adapter.create_key("nightly export")
    assert made.secret.startswith("sk_")
    assert made.secret not in repr(made)
    assert made.secret.encode() not in made.key.raw
    found = remote.adapter.key(made.key.remote_id)
    assert (found.name, found.status, found.workspace_id) == ("nightly export", "active", None)
    assert found.creator_id in {one.remote_id for one in remote.adapter.members().rows}
    assert not found.own
    remote.adapter.delete_key(made.key.remote_id)
    with pytest.raises(errors.NotFound):
        remote.adapter.delete_key(made.key.remote_id)


@CLINE
def test_the_key_in_use_is_marked_and_not_deleted(remote: Remote) -> None:
    made = remote.adapter.create_key("of the portal")
    another = remote.open(made.secret)
    assert [one.name for one in everything(another) if one.own] == ["of the portal"]
    with pytest.raises(errors.Refused, match="itself uses"):
        another.delete_key(made.key.remote_id, hint=made.key.hint)
    remote.adapter.delete_key(made.key.remote_id)


@CLINE
def test_shared_keys_are_names(remote: Remote) -> None:
    found = remote.adapter.shared_keys()
    assert found.rows
    assert all(one.raw == b"{}" for one in found.rows)
    with pytest.raises(errors.Refused):
        remote.adapter.change_key("key-1", name="x")
