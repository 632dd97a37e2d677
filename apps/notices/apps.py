from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "apps.notices"

    def ready(self) -> None:
        """Name the audit log's verbs."""
        from apps.audit import words
        from apps.notices.audit_words import WORDS

        words.name(WORDS)
