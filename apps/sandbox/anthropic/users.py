"""Members of the organization."""

import msgspec

from ..app import Answer, Call, json_body, operation
from ..world import Change, Drop, Organization, Put, Table, User
from .console import Console, invalid, listing, missing, page, role_in
from .keys import stopped_with
from .rows import MEMBERSHIPS, memberships_of


def departure(organization: Organization, user_id: str, now: float) -> list[Change]:
    """What happens when a person leaves: their memberships go with them, most of their keys stay."""
    changes: list[Change] = [
        Drop(organization.id, MEMBERSHIPS + one.workspace_id, user_id)
        for one in memberships_of(organization, user_id)
    ]
    changes += stopped_with(organization, user_id, now)
    coder = organization.tables["coders"].get(user_id)
    if coder is not None and coder.until is None:
        ended = msgspec.structs.replace(coder, until=now)
        changes.append(Put(organization.id, "coders", ended))
    return [*changes, Drop(organization.id, "users", user_id)]


class Users(Console):
    """Tag "Users" of the contract."""

    def _users(self, call: Call) -> Table[User]:
        return self.organization(call).tables["users"]

    def _user(self, call: Call) -> User:
        user = self._users(call).get(call.params["user_id"])
        if user is None:
            raise missing()
        return user

    @operation("GET", "/v1/organizations/users", "listUsers")
    def list_users(self, call: Call) -> Answer:
        users = self._users(call)
        rows, has_more = page(users, call)
        if email := call.query.get("email"):
            # A mailbox has a handful of rows at most: they fit any page.
            rows, has_more = users.in_mailbox(email), False
        return listing(rows, has_more)

    @operation("GET", "/v1/organizations/users/{user_id}", "getUser")
    def get_user(self, call: Call) -> Answer:
        return Answer(self._user(call))

    @operation("POST", "/v1/organizations/users/{user_id}", "updateUser")
    def update_user(self, call: Call) -> Answer:
        user = self._user(call)
        role = role_in(json_body(call, invalid), "granted")
        if user.role == "admin":
            raise invalid("Users with the admin role cannot be modified through the API.")
        changed = User(user.id, user.added_at, user.email, user.name, role)
        put = Put(self.organization(call).id, "users", changed)
        return Answer(changed, target=user.id, changes=[put])

    @operation("DELETE", "/v1/organizations/users/{user_id}", "removeUser")
    def remove_user(self, call: Call) -> Answer:
        user, users = self._user(call), self._users(call)
        if len(users) == 1:
            raise invalid(
                f"User {user.id} is the only member of the organization.",
                "cannot_remove_last_member",
            )
        if user.role == "admin":
            raise invalid("Users with the admin role cannot be removed through the API.")
        return Answer(
            {"id": user.id, "type": "user_deleted"},
            target=user.id,
            changes=departure(self.organization(call), user.id, call.now),
        )
