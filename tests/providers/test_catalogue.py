"""What is known of the providers, and what knowing it may cost."""

import re
import subprocess
import sys

import pytest

from apps.providers.catalogue import PROVIDERS
from tests.providers.canary import CANARY


@pytest.mark.parametrize(
    "module", ["catalogue", "protocol", "records", "errors", "guard", "adapters", "budget"]
)
def test_web_processes_can_import_it_without_a_client(module: str) -> None:
    code = (
        f"import sys, apps.providers.{module}\n"
        "print(sorted({'anthropic', 'httpx2', 'httpcore2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("key", [key for key, one in PROVIDERS.items() if not one.reached_as])
def test_keys_of_the_provider_match_its_pattern_and_others_do_not(key: str) -> None:
    pattern = re.compile(PROVIDERS[key].credential_pattern)
    assert pattern.fullmatch(CANARY[key])
    for other, credential in CANARY.items():
        assert other == key or not pattern.fullmatch(credential)
    for wrong in ("", "sk-ant-api03-abcdefghijkl", "workos:abcdefghijklmnop", CANARY[key] + "\n"):
        assert not pattern.fullmatch(wrong)


def test_anthropic_admins_are_locked_and_never_grantable() -> None:
    provider = PROVIDERS["anthropic"]
    assert set(provider.locked_roles) == {"admin"}
    assert {role.value for role in provider.grantable_roles} == {
        "user",
        "developer",
        "billing",
        "claude_code_user",
    }
    assert provider.invite_days == 21


def test_a_role_that_is_not_known_is_shown_as_it_is() -> None:
    assert PROVIDERS["cline"].role_label("archivist") == "archivist"
    assert str(PROVIDERS["cline"].role_label("owner")) == "Owner"
