"""Which operations the portal itself has called at the sandbox, and in which test.

A call counts where the portal's own client made it (its name stands in the request), no fault touched
it and it was answered with success, in a passing test that leaves opening adapters to the portal.
``contracts/exercised.json`` names one such test for each operation. A run fills in what the file lacks
and what no longer holds, and leaves the rest as it is, so any part of the suite in any order may run.
On CI nothing is written: there a run fails that would add an operation or take one away.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from apps.sandbox.app import App, Request, Response
from tests import shares

# Tests of the adapters and of the sandbox: they have no portal around them.
BELOW = ("tests/contract/", "tests/providers/", "tests/sandbox/")
PROPERTY = "exercised"
ROOT = Path(__file__).parents[1]
EXERCISED = ROOT / "contracts" / "exercised.json"


@contextmanager
def watching(app: App, item: pytest.Item) -> Iterator[None]:
    """Note in the test's report what the portal calls while it runs."""
    if item.nodeid.startswith(BELOW) or hasattr(getattr(item, "module", None), "open_adapter"):
        yield
        return
    # Imported here: processes that only share out the tests need no HTTP client.
    from apps.providers.http import USER_AGENT

    called: set[str] = set()

    def watch(operation_id: str, request: Request, response: Response) -> None:
        if request.headers.get("user-agent") == USER_AGENT.decode() and response.status < 400:
            called.add(operation_id)

    app.watchers.append(watch)
    try:
        yield
    finally:
        app.watchers.remove(watch)
        item.user_properties += [(PROPERTY, one) for one in sorted(called)]


class Ledger:
    """What the reports of a run say; a pytest plugin for the process that writes its outcome."""

    def __init__(self) -> None:
        self.passed: set[str] = set()
        self.seen: dict[str, set[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect; the operations come with the report of a test's end."""
        test = report.nodeid.partition("[")[0]
        if report.when == "call" and report.passed:
            self.passed.add(test)
        if report.when == "teardown":
            for name, operation in report.user_properties:
                if name == PROPERTY:
                    self.seen.setdefault(str(operation), set()).add(test)

    def outcome(self, noted: dict[str, str]) -> dict[str, str]:
        """``noted`` as it should be after this run."""
        kept = {
            operation: test
            for operation, test in noted.items()
            # A run that leaves out fields of tables cannot tell that a test calls an operation no more.
            if (exists(test) and (test not in self.passed or not shares.EVERY_CASE))
            or test in self.seen.get(operation, ())
        }
        for operation, tests in self.seen.items():
            if found := sorted(tests & self.passed, key=_preference):
                kept.setdefault(operation, found[0])
        return dict(sorted(kept.items()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file where it is no longer true."""
        noted = _noted()
        outcome = self.outcome(noted)
        if outcome == noted:
            return
        if os.environ.get("CI") != "true":
            EXERCISED.write_text(json.dumps(outcome, indent=2) + "\n", "utf-8")
        elif outcome.keys() != noted.keys() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say on CI what is not true."""
        noted = _noted()
        for operation in sorted(self.outcome(noted).keys() ^ noted.keys()):
            terminalreporter.write_line(
                f"contracts/{EXERCISED.name} is wrong about {operation}: run the tests and commit it.",
                yellow=True,
            )


def _noted() -> dict[str, str]:
    """The file as it stands."""
    found: dict[str, str] = json.loads(EXERCISED.read_text("utf-8")) if EXERCISED.exists() else {}
    return found


def exists(test: str) -> bool:
    """Whether there is a test of this name."""
    file, _, name = test.partition("::")
    path = ROOT / file
    return path.is_file() and f"def {name.rpartition('::')[2]}(" in path.read_text("utf-8")


def _preference(test: str) -> tuple[bool, str]:
    """Journeys first: they show the most."""
    return not test.startswith("tests/journeys/"), test
