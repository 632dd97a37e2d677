from django.apps import AppConfig


class ReportsConfig(AppConfig):
    name = "apps.reports"

    def ready(self) -> None:
        """Name the audit log's verbs; write the letters; offer to send whatever page has a table."""
        from apps.audit import words
        from apps.notices import letters as notices_letters
        from apps.notices import topics as notices_topics
        from apps.organizations.services import clock_listeners
        from apps.reports import drawing, letters, pages, services, topics
        from apps.reports.audit_words import WORDS
        from apps.ui import slots

        words.name(WORDS)
        notices_topics.register(topics.STOPPED)
        notices_letters.register(letters.REPORT, letters.report)
        # A role reads the notices of the topics that are open to it, on one and the same page.
        pages.rows_by_role(
            "notices:list",
            lambda role: frozenset(topic.name for topic in notices_topics.open_to(role)),
        )
        if services.follow_clock not in clock_listeners:
            clock_listeners.append(services.follow_clock)
        slots.fill("ui:page_actions", drawing.send_regularly)
        slots.fill("ui:saved_view", drawing.sent_by)
