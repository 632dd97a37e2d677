from django.apps import AppConfig


class InvitesConfig(AppConfig):
    name = "apps.invites"

    def ready(self) -> None:
        """Tell sync what this shelf mirrors and can change; add to the pages of people, the overview."""
        from apps.invites import diagnosing, drawing, finding, news
        from apps.invites.badges import INVITED, pending_badges
        from apps.invites.mirror import INVITES, reconsider
        from apps.invites.remote import register_kinds
        from apps.members.people import add_state
        from apps.members.standing import add_badges
        from apps.sync import mirrors
        from apps.ui import slots

        news.register()
        mirrors.register(INVITES)
        for listing in ("members", "invites"):
            mirrors.after_complete(listing, reconsider)
        finding.register()
        diagnosing.register()
        register_kinds()
        add_badges(pending_badges)
        add_state(INVITED)
        slots.fill("members:person", drawing.of_person, order=10)
        slots.fill("members:person-actions", drawing.invite_button)
        slots.fill("members:list-actions", drawing.invite_button)
        slots.fill("overview:stats", drawing.stats, order=20)
        slots.fill("overview:main", drawing.lapsing, order=10)
