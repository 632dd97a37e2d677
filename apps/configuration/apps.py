from django.apps import AppConfig


class ConfigurationConfig(AppConfig):
    name = "apps.configuration"

    def ready(self) -> None:
        """Tell sync what this shelf mirrors and can change; draw into a connection's page and Settings."""
        from apps.configuration import drawing
        from apps.configuration.mirror import CONFIGURATIONS, ORGANIZATIONS
        from apps.configuration.remote import register_kinds
        from apps.configuration.versions import keep_version
        from apps.sync import mirrors
        from apps.ui import slots

        mirrors.register(ORGANIZATIONS)
        mirrors.register(CONFIGURATIONS)
        mirrors.after_complete(CONFIGURATIONS.name, keep_version)
        register_kinds()
        slots.fill("organizations:connection_actions", drawing.button, order=10)
        slots.fill("organizations:settings_tabs", drawing.tab)
        slots.fill("sync:command", drawing.next_step)
