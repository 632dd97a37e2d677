"""Examples for the OpenAPI file, made of the schemas themselves: a schema cannot have one that is out of date."""

from typing import Any

_REF = "#/components/schemas/"
_ID = "7f0c9c1e-5b1f-4f0e-9d3c-2a4b6c8d0e1f"
_CHANGE = f"https://desk.example/api/v1/organizations/northgate/changes/{_ID}/"
# What a field of a name holds; where nothing stands here, its type says.
_TOLD: dict[str, Any] = {
    "amount": "125.00",
    "archived_at": None,
    "asked_by": "olga@northgate.example",
    "approved_by": None,
    "attempts": 1,
    "base_url": "https://api.anthropic.com",
    "batch": None,
    "changes_url": f"https://desk.example/api/v1/organizations/northgate/changes/?batch={_ID}",
    "code": "4711",
    "connection": _ID,
    "currency": "USD",
    "domain": "northgate.example",
    "email": "ada@northgate.example",
    "error": "",
    "error_code": "",
    "gone_at": None,
    "hint": "sk-ant-api03-R2D…igAA",
    "kind": "invites.invite",
    "label": "ada@northgate.example",
    "model": "claude-opus-4-6",
    "month": "2026-01",
    "name": "Northgate",
    "next": "https://desk.example/api/v1/organizations/northgate/people/?cursor=cD01MA%3D%3D",
    "note": "",
    "previous": None,
    "provider": "anthropic",
    "reason": "",
    "remote_id": "invite_015gWxCN9Hfg2QhZwTK7Mdeu",
    "remote_request_id": "req_018EeWyXxfu5pfWkrYcMdjWG",
    "role": "developer",
    "settled": True,
    "signing_secret": "whsec_…",
    "slug": "northgate",
    "state": "succeeded",
    "summary": "Invite ada@northgate.example as developer",
    "time_zone": "Europe/Berlin",
    "title": "Invite 100 people",
    "token": "odk_…",
    "url": _CHANGE,
    "workspace": "wrkspc_01JwQvzr7rXLA5AGx3HKfFUJ",
}
_BY_FORMAT = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "uuid": _ID,
    "email": "ada@northgate.example",
    "uri": _CHANGE,
    "decimal": "125.00",
}
_BY_TYPE: dict[str, Any] = {"string": "", "integer": 1, "number": 1.5, "boolean": True}


class Examples:
    """One example for each answer's schema, told once and referred to by the operations."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self._schemas = schemas
        self._told: dict[str, Any] = {}

    def told(self) -> dict[str, Any]:
        """Those that were asked for, for ``components.examples``."""
        return {name: self._told[name] for name in sorted(self._told)}

    def of(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The ``examples`` of an answer with this schema."""
        name = self._name(schema)
        if name not in self._told:
            self._told[name] = {"value": self._value(schema)}
        return {"usual": {"$ref": f"#/components/examples/{name}"}}

    @staticmethod
    def _name(schema: dict[str, Any]) -> str:
        if "$ref" in schema:
            return str(schema["$ref"]).removeprefix(_REF)
        if schema.get("type") == "array":
            return f"{Examples._name(schema['items'])}Many"
        return "Anything"

    def _value(self, schema: Any, name: str = "") -> Any:
        if not isinstance(schema, dict):
            return {}
        if "$ref" in schema:
            return self._value(self._schemas[schema["$ref"].removeprefix(_REF)], name)
        for several in ("allOf", "oneOf", "anyOf"):
            if schema.get(several):
                return self._value(schema[several][0], name)
        if "enum" in schema:
            told = _TOLD.get(name)
            return told if told in schema["enum"] else schema["enum"][0]
        return self._by_type(schema, name)

    def _by_type(self, schema: dict[str, Any], name: str) -> Any:
        types = schema.get("type", "object")
        types = types if isinstance(types, list) else [types]
        if "properties" in schema:
            return {each: self._value(one, each) for each, one in schema["properties"].items()}
        if "array" in types:
            return [self._value(schema["items"], name)]
        if "object" in types:
            inner = schema.get("additionalProperties")
            return {"members": self._value(inner)} if inner else {}
        told = _TOLD.get(name, "")
        if name in _TOLD and self._fits(told, types, schema):
            return told
        if schema.get("format") in _BY_FORMAT and "string" in types:
            return _BY_FORMAT[schema["format"]]
        return next((_BY_TYPE[one] for one in types if one in _BY_TYPE), None)

    @staticmethod
    def _fits(told: Any, types: list[str], schema: dict[str, Any]) -> bool:
        if told is None:
            return "null" in types
        kinds = {"string": str, "integer": int, "boolean": bool}
        alike = any(type(told) is kinds[one] for one in types if one in kinds)
        form = schema.get("format")
        return alike and (
            form not in _BY_FORMAT or told == _BY_FORMAT[form] or form in ("uri", "email")
        )
