"""What a chat's incoming webhook reads: a message for people, not JSON for a program.

Slack: ``{"text"}`` with its own marks. Teams (a workflow's webhook): a message with one Adaptive Card.
"""

from collections.abc import Callable, Mapping
from typing import Any

from apps.notices.letters import Letter, one_line
from apps.notices.models import Endpoint

Json = dict[str, Any]
MOST = 2500  # characters of a message's text


def body_for(speaks: str, letter: Letter) -> Json:
    """The message that a chat of this kind takes."""
    data = letter.data
    title = one_line(str(data.get("title") or letter.subject))
    text = str(data.get("text") or letter.text).strip()
    if len(text) > MOST:
        text = f"{text[: MOST - 1]}…"
    return BODIES[speaks](title, text, str(data.get("url", "")))


def _slack(title: str, text: str, url: str) -> Json:
    # These three are all that Slack asks to be escaped: with them nobody's name can call the channel.
    marks = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
    title, text = title.translate(marks), text.translate(marks)
    head = f"*<{url}|{title.replace('|', '¦')}>*" if url else f"*{title}*"
    return {"text": f"{head}\n{text}" if text else head}


def _teams(title: str, text: str, url: str) -> Json:
    # A card reads Markdown: with this nobody's name can pass for a link of ours.
    title, text = title.replace("](", "] ("), text.replace("](", "] (")
    blocks: list[Json] = [
        {"type": "TextBlock", "text": title, "weight": "Bolder", "size": "Medium", "wrap": True}
    ]
    blocks += [
        {"type": "TextBlock", "text": line, "wrap": True} for line in text.splitlines() if line
    ]
    card: Json = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    }
    if url:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Orgdesk", "url": url}]
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [content]}


BODIES: Mapping[str, Callable[[str, str, str], Json]] = {
    Endpoint.Speaks.SLACK: _slack,
    Endpoint.Speaks.TEAMS: _teams,
}
