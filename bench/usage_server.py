"""Serves usage reports of a size of one's own: ``python -m bench.usage_server <rows an hour>``.

Every hour has so many rows, of a few thousand distinct tuples; two dozen hours are rendered beforehand,
so that answering costs next to nothing. Its first line is its address.
"""

import json
import random
import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

DIMENSIONS = 4_000
WORKSPACES, KEYS, PEOPLE, MODELS = 50, 400, 300, 8
HOUR = 3600


def tuples() -> list[dict[str, Any]]:
    """What rows are told apart by."""
    dice = random.Random(7)
    found = []
    for number in range(DIMENSIONS):
        key = dice.randrange(KEYS)
        by_person = number % 5 == 0
        found.append(
            {
                "api_key_id": None if by_person else f"apikey_{key:024}",
                "workspace_id": f"wrkspc_{key % WORKSPACES:022}",
                "model": f"claude-model-{dice.randrange(MODELS)}",
                "service_tier": dice.choice(["standard", "standard", "batch"]),
                "context_window": dice.choice(["0-200k", "0-200k", "200k-1M"]),
                "inference_geo": dice.choice(["global", "us"]),
                "account_id": f"user_{dice.randrange(PEOPLE):024}" if by_person else None,
                "service_account_id": None,
            }
        )
    return list({json.dumps(one): one for one in found}.values())


def rendered(rows: int) -> list[bytes]:
    """The results of two dozen hours."""
    dice = random.Random(11)
    known = tuples()
    hours = []
    for _ in range(24):
        results = [
            {
                "uncached_input_tokens": dice.randrange(5_000_000),
                "cache_creation": {
                    "ephemeral_1h_input_tokens": dice.randrange(90_000),
                    "ephemeral_5m_input_tokens": dice.randrange(900_000),
                },
                "cache_read_input_tokens": dice.randrange(20_000_000),
                "output_tokens": dice.randrange(900_000),
                "server_tool_use": {"web_search_requests": dice.randrange(20)},
                **one,
            }
            for one in dice.sample(known, rows)
        ]
        hours.append(json.dumps(results).encode())
    return hours


class Handler(BaseHTTPRequestHandler):
    """Answers every GET with the hours asked for, all in one page."""

    protocol_version = "HTTP/1.1"
    hours: list[bytes] = []

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if len(query.get("group_by[]", [])) > 8:
            self.answer(
                400,
                b'{"type": "error", "error": {"type": "invalid_request_error", "message": "too fine"}}',
            )
            return
        begin, end = (_seconds(query[name][0]) for name in ("starting_at", "ending_at"))
        buckets = [
            b'{"starting_at": "%s", "ending_at": "%s", "results": %s}'
            % (_stamp(at), _stamp(at + HOUR), self.hours[at // HOUR % 24])
            for at in range(begin, end, HOUR)
        ]
        self.answer(
            200, b'{"data": [' + b", ".join(buckets) + b'], "has_more": false, "next_page": null}'
        )

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _stamp(at: int) -> bytes:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def main(rows: int) -> None:
    """Serve until killed."""
    Handler.hours = rendered(rows)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
