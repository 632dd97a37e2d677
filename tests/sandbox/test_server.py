"""The sandbox as a process: its first line, its state, its end."""

import http.client
import json
import socket
from pathlib import Path

import pytest

from tests.sandbox_server import SandboxProcess, SandboxServer


def test_first_line_names_the_address_and_every_key(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path) as sandbox:
        assert set(sandbox.keys) == {"anthropic", "cline"}
        assert sandbox.anthropic_key.startswith("sk-ant-admin01-")
        assert [one["role"] for one in sandbox.keys["cline"]] == ["owner", "admin", "member"]
        assert sandbox.anthropic("GET", "/me")[2]["id"] == sandbox.anthropic_organization
        for role in ("owner", "admin", "member"):
            assert sandbox.cline("GET", "/users/me", role=role)[0] == 200


def test_effects_outlive_a_kill(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path) as sandbox:
        _, _, invite = sandbox.anthropic(
            "POST", "/invites", {"email": "late@northgate.example", "role": "user"}
        )
        body = {"invites": [{"email": "late@northgate.example", "role": "member"}]}
        assert sandbox.cline("POST", "/organizations/{org}/invites", body)[0] == 201
        before = sandbox.control.journal()
        sandbox.kill()
        sandbox.start()
        assert sandbox.anthropic("GET", f"/invites/{invite['id']}")[2] == invite
        _, _, listed = sandbox.cline("GET", "/organizations/{org}/invites")
        assert "late@northgate.example" in [one["email"] for one in listed["data"]["items"]]
        assert sandbox.control.journal() == before


def test_a_line_cut_short_by_a_crash_is_dropped(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path) as sandbox:
        sandbox.anthropic("POST", "/invites", {"email": "a@northgate.example", "role": "user"})
        sandbox.kill()
        (log,) = tmp_path.glob("*.jsonl")
        with log.open("ab") as file:
            file.write(b'{"entry": {"sequence": 2, "at"')
        sandbox.start()
        assert [entry["sequence"] for entry in sandbox.control.journal()] == [1]
        sandbox.anthropic("POST", "/invites", {"email": "b@northgate.example", "role": "user"})
        sandbox.stop()
        lines = log.read_text().splitlines()
        assert [json.loads(line)["entry"]["sequence"] for line in lines[1:]] == [1, 2]


def test_another_seed_is_another_file_and_reset_begins_anew(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path) as sandbox:
        sandbox.anthropic("POST", "/invites", {"email": "a@northgate.example", "role": "user"})
        sandbox.stop()
        sandbox.arguments = ("--seed", "other")
        sandbox.start()
        assert sandbox.control.journal() == []
        assert len(list(tmp_path.glob("*.jsonl"))) == 2
        sandbox.stop()
        sandbox.arguments = ("--reset",)
        sandbox.start()
        assert sandbox.control.journal() == []


def test_state_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path):
        (log,) = tmp_path.glob("*.jsonl")
        assert log.stat().st_mode & 0o077 == 0


def test_a_damaged_state_is_said_in_a_plain_sentence(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path) as sandbox:
        sandbox.stop()
        (log,) = tmp_path.glob("*.jsonl")
        with log.open("ab") as file:
            file.write(b"{}\n")
        with pytest.raises(
            AssertionError, match=r"Line 2 of .* is damaged .* Use --reset\."
        ) as said:
            sandbox.start()
        assert "Traceback" not in str(said.value)


def test_a_body_too_large_is_refused_in_the_form_of_the_api(sandbox: SandboxServer) -> None:
    large = {"email": "x" * 1_100_000, "role": "user"}
    status, _, body = sandbox.anthropic("POST", "/invites", large)
    assert (status, body["error"]["type"]) == (413, "request_too_large")


def test_a_body_of_unknown_length_is_refused(sandbox: SandboxServer) -> None:
    host, port = sandbox.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            b"POST /v1/organizations/invites HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        assert connection.recv(1_000).startswith(b"HTTP/1.1 411 ")


def test_one_connection_carries_many_requests(sandbox: SandboxServer) -> None:
    host, port = sandbox.base_url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("HEAD", "/v1/organizations/me")
        assert connection.getresponse().read() == b""
        connection.request("GET", "/v1/nothing")
        assert connection.getresponse().read()
    assert connection.sock is first
    connection.close()


def test_a_taken_port_is_said_in_a_plain_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        sandbox = SandboxProcess(tmp_path, port=taken.getsockname()[1])
        try:
            sandbox.start()
        except AssertionError as error:
            said = str(error)
        else:
            sandbox.stop()
            raise AssertionError("It started on a taken port.")
    assert "Is another program using the port?" in said
    assert "Traceback" not in said


def test_two_sandboxes_do_not_share_a_state(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path):
        second = SandboxProcess(tmp_path)
        try:
            second.start()
        except AssertionError as error:
            said = str(error)
        else:
            second.stop()
            raise AssertionError("Two sandboxes wrote one state.")
    assert "Another sandbox is using" in said
    assert "Traceback" not in said


def test_sigterm_ends_it_cleanly_while_connections_are_open(tmp_path: Path) -> None:
    sandbox = SandboxProcess(tmp_path)
    sandbox.start()
    with socket.create_connection(("127.0.0.1", sandbox.port)):
        assert sandbox.stop() == 0


def test_it_listens_on_the_one_loopback_address(tmp_path: Path) -> None:
    with (
        SandboxProcess(tmp_path) as sandbox,
        socket.socket() as elsewhere,
        pytest.raises(ConnectionRefusedError),
    ):
        elsewhere.connect(("127.0.0.2", sandbox.port))
