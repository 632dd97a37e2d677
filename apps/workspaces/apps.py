from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class WorkspacesConfig(AppConfig):
    name = "apps.workspaces"

    def ready(self) -> None:
        """Tell sync what this shelf mirrors and can change; add to the pages of people, the overview."""
        from apps.members.people import add_bulk_action
        from apps.members.timeline import add_targets
        from apps.sync import mirrors
        from apps.ui import slots
        from apps.ui.listing import BulkAction
        from apps.workspaces import (
            drawing,
            finding,
            limit_drawing,
            limits,
            lists,
            member_remote,
            remote,
        )
        from apps.workspaces.mirror import (
            MEMBERSHIPS,
            WORKSPACES,
            follow_archived,
            follow_members,
            when_archived,
        )

        mirrors.register(WORKSPACES)
        mirrors.register(MEMBERSHIPS)
        mirrors.register(limits.LIMITS)
        mirrors.after_complete("workspaces", follow_archived)
        mirrors.after_complete("members", follow_members)
        when_archived(limits.end_with_workspaces)
        finding.register()
        slots.fill("workspaces:workspace", limit_drawing.of_workspace, order=30)
        lists.add_figure(limit_drawing.OVERRIDES)
        remote.register_kinds()
        member_remote.register_kinds()
        slots.fill("members:person", drawing.of_person, order=20)
        slots.fill("overview:stats", drawing.stats, order=30)
        add_targets(drawing.targets_of)
        add_bulk_action(
            BulkAction(
                name="workspaces",
                label=gettext_lazy("Add to workspaces"),
                icon="layout-grid",
                action="workspaces.change_members",
                url_name="workspaces:add_people",
            )
        )
