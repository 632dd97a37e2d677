"""Mirror rows, the walks that keep them true, and the Commands that carry changes out."""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.organizations.models import Connection, Organization

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.auth.models import AnonymousUser

    from apps.accounts.models import User


MirrorRow = TypeVar("MirrorRow", bound="Mirrored")


class MirroredQuerySet(models.QuerySet[MirrorRow]):
    """Mirror rows as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those of the connections that ``user`` may see."""
        return self.filter(connection__in=Connection.objects.visible_to(user))

    def present(self) -> Self:
        """Those that the provider still has."""
        return self.filter(gone_at__isnull=True)


class Mirrored(models.Model):
    """A local copy of a remote object.

    Columns only for what we filter, sort, join or show; the rest in ``raw``. ``fingerprint`` is over
    the decoded fields, so a walk writes only what changed. ``gone_at`` instead of deletion.
    """

    # No index of its own: the unique one below begins with it.
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+", db_index=False)
    # NULL: asked for here, and the provider has not named it yet.
    remote_id = models.CharField(max_length=120, null=True, blank=True)
    raw = models.JSONField(default=dict, blank=True)
    fingerprint = models.BigIntegerField(default=0, editable=False)
    first_seen_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)

    objects = MirroredQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["connection", "remote_id"], name="%(class)s_remote_once"
            )
        ]


class Resource(models.Model):
    """One listing of one connection: when it was last walked whole, when it is due, who walks it now."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="resources")
    name = models.CharField(max_length=40)  # "members"
    # Lease: whoever holds ``fence`` walks; a later fence makes an earlier walker's writes void.
    fence = models.BigIntegerField(default=0)
    leased_until = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)  # end of the last complete walk
    rows = models.PositiveIntegerField(default=0)  # listed by the last complete walk
    failures = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = _("mirrored listing")
        verbose_name_plural = _("mirrored listings")
        constraints = [models.UniqueConstraint(fields=["connection", "name"], name="resource_once")]
        indexes = [models.Index(fields=["due_at"], name="resource_due")]

    def __str__(self) -> str:
        return f"{self.connection}: {self.name}"


class SyncRunQuerySet(models.QuerySet["SyncRun"]):
    """Walks as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> "SyncRunQuerySet":
        """Those of the connections that ``user`` may see."""
        return self.filter(resource__connection__in=Connection.objects.visible_to(user))


class SyncRun(models.Model):
    """One walk over one resource of one connection: progress, counts, outcome."""

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        COMPLETE = "complete", _("Complete")
        CUT_SHORT = "cut_short", _("Cut short")
        ASKING = "asking", _("Waiting for a decision")
        FAILED = "failed", _("Failed")

    class Cause(models.TextChoices):
        DUE = "due", _("Due")
        ASKED = "asked", _("Asked for")
        FIRST = "first", _("First walk")
        COMMAND = "command", _("After a change")

    class Decision(models.TextChoices):
        NONE = "", _("Not decided")
        ACCEPTED = "accepted", _("Accepted: they are gone")
        DISMISSED = "dismissed", _("Kept: they are not gone")

    resource = models.ForeignKey(Resource, models.CASCADE, related_name="runs")
    fence = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    cause = models.CharField(max_length=10, choices=Cause, default=Cause.DUE)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    cursor = models.TextField(blank=True)  # where a resumed walk goes on, of any length
    pages = models.PositiveIntegerField(default=0)
    requests = models.PositiveIntegerField(default=0)
    seen = models.PositiveIntegerField(default=0)
    expected = models.PositiveIntegerField(
        null=True, blank=True
    )  # rows, as last time or as counted
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    gone = models.PositiveIntegerField(default=0)
    returned = models.PositiveIntegerField(default=0)
    quarantined = models.PositiveIntegerField(default=0)
    would_remove = models.PositiveIntegerField(
        default=0
    )  # asked about when it is suspiciously many
    decision = models.CharField(max_length=10, choices=Decision, default=Decision.NONE, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True)

    objects = SyncRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("walk")
        verbose_name_plural = _("walks")
        ordering = ["-started_at", "-pk"]
        indexes = [models.Index(fields=["resource", "-started_at"], name="run_by_time")]

    def __str__(self) -> str:
        return f"{self.resource} {self.started_at:%Y-%m-%d %H:%M}"


class RunIds(models.Model):
    """Remote ids that a walk must not forget, one row a page, separated by line feeds.

    SEEN lets another worker go on where a dead one stopped and still know what was listed before;
    MISSING are the rows that a sudden loss would remove, kept while a person decides.
    """

    class Kind(models.TextChoices):
        SEEN = "seen", _("Listed so far")
        MISSING = "missing", _("No longer listed")

    run = models.ForeignKey(SyncRun, models.CASCADE, related_name="ids")
    kind = models.CharField(max_length=7, choices=Kind)
    ids = models.TextField()

    class Meta:
        verbose_name = _("ids of a walk")
        verbose_name_plural = _("ids of walks")

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.run}"


class QuarantinedRow(models.Model):
    """A row that could not be read: kept for diagnosis, while the rest of the walk went on."""

    resource = models.ForeignKey(Resource, models.CASCADE, related_name="quarantine")
    remote_id = models.CharField(max_length=120, blank=True)
    reason = models.CharField(max_length=500)
    raw = models.JSONField(default=dict)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        verbose_name = _("unreadable row")
        verbose_name_plural = _("unreadable rows")
        indexes = [models.Index(fields=["resource", "remote_id"], name="quarantine_by_row")]

    def __str__(self) -> str:
        return f"{self.remote_id or '?'}: {self.reason}"


class RemoteChangeQuerySet(models.QuerySet["RemoteChange"]):
    """Changes at the provider as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> "RemoteChangeQuerySet":
        """Those of the organizations that ``user`` holds a Grant on."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class RemoteChange(models.Model):
    """A change that a walk found and that no Command of ours explains: somebody made it at the provider."""

    class What(models.TextChoices):
        ADDED = "added", _("Appeared at the provider")
        CHANGED = "changed", _("Changed at the provider")
        GONE = "gone", _("Gone from the provider")
        RETURNED = "returned", _("Back at the provider")

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+")
    resource = models.CharField(max_length=40)
    remote_id = models.CharField(max_length=120)
    label = models.CharField(max_length=254)  # the address, as a rule
    what = models.CharField(max_length=10, choices=What)
    # {"role": ["user", "developer"]}; twice the same says where it was: {"workspace": ["Lab", "Lab"]}
    difference = models.JSONField(default=dict)
    at = models.DateTimeField()

    objects = RemoteChangeQuerySet.as_manager()

    class Meta:
        verbose_name = _("change at the provider")
        verbose_name_plural = _("changes at the provider")
        ordering = ["-at", "-pk"]
        indexes = [
            models.Index(fields=["organization", "-at"], name="remote_change_by_time"),
            models.Index(fields=["organization", "label", "-at"], name="remote_change_by_label"),
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.get_what_display()}"

    @property
    def in_words(self) -> str:
        """ "workspace: Lab; role: user → developer": where it was, then what was and is; "–" for nothing."""
        # PostgreSQL keeps the names of an object in an order of its own.
        pairs = sorted(
            (before != after, name, before, after)
            for name, (before, after) in self.difference.items()
        )
        return "; ".join(
            f"{name}: {before or '–'} → {after or '–'}" if differ else f"{name}: {after or '–'}"
            for differ, name, before, after in pairs
        )


class BatchQuerySet(models.QuerySet["Batch"]):
    """Batches as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> "BatchQuerySet":
        """Those of the organizations that ``user`` holds a Grant on."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class Batch(models.Model):
    """Commands that one person asked for in one go, shown with one progress bar."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="batches")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    title = models.CharField(max_length=200)
    nonce = models.CharField(max_length=64)
    # What was typed or pasted, so that going back loses nothing.
    source = models.JSONField(default=dict)
    # Rows that cannot be done: [{"label": …, "connection": …, "reason": …}]; never silently dropped.
    refusals = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    # NULL: still a draft under review, nothing is on its way.
    confirmed_at = models.DateTimeField(null=True, blank=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        constraints = [
            models.UniqueConstraint(fields=["organization", "nonce"], name="batch_asked_once")
        ]

    def __str__(self) -> str:
        return self.title

    def counts(self) -> dict[str, int]:
        """How far its changes are: "waiting" go on by themselves, "needs_person" do not. One query."""
        rows = self.commands.order_by().values_list("state").annotate(n=models.Count("pk"))
        return self._told(dict(rows))

    @classmethod
    def counts_of(cls, batches: "Iterable[Batch]") -> "dict[int, dict[str, int]]":
        """The same of several, by their numbers. One query."""
        found: dict[int, dict[str, int]] = {one.pk: {} for one in batches}
        rows = Command.objects.filter(batch__in=found).order_by().values_list("batch_id", "state")
        for batch, state, n in rows.annotate(n=models.Count("pk")):
            found[batch][state] = n
        return {batch: cls._told(counts) for batch, counts in found.items()}

    @staticmethod
    def _told(counts: dict[str, int]) -> dict[str, int]:
        total = sum(counts.values())
        waiting = sum(counts.get(state, 0) for state in OPEN_STATES)
        approval = counts.get(CommandState.AWAITING_APPROVAL, 0)
        needs = counts.get(CommandState.OPERATOR, 0) + approval
        return {
            "total": total,
            "waiting": waiting - needs,
            "needs_person": needs,
            "approval": approval,
            "done": counts.get(CommandState.SUCCEEDED, 0),
            "failed": counts.get(CommandState.REJECTED, 0) + counts.get(CommandState.DEAD, 0),
            "cancelled": counts.get(CommandState.CANCELLED, 0),
            "settled": total - waiting,
        }


class CommandState(models.TextChoices):
    """DESIGN's states; the transitions between them stand in ``outbox/states.py``."""

    DRAFT = "draft", _("Draft")
    AWAITING_APPROVAL = "awaiting_approval", _("Waiting for approval")
    QUEUED = "queued", _("Queued")
    CLAIMED = "claimed", _("Starting")
    SENDING = "sending", _("Sending")
    SUCCEEDED = "succeeded", _("Done")
    REJECTED = "rejected", _("Refused")
    RETRY = "retry", _("Waiting to try again")
    UNKNOWN = "unknown", _("Outcome unknown, checking")
    OPERATOR = "operator", _("Needs a decision")
    DEAD = "dead", _("Given up")
    CANCELLED = "cancelled", _("Cancelled")


OPEN_STATES = [
    CommandState.AWAITING_APPROVAL,
    CommandState.QUEUED,
    CommandState.CLAIMED,
    CommandState.SENDING,
    CommandState.RETRY,
    CommandState.UNKNOWN,
    CommandState.OPERATOR,
]
# How a state looks on a page: one of the tones of static/orgdesk/orgdesk.css.
TONES = {
    CommandState.SUCCEEDED: "success",
    CommandState.REJECTED: "danger",
    CommandState.DEAD: "danger",
    CommandState.OPERATOR: "warning",
    CommandState.AWAITING_APPROVAL: "warning",
    CommandState.UNKNOWN: "warning",
    CommandState.RETRY: "warning",
    CommandState.CANCELLED: "muted",
    CommandState.DRAFT: "muted",
}
SETTLED_STATES = [
    CommandState.SUCCEEDED,
    CommandState.REJECTED,
    CommandState.DEAD,
    CommandState.CANCELLED,
]


class CommandQuerySet(models.QuerySet["Command"]):
    """Commands as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> "CommandQuerySet":
        """Those of the organizations that ``user`` holds a Grant on."""
        return self.filter(organization__in=Organization.objects.visible_to(user))

    def open(self) -> "CommandQuerySet":
        """Those whose outcome is still to come."""
        return self.filter(state__in=OPEN_STATES)


class Command(models.Model):
    """One intended remote change: the outbox row that carries it from click to outcome.

    ``target`` names what it acts on within its connection ("members:user_01…",
    "invites:person@example.com"); only one open Command may have it. ``fence`` grows with every
    claim, and a writer whose fence is old changes nothing.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="commands")
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="commands")
    batch = models.ForeignKey(
        Batch, models.SET_NULL, null=True, blank=True, related_name="commands"
    )
    kind = models.CharField(max_length=60)  # "invites.revoke"
    target = models.CharField(max_length=300)
    row_id = models.BigIntegerField(null=True, blank=True)  # the local row that shows it in flight
    label = models.CharField(max_length=254)  # whom or what, in words: the address, as a rule
    arguments = models.JSONField(default=dict)
    arguments_hash = models.CharField(max_length=64)
    before = models.JSONField(default=dict)  # what the row showed when it was asked for
    nonce = models.CharField(max_length=64)
    state = models.CharField(max_length=20, choices=CommandState, default=CommandState.QUEUED)
    fence = models.BigIntegerField(default=0)
    # Steps of the kind: how many have happened, and what each brought.
    step = models.PositiveSmallIntegerField(default=0)
    results = models.JSONField(default=list)
    baseline = models.JSONField(default=dict)  # remote ids that existed before the step under way
    # What a read-back found and could not decide between: [{"id": …, "label": …}]
    candidates = models.JSONField(default=list)
    tries = models.PositiveSmallIntegerField(default=0)
    checks = models.PositiveSmallIntegerField(default=0)  # read-backs that could not be made
    attempts = models.PositiveSmallIntegerField(default=0)  # times bytes may have left
    due_at = models.DateTimeField(null=True, blank=True)  # nothing happens before this
    kicked_at = models.DateTimeField(null=True, blank=True)  # when a worker was last told
    leased_until = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    remote_id = models.CharField(max_length=120, null=True, blank=True)  # what it made or adopted
    error = models.TextField(blank=True)  # the provider's own words where it gave some
    error_code = models.CharField(max_length=80, blank=True)
    remote_request_id = models.CharField(max_length=120, blank=True)
    # What the provider shows this once, sealed until it is looked at or its time has passed.
    secret = models.TextField(blank=True, editable=False)
    secret_until = models.DateTimeField(null=True, blank=True, editable=False)
    is_money = models.BooleanField(default=False)
    # The database was put back since: ask the provider before sending, it may have happened.
    in_doubt = models.BooleanField(default=False)
    # When the step under way was first sent, once it has been read back: whatever was on its way then
    # may still take effect, so a refusal from now on is read back before it counts.
    unclear_since = models.DateTimeField(null=True, blank=True)
    # It was refused after that; ``error`` and what belongs to it hold the provider's words until read back.
    refused = models.BooleanField(default=False)
    approval_hash = models.CharField(max_length=64, blank=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    # The organization's own token that asked for it, made by ``actor``; "" where a person did.
    by_token = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = CommandQuerySet.as_manager()

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "nonce"], name="command_asked_once"),
            models.UniqueConstraint(
                fields=["connection", "target"],
                condition=Q(state__in=OPEN_STATES),
                name="one_open_command_per_target",
            ),
            models.UniqueConstraint(
                fields=["connection"],
                condition=Q(is_money=True, state__in=OPEN_STATES),
                name="one_money_command_in_flight",
            ),
            models.UniqueConstraint(
                fields=["connection", "remote_id"],
                condition=Q(remote_id__isnull=False),
                name="remote_object_claimed_once",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "due_at"], name="command_due"),
            models.Index(fields=["organization", "-created_at"], name="command_by_time"),
            models.Index(fields=["connection", "target"], name="command_by_target"),
            # What a walk must leave alone: open (NULL), or settled since it began.
            models.Index(fields=["connection", "settled_at"], name="command_by_settling"),
            models.Index(fields=["batch", "state"], name="command_by_batch"),
            models.Index(
                fields=["secret_until"],
                condition=Q(secret_until__isnull=False),
                name="command_with_secret",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.label}"

    @property
    def asked_by(self) -> str:
        """Who asked for it, "" where they are gone: a person, or an organization's token and its maker."""
        maker = str(self.actor or "")
        if self.by_token:
            words = {"token": self.by_token, "maker": maker or gettext("somebody who is gone")}
            return gettext("token %(token)s, made by %(maker)s") % words
        return maker

    @property
    def is_open(self) -> bool:
        """Whether its outcome is still to come."""
        return self.state in OPEN_STATES

    @property
    def first_sent_at(self) -> datetime:
        """The earliest moment at which the step under way may have been sent, however often it was since."""
        return self.unclear_since or self.sent_at or self.created_at

    @property
    def tone(self) -> str:
        """The tone of its state on a page."""
        return TONES.get(CommandState(self.state), "info")


class SupportResend(models.Model):
    """Somebody of support asks that a stuck change be sent again; another of them, a lead, decides.

    It speaks of the change as it stood then: once that has gone on (its ``fence`` has grown, or it is no
    longer stuck), it counts no more.
    """

    class Decision(models.TextChoices):
        SENT = "sent", _("Sent again")
        TAKEN_BACK = "taken_back", _("Taken back")
        OVERTAKEN = "overtaken", _("The change went on meanwhile")

    command = models.ForeignKey(Command, models.CASCADE, related_name="support_resends")
    fence = models.BigIntegerField()
    reason = models.CharField(max_length=500)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    decision = models.CharField(max_length=10, choices=Decision, blank=True)  # "": waits
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("request to send a change again")
        verbose_name_plural = _("requests to send changes again")
        ordering = ["asked_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["command"], condition=Q(decision=""), name="one_support_resend_waits"
            ),
        ]

    def __str__(self) -> str:
        return self.reason


class CommandEvent(models.Model):
    """One line of a Command's own timeline."""

    command = models.ForeignKey(Command, models.CASCADE, related_name="events")
    at = models.DateTimeField()
    state = models.CharField(max_length=20, choices=CommandState)
    note = models.TextField(blank=True)
    remote_request_id = models.CharField(max_length=120, blank=True)

    class Meta:
        verbose_name = _("step of a change")
        verbose_name_plural = _("steps of changes")
        ordering = ["at", "pk"]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} {self.state}"
