"""Walks, what they could not read, and every change, as support sees them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from apps.accounts.models import User
from apps.organizations.policy import may, support_may
from apps.organizations.support import (
    NOBODY,
    Act,
    ActForm,
    Link,
    ReasonForm,
    SupportAdmin,
    SupportInline,
    Why,
    Words,
    WordsFilter,
    json_block,
    link_to,
)
from apps.providers.masking import mask
from apps.sync import schedule
from apps.sync.models import (
    Batch,
    Command,
    CommandEvent,
    CommandState,
    QuarantinedRow,
    RemoteChange,
    Resource,
    SupportResend,
    SyncRun,
)
from apps.sync.outbox import requests, resend_acts
from apps.sync.outbox.kinds import KINDS, kind_of, told_results

S = CommandState

# --- Walks ---------------------------------------------------------------------------------------


def _may_walk(row: Resource, actor: User) -> bool:
    connection = row.connection
    return not schedule.why_not(connection) and may(actor, "sync.start", connection.organization)


WALK = Act(
    "walk",
    _("Walk now"),
    _("Every listing of the connection is walked as soon as a worker is free."),
    do=lambda row, actor, given: schedule.ask_for_walk(connection=row.connection, actor=actor),
    possible=_may_walk,
)


def _walk_of_run(row: SyncRun, actor: User, given: dict[str, Any]) -> object:
    return WALK.do(row.resource, actor, given)


def _may_walk_of_run(row: SyncRun, actor: User) -> bool:
    return _may_walk(row.resource, actor)


@admin.register(Resource)
class ResourceAdmin(SupportAdmin):
    """One listing of one connection: how fresh it is, when it is walked next, what went wrong."""

    reads = "connections.read"
    tenant = "connection__organization"
    refusals = (*SupportAdmin.refusals, schedule.WalkRefused)
    list_display = (
        "name",
        "connection",
        "organization",
        "completed_at",
        "due_at",
        "rows",
        "failures",
        "error",
    )
    list_filter = ("name", ("error", admin.EmptyFieldListFilter))
    search_fields = ("connection__name", "connection__organization__name", "error")
    fields = (
        "connection",
        "organization",
        "name",
        "rows",
        "completed_at",
        "due_at",
        "leased_until",
        "fence",
        "failures",
        "error",
    )
    links = (
        Link(_("Walks"), "sync_syncrun", lambda row: {"resource__id__exact": row.pk}),
        Link(
            _("Unreadable rows"), "sync_quarantinedrow", lambda row: {"resource__id__exact": row.pk}
        ),
    )
    acts = (WALK,)

    def get_queryset(self, request: HttpRequest) -> Any:
        """With connection and organization, which acts ask for."""
        rows: Any = super().get_queryset(request)
        return rows.select_related("connection__organization")

    @admin.display(description=_("Organization"))
    def organization(self, row: Resource) -> SafeString | str:
        """Whose it is."""
        return link_to(row.connection.organization)


@admin.register(SyncRun)
class SyncRunAdmin(SupportAdmin):
    """One walk: how far it came, what it found, how it ended."""

    reads = "connections.read"
    tenant = "resource__connection__organization"
    list_display = (
        "started_at",
        "resource",
        "organization",
        "state",
        "cause",
        "seen",
        "added",
        "changed",
        "gone",
        "quarantined",
        "error",
    )
    list_filter = ("state", "cause", "resource__name")
    list_select_related = ("resource__connection__organization",)
    search_fields = (
        "resource__connection__name",
        "resource__connection__organization__name",
        "error",
    )
    fields = (
        "resource",
        "organization",
        "state",
        "cause",
        "started_at",
        "heartbeat_at",
        "finished_at",
        "pages",
        "requests",
        "seen",
        "expected",
        "added",
        "changed",
        "gone",
        "returned",
        "quarantined",
        "would_remove",
        "decision",
        "decided_at",
        "error",
        "fence",
    )
    links = (
        Link(
            _("Unreadable rows of the listing"),
            "sync_quarantinedrow",
            lambda row: {"resource__id__exact": row.resource_id},
        ),
        Link(
            _("Walks of the listing"),
            "sync_syncrun",
            lambda row: {"resource__id__exact": row.resource_id},
        ),
    )
    refusals = (*SupportAdmin.refusals, schedule.WalkRefused)
    acts = (replace(WALK, do=_walk_of_run, possible=_may_walk_of_run, many=False),)

    @admin.display(description=_("Organization"))
    def organization(self, row: SyncRun) -> SafeString | str:
        """Whose it is."""
        return link_to(row.resource.connection.organization)


@admin.register(QuarantinedRow)
class QuarantinedRowAdmin(SupportAdmin):
    """A row that could not be read, as the provider sent it (secrets in it are hidden)."""

    reads = "connections.read"
    tenant = "resource__connection__organization"
    list_display = ("remote_id", "resource", "reason", "first_seen_at", "last_seen_at")
    list_filter = ("resource__name",)
    list_select_related = ("resource__connection",)
    search_fields = ("=remote_id", "reason", "resource__connection__name")
    fields = ("resource", "remote_id", "reason", "first_seen_at", "last_seen_at", "as_sent")

    @admin.display(description=_("As it was sent"))
    def as_sent(self, row: QuarantinedRow) -> SafeString | str:
        """JSON."""
        return json_block(row.raw)


@admin.register(RemoteChange)
class RemoteChangeAdmin(SupportAdmin):
    """A change that somebody made at the provider."""

    reads = "activity.read"
    list_display = ("at", "label", "what", "resource", "connection", "organization")
    list_filter = ("what", "resource")
    list_select_related = ("connection", "organization")
    search_fields = ("label", "=remote_id", "connection__name", "organization__name")
    fields = (
        "organization",
        "connection",
        "resource",
        "remote_id",
        "label",
        "what",
        "what_differs",
        "at",
    )

    @admin.display(description=_("Difference"))
    def what_differs(self, row: RemoteChange) -> SafeString | str:
        """Before and after."""
        return json_block(row.difference)


# --- Changes -------------------------------------------------------------------------------------


class AdoptForm(ActForm):
    """Which of what the read-back found is the one that this change made."""

    candidate = forms.ChoiceField(label=_("What it made"), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["candidate"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - declared above
        field.choices = [
            (entry["id"], f"{entry.get('label', '')} ({entry['id']})")
            for row in self.rows
            for entry in row.candidates
        ]


def _may_close(row: Command, actor: User) -> bool:
    if row.state != S.OPERATOR:
        return False
    return support_may(actor, "commands.close", row.organization) or (
        may(actor, "commands.close", row.organization)
        and may(actor, kind_of(row).action, row.organization)
    )


def _may_cancel(row: Command, actor: User) -> bool:
    waiting = row.state in (S.AWAITING_APPROVAL, S.QUEUED, S.RETRY) and not row.step
    return waiting and may(actor, kind_of(row).action, row.organization)


ACTS = (
    Act(
        "adopt",
        _("Adopt"),
        _("It has happened, and made the one that you choose. Nothing is sent."),
        form=AdoptForm,
        do=lambda row, actor, given: requests.adopt(
            command=row, candidate=given["candidate"], actor=actor
        ),
        possible=lambda row, actor: bool(row.candidates) and _may_close(row, actor),
        many=False,
    ),
    Act(
        "abandon",
        _("Abandon"),
        _(
            "It is left as it is, whatever it did; nothing is sent. The next walk shows what is true "
            "at the provider."
        ),
        form=ReasonForm,
        do=lambda row, actor, given: requests.abandon(
            command=row, actor=actor, reason=given["reason"]
        ),
        possible=_may_close,
        grave=True,
    ),
    Act(
        "resend",
        _("Send again"),
        _("It has not happened: it is sent to the provider once more. Not for support to decide."),
        do=lambda row, actor, given: requests.resend(command=row, actor=actor),
        possible=resend_acts.may_send_again,
        many=False,
        grave=True,
    ),
    *resend_acts.ACTS,
    Act(
        "cancel",
        _("Cancel"),
        _("It is taken back before it is sent. Not for support to decide."),
        do=lambda row, actor, given: requests.cancel(command=row, actor=actor),
        possible=_may_cancel,
        many=False,
    ),
)


def _in_a_cell(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return NOBODY
    value = values[name]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


class EventsOfCommand(SupportInline):
    """The timeline."""

    model = CommandEvent
    fields = ("at", "state", "note", "remote_request_id")
    reads = "activity.read"
    show_change_link = False


class ResendsOfCommand(SupportInline):
    """What support asked, and what came of it."""

    model = SupportResend
    fields = ("asked_at", "asked_by", "reason", "decision", "decided_by", "decided_at")
    reads = "activity.read"
    show_change_link = False


def _kind_words(name: str) -> Words:
    return KINDS[name].label if name in KINDS else name


class KindFilter(WordsFilter):
    """Narrows by what was asked for."""

    words = staticmethod(_kind_words)


@admin.register(Command)
class CommandAdmin(SupportAdmin):
    """One change: what was asked, by whom, what became of it, and what can be decided about it."""

    reads = "activity.read"
    refusals = (*SupportAdmin.refusals, requests.RequestRefused)
    list_display = (
        "label",
        "what",
        "state",
        "connection",
        "organization",
        "actor",
        "created_at",
        "settled_at",
        "error",
    )
    list_filter = ("state", ("kind", KindFilter), "is_money")
    search_fields = (
        "label",
        "=uid",
        "=remote_id",
        "=target",
        "=remote_request_id",
        "organization__name",
    )
    fields = (
        "uid",
        "sentence",
        "state",
        "organization",
        "connection",
        "batch",
        "what",
        "label",
        "target",
        "before_and_after",
        "what_was_found",
        "actor",
        "approved_by",
        "error",
        "error_code",
        "remote_id",
        "remote_request_id",
        "step",
        "what_has_happened",
        "known_before",
        "attempts",
        "tries",
        "checks",
        "fence",
        "is_money",
        "in_doubt",
        "created_at",
        "due_at",
        "kicked_at",
        "sent_at",
        "deadline_at",
        "leased_until",
        "settled_at",
    )
    inlines = (EventsOfCommand, ResendsOfCommand)
    links = (
        Why(_("What now?"), "change", lambda row: (row.pk, {})),
        Link(
            _("Other changes of the same"),
            "sync_command",
            lambda row: {"connection__id__exact": row.connection_id, "target__exact": row.target},
        ),
        Link(_("Audit log"), "audit_entry", lambda row: {"command_id__exact": row.pk}),
    )
    acts = ACTS

    def get_queryset(self, request: HttpRequest) -> Any:
        """Asked for by somebody (drafts of batches are not), with what acts and the list show."""
        rows: Any = super().get_queryset(request)
        return rows.exclude(state=S.DRAFT).select_related("connection", "organization", "actor")

    def called(self, row: Command) -> str:
        """In the words of its kind, not by its name."""
        return f"{kind_of(row).label}: {row.label}"

    @admin.display(description=_("What"), ordering="kind")
    def what(self, row: Command) -> str:
        """Its kind in words."""
        return str(kind_of(row).label)

    @admin.display(description=_("What it does"))
    def sentence(self, row: Command) -> str:
        """As its kind puts it."""
        return kind_of(row).describe(row)

    @admin.display(description=_("Before and after"))
    def before_and_after(self, row: Command) -> SafeString | str:
        """What was there when it was asked for, beside what was asked for; secrets hidden."""
        before, after = mask(row.before), mask(row.arguments)
        lines = [
            (name, _in_a_cell(before, name), _in_a_cell(after, name))
            for name in sorted({*before, *after})
        ]
        if not lines:
            return NOBODY
        cells = format_html_join(
            "",
            '<tr><th scope="row" class="text-left pr-4">{}</th><td class="pr-4">{}</td><td>{}</td></tr>',
            lines,
        )
        heads = format_html_join(
            "",
            '<th scope="col" class="text-left pr-4">{}</th>',
            [(_("Field"),), (_("Before"),), (_("Asked for"),)],
        )
        return format_html(
            '<table class="break-all"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>',
            heads,
            cells,
        )

    @admin.display(description=_("Found by reading back"))
    def what_was_found(self, row: Command) -> SafeString | str:
        """Candidates."""
        return json_block(row.candidates)

    @admin.display(description=_("Steps that have happened"))
    def what_has_happened(self, row: Command) -> SafeString | str:
        """Results of the steps."""
        return json_block(told_results(row))

    @admin.display(description=_("Known before sending"))
    def known_before(self, row: Command) -> SafeString | str:
        """The baseline of the step under way."""
        return json_block(row.baseline)


@admin.register(Batch)
class BatchAdmin(SupportAdmin):
    """Changes that one person asked for in one go."""

    reads = "activity.read"
    list_display = ("title", "organization", "actor", "created_at", "confirmed_at", "size")
    list_filter = (("confirmed_at", admin.EmptyFieldListFilter),)
    list_select_related = ("organization", "actor")
    search_fields = ("title", "=uid", "organization__name", "actor__email")
    ordering = ("-created_at", "-id")
    fields = (
        "uid",
        "organization",
        "actor",
        "title",
        "progress",
        "what_cannot_be_done",
        "created_at",
        "confirmed_at",
    )
    links = (Link(_("Changes"), "sync_command", lambda row: {"batch__id__exact": row.pk}),)

    def get_queryset(self, request: HttpRequest) -> Any:
        """With how many changes each has."""
        rows: Any = super().get_queryset(request)
        counted = Command.objects.filter(batch=OuterRef("pk")).order_by().values("batch")
        return rows.annotate(
            size=Coalesce(Subquery(counted.annotate(n=Count("pk")).values("n")), 0)
        )

    @admin.display(description=_("Changes"), ordering="size")
    def size(self, row: Any) -> int:
        """How many."""
        return int(row.size)

    @admin.display(description=_("Progress"))
    def progress(self, row: Batch) -> str:
        """Counts by what became of them."""
        counts = row.counts()
        if not counts["total"]:
            return NOBODY
        return (
            _(
                "%(settled)d of %(total)d settled, %(failed)d failed, %(needs_person)d wait for a person"
            )
            % counts
        )

    @admin.display(description=_("What cannot be done"))
    def what_cannot_be_done(self, row: Batch) -> SafeString | str:
        """Refusals with their reasons."""
        return json_block(row.refusals)
