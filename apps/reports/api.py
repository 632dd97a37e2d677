"""The API's way to reports: pages that are sent regularly, by the forms and services of the pages."""

from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import User
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_once import IDEMPOTENCY_KEY, answered_once, once
from apps.organizations.api_problems import Conflict, RefusingMixin, answers, of_form
from apps.organizations.api_shapes import Cursors, Moment, Shape, sent, written
from apps.reports import pages, services
from apps.reports.calendar import RHYTHMS
from apps.reports.forms import ScheduleForm
from apps.reports.letters import page_url
from apps.reports.models import Run, Schedule
from apps.reports.views import MOST_QUERY, Wanted, wanted_page

LATELY = 15
_FIELDS = {"receivers": "users", "webhooks": "endpoints"}  # as the page's form calls them


class RunSerializer(serializers.Serializer[Run]):
    """One time that a report was made."""

    id = serializers.IntegerField()
    period = serializers.CharField(help_text="The local day that it was due, or now:…")
    state = serializers.ChoiceField(Run.State.choices)
    rows = serializers.IntegerField(allow_null=True)
    said = serializers.CharField()
    created_at = Moment()
    made_at = Moment(allow_null=True)


class ReportSerializer(serializers.Serializer[Schedule]):
    """A page that is sent regularly."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    page = serializers.SerializerMethodField(help_text="Its address here, with its filters.")
    rhythm = serializers.ChoiceField(RHYTHMS)
    hour = serializers.IntegerField(help_text="In the organization's time zone.")
    owner = serializers.EmailField(
        source="owner.email", read_only=True, default=None, allow_null=True
    )
    receivers = serializers.SerializerMethodField(help_text="By mail.")
    webhooks = serializers.SerializerMethodField(help_text="By their ids.")
    next_at = Moment()
    paused_at = Moment(allow_null=True)
    stopped_at = Moment(allow_null=True)
    stopped_why = serializers.CharField()
    created_at = Moment()

    def get_page(self, row: Schedule) -> str:
        """Empty where the view was deleted."""
        return page_url(row) if row.view else ""

    def get_receivers(self, row: Schedule) -> list[str]:
        """Addresses."""
        return sorted(one.email for one in row.users.all())

    def get_webhooks(self, row: Schedule) -> list[int]:
        """Ids."""
        return sorted(one.pk for one in row.endpoints.all())


class ReportDetailSerializer(ReportSerializer):
    """The same, with how the last times went."""

    runs = RunSerializer(many=True, source="lately")


class _ReportWords(Shape):
    name = serializers.CharField(max_length=120, required=False)
    rhythm = serializers.ChoiceField(RHYTHMS, required=False)
    hour = serializers.IntegerField(min_value=0, max_value=23, required=False)
    receivers = serializers.ListField(
        child=serializers.EmailField(), required=False, max_length=500, help_text="Colleagues."
    )
    webhooks = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        required=False,
        max_length=100,
    )


class ReportChange(_ReportWords):
    """What is to be otherwise; the rest stays."""


class NewReport(_ReportWords):
    """A report to be sent. Without receivers, it comes to the caller."""

    page = serializers.CharField(
        max_length=MOST_QUERY + 300,
        help_text="The address of a list's page: /o/northgate/people/?role=admin",
    )
    list = serializers.CharField(max_length=40, help_text="people, invites, keys, usage, …")
    name = serializers.CharField(max_length=120)


@extend_schema(tags=["reports"])
class ReportViewSet(RefusingMixin, DeskAPIMixin, viewsets.GenericViewSet[Schedule]):
    """Reports of an organization."""

    actions: ClassVar[dict[str, str]] = {
        "list": "reports.read",
        "retrieve": "reports.read",
        "leave": "reports.read",
        "*": "reports.own",
    }
    serializer_class = ReportSerializer
    shapes: ClassVar[dict[str, Any]] = {"retrieve": ReportDetailSerializer}
    pagination_class = Cursors
    refusals = (services.Refused,)

    def get_queryset(self) -> QuerySet[Schedule]:
        """Those of the organization."""
        mine = Schedule.objects.visible_to(self.request.user)
        rows = mine.filter(organization=self.organization)
        return rows.select_related("organization", "owner", "view").prefetch_related(
            "users", "endpoints"
        )

    def _to_change(self, pk: int) -> Schedule:
        schedule = get_object_or_404(self.get_queryset(), pk=pk)
        if not services.may_change(self.actor, schedule, self.role):
            raise PermissionDenied(_("Whoever made it can change it, and owners and admins."))
        return schedule

    def _shown(self, pk: int, status: int = 200) -> Response:
        return Response(
            ReportSerializer(get_object_or_404(self.get_queryset(), pk=pk)).data, status
        )

    @extend_schema(operation_id="reports_list")
    def list(self, request: Request, slug: str) -> Response:
        """What is sent regularly, when and to whom."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(written(ReportSerializer, page))

    @extend_schema(operation_id="reports_retrieve", responses=ReportDetailSerializer)
    def retrieve(self, request: Request, slug: str, pk: int) -> Response:
        """One report, and how its last times went."""
        row = get_object_or_404(self.get_queryset(), pk=pk)
        row.lately = list(row.runs.defer("csv", "digest")[:LATELY])  # type: ignore[attr-defined]  # for the serializer
        return Response(ReportDetailSerializer(row).data)

    def _filled(self, given: dict[str, Any], schedule: Schedule | None = None) -> dict[str, Any]:
        """What the page's form makes of it; 400 by the API's own names."""
        before = list(schedule.endpoints.values_list("pk", flat=True)) if schedule else []
        held: Any = User.objects.filter(grants__organization=self.organization)
        if "receivers" in given:
            emails = {one.lower() for one in given["receivers"]}
            users = [one for one in held if one.email.lower() in emails]
            if len(users) < len(emails):
                raise serializers.ValidationError(
                    {"receivers": [_("Not all of them are colleagues here.")]}
                )
        else:
            users = list(schedule.users.all()) if schedule else [self.actor]
        form = ScheduleForm(
            {
                "name": given.get("name", schedule.name if schedule else ""),
                "rhythm": given.get("rhythm", schedule.rhythm if schedule else "week:0"),
                "hour": given.get("hour", schedule.hour if schedule else 8),
                "users": [one.pk for one in users],
                "endpoints": given.get("webhooks", before),
            },
            organization=self.organization,
            may_use_webhooks=self.may("notices.deliveries"),
            others=len(before),
        )
        if "webhooks" in given and "endpoints" not in form.fields and given["webhooks"]:
            raise serializers.ValidationError(
                {"webhooks": [_("There is no such webhook for you.")]}
            )
        if not form.is_valid():
            raise of_form(form, **{field: name for name, field in _FIELDS.items()})
        return form.cleaned_data

    @extend_schema(
        operation_id="reports_create",
        parameters=[IDEMPOTENCY_KEY],
        request=NewReport,
        responses=answers(ReportSerializer, 201),
    )
    @answered_once
    def create(self, request: Request, slug: str) -> Response:
        """Have a page sent regularly, with what its maker may see at the time."""
        given = sent(NewReport, request)
        wanted = wanted_page(given["page"], given["list"], self.organization)
        if wanted is None:
            raise serializers.ValidationError(
                {"page": [_("There is no such list here of which views can be kept.")]}
            )
        same = self._same(wanted, given["name"])
        if same is not None:
            return self._shown(same.pk, 201)
        filled = self._filled(given)
        try:
            pages.check(self.actor, self.organization, wanted.match, wanted.query)
        except pages.CannotSee as why:
            raise Conflict(str(why)) from None
        made = services.create_schedule(
            organization=self.organization,
            actor=self.actor,
            list_name=wanted.list_name,
            url_name=wanted.match.view_name,
            url_kwargs=wanted.kwargs,
            query=wanted.query,
            view=None,
            **filled,
        )
        return self._shown(made.pk, 201)

    def _same(self, wanted: Wanted, name: str) -> Schedule | None:
        """The caller's own of that page and name: sending it twice makes one."""
        rows = self.get_queryset().filter(owner=self.actor, name=name)
        return rows.filter(url_name=wanted.match.view_name, view__query=wanted.query).first()

    @extend_schema(
        operation_id="reports_change", request=ReportChange, responses=answers(ReportSerializer)
    )
    def partial_update(self, request: Request, slug: str, pk: int) -> Response:
        """Another time, name or receiver."""
        schedule, given = self._to_change(pk), sent(ReportChange, request)
        filled = self._filled(given, schedule)
        said: Any = {_FIELDS.get(name, name): filled[_FIELDS.get(name, name)] for name in given}
        services.change_schedule(schedule=schedule, actor=self.actor, **said)
        return self._shown(pk)

    @extend_schema(operation_id="reports_delete", responses=answers(None, 204))
    def destroy(self, request: Request, slug: str, pk: int) -> Response:
        """End it."""
        services.delete_schedule(schedule=self._to_change(pk), actor=self.actor)
        return Response(status=204)

    @extend_schema(
        operation_id="reports_send",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=answers(RunSerializer, 202),
    )
    def send(self, request: Request, slug: str, pk: int) -> Response:
        """Have it made and sent at once, besides its times."""
        schedule = self._to_change(pk)
        if schedule.stopped_at:
            raise Conflict(_("It has stopped: %(why)s") % {"why": schedule.stopped_why})
        nonce = once(request).nonce
        run = services.send_now(schedule=schedule, actor=self.actor, nonce=nonce)
        return Response(RunSerializer(run).data, 202)

    @extend_schema(operation_id="reports_pause", request=None, responses=answers(ReportSerializer))
    def pause(self, request: Request, slug: str, pk: int) -> Response:
        """Send nothing for the time being. Twice is once."""
        services.pause_schedule(schedule=self._to_change(pk), actor=self.actor, paused=True)
        return self._shown(pk)

    @extend_schema(operation_id="reports_resume", responses=answers(ReportSerializer))
    def resume(self, request: Request, slug: str, pk: int) -> Response:
        """Go on with the next time due, also after it had to stop."""
        services.pause_schedule(schedule=self._to_change(pk), actor=self.actor, paused=False)
        return self._shown(pk)

    @extend_schema(operation_id="reports_leave", responses=answers(None, 204))
    def leave(self, request: Request, slug: str, pk: int) -> Response:
        """Have it sent to the caller no more."""
        services.leave(schedule=get_object_or_404(self.get_queryset(), pk=pk), user=self.actor)
        return Response(status=204)
