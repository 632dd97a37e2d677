"""People and their memberships at the providers."""

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Coalesce, Concat, Lower, NullIf
from django.utils.translation import gettext_lazy as _

from apps.organizations.models import Organization
from apps.sync.models import Mirrored

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from apps.accounts.models import User


class PersonQuerySet(models.QuerySet["Person"]):
    """People as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> "PersonQuerySet":
        """Those of the organizations that ``user`` holds a Grant on."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class Person(models.Model):
    """One human across an organization's connections, matched by email address (lower case).

    ``joined_at`` is the earliest date that any provider gave. ``searchable`` turns true once the
    search index has the person (``search.py``): putting people in while a first walk writes them
    would cost more than the walk.
    """

    # No index of its own: the unique one below begins with it.
    organization = models.ForeignKey(
        Organization, models.CASCADE, related_name="people", db_index=False
    )
    email = models.CharField(_("email address"), max_length=254)
    name = models.CharField(_("name"), max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    joined_at = models.DateTimeField(null=True, blank=True)
    searchable = models.BooleanField(db_default=False, default=False, editable=False)
    # What lists sort by: the name, or the address of those who have none.
    sort_name = models.GeneratedField(
        expression=Lower(Coalesce(NullIf(F("name"), Value("")), F("email"))),
        output_field=models.TextField(),
        db_persist=True,
    )
    search_text = models.GeneratedField(
        expression=Case(
            When(searchable=True, then=Lower(Concat(F("email"), Value(" "), F("name")))),
            default=Value(None),
        ),
        output_field=models.TextField(null=True),
        db_persist=True,
    )

    objects = PersonQuerySet.as_manager()

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        constraints = [
            models.UniqueConstraint(fields=["organization", "email"], name="person_once")
        ]
        indexes = [
            models.Index(fields=["organization", "sort_name", "id"], name="person_by_name"),
            models.Index(fields=["organization", "joined_at", "id"], name="person_by_joined"),
            models.Index(
                fields=["organization"], condition=Q(searchable=False), name="person_not_searchable"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email


class Member(Mirrored):
    """A person's membership of one remote organization (Anthropic: user; Cline: membership).

    ``role`` is the provider's own word, as sent, even one that we do not know; where a membership
    holds several (Cline) it is the strongest, and ``raw`` has them all.
    """

    # Its index stands in Meta, with what a list asks of a membership beside it.
    person = models.ForeignKey(Person, models.CASCADE, related_name="members", db_index=False)
    email = models.CharField(_("email address"), max_length=254)
    name = models.CharField(_("name"), max_length=200, blank=True)
    role = models.CharField(_("role"), max_length=60)
    # The account behind the membership, where that is another id (Cline).
    remote_user_id = models.CharField(max_length=120, blank=True)
    joined_at = models.DateTimeField(null=True, blank=True)

    class Meta(Mirrored.Meta):
        verbose_name = _("member")
        verbose_name_plural = _("members")
        indexes = [
            models.Index(fields=["connection", "gone_at", "role", "person"], name="member_by_role"),
            models.Index(fields=["person", "connection", "gone_at"], name="member_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.email} · {self.role}"

    @property
    def target(self) -> str:
        """What a Command on this membership names as its target."""
        return f"members:{self.remote_id}"
