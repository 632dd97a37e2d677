from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MembersConfig(AppConfig):
    name = "apps.members"

    def ready(self) -> None:
        """Tell sync what this shelf mirrors and can change; look after the search index's triggers."""
        from apps.members import diagnosing, drawing, finding
        from apps.members.mirror import MEMBERS, make_findable
        from apps.members.remote import register_kinds
        from apps.members.search import see_to_triggers
        from apps.sync import mirrors
        from apps.ui import slots

        mirrors.register(MEMBERS)
        for listing in ("members", "invites"):
            mirrors.after_complete(listing, make_findable)
        finding.register()
        diagnosing.register()
        register_kinds()
        post_migrate.connect(see_to_triggers, sender=self)
        slots.fill("overview:stats", drawing.stats, order=10)
