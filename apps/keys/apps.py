from django.apps import AppConfig


class KeysConfig(AppConfig):
    name = "apps.keys"

    def ready(self) -> None:
        """Tell sync what this shelf mirrors and can change; draw into the pages of others."""
        from apps.keys import diagnosing, drawing, finding, news
        from apps.keys.leaving import THEIR_KEYS
        from apps.keys.mirror import KEYS, SHARED_KEYS, end_with_workspaces, look_at_marks
        from apps.keys.remote import register_kinds
        from apps.members import leaving
        from apps.sync import mirrors
        from apps.ui import slots
        from apps.workspaces.lists import add_figure
        from apps.workspaces.mirror import when_archived

        news.register()
        mirrors.register(KEYS)
        mirrors.register(SHARED_KEYS)
        mirrors.after_complete("keys", look_at_marks)
        when_archived(end_with_workspaces)
        finding.register()
        diagnosing.register()
        register_kinds()
        leaving.offer(THEIR_KEYS)
        slots.fill("members:person", drawing.of_person, order=20)
        slots.fill("workspaces:workspace", drawing.of_workspace, order=20)
        slots.fill("workspaces:archive", drawing.ending)
        add_figure(drawing.WORKING_KEYS)
        slots.fill("keys:list-end", drawing.shared)
        slots.fill("overview:stats", drawing.stats, order=30)
