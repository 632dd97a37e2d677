"""What a chat is sent: a message it reads, unsigned, in which nobody's name can call the channel."""

import json
from typing import Any

import pytest

from apps.notices import sending
from apps.notices.models import Delivery, Endpoint
from apps.providers.guard import worker_scope
from tests import factories
from tests.notices.receiver import receiving
from tests.notices.test_telling import tell

pytestmark = pytest.mark.django_db


def sent(speaks: str, **told: str) -> tuple[dict[str, str], dict[str, Any]]:
    endpoint = factories.EndpointFactory(speaks=speaks)
    with receiving() as receiver:
        Endpoint.objects.filter(pk=endpoint.pk).update(url=receiver.url)
        tell(endpoint.organization, **told)
        with worker_scope():
            sending.send(Delivery.objects.get(channel="webhook").pk)
        [(headers, body)] = receiver.got
    return headers, json.loads(body)


def test_slack_gets_a_text_that_calls_nobody() -> None:
    headers, body = sent("slack", title="<!channel> fell | over", text="a < b & c")
    assert not [one for one in headers if one.lower().startswith("webhook-")]
    text = str(body["text"])
    assert "<!channel>" not in text
    assert "&lt;!channel&gt;" in text
    assert "a &lt; b &amp; c" in text


def test_teams_gets_a_card_that_leads_to_the_page() -> None:
    _headers, body = sent("teams", title="A storm", text="It rains.\nA lot.")
    [attachment] = body["attachments"]
    card = attachment["content"]
    assert [block["text"] for block in card["body"]] == ["A storm", "It rains.", "A lot."]
    assert card["actions"][0]["url"].startswith("http")


def test_nobodys_name_is_a_link_in_a_card() -> None:
    _headers, body = sent("teams", title="[Sign in](https://x.example)", text="[Here](//x.example)")
    assert "](" not in json.dumps(body)
