"""How a person's own account is mirrored: a walk of one row."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.personal.models import Account, Allowance
from apps.providers.errors import Refused
from apps.providers.protocol import AccountAdapter, Adapter
from apps.providers.records import Page, Record, billing
from apps.providers.records.account import AccountRecord, Membership
from apps.sync.mirrors import Mirror


def with_account(adapter: Adapter) -> AccountAdapter:
    """The adapter, as one of a person's own account. Refused where its provider has no such thing."""
    if isinstance(adapter, AccountAdapter):
        return adapter
    raise Refused(_("This provider's API knows no accounts of persons."))


class AccountRow(Record, frozen=True, gc=False):
    """An account as a row: ``raw`` is what the mirror keeps."""

    name: str
    email: str
    terms_accepted_at: datetime | None
    takes_part_in_benchmarks: bool | None
    active_organization_id: str | None
    organizations: str
    created_at: datetime | None
    raw: bytes


def memberships_of(record: AccountRecord) -> list[dict[str, Any]]:
    """What ``Account.raw`` keeps of the organizations that a person is in."""
    return [as_membership(one) for one in record.memberships]


def as_membership(one: Membership) -> dict[str, Any]:
    """One of them."""
    return {
        "id": one.organization_id,
        "name": one.organization_name[:200],
        "roles": list(one.roles),
    }


def names_of(memberships: Iterable[dict[str, Any]]) -> str:
    """What ``Account.organizations`` holds."""
    return ", ".join(sorted(one["name"] or one["id"] for one in memberships))[:1000]


def active_of(record: AccountRecord) -> str | None:
    """The organization that use is billed to; "" for whoever is in none, as if the provider said so."""
    return record.active_organization_id if record.memberships else ""


def _fetch(adapter: Adapter, cursor: str | None) -> Page[AccountRow]:
    found = with_account(adapter).get_current_user()
    memberships = memberships_of(found)
    row = AccountRow(
        found.remote_id,
        found.name[:200],
        found.email,
        found.terms_accepted_at,
        found.takes_part_in_benchmarks,
        active_of(found),
        names_of(memberships),
        found.created_at,
        msgspec.json.encode({"memberships": memberships}, order="sorted"),
    )
    return Page([row], None)


COLUMNS = (
    "name",
    "email",
    "terms_accepted_at",
    "takes_part_in_benchmarks",
    "active_organization_id",
    "organizations",
    "created_at",
)

ACCOUNTS = Mirror(
    name="account",
    label=gettext_lazy("Own account"),
    capability="account.read",
    model=Account,
    fetch=_fetch,
    columns=COLUMNS,
    values=lambda row, now: tuple(getattr(row, name) for name in COLUMNS),
    label_column="email",
    target_column="remote_id",
    watched=("name", "email", "organizations"),
    ends=frozenset({"personal.delete_account"}),
)


# --- Allowance -----------------------------------------------------------------------------------


def _fetch_allowances(adapter: Adapter, cursor: str | None) -> Page[billing.Allowance]:
    return Page(list(with_account(adapter).get_current_user_plan_usage_limits()), None)


ALLOWANCES = Mirror(
    name="allowances",
    label=gettext_lazy("Allowance of the plan"),
    capability="usage.limits",
    model=Allowance,
    fetch=_fetch_allowances,
    columns=("percent", "resets_at"),
    values=lambda row, now: (row.percent, row.resets_at),
    label_column="remote_id",
    target_column="remote_id",
    news=lambda connection, changes: [],  # it moves all the time
)
