"""What the pages remember for their readers."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class SavedView(models.Model):
    """A list's filters and sort under a name: its owner's own, or shared with the organization."""

    organization = models.ForeignKey(
        "organizations.Organization", models.CASCADE, related_name="saved_views"
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_views")
    list_name = models.CharField(max_length=40)  # ListPage.name
    name = models.CharField(_("name"), max_length=60)
    query = models.CharField(max_length=1000, blank=True)  # "role=admin&sort=-joined"
    shared = models.BooleanField(
        _("shared"), default=False, help_text=_("Everyone in the organization sees it.")
    )
    opens_first = models.BooleanField(
        _("open it first"), default=False, help_text=_("For you, the list opens with this view.")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "owner", "list_name", "name"],
                name="saved_view_named_once",
            ),
            models.UniqueConstraint(
                fields=["organization", "owner", "list_name"],
                condition=Q(opens_first=True),
                name="one_view_opens_first",
            ),
        ]

    def __str__(self) -> str:
        return self.name
