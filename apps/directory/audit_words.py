"""The audit log's verbs of this shelf, in words."""

from django.utils.translation import gettext_lazy as _

WORDS = {
    "directory.create_person": _("Added a person to the directory"),
    "directory.change_person": _("Changed a person of the directory"),
    "directory.activate_person": _("Activated a person of the directory"),
    "directory.deactivate_person": _("Deactivated a person of the directory"),
    "directory.delete_person": _("Deleted a person of the directory"),
    "directory.create_group": _("Added a group to the directory"),
    "directory.change_group": _("Changed a group of the directory"),
    "directory.change_members": _("Changed the members of a group of the directory"),
    "directory.delete_group": _("Deleted a group of the directory"),
    "directory.map_group": _("Said what a group of the directory may do here"),
    "directory.hand_over": _("Let the directory decide about a person"),
}
