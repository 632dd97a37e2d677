"""The API's way to one's own account: how one is called, how one sees the pages, where one is signed in.

Password, second factors and signing in itself stay with django-allauth's pages.
"""

from allauth.usersessions.internal.flows.sessions import end_other_sessions
from allauth.usersessions.models import UserSession
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services
from apps.accounts.forms import ProfileForm
from apps.accounts.models import User
from apps.organizations.api_access import OwnAPIMixin
from apps.organizations.api_problems import Conflict, answers, of_form
from apps.organizations.api_shapes import Moment, Shape, sent, written

CODES = (400, 403)  # of an address that names nothing


class ProfileSerializer(serializers.Serializer[User]):
    """Who calls, and how they see the pages."""

    email = serializers.EmailField(
        help_text="Changed on the page, which has the new one confirmed."
    )
    name = serializers.CharField()
    time_zone = serializers.CharField(
        help_text="Of the pages: Europe/Berlin. The API's times are UTC."
    )
    theme = serializers.ChoiceField(User.Theme.choices)


class ProfileChange(Shape):
    """What is to be otherwise; the rest stays."""

    name = serializers.CharField(max_length=150, required=False)
    time_zone = serializers.CharField(max_length=64, required=False)
    theme = serializers.ChoiceField(User.Theme.choices, required=False)


class ProfileView(OwnAPIMixin):
    """The caller's own account."""

    serializer_class = ProfileSerializer
    read_by_token = True

    @extend_schema(
        operation_id="profile_retrieve",
        tags=["profile"],
        responses=answers(ProfileSerializer, codes=CODES),
    )
    def get(self, request: Request) -> Response:
        """Who calls. By token: who holds it; an organization's token is nobody's own."""
        return Response(ProfileSerializer(self.actor).data)

    @extend_schema(
        operation_id="profile_change",
        tags=["profile"],
        request=ProfileChange,
        responses=answers(ProfileSerializer, codes=CODES),
    )
    def patch(self, request: Request) -> Response:
        """Another name, time zone or theme. Not by token: it is of every organization."""
        kept = User.objects.get(pk=self.actor.pk)
        wanted = sent(ProfileChange, request)
        rest = {name: getattr(kept, name) for name in ProfileForm.base_fields}
        form = ProfileForm(rest | wanted, instance=kept)
        if not form.is_valid():
            raise of_form(form)
        changed = services.change_profile(
            user=self.actor, **{name: form.cleaned_data[name] for name in wanted}
        )
        return Response(ProfileSerializer(changed).data)


class SessionSerializer(serializers.Serializer[UserSession]):
    """Somewhere that one is signed in. Its key is in no answer."""

    id = serializers.IntegerField()
    current = serializers.BooleanField(source="is_current", help_text="The one that asks.")
    ip = serializers.IPAddressField()
    user_agent = serializers.CharField(help_text="As the browser calls itself.")
    created_at = Moment(help_text="When that was.")
    last_seen_at = Moment(help_text="To five minutes.")


@extend_schema(tags=["profile"])
class SessionViewSet(OwnAPIMixin, viewsets.GenericViewSet[UserSession]):
    """Where the caller is signed in. No token looks there, nor ends any of it."""

    serializer_class = SessionSerializer
    pagination_class = None

    def get_queryset(self) -> QuerySet[UserSession]:
        """The caller's own."""
        found: QuerySet[UserSession] = UserSession.objects.filter(user_id=self.actor.pk)
        return found

    @extend_schema(
        operation_id="sessions_list",
        responses=answers(SessionSerializer(many=True), codes=CODES),
    )
    def list(self, request: Request) -> Response:
        """Where one is signed in, the oldest first. Not by token."""
        rows: list[UserSession] = UserSession.objects.purge_and_list(self.actor)
        return Response(written(SessionSerializer, sorted(rows, key=lambda row: row.created_at)))

    @extend_schema(operation_id="sessions_end", responses=answers(None, 204, codes=(403, 404, 409)))
    def destroy(self, request: Request, pk: int) -> Response:
        """Sign another of one's own sessions out. Not by token. The one that asks is a 409: sign out there."""
        session = get_object_or_404(self.get_queryset(), pk=pk)
        if session.is_current():
            raise Conflict(_("This is the session that asks. Sign out instead."))
        services.end_session(session=session)
        return Response(status=204)

    @extend_schema(operation_id="sessions_end_others", responses=answers(None, 204, codes=(403,)))
    def destroy_others(self, request: Request) -> Response:
        """Sign out everywhere but here. Not by token."""
        end_other_sessions(request._request, self.actor)
        return Response(status=204)
