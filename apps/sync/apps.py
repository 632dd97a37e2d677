from typing import Any

from django.apps import AppConfig


class SyncConfig(AppConfig):
    name = "apps.sync"

    def ready(self) -> None:
        """Take part in connecting, draw into the pages of others."""
        from apps.audit import words
        from apps.organizations import connections, probing
        from apps.sync import audit_words, diagnosing, evidence, finding, news, schedule
        from apps.sync.drawing import lately
        from apps.sync.outbox import requests, restored_views
        from apps.sync.outbox.views import in_flight_slot
        from apps.sync.views import connection_actions
        from apps.ui import slots

        finding.register()
        diagnosing.register()
        evidence.register()
        news.register()
        words.name(audit_words.WORDS)
        words.read_by(audit_words.read)
        slots.fill("shell:topbar", in_flight_slot)
        slots.fill("shell:notice", restored_views.notice)
        slots.fill("organizations:connection_actions", connection_actions)
        taking_part: list[tuple[list[Any], Any]] = [
            (connections.on_connected, schedule.begin),
            (probing.on_renewed, schedule.begin_new),
            (connections.disconnect_obstacles, requests.obstacle_to_disconnecting),
            (connections.on_disconnected, requests.cancel_waiting),
        ]
        for hooks, hook in taking_part:
            if hook not in hooks:
                hooks.append(hook)
        slots.fill("overview:main", lately, order=50)
