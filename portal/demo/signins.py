"""Who can sign in to the demo. Shown on the terminal: nothing here is a secret, or exists elsewhere."""

from typing import NamedTuple

PASSWORD = "northgate-demo"  # noqa: S105 - shown to everybody; load_demo refuses to run outside the demo


class SignIn(NamedTuple):
    """One account. ``role`` is the one on Northgate Robotics; staff have none."""

    email: str
    name: str
    role: str
    says: str


OWNER = SignIn("owner@northgate.example", "Olivia Reyes", "owner", "owner, also of Lakeside Studio")
SIGN_INS = (
    OWNER,
    SignIn("admin@northgate.example", "Adam Osei", "admin", "admin: people, invites, connections"),
    SignIn(
        "billing@northgate.example",
        "Bianca Lindqvist",
        "billing",
        "billing: buys credit, changes no people",
    ),
    SignIn("viewer@northgate.example", "Victor Tanaka", "viewer", "viewer: reads only"),
)
STAFF = SignIn("support@orgdesk.example", "Sam Whitfield", "", "support, in Django admin")
