"""What an organization's identity provider says of its people and groups.

A person here is who the directory speaks of, not an account of the portal: ``user`` is the account, once
there is one that this organization may give a role to.
"""

import uuid
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from apps.organizations.models import ColleagueInvitation, Organization, Role

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from apps.accounts.models import User


Row = TypeVar("Row", bound=models.Model)


class DirectoryQuerySet(models.QuerySet[Row]):
    """What directories have sent, as a reader may see it."""

    def visible_to(self, user: "User | AnonymousUser") -> "DirectoryQuerySet[Row]":
        """That of the organizations that ``user`` holds a Grant on."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class Directory(models.Model):
    """When an organization's identity provider was heard of last, and how that went."""

    organization = models.OneToOneField(Organization, models.CASCADE, related_name="directory")
    asked_at = models.DateTimeField(_("last request"), null=True)
    asked = models.CharField(max_length=120, blank=True)  # "PATCH Users"
    status = models.PositiveSmallIntegerField(default=0)  # of the answer, as HTTP has it
    # The last request that was refused, and why in words.
    failed_at = models.DateTimeField(_("last refusal"), null=True)
    failure = models.CharField(max_length=300, blank=True)

    objects = DirectoryQuerySet["Directory"].as_manager()

    class Meta:
        verbose_name = _("directory")
        verbose_name_plural = _("directories")

    def __str__(self) -> str:
        return str(self.organization)


class DirectoryUser(models.Model):
    """A person as the directory knows them. ``uid`` is their id in SCIM.

    ``emails``: ``[{"value": "a@example.com", "type": "work", "primary": true}]`` as they were sent; ``email``
    is the one that counts, in lower case, empty where none of them is an address.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="directory_users")
    user_name = models.CharField(_("user name"), max_length=254)
    external_id = models.CharField(_("external id"), max_length=254, blank=True)
    display_name = models.CharField(_("name"), max_length=254, blank=True)
    formatted_name = models.CharField(max_length=254, blank=True)
    given_name = models.CharField(max_length=254, blank=True)
    family_name = models.CharField(max_length=254, blank=True)
    emails = models.JSONField(default=list, blank=True)
    email = models.CharField(_("email address"), max_length=254, blank=True)
    active = models.BooleanField(_("active"), default=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # The offer that waits for the one whose account it is, where the address had an account already.
    invitation = models.ForeignKey(
        ColleagueInvitation, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # An owner took them off by hand: the directory gives them nothing until an owner says so.
    kept_out_at = models.DateTimeField(_("kept out"), null=True, blank=True)
    # None: no letter is due. While a worker sends it: when another one may, should that one have died.
    letter_due_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = DirectoryQuerySet["DirectoryUser"].as_manager()

    class Meta:
        verbose_name = _("person of a directory")
        verbose_name_plural = _("people of directories")
        constraints = [
            models.UniqueConstraint(
                "organization", Lower("user_name"), name="directory_user_name_once"
            ),
            models.UniqueConstraint(
                fields=["organization", "user"],
                condition=Q(user__isnull=False),
                name="directory_user_account_once",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "external_id"], name="directory_user_external"),
            models.Index(fields=["organization", "email"], name="directory_user_email"),
            models.Index(
                fields=["letter_due_at"],
                condition=Q(letter_due_at__isnull=False),
                name="directory_user_letter",
            ),
        ]

    def __str__(self) -> str:
        return self.called or self.user_name

    @property
    def called(self) -> str:
        """What the directory calls them, empty where it says nothing."""
        parts = f"{self.given_name} {self.family_name}".strip()
        return self.display_name or self.formatted_name or parts


class DirectoryGroup(models.Model):
    """A group of the directory. ``role`` is what an owner has made of it here: empty gives nothing."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="directory_groups")
    name = models.CharField(_("name"), max_length=254)
    external_id = models.CharField(_("external id"), max_length=254, blank=True)
    role = models.CharField(_("role"), max_length=10, choices=Role, blank=True)
    members = models.ManyToManyField(
        DirectoryUser, through="DirectoryMembership", related_name="groups"
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = DirectoryQuerySet["DirectoryGroup"].as_manager()

    class Meta:
        verbose_name = _("group of a directory")
        verbose_name_plural = _("groups of directories")
        constraints = [
            models.UniqueConstraint("organization", Lower("name"), name="directory_group_once")
        ]
        indexes = [
            models.Index(fields=["organization", "external_id"], name="directory_group_external")
        ]

    def __str__(self) -> str:
        return self.name


class DirectoryMembership(models.Model):
    """Who is in which group."""

    group = models.ForeignKey(DirectoryGroup, models.CASCADE, related_name="memberships")
    member = models.ForeignKey(DirectoryUser, models.CASCADE, related_name="memberships")

    class Meta:
        verbose_name = _("membership in a directory's group")
        verbose_name_plural = _("memberships in directories' groups")
        constraints = [
            models.UniqueConstraint(fields=["group", "member"], name="directory_member_once")
        ]

    def __str__(self) -> str:
        return f"{self.group_id} · {self.member_id}"
