"""Schemathesis makes up requests from both contracts; the sandbox's answers are held against them.

The requests are the same in every run. Ids come from the sandbox's world three times out of four, or
nearly every answer would be a 404; and every request finds that world as it was founded.
"""

import copy
import os
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contract.openapi import METHODS, Contract, anthropic, cline, contract_of
from tests.sandbox_server import SandboxServer

# Requests of an operation; where they can be malformed, three tenths of them are.
EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "200"))
MALFORMED = EXAMPLES * 3 // 10
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = {**anthropic().operations, **cline().operations}
# Any text fits a path: only queries and bodies can be malformed.
MALFORMABLE = [
    name
    for name, one in OPERATIONS.items()
    if one.body or any(each["in"] == "query" for each in one.parameters)
]
# The only difference between two requests of these is who sends them.
FIXED = [
    name
    for name, one in OPERATIONS.items()
    if one.body is None and all(each["in"] == "header" for each in one.parameters)
]
NEVER_DONE = {
    "accept_terms": "whoever has a key has accepted them already",
    "accept_invite": "the one who is invited would have to call",
    "subscribe_organization_plan": "the only organization of the callers' own has its plan already",
}

THREE_OF_FOUR = st.integers(0, 3)
Known = dict[str, st.SearchStrategy[Any]]  # by the name of a parameter or a field of a body


@cache
def schema_of(contract: Contract) -> Any:
    """The contract for Schemathesis, without what every call is given here: the key and the version."""
    document = copy.deepcopy(contract.document)
    del document["security"]
    version = {"$ref": "#/components/parameters/AnthropicVersion"}
    for item in document["paths"].values():
        for one in (item[method] for method in METHODS if method in item):
            one["parameters"] = [each for each in one.get("parameters", []) if each != version]
    return schemathesis.openapi.from_dict(document)


def callers(sandbox: SandboxServer, contract: Contract, *roles: str) -> list[dict[str, str]]:
    if contract is anthropic():
        return [{"x-api-key": sandbox.anthropic_key, "anthropic-version": "2023-06-01"}]
    return [{"authorization": f"Bearer {sandbox.cline_key(role)}"} for role in roles]


def days_ago(written: Callable[[datetime], str]) -> st.SearchStrategy[str]:
    now = datetime.now(UTC)
    return st.integers(0, 60).map(lambda days: written(now - timedelta(days=days)))


def known_at_anthropic(sandbox: SandboxServer) -> Known:
    users, invites, keys, workspaces = (
        sandbox.anthropic("GET", path)[2]["data"]
        for path in ("/users", "/invites", "/api_keys", "/workspaces?include_archived=true")
    )
    cursors = st.sampled_from([one["id"] for one in (*users, *invites, *keys, *workspaces)])
    user_ids = st.sampled_from([one["id"] for one in users])
    crowds = {
        one["id"]: sandbox.anthropic("GET", f"/workspaces/{one['id']}/members?limit=100")[2]["data"]
        for one in workspaces
    }
    crowded = max(crowds, key=lambda one: len(crowds[one]))
    return {
        "user_id": user_ids | st.sampled_from([one["user_id"] for one in crowds[crowded]]),
        "created_by_user_id": user_ids,
        "email": st.sampled_from([one["email"] for one in users]),
        "invite_id": st.sampled_from([one["id"] for one in invites]),
        "api_key_id": st.sampled_from([one["id"] for one in keys]),
        "workspace_id": st.sampled_from(list(crowds)) | st.just(crowded),
        "after_id": cursors,
        "before_id": cursors,
        "starting_at": days_ago(datetime.isoformat) | days_ago(lambda at: at.date().isoformat()),
        "ending_at": days_ago(datetime.isoformat),
    }


def known_at_cline(sandbox: SandboxServer) -> Known:
    def of(path: str) -> Any:
        return sandbox.cline("GET", path)[2]["data"]

    me = of("/users/me")
    bought, bought_by_me = (
        st.sampled_from([one["id"] for one in of(f"{path}/payments")["paymentTransactions"]])
        for path in ("/organizations/{org}", f"/users/{me['id']}")
    )
    members = [one["memberId"] for one in of("/organizations/{org}/members")["items"]]
    organizations = st.sampled_from([one["organizationId"] for one in me["organizations"]])
    days = days_ago(lambda at: at.date().isoformat())
    return {
        "id": organizations | st.just(me["id"]),
        "orgId": organizations,
        "organizationId": organizations,
        "memberId": st.sampled_from(members),
        "memberIds": st.lists(st.sampled_from(members), min_size=1, max_size=3, unique=True),
        "paymentId": bought | bought_by_me,
        "inviteId": st.sampled_from(
            [one["id"] for one in of("/organizations/{org}/invites")["items"]]
        ),
        "planId": st.sampled_from([one["id"] for one in of("/plans")]),
        "key_id": st.sampled_from([one["id"] for one in of("/api-keys")["items"]]),
        "refreshToken": st.sampled_from(
            [one.id for one in sandbox.state.world.keys if one.api == "cline refresh"]
        ),
        # A little less than are held, up to a little more than there are.
        "seats": st.integers(40, 400),
        "startDate": days,
        "endDate": days,
    }


@st.composite
def cases_of(
    draw: Any, made_up: st.SearchStrategy[Case[Any]], mode: GenerationMode, known: Known
) -> Case[Any]:
    """A made-up request, filled with what there is; one that shall be malformed only in its path."""
    case: Case[Any] = draw(made_up)
    parts = (case.path_parameters, case.query, case.body)
    for part in parts[:1] if mode.is_negative else parts:
        if isinstance(part, dict):
            for name in sorted(known.keys() & part.keys()):
                if draw(THREE_OF_FOUR):
                    part[name] = draw(known[name])
    return case


class Talk:
    """Sends one operation's requests to the sandbox and checks what it says; counts by status."""

    def __init__(self, sandbox: SandboxServer, operation_id: str, *roles: str) -> None:
        self.sandbox, contract = sandbox, contract_of(operation_id)
        known = known_at_anthropic if contract is anthropic() else known_at_cline
        self.operation = schema_of(contract).find_operation_by_id(operation_id)
        self.known = known(sandbox)
        self.callers = st.sampled_from(callers(sandbox, contract, *roles))
        self.statuses: Counter[int] = Counter()

    def hold(self, mode: GenerationMode, examples: int, checks: list[Any]) -> None:
        with requests.Session() as session:
            session.trust_env = False  # proxies and passwords of this machine
            # Once, like all that is drawn from: making it takes longer than drawing from it.
            made_up = self.operation.as_strategy(generation_mode=mode)

            @settings(
                max_examples=examples,
                derandomize=True,
                database=None,
                deadline=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=cases_of(made_up, mode, self.known), caller=self.callers)
            def one(case: Case[Any], caller: dict[str, str]) -> None:
                answer = case.call(base_url=self.sandbox.base_url, session=session, headers=caller)
                self.statuses[answer.status_code] += 1
                if any(entry.effect for entry in self.sandbox.state.journal):
                    self.sandbox.control.reset()
                case.validate_response(answer, checks=checks)

            one()


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_answer_is_what_its_contract_says(sandbox: SandboxServer, operation_id: str) -> None:
    talk = Talk(sandbox, operation_id, "owner", "owner", "admin", "member")
    examples = EXAMPLES - MALFORMED if operation_id in MALFORMABLE else EXAMPLES
    talk.hold(GenerationMode.POSITIVE, examples, CHECKS)
    assert talk.statuses.total() >= (1 if operation_id in FIXED else examples)
    done = any(status < 300 for status in talk.statuses)
    assert done is (operation_id not in NEVER_DONE), talk.statuses


@pytest.mark.parametrize("operation_id", MALFORMABLE)
def test_what_its_contract_does_not_allow_is_refused(
    sandbox: SandboxServer, operation_id: str
) -> None:
    talk = Talk(sandbox, operation_id, "owner")
    talk.hold(GenerationMode.NEGATIVE, MALFORMED, [*CHECKS, negative_data_rejection])
    assert talk.statuses.total() >= MALFORMED
