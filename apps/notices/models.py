"""What was told to whom, and how it travelled."""

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.notices.topics import TOPICS, open_to
from apps.organizations.models import Organization, Role
from apps.organizations.policy import role_by_token

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from apps.accounts.models import User


class Severity(models.TextChoices):
    """How much it presses."""

    INFO = "info", _("Info")
    WARNING = "warning", _("Warning")
    URGENT = "urgent", _("Urgent")


class NoticeQuerySet(models.QuerySet["Notice"]):
    """Notices as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> "NoticeQuerySet":
        """Those of the reader's organizations whose topic their role there may hear of; by a token, what it
        leaves of that role, on its own organization alone."""
        if not user.is_authenticated:
            return self.none()
        # An organization has one Grant a user, so role and organization are of the same one.
        may_read = Q(pk__in=[])
        token = user.acting
        for role in Role:
            left = role_by_token(token, role) if token else role
            names = [topic.name for topic in open_to(left)]
            may_read |= Q(
                organization__grants__user=user,
                organization__grants__role=role,
                topic__in=names,
            )
        if user.viewed_on is not None:
            may_read &= Q(organization=user.viewed_on)
        if token:
            may_read &= Q(organization=token.organization_id)
        return self.filter(may_read)


class Notice(models.Model):
    """One piece of news of an organization. One cause is told once, whoever tells it again."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="notices")
    topic = models.CharField(_("topic"), max_length=60)
    cause = models.CharField(max_length=200)
    title = models.CharField(_("title"), max_length=200)
    text = models.TextField(_("text"), blank=True)
    url = models.CharField(max_length=500, blank=True)  # "/o/northgate/keys/17/", of this portal
    severity = models.CharField(
        _("severity"), max_length=8, choices=Severity, default=Severity.INFO
    )
    created_at = models.DateTimeField(_("told"), auto_now_add=True)
    settled_at = models.DateTimeField(_("over"), null=True, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("acknowledged by"),
    )

    objects = NoticeQuerySet.as_manager()

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "topic", "cause"], name="notice_once_per_cause"
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def topic_label(self) -> str:
        """The topic in words; its name where no shelf knows it any more."""
        return str(TOPICS[self.topic].label) if self.topic in TOPICS else self.topic


class Rhythm(models.TextChoices):
    """When mails about notices come."""

    AT_ONCE = "at_once", _("Each at once")
    DAILY = "daily", _("One a day, at eight in the morning")
    WEEKLY = "weekly", _("One a week, on Monday at eight")


class Habit(models.Model):
    """When one user wants mails about one organization's notices; without a row each comes at once.

    Quiet hours are of the user's own clock, from the one to the other, over midnight if need be.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    rhythm = models.CharField(max_length=8, choices=Rhythm, default=Rhythm.AT_ONCE)
    quiet_from = models.PositiveSmallIntegerField(null=True, blank=True)
    quiet_until = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        verbose_name = _("habit")
        verbose_name_plural = _("habits")
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="one_habit_per_user")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} · {self.rhythm}"


class Digest(models.Model):
    """One mail that gathers what one user has heard of until it leaves."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    due_at = models.DateTimeField()

    class Meta:
        verbose_name = _("digest")
        verbose_name_plural = _("digests")
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "user", "due_at"], name="one_digest_per_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} · {self.due_at:%Y-%m-%d %H:%M}"


class Hearing(models.Model):
    """That a notice is one user's to read; what the bell counts. ``digest``: the mail that tells of it."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    notice = models.ForeignKey(Notice, models.CASCADE, related_name="hearings")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="hearings")
    read_at = models.DateTimeField(null=True, blank=True)
    digest = models.ForeignKey(
        Digest, models.SET_NULL, null=True, blank=True, related_name="hearings"
    )

    class Meta:
        verbose_name = _("hearing")
        verbose_name_plural = _("hearings")
        constraints = [models.UniqueConstraint(fields=["notice", "user"], name="heard_once")]
        indexes = [
            models.Index(
                fields=["user", "organization"],
                condition=Q(read_at__isnull=True),
                name="unread_of_user",
            )
        ]

    def __str__(self) -> str:
        return f"{self.notice_id} · {self.user_id}"


class Choice(models.Model):
    """What one user said of one topic on one organization; without a row the role decides."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    topic = models.CharField(max_length=60)
    hears = models.BooleanField(default=True)
    by_mail = models.BooleanField(default=True)

    class Meta:
        verbose_name = _("choice")
        verbose_name_plural = _("choices")
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "user", "topic"], name="one_choice_per_topic"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} · {self.topic}"


class Channel(models.TextChoices):
    """How something travels."""

    MAIL = "mail", _("E-mail")
    WEBHOOK = "webhook", _("Webhook")


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    """Webhooks as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> "EndpointQuerySet":
        """Those of the organizations that ``user`` holds a Grant on."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class Endpoint(models.Model):
    """Where webhooks of one organization go. ``secret`` is sealed, and signs each of them.

    A chat takes no signature: whoever knows its address may post there, so its secret signs nothing.
    """

    class Speaks(models.TextChoices):
        SIGNED = "signed", _("A program, by signed webhooks")
        SLACK = "slack", _("Slack")
        TEAMS = "teams", _("Microsoft Teams")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="endpoints")
    name = models.CharField(_("name"), max_length=80)
    speaks = models.CharField(
        _("what reads it"), max_length=8, choices=Speaks, default=Speaks.SIGNED
    )
    url = models.CharField(_("address"), max_length=500)
    topics = models.JSONField(default=list, blank=True)  # names; empty: all of them
    secret = models.TextField(editable=False)
    secret_hint = models.CharField(max_length=12, editable=False)
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True)
    # It did not take the last one: until then nothing else is tried there either.
    rests_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "name"], name="endpoint_named_once")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_signed(self) -> bool:
        """Whether what is sent there is signed with its secret."""
        return self.speaks == self.Speaks.SIGNED

    def wants(self, topic: str) -> bool:
        """Whether notices of ``topic`` go there. That a webhook failed is told to people alone."""
        if topic.startswith("notices."):
            return False
        return not self.topics or topic in self.topics


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """Deliveries as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> "DeliveryQuerySet":
        """Those of the organizations that ``user`` holds a Grant on."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class Delivery(models.Model):
    """One thing on its way to one receiver, by one channel.

    ``kind`` names who writes the letter (``letters.py``), ``subject_id`` what it is about. SENDING is
    committed before the first byte leaves.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENDING = "sending", _("Being sent")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")
        DROPPED = "dropped", _("Not sent")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=20)
    subject_id = models.BigIntegerField()
    channel = models.CharField(_("channel"), max_length=8, choices=Channel)
    # Who gets the mail.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="deliveries"
    )
    # Where the webhook goes.
    endpoint = models.ForeignKey(
        Endpoint, models.CASCADE, null=True, blank=True, related_name="deliveries"
    )
    label = models.CharField(_("about"), max_length=200, blank=True)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.WAITING)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    fence = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    said = models.CharField(_("what was said"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    settled_at = models.DateTimeField(_("settled"), null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject_id", "user"],
                condition=Q(channel="mail"),
                name="one_mail_per_receiver",
            ),
            models.UniqueConstraint(
                fields=["kind", "subject_id", "endpoint"],
                condition=Q(channel="webhook"),
                name="one_webhook_per_endpoint",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(state__in=["waiting", "sending"]),
                name="deliveries_open",
            ),
            models.Index(fields=["organization", "-created_at"], name="deliveries_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id} · {self.get_channel_display()}"

    @property
    def receiver(self) -> str:
        """Who or what gets it."""
        return str(self.user.email if self.user else self.endpoint)

    @property
    def is_open(self) -> bool:
        """Whether it may still leave."""
        return self.state in (self.State.WAITING, self.State.SENDING)

    @property
    def is_under_way(self) -> bool:
        """Whether its outcome is a matter of seconds: no second attempt, which may be hours away."""
        first = self.state == self.State.WAITING and not self.attempts
        return first or self.state == self.State.SENDING


class Attempt(models.Model):
    """One try to send one thing. It is written before the first byte leaves."""

    class Outcome(models.TextChoices):
        UNDER_WAY = "under_way", _("Under way")
        SENT = "sent", _("Sent")
        REFUSED = "refused", _("Refused")
        UNCLEAR = "unclear", _("Unclear")  # the worker died, or the answer did not come

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="tries")
    number = models.PositiveIntegerField()
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=9, choices=Outcome, default=Outcome.UNDER_WAY)
    status = models.PositiveIntegerField(null=True)  # the receiver's HTTP status, if it gave one
    said = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["delivery", "number"], name="attempt_once_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.delivery_id}/{self.number}"
