"""The two contracts as validators of requests and answers (OpenAPI 3.1, JSON Schema 2020-12)."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import yaml
from jsonschema import Draft202012Validator, FormatChecker

FOLDER = Path(__file__).parents[2] / "contracts"
METHODS = ("get", "post", "put", "patch", "delete")
FORMATS = FormatChecker(formats=["uuid", "email"])


def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


FORMATS.checks("date-time", raises=ValueError)(_is_moment)


def _typed(value: str, kind: str | None) -> Any:
    """A query parameter's value as its schema counts it; as it is where it is no such thing."""
    if kind == "integer":
        return int(value)
    return {"true": True, "false": False}.get(value, value) if kind == "boolean" else value


@dataclass(frozen=True)
class Operation:
    operation_id: str
    method: str
    path: str
    responses: dict[str, Any]
    parameters: list[dict[str, Any]]
    body: dict[str, Any] | None


class Contract:
    """One contract file. Violations raise AssertionError with the place and the reason."""

    def __init__(self, file: Path) -> None:
        self.document: dict[str, Any] = yaml.load(file.read_text(), yaml.CSafeLoader)
        self.operations = {one.operation_id: one for one in self._read()}
        self._validators: dict[str, Draft202012Validator] = {}

    def resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            target: Any = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node

    def _read(self) -> list[Operation]:
        return [
            Operation(
                one["operationId"],
                method.upper(),
                path,
                {str(status): self.resolve(answer) for status, answer in one["responses"].items()},
                [
                    self.resolve(each)
                    for each in (*item.get("parameters", []), *one.get("parameters", []))
                ],
                self.resolve(one["requestBody"]) if "requestBody" in one else None,
            )
            for path, item in self.document["paths"].items()
            for method, one in item.items()
            if method in METHODS
        ]

    def _validator(self, schema: dict[str, Any]) -> Draft202012Validator:
        key = json.dumps(schema, sort_keys=True, default=str)
        if key not in self._validators:
            whole = {"components": self.document["components"], "allOf": [schema]}
            self._validators[key] = Draft202012Validator(whole, format_checker=FORMATS)
        return self._validators[key]

    def _check(self, schema: dict[str, Any], value: Any, where: str) -> None:
        errors = [
            f"{where} at {error.json_path}: {error.message}"
            for error in self._validator(schema).iter_errors(value)
        ]
        assert not errors, "\n".join(errors)

    def response_for(self, operation_id: str, status: int) -> dict[str, Any]:
        """What the contract says of this status, by number, class or default."""
        listed = self.operations[operation_id].responses
        for key in (str(status), f"{status // 100}XX", "default"):
            if key in listed:
                found: dict[str, Any] = listed[key]
                return found
        raise AssertionError(f"{operation_id} does not list status {status}")

    def check_answer(
        self, operation_id: str, status: int, headers: dict[str, str], body: bytes
    ) -> None:
        """The answer has a listed status, the listed headers in shape and a body of its schema."""
        response = self.response_for(operation_id, status)
        where = f"{operation_id} {status}"
        lower = {name.lower(): value for name, value in headers.items()}
        for name, header in response.get("headers", {}).items():
            if (value := lower.get(name.lower())) is not None:
                schema = self.resolve(header)["schema"]
                typed = int(value) if schema.get("type") == "integer" else value
                self._check(schema, typed, f"{where} header {name}")
        if "content" not in response:
            assert body == b"", f"{where} must have no body"
            return
        kind = lower.get("content-type", "").partition(";")[0]
        assert kind in response["content"], f"{where} has content type {kind}"
        self._check(response["content"][kind]["schema"], json.loads(body), where)

    def check_request(self, operation_id: str, query: str, body: bytes) -> None:
        """Every query parameter sent is known and in shape, and so is the body."""
        operation = self.operations[operation_id]
        known = {one["name"]: one["schema"] for one in operation.parameters if one["in"] == "query"}
        for name, values in parse_qs(query, keep_blank_values=True).items():
            assert name in known, f"{operation_id} has no query parameter {name}"
            schema = known[name]
            typed = [_typed(value, schema.get("type")) for value in values]
            wanted = typed if schema.get("type") == "array" else typed[0]
            self._check(schema, wanted, f"{operation_id} query {name}")
        if operation.body is None:
            assert not body, f"{operation_id} takes no body"
            return
        schema = operation.body["content"]["application/json"]["schema"]
        self._check(schema, json.loads(body), f"{operation_id} body")


@cache
def anthropic() -> Contract:
    return Contract(FOLDER / "anthropic-admin.openapi.yaml")


@cache
def cline() -> Contract:
    return Contract(FOLDER / "cline-enterprise.openapi.yaml")


def contract_of(operation_id: str) -> Contract:
    """The contract that has this operation; the two share no operationId."""
    return anthropic() if operation_id in anthropic().operations else cline()
