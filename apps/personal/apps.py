from django.apps import AppConfig


class PersonalConfig(AppConfig):
    name = "apps.personal"

    def ready(self) -> None:
        """Tell sync what this shelf mirrors and can change; draw into a connection's page."""
        from apps.personal import drawing
        from apps.personal.mirror import ACCOUNTS, ALLOWANCES
        from apps.personal.remote import register_kinds
        from apps.sync import mirrors
        from apps.ui import slots

        mirrors.register(ACCOUNTS)
        mirrors.register(ALLOWANCES)
        register_kinds()
        slots.fill("organizations:connection_actions", drawing.button, order=5)
