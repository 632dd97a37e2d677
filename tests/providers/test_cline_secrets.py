"""Secrets that Cline's answers carry: none of them gets past the adapter."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from apps.providers.errors import ProviderError, Refused, Unclear
from apps.providers.masking import MASK, mask
from tests.providers.test_cline_operations import answered, data, main_example
from tests.providers.test_leaks import told

pytestmark = pytest.mark.usefixtures("worker")
HIDDEN = "canary"
CONFIG: dict[str, Any] = {
    "version": "v1",
    "yoloModeAllowed": False,
    "aFieldOfTomorrow": {"kept": 0.1},
    "providerSettings": {
        "OpenAiCompatible": {
            "openAiBaseUrl": "https://user:canary@models.example/v1",
            "openAiHeaders": {"X-Tenant": "canary", "Authorization": "Bearer canary"},
        }
    },
    "openTelemetryOtlpHeaders": {"x-any": "canary"},
    "remoteMCPServers": [
        {"name": "one", "url": "https://mcp.example/sse?api_key=canary-one&team=7"},
        {"name": "two", "url": "https://mcp.example/sse?access_token=canary-two"},
    ],
    "enterpriseTelemetry": {
        "promptUploading": {
            "enabled": True,
            "s3AccessSettings": {
                "bucket": "prompts",
                "accessKeyId": "canary",
                "secretAccessKey": "canary",
                "region": "eu-central-1",
            },
        }
    },
    "globalRules": [
        {
            "alwaysEnabled": True,
            "name": "Keys",
            "contents": "Never paste sk-canary-0123456789abcdef.",
        }
    ],
}
ORGANIZATION = main_example("get_organization") | {"defaultRemoteConfig": json.dumps(CONFIG)}
VALUE = {"organizationId": "org-1", "enabled": True, "value": json.dumps(CONFIG)}


def seen(record: Any) -> str:
    """Everything that a page, a log line or a mirror could get from a record."""
    names = [*getattr(type(record), "__slots__", ())]
    return repr(record) + repr([getattr(record, name) for name in names])


def test_the_remote_config_is_masked_wherever_it_comes_from() -> None:
    organization = answered(data(ORGANIZATION)).get_organization()
    records = [
        organization,
        organization.config,
        answered(data(VALUE)).get_organization_remote_config(),
        answered(data(VALUE)).get_current_user_remote_config(),
        answered(data(ORGANIZATION)).update_organization(name="North"),
        answered(data(ORGANIZATION)).create_organization("North"),
    ]
    for record in records:
        assert HIDDEN not in seen(record)
        assert MASK in seen(record)
    document = organization.config.document
    assert document["version"] == "v1"
    assert document["aFieldOfTomorrow"] == {"kept": 0.1}
    assert document["openTelemetryOtlpHeaders"] == {"x-any": MASK}
    assert (
        document["remoteMCPServers"][0]["url"] == f"https://mcp.example/sse?api_key={MASK}&team=7"
    )
    store = document["enterpriseTelemetry"]["promptUploading"]["s3AccessSettings"]
    assert (store["bucket"], store["accessKeyId"], store["secretAccessKey"]) == (
        "prompts",
        MASK,
        MASK,
    )


def test_a_config_that_cannot_be_read_is_named_and_not_shown() -> None:
    broken = {**VALUE, "value": '{"secretAccessKey": "canary'}
    config = answered(data(broken)).get_organization_remote_config()
    assert (config.document, config.missing) == (None, ("value",))
    assert HIDDEN not in seen(config)
    off = answered(data({**broken, "enabled": False})).get_organization_remote_config()
    assert off.missing == ()  # what is switched off may hold anything
    whole = answered(data({**ORGANIZATION, "defaultRemoteConfig": broken["value"]}))
    assert HIDDEN not in seen(whole.get_organization().config)


def test_shared_provider_keys_are_names_alone() -> None:
    keys = json.dumps({"litellm": "canary-1", "openai": "canary-2", "unset": ""})
    shared = answered(data({"providerApiKeys": keys})).get_organization_provider_keys()
    assert shared.providers == ("litellm", "openai")
    assert HIDDEN not in seen(shared)
    assert answered(data({"providerApiKeys": ""})).get_organization_provider_keys().providers == ()


@pytest.mark.parametrize(
    "value",
    ['"canary', "canary", '["canary"]', ["canary"], 7, {"providerApiKeys": '{"a": "canary'}],
)
def test_provider_keys_that_cannot_be_read_stand_in_no_error(value: Any) -> None:
    body = value if isinstance(value, dict) else {"providerApiKeys": value}
    with pytest.raises(Unclear) as caught:
        answered(data(body)).get_organization_provider_keys()
    assert HIDDEN not in told(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        {"secret_key": "", "api_key": {"id": "key-1", "hidden": "canary"}},
        ["canary"],
        "canary",
    ],
)
def test_an_answer_without_the_new_keys_secret_stands_in_no_error(body: Any) -> None:
    with pytest.raises(Unclear) as caught:
        answered(data(body), 201).create_api_key("nightly export")
    assert HIDDEN not in told(caught.value)


def test_a_new_secret_is_handed_over_and_shown_by_nothing_else() -> None:
    for body in (
        {"secret_key": "canary-1", "api_key": {"id": "key-1", "name": "x", "secret": "canary-1"}},
        {"secret_key": "canary-1", "id": "key-1", "name": "x"},
        {"secret": "canary-1", "id": "key-1"},
    ):
        made = answered(data(body), 201).create_api_key("x")
        assert (made.secret, made.key.remote_id) == ("canary-1", "key-1")
        assert HIDDEN not in repr(made) + seen(made.key)
    tokens = main_example("refresh_account_token") | {"accessToken": "canary-2"}
    fresh = answered(data(tokens)).refresh_account_token("old")
    assert fresh.access_token == "canary-2"
    assert HIDDEN not in repr(fresh)


# --- Writing a config back ----------------------------------------------------------------------


@pytest.fixture
def remote(adapter_for: Callable[..., Any]) -> Any:
    """An organization with CONFIG; ``sent`` has the documents that were written, ``status`` the answer."""

    class Remote:
        sent: list[Any] = []
        status = 200

    state = Remote()
    state.sent = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(200, json=data(ORGANIZATION))
        body = json.loads(request.content)
        state.sent.append(json.loads(body["defaultRemoteConfig"]))
        if state.status != 200:
            return httpx2.Response(state.status, json={"success": False, "error": "no"})
        return httpx2.Response(200, json=data({**ORGANIZATION, **body}))

    state.adapter = adapter_for("cline", handler)  # type: ignore[attr-defined] # a bag of the test's own
    return state


def shown(remote: Any) -> Any:
    return json.loads(json.dumps(remote.adapter.get_organization().config.document))


def test_what_is_masked_goes_back_as_it_was(remote: Any) -> None:
    document = shown(remote)
    document["yoloModeAllowed"] = True
    told_back = remote.adapter.update_organization(config=document)
    assert remote.sent == [{**CONFIG, "yoloModeAllowed": True}]
    assert HIDDEN not in seen(told_back)


def test_a_new_secret_takes_the_masked_ones_place(remote: Any) -> None:
    document = shown(remote)
    store = document["enterpriseTelemetry"]["promptUploading"]["s3AccessSettings"]
    store["secretAccessKey"] = "fresh"
    remote.adapter.update_organization(config=document)
    sent = remote.sent[0]["enterpriseTelemetry"]["promptUploading"]["s3AccessSettings"]
    assert (sent["secretAccessKey"], sent["accessKeyId"]) == ("fresh", "canary")


def test_entries_of_a_list_may_go_and_move(remote: Any) -> None:
    document = shown(remote)
    document["remoteMCPServers"].reverse()
    document["remoteMCPServers"].insert(0, {"name": "new", "url": "https://new.example/"})
    remote.adapter.update_organization(config=document)
    assert remote.sent[0]["remoteMCPServers"][1:] == CONFIG["remoteMCPServers"][::-1]
    document["remoteMCPServers"] = [document["remoteMCPServers"][1]]
    remote.adapter.update_organization(config=document)
    assert remote.sent[1]["remoteMCPServers"] == [CONFIG["remoteMCPServers"][1]]


def test_a_version_that_was_left_out_stays(remote: Any) -> None:
    remote.adapter.update_organization(config={"yoloModeAllowed": True})
    assert remote.sent == [{"version": "v1", "yoloModeAllowed": True}]


def lose_place(document: Any) -> None:
    document["providerSettings"]["OpenAiCompatible"]["openAiHeaders"]["X-New"] = MASK


def change_around(document: Any) -> None:
    document["remoteMCPServers"][0]["url"] = f"https://elsewhere.example/?api_key={MASK}"


def lengthen(document: Any) -> None:
    document["globalRules"].append({**document["globalRules"][0], "name": "Another"})


@pytest.mark.parametrize("change", [lose_place, change_around, lengthen])
def test_a_masked_value_without_a_counterpart_is_refused_before_anything_is_sent(
    remote: Any, change: Callable[[Any], None]
) -> None:
    document = shown(remote)
    change(document)
    with pytest.raises(Refused) as caught:
        remote.adapter.update_organization(config=document)
    assert remote.sent == []
    assert HIDDEN not in told(caught.value)


@pytest.mark.parametrize("status", [400, 403, 409, 429, 500])
def test_a_write_that_fails_tells_nothing_of_what_was_put_back(remote: Any, status: int) -> None:
    document = shown(remote)
    remote.status = status
    with pytest.raises(ProviderError) as caught:
        remote.adapter.update_organization(config=document)
    assert len(remote.sent) == 1
    assert HIDDEN not in told(caught.value)


# --- The one function that hides secrets --------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        json.dumps(CONFIG),
        {"value": json.dumps({"deep": json.dumps({"apiKey": "canary"})})},
        {"after": {"extra_headers": {"x-any": "canary"}}},
        {"accessKeyId": "canary", "aws_access_key_id": "canary"},
        "see https://u:canary@host.example/ and https://h.example/?token=canary#x",
        "https://h.example/?page=2&x-amz-signature=canary",
    ],
)
def test_secrets_are_found_in_documents_headers_and_addresses(value: Any) -> None:
    assert HIDDEN not in repr(mask(value))


@pytest.mark.parametrize(
    "value",
    [
        '{"fine": [1, 2]}',
        "{not json",
        "[1, 2",
        {"headers": {}, "headers_count": 3, "keyId": "x"},
        "https://h.example/?page=2&sort=key#token",
        {"note": "user: a@b.example"},
    ],
)
def test_what_is_no_secret_stays(value: Any) -> None:
    assert mask(value) == value
