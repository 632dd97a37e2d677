"""What this shelf knows of trouble: how old what is mirrored is, why, and what became of changes."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

import redis
from django.conf import settings
from django.db.models import Count, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.organizations.adapters import budget_of
from apps.organizations.diagnosing import live, our_note
from apps.organizations.diagnosis import (
    CAUSE,
    FINE,
    UNKNOWN,
    Answer,
    Evidence,
    Step,
    Subject,
    act_page,
    admin_page,
    check,
)
from apps.organizations.models import Connection
from apps.providers.budget import Room, rooms
from apps.sync import mirrors, schedule
from apps.sync.models import Command, CommandState, Resource, SyncRun
from apps.sync.outbox.kinds import kind_of

S = CommandState
LATELY = 5  # changes of one thing that are told of


def as_of(connection: Connection, listing: str) -> datetime | None:
    """When a listing was last walked whole; None if never. One query."""
    rows = Resource.objects.filter(connection=connection, name=listing)
    return rows.values_list("completed_at", flat=True).first()


def mirrored(connection: Connection, listing: str) -> str:
    """The source of a fact that a walk has brought."""
    mirror = mirrors.get(listing)
    label = mirror.label if mirror else listing
    return _("%(connection)s, listing “%(listing)s”") % {"connection": connection, "listing": label}


# --- Freshness -----------------------------------------------------------------------------------


def listings(subject: Subject) -> Iterator[Answer]:
    """Of each connection: its listings, what failed, what waits for a decision, what could not be read."""
    connections = live(subject)
    last = SyncRun.objects.filter(resource=OuterRef("pk")).order_by("-started_at", "-pk")
    rows = (
        Resource.objects.filter(connection__in=connections)
        .select_related("connection__organization")
        .annotate(
            unread=Count("quarantine", distinct=True),
            last_state=Subquery(last.values("state")[:1]),
            last_error=Subquery(last.values("error")[:1]),
        )
        .order_by("connection__name", "connection_id", "name")
    )
    for row in rows:
        yield _listing(row)


def _listing(row: Resource) -> Answer:
    now = timezone.now()
    mirror = mirrors.get(row.name)
    label = mirror.label if mirror else row.name
    name = f"{row.connection.name}, {label}"
    source = our_note()
    facts = [
        Evidence(_("%(n)d rows") % {"n": row.rows}, _("Last complete walk"), row.completed_at, row)
        if row.completed_at
        else Evidence(_("Never walked whole"), source, None, row)
    ]
    if row.leased_until and row.leased_until > now:
        facts.append(Evidence(_("It is being walked now"), source, now))
    elif row.due_at:
        facts.append(Evidence(_("The next walk is due then"), source, row.due_at))
    if unread := getattr(row, "unread", 0):
        words = ngettext("%(n)d row could not be read", "%(n)d rows could not be read", unread)
        facts.append(Evidence(words % {"n": unread}, _("See its unreadable rows"), None, row))
    walk = (
        []
        if schedule.why_not(row.connection)
        else [Step(_("Walk it again"), act_page(row, "walk"))]
    )
    if getattr(row, "last_state", "") == SyncRun.State.ASKING:
        words = _(
            "%(name)s: so many rows were missing that nothing is taken away before somebody says so."
        )
        return Answer(CAUSE, words % {"name": name}, facts, [*_decide(row), *walk])
    if row.failures:
        facts.append(
            Evidence(
                row.error or _("No words"), _("Last failure, %(n)d in a row") % {"n": row.failures}
            )
        )
        words = _("%(name)s: the last walks failed.")
        return Answer(CAUSE, words % {"name": name}, facts, walk)
    if schedule.is_late(row, now):
        words = _("%(name)s: the last complete walk is longer ago than it should be.")
        return Answer(CAUSE, words % {"name": name}, facts, walk)
    return Answer(FINE, _("%(name)s: up to date.") % {"name": name}, facts, walk)


def _decide(row: Resource) -> list[Step]:
    connection = row.connection
    address = reverse(
        "organizations:connection", args=[connection.organization.slug, connection.uid]
    )
    return [Step(_("Say whether the rows are gone"), address, needs="sync.decide")]


def budgets(subject: Subject) -> Iterator[Answer]:
    """What is left of each connection's rate budget at this moment."""
    connections = live(subject)
    try:
        left = rooms(settings.REDIS_URL, [budget_of(one) for one in connections])
    except redis.RedisError:
        yield Answer(
            UNKNOWN,
            _("The rate budgets cannot be read: Redis does not answer. Nothing is sent meanwhile."),
        )
        return
    for connection, room in zip(connections, left, strict=True):
        yield _budget(connection, room)


def _budget(connection: Connection, room: Room) -> Answer:
    given = {"name": connection.name, "n": room.requests, "of": connection.requests_per_minute}
    fact = Evidence(
        _("Room for %(n)d of %(of)d requests a minute") % given,
        _("Counted by this portal; others who use the provider's limit are not in it"),
        timezone.now(),
        connection,
    )
    if room.requests:
        words = _("%(name)s: the rate budget has room for %(n)d requests.") % given
        return Answer(FINE, words, [fact])
    words = _("%(name)s: the rate budget is used up; there is room again in %(s)d seconds.")
    return Answer(CAUSE, words % {**given, "s": round(room.wait)}, [fact])


# --- Changes -------------------------------------------------------------------------------------


def changes_of(commands: Iterable[Command]) -> Iterator[Answer]:
    """What became of changes: those that wait, are stuck, were refused or given up, in words."""
    for command in commands:
        words = f"{kind_of(command).label}, {command.label}: {command.get_state_display()}"
        facts = [
            Evidence(
                command.error or str(kind_of(command).describe(command)),
                _("In the words of the provider, or of this portal")
                if command.error
                else _("The change itself"),
                command.settled_at or command.sent_at or command.created_at,
                command,
            )
        ]
        if command.error_code:
            facts.append(
                Evidence(command.error_code, _("The provider's own code"), command.settled_at)
            )
        level = FINE if command.state == S.SUCCEEDED else CAUSE
        yield Answer(level, words, facts, _next(command))


def _next(command: Command) -> list[Step]:
    steps = []
    if command.state == S.OPERATOR:
        if command.candidates:
            steps.append(
                Step(_("Adopt what it made (a support lead does)"), act_page(command, "adopt"))
            )
        steps.append(Step(_("See it, and decide"), admin_page(command)))
        if not command.is_money:
            steps.append(
                Step(
                    _("Ask that it be sent again (a second of support confirms it)"),
                    act_page(command, "ask_resend"),
                )
            )
    if command.state in (S.OPERATOR, S.AWAITING_APPROVAL, S.DEAD, S.REJECTED):
        address = reverse("sync:command", args=[command.organization.slug, command.uid])
        needs = (
            "commands.approve" if command.state == S.AWAITING_APPROVAL else kind_of(command).action
        )
        label = (
            _("Approve it, or say no")
            if command.state == S.AWAITING_APPROVAL
            else _("Send it again, or leave it")
        )
        steps.append(Step(label, address, needs=needs))
    return steps


def of_change(subject: Subject) -> Iterator[Answer]:
    """The change itself, with what its read-back found and every step of its way."""
    command: Command = subject.row
    (answer,) = changes_of([command])
    found = [
        Evidence(
            f"{one.get('label', '')} ({one.get('id', '')})".strip(),
            _("Found at the provider by reading back, made since it was sent"),
            command.sent_at,
        )
        for one in command.candidates
    ]
    way = [
        Evidence(
            f"{one.get_state_display()}. {one.note}".strip(),
            _("Request %(id)s at the provider") % {"id": one.remote_request_id}
            if one.remote_request_id
            else our_note(),
            one.at,
        )
        for one in command.events.all()
    ]
    yield replace(answer, evidence=[*answer.evidence, *found, *way])


def of_address(subject: Subject) -> Iterator[Answer]:
    """The latest changes of the address's invites: on their way, stuck, refused."""
    rows = (
        Command.objects.filter(
            Q(state__in=[S.AWAITING_APPROVAL, S.QUEUED, S.CLAIMED, S.SENDING, S.RETRY, S.UNKNOWN])
            | Q(state__in=[S.OPERATOR, S.REJECTED, S.DEAD]),
            connection__in=live(subject),
            target=f"invites:{subject.email}",
        )
        .select_related("connection", "organization")
        .order_by("-created_at", "-pk")
    )
    yield from changes_of(rows[:LATELY])


def of_key(subject: Subject) -> Iterator[Answer]:
    """Changes of the key that are on their way or stuck."""
    rows = Command.objects.open().filter(
        connection_id=subject.row.connection_id, target=subject.row.target
    )
    yield from changes_of(rows.select_related("connection", "organization")[:LATELY])


def register() -> None:
    """Have them asked."""
    check("stale", listings, 20)
    check("stale", budgets, 30)
    check("join", of_address, 20)
    check("key", of_key, 30)
    check("change", of_change, 10)
