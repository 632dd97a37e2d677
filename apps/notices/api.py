"""The API's way to notices: what was told, who has seen to it, and what one hears of oneself."""

from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, QuerySet
from django.forms.models import model_to_dict
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.notices import services
from apps.notices.forms import HabitForm
from apps.notices.lists import STATES, in_state
from apps.notices.models import Choice, Habit, Hearing, Notice, Rhythm, Severity
from apps.notices.topics import open_to
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_problems import answers, of_form
from apps.organizations.api_shapes import Moment, NewestFirst, Shape, asked_of_list, sent, written

MOST_AT_ONCE = 1000


class NoticeSerializer(serializers.Serializer[Notice]):
    """A piece of news."""

    id = serializers.IntegerField()
    topic = serializers.CharField(help_text="keys.expiring, sync.failing, …")
    title = serializers.CharField()
    text = serializers.CharField()
    page = serializers.CharField(source="url", help_text="The page that it leads to.")
    severity = serializers.ChoiceField(Severity.choices)
    created_at = Moment()
    settled_at = Moment(allow_null=True, help_text="Since when it is over.")
    acknowledged_at = Moment(allow_null=True)
    acknowledged_by = serializers.EmailField(
        source="acknowledged_by.email", read_only=True, default=None, allow_null=True
    )
    unread = serializers.BooleanField(help_text="The caller hears of it and has not read it.")


class NoticesAsked(Shape):
    """What notices can be narrowed by."""

    topic = serializers.CharField(required=False)
    severity = serializers.ChoiceField(Severity.choices, required=False)
    state = serializers.ChoiceField(STATES, required=False)
    since = serializers.DateTimeField(required=False, help_text="Included.")


class NoticesRead(Shape):
    """Which."""

    ids = serializers.ListField(child=serializers.IntegerField(), max_length=MOST_AT_ONCE)


class ReadSerializer(serializers.Serializer[dict[str, int]]):
    """How many of them were new to the caller."""

    read = serializers.IntegerField()


@extend_schema(tags=["notices"])
class NoticeViewSet(DeskAPIMixin, viewsets.GenericViewSet[Notice]):
    """Notices that the caller's role may hear of."""

    actions: ClassVar[dict[str, str]] = {
        "list": "notices.read",
        "retrieve": "notices.read",
        "acknowledge": "notices.acknowledge",
        "read": "notices.own",
    }
    serializer_class = NoticeSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Any]:
        """Those of the organization."""
        unread = Hearing.objects.filter(
            notice=OuterRef("pk"), user=self.actor, read_at__isnull=True
        )
        found = Notice.objects.visible_to(self.request.user).filter(organization=self.organization)
        return found.annotate(unread=Exists(unread)).select_related(
            "organization", "acknowledged_by"
        )

    def _notice(self, pk: int) -> Any:
        return get_object_or_404(self.get_queryset(), pk=pk)

    @extend_schema(operation_id="notices_list", parameters=[NoticesAsked])
    def list(self, request: Request, slug: str) -> Response:
        """What was told here, the newest first. Reading the list marks nothing as read."""
        asked = asked_of_list(NoticesAsked, request)
        rows = self.get_queryset()
        if "state" in asked:
            rows = rows.filter(in_state(asked.pop("state"), self.actor))
        if "since" in asked:
            rows = rows.filter(created_at__gte=asked.pop("since"))
        page = self.paginate_queryset(rows.filter(**asked))
        return self.get_paginated_response(written(NoticeSerializer, page))

    @extend_schema(operation_id="notices_retrieve")
    def retrieve(self, request: Request, slug: str, pk: int) -> Response:
        """One notice. Looking at it here marks nothing as read."""
        return Response(NoticeSerializer(self._notice(pk)).data)

    @extend_schema(
        operation_id="notices_acknowledge", request=None, responses=answers(NoticeSerializer)
    )
    def acknowledge(self, request: Request, slug: str, pk: int) -> Response:
        """Say for everybody that it has been seen to. Twice is once."""
        services.acknowledge(notice=self._notice(pk), actor=self.actor)
        return Response(NoticeSerializer(self._notice(pk)).data)

    @extend_schema(
        operation_id="notices_mark_read", request=NoticesRead, responses=answers(ReadSerializer)
    )
    def read(self, request: Request, slug: str) -> Response:
        """Take notices off the caller's own bell; what is not theirs to hear of is left alone."""
        ids = [one for one in sent(NoticesRead, request)["ids"] if 0 < one < 2**63]
        mine = Notice.objects.visible_to(self.request.user).filter(organization=self.organization)
        done = services.mark_read(notices=mine.filter(pk__in=ids), user=self.actor)
        return Response({"read": done})


# --- What one hears of oneself -------------------------------------------------------------------


class HeardSerializer(Shape):
    """Whether one hears of a topic, and by mail too."""

    topic = serializers.CharField()
    hears = serializers.BooleanField()
    by_mail = serializers.BooleanField()


class HearingSerializer(Shape):
    """What the caller hears of here, and when mails come. Hours are of their own clock."""

    rhythm = serializers.ChoiceField(Rhythm.choices)
    quiet_from = serializers.IntegerField(allow_null=True, min_value=0, max_value=23)
    quiet_until = serializers.IntegerField(allow_null=True, min_value=0, max_value=23)
    topics = HeardSerializer(many=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """As the page's form has it."""
        form = HabitForm({name: attrs[name] for name in ("rhythm", "quiet_from", "quiet_until")})
        if not form.is_valid():
            raise of_form(form)
        return attrs


class OwnView(DeskAPIMixin):
    """What the caller hears of."""

    actions: ClassVar[dict[str, str]] = {"get": "notices.own", "put": "notices.own"}
    serializer_class = HearingSerializer

    def _told(self) -> Response:
        mine: Any = {"user": self.actor, "organization": self.organization}
        said = {one.topic: (one.hears, one.by_mail) for one in Choice.objects.filter(**mine)}
        habit = Habit.objects.filter(**mine).first() or Habit()
        topics = []
        for one in open_to(self.role):
            hears, by_mail = said.get(one.name, (self.role in one.hears, True))
            topics.append({"topic": one.name, "hears": hears, "by_mail": by_mail})
        told = model_to_dict(habit, fields=HabitForm.base_fields) | {"topics": topics}
        return Response(HearingSerializer(told).data)

    @extend_schema(operation_id="notices_own", tags=["notices"], responses=HearingSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """What the caller hears of here: every topic that their role may hear of."""
        return self._told()

    @extend_schema(
        operation_id="notices_choose",
        tags=["notices"],
        request=HearingSerializer,
        responses=answers(HearingSerializer),
    )
    def put(self, request: Request, slug: str) -> Response:
        """Choose what to hear of. Topics that are not named are as the role says."""
        given = sent(HearingSerializer, request)
        topics = given.pop("topics")
        known = {one.name for one in open_to(self.role)}
        for number, one in enumerate(topics):
            if one["topic"] not in known:
                why = {"topic": [_("There is no such topic for you.")]}
                raise serializers.ValidationError({"topics": {str(number): why}})
        wanted = {one["topic"]: (one["hears"], one["by_mail"]) for one in topics}
        services.choose(user=self.actor, organization=self.organization, wanted=wanted)
        services.keep_habit(user=self.actor, organization=self.organization, habit=given)
        return self._told()
