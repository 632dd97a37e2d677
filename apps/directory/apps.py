from django.apps import AppConfig


class DirectoryConfig(AppConfig):
    name = "apps.directory"

    def ready(self) -> None:
        """Name audit lines; hear of Grants that go and come by hand; draw the tab into Settings."""
        from apps.audit import words
        from apps.directory import drawing, services
        from apps.directory.audit_words import WORDS
        from apps.organizations.services import acceptance_listeners, removal_listeners
        from apps.ui import slots

        words.name(WORDS)
        if services.removed_by_hand not in removal_listeners:
            removal_listeners.append(services.removed_by_hand)
        if services.accepted not in acceptance_listeners:
            acceptance_listeners.append(services.accepted)
        slots.fill("organizations:settings_tabs", drawing.tab, order=40)
