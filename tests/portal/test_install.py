"""``make install`` finds a Python, says what is missing, and starts over where it was interrupted."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as project_settings

TOOLS = ("cut", "dirname", "mkdir", "printf", "rm", "sh", "sleep", "touch", "tr", "uname")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A fresh clone, as far as installing goes, and a PATH with the tools of any Linux and no Python."""
    for name in ("bin/install", "Makefile", "pyproject.toml", "uv.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(project_settings.BASE_DIR / name, tmp_path / name)
    (tmp_path / "path").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        if found:
            (tmp_path / "path" / tool).symlink_to(found)
    return tmp_path


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def install(tree: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(tree / "bin" / "install")],
        env={"PATH": str(tree / "path"), "HOME": os.environ.get("HOME", "/"), **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_without_python_it_says_which_to_install(tree: Path) -> None:
    ended = install(tree)

    assert ended.returncode == 1
    assert "Orgdesk needs Python 3.11 or 3.12; found here: no Python." in ended.stderr
    assert "apt-get install python3.11 python3.11-venv" in ended.stderr
    assert not (tree / ".venv").exists()


def test_a_python_of_another_version_is_named(tree: Path) -> None:
    program(
        tree / "path" / "python3", '[ "$1" = --version ] && echo "Python 3.13.1" && exit; exit 1'
    )

    assert "found here: Python 3.13.1." in install(tree).stderr


def test_a_given_python_that_does_not_fit_is_refused(tree: Path) -> None:
    program(tree / "other", "echo Python 3.9.2; exit 1")

    ended = install(tree, PYTHON=str(tree / "other"))

    assert ended.returncode == 1
    assert f"PYTHON={tree / 'other'} is not a Python 3.11 or 3.12 (Python 3.9.2)." in ended.stderr


def test_a_shim_without_its_python_is_passed_over(tree: Path) -> None:
    program(tree / "path" / "python3.12", "echo 'command not found' >&2; exit 127")
    program(tree / "path" / "python3.11", f'exec {sys.executable} "$@"')

    ended = install(tree, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tree / "none"))

    assert f"Making .venv with Python {sys.version.split()[0]}" in ended.stdout


def test_a_python_without_venv_names_the_package(tree: Path) -> None:
    program(
        tree / "path" / "python3.11",
        f'case "$2" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"',
    )

    ended = install(tree)

    assert ended.returncode == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"Debian, Ubuntu: apt-get install python{version}-venv" in ended.stderr


def test_an_interrupted_run_starts_over_and_leaves_no_stamp(tree: Path) -> None:
    program(tree / ".venv" / "bin" / "python", "exit 127")
    (tree / ".venv" / ".installed").touch()
    program(tree / "path" / "python3", f'exec {sys.executable} "$@"')

    ended = install(tree, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tree / "none"))

    assert "An earlier run left .venv half made" in ended.stdout
    assert ended.returncode == 1
    assert "could not be installed; what pip says stands above." in ended.stderr
    assert not (tree / ".venv" / ".installed").exists()


def test_make_alone_explains_every_command() -> None:
    ended = subprocess.run(
        ["make", "--no-print-directory"],
        cwd=project_settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    for command in ("install", "demo", "reset", "test", "check", "bench", "help"):
        assert f"  make {command} " in ended.stdout
