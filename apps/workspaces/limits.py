"""How rate limits are mirrored: the organization's, and what workspaces have instead. Nothing sets them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.organizations.models import Connection
from apps.providers.errors import Refused
from apps.providers.protocol import Adapter, LimitAdapter, Words
from apps.providers.records import Page
from apps.providers.records.workspaces import LimiterRecord
from apps.sync.mirrors import Mirror
from apps.workspaces.models import RateLimit

EVERY_SECONDS = 1800  # one request for each live workspace, as for the roles in them
LONGEST_LABEL = 254

GROUPS: dict[str, Words] = {
    "model_group": gettext_lazy("Models"),
    "batch": gettext_lazy("Message batches"),
    "token_count": gettext_lazy("Token counting"),
    "files": gettext_lazy("Files"),
    "skills": gettext_lazy("Skills"),
    "web_search": gettext_lazy("Web search"),
}


def in_words(name: str) -> str:
    """A provider's own word for reading: "requests_per_minute" is "Requests per minute"."""
    return name.replace("_", " ").strip().capitalize()


def group_in_words(group: str) -> str:
    """What a group limits; one that is not known here as the provider spells it."""
    return str(GROUPS.get(group, in_words(group)))


def _fetch(adapter: Adapter, cursor: str | None) -> Page[LimiterRecord]:
    if isinstance(adapter, LimitAdapter):
        return adapter.rate_limits(cursor)
    raise Refused(_("This provider tells of no rate limits."))


def _values(record: LimiterRecord, now: datetime) -> tuple[Any, ...]:
    models = ", ".join(record.models or ())
    what = models or record.group.replace("_", " ")
    if len(what) > 150:
        what = f"{what[:149]}…"
    label = f"{what} · {record.kind.replace('_', ' ')}"
    if record.workspace_id:
        label = f"{label} · {record.workspace_name or record.workspace_id}"
    return (
        record.workspace_id,
        record.group,
        models,
        record.kind,
        record.value,
        record.organization_value,
        label[:LONGEST_LABEL],
    )


LIMITS = Mirror(
    name="rate_limits",
    label=gettext_lazy("Rate limits"),
    capability="limits.read",
    model=RateLimit,
    fetch=_fetch,
    columns=(
        "workspace_remote_id",
        "group",
        "model_names",
        "kind",
        "value",
        "organization_value",
        "label",
    ),
    values=_values,
    label_column="label",
    target_column="remote_id",
    watched=("value",),
    every_seconds=EVERY_SECONDS,
)


def end_with_workspaces(connection: Connection, workspaces: Iterable[str], now: datetime) -> None:
    """An archived workspace has no limits of its own any more."""
    RateLimit.objects.filter(
        connection=connection, workspace_remote_id__in=list(workspaces), gone_at__isnull=True
    ).exclude(workspace_remote_id="").update(gone_at=now, changed_at=now)
