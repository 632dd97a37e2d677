from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "apps.notices"

    def ready(self) -> None:
        """Name the audit log's verbs; say who writes the letters; keep secrets sealed; draw the bell."""
        from apps.audit import words
        from apps.notices import (
            drawing,
            endpoints,
            letters,
            own_letters,
            own_topics,
            tokens,
            topics,
        )
        from apps.notices.audit_words import WORDS
        from apps.organizations import credentials
        from apps.ui import slots

        words.name(WORDS)
        topics.register(own_topics.WEBHOOK_FAILED)
        tokens.register()
        letters.register(own_letters.NOTICE, own_letters.notice)
        letters.register(own_letters.DIGEST, own_letters.digest)
        letters.register(own_letters.TEST, own_letters.test)
        if endpoints.reseal not in credentials.also_sealed:
            credentials.also_sealed.append(endpoints.reseal)
        slots.fill("shell:topbar", drawing.bell, order=90)
        slots.fill("organizations:settings_tabs", drawing.tab, order=50)
