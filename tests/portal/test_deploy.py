"""What runs the portal elsewhere (compose, systemd, the image) names what is really there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = {
    name: one for name, one in COMPOSE["services"].items() if one["image"].startswith("orgdesk:")
}
PROCESSES = {
    "web": "granian --interface wsgi",
    "worker-actions": "-m portal.worker actions --concurrency 8 --hostname actions@%h",
    "worker-walks": "-m portal.worker walks --concurrency 4 --hostname walks@%h",
    "beat": "--app portal beat",
    "migrate": "manage.py migrate --noinput",
}


def version() -> str:
    text = (ROOT / "portal" / "version.py").read_text()
    return re.findall(r'VERSION = "(.+)"', text)[0]


def test_the_release_is_the_same_everywhere() -> None:
    assert f'\nversion = "{version()}"\n' in (ROOT / "pyproject.toml").read_text()
    assert {one["image"] for one in OURS.values()} == {f"orgdesk:{version()}"}


def test_the_image_is_built_with_the_tools_that_the_lock_was_made_with() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    [pinned] = re.findall(r"UV_VERSION=(\S+)", (ROOT / "bin" / "install").read_text())

    assert f"uv=={pinned}" in dockerfile
    assert "USER 10001:10001" in dockerfile
    for name in re.findall(r"^!([\w.]+)", (ROOT / ".dockerignore").read_text(), re.M):
        assert (ROOT / name).exists()


@pytest.mark.parametrize("name", PROCESSES)
def test_each_process_is_run_alike_by_compose_and_by_systemd(name: str) -> None:
    service = OURS[name]
    unit = (ROOT / "deploy" / "systemd" / f"orgdesk-{name}.service").read_text()
    command = service.get("command") or ["granian", "--interface", "wsgi"]

    assert PROCESSES[name] in " ".join(map(str, command))
    assert PROCESSES[name] in unit.replace("%%", "%")
    assert service["read_only"] is True
    assert service["user"] == "10001:10001"
    assert service["cap_drop"] == ["ALL"]


def test_every_variable_that_is_set_is_one_that_the_portal_reads() -> None:
    texts = [path.read_text() for path in [*UNITS, ROOT / "deploy" / "orgdesk.env.example"]]
    named = {
        name
        for text in texts
        for line in re.findall(r"^(?:Environment=)?#?([A-Z_]+=.*)$", text, re.M)
        for name in re.findall(r"\b([A-Z][A-Z_]+)=", line)
    }
    for service in OURS.values():
        named |= set(service["environment"])
    settings = (ROOT / "portal" / "settings.py").read_text()
    python = {"MALLOC_ARENA_MAX", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    # Those of env.db() and env.email() are read by their default names.
    known = {name.removesuffix("_FILE") for name in named} - python
    assert known
    assert [name for name in sorted(known) if f'"{name}"' not in settings] == []


def test_every_setting_that_watching_wants_stands_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in ("METRICS_TOKEN", "METRICS_NETWORKS", "SENTRY_DSN", "CREDENTIAL_KEYS_LOST"):
        assert f"`{name}`" in readme


def test_every_figure_is_explained() -> None:
    words = (ROOT / "docs" / "running.md").read_text()
    code = (ROOT / "portal" / "metrics.py").read_text()
    totals = re.findall(r'^    "(\w+)": \(\(', code, re.M)
    names = {*re.findall(r'"(orgdesk_[a-z_]+)"', code), *(f"orgdesk_{one}_total" for one in totals)}
    assert len(names) > 15
    assert [name for name in sorted(names) if f"`{name}" not in words] == []
