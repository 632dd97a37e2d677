"""Answers as the contracts show them, for tests to change."""

from typing import Any

USER = {
    "id": "user_01WCz1FkmYMm4gnmykNKUu3Q",
    "added_at": "2026-01-09T13:20:11Z",
    "email": "Priya.Nair@northgate.example",
    "name": "Priya Nair",
    "role": "developer",
    "type": "user",
}
INVITE = {
    "id": "invite_01ABC",
    "email": "lena.fischer@northgate.example",
    "expires_at": "2026-05-22T10:00:00Z",
    "invited_at": "2026-05-01T10:00:00Z",
    "role": "developer",
    "status": "pending",
    "type": "invite",
}
CLINE_MEMBER = {
    "memberId": "mbr-01KA392E4JV4A4VC07GQ714DWT",
    "userId": "usr-01K2XZGZ295SNC6G4ZWNTTG2G7",
    "organizationId": "org-1",
    "email": "Bo@northwind.example",
    "displayName": "Bo Lind",
    "roles": ["member"],
    "createdAt": "2026-01-09T13:20:11.300218Z",
    "updatedAt": "2026-05-20T07:45:30.664900Z",
}
CLINE_INVITE = {
    "id": "inv-01KDHDA3SF4VFDDRXKNJ7VA2B4",
    "organizationId": "org-1",
    "email": "dee@northwind.example",
    "role": "member",
    "status": "pending",
    "invitedBy": "usr-01KGA8JKQPPYFHWYG5FH9DAW9J",
    "createdAt": "2026-07-13T15:00:00.000000Z",
    "expiresAt": "2026-07-20T15:00:00.000000Z",
}


def anthropic_page(*rows: Any, more: bool = False) -> dict[str, Any]:
    ids = [row["id"] for row in rows if isinstance(row, dict) and "id" in row]
    return {
        "data": list(rows),
        "first_id": ids[0] if ids else None,
        "has_more": more,
        "last_id": ids[-1] if ids else None,
    }


def cline_page(*rows: Any, token: str = "", **more: Any) -> dict[str, Any]:
    return {"data": {"items": list(rows), "nextToken": token, **more}, "success": True}


def numbered(row: dict[str, Any], number: int) -> dict[str, Any]:
    """The same row about somebody else."""
    id_name = "memberId" if "memberId" in row else "id"
    return {**row, id_name: f"{row[id_name]}{number}", "email": f"person{number}@north.example"}
