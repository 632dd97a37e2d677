"""The API's way to new tokens, and to the end of all of one's own. Whoever does it has signed in: no token does."""

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.organizations import token_services
from apps.organizations.api import TokenSerializer, TokenViewSet
from apps.organizations.api_access import SignInNeeded
from apps.organizations.api_once import IDEMPOTENCY_KEY, shown_once
from apps.organizations.api_problems import answers, of_form
from apps.organizations.api_shapes import Shape, sent
from apps.organizations.colleague_api import GIVEN
from apps.organizations.forms import TokenForm
from apps.organizations.models import ApiToken, Role
from apps.organizations.token_services import MAX_DAYS


class NewToken(Shape):
    """What a token is to be. What is not said is as little as there is."""

    name = serializers.CharField(max_length=80, help_text="What it is for.")
    scope = serializers.ChoiceField(
        ApiToken.Scope.choices,
        default=ApiToken.Scope.READ.value,
        help_text="scim: the organization's alone, made by an owner.",
    )
    role = serializers.ChoiceField(
        GIVEN,
        required=False,
        help_text="The most that it may do, and no more than the caller may; viewer where it is not said. "
        "There is none to choose on one's own desk.",
    )
    days = serializers.IntegerField(
        min_value=1, max_value=MAX_DAYS, default=90, help_text="How long it works."
    )


class MadeTokenSerializer(TokenSerializer):
    """A token when it was made."""

    token = serializers.CharField(
        allow_null=True,
        help_text="What signs in. It is in this answer alone: null where the same Idempotency-Key is sent again.",
    )


class EndedSerializer(serializers.Serializer[dict[str, int]]):
    """How many have ended."""

    ended = serializers.IntegerField()


@extend_schema(tags=["tokens"])
class TokenMakingViewSet(TokenViewSet):
    """Tokens, and new ones. Making one asks for a fresh sign-in."""

    actions: ClassVar[dict[str, str]] = {
        **TokenViewSet.actions,
        "create": "tokens.create",
        "create_service": "tokens.make_service",
    }

    def _made(self, *, service: bool) -> Response:
        given = sent(NewToken, self.request)
        days = given.pop("days")
        # The page offers some numbers of days, the service takes any.
        said = {"role": Role.VIEWER, **given, "days": str(MAX_DAYS)}
        form = TokenForm(said, held=self.role, service=service)
        if "role" in given and "role" not in form.fields:
            raise serializers.ValidationError({"role": [_("There is no such field here.")]})
        if not form.is_valid():
            raise of_form(form)
        wanted: dict[str, Any] = form.wanted() | {"days": days}
        token, secret = token_services.create_token(
            organization=self.organization, user=self.actor, **wanted
        )
        return Response({**TokenSerializer(token).data, "token": secret}, 201)

    @extend_schema(
        operation_id="tokens_create",
        parameters=[IDEMPOTENCY_KEY],
        request=NewToken,
        responses=answers(MadeTokenSerializer, 201),
    )
    @shown_once("token")
    def create(self, request: Request, slug: str) -> Response:
        """Make a token of one's own. Not by token: it asks for a fresh sign-in. What signs in is in this answer
        alone."""
        return self._made(service=False)

    @extend_schema(
        operation_id="tokens_create_service",
        parameters=[IDEMPOTENCY_KEY],
        request=NewToken,
        responses=answers(MadeTokenSerializer, 201),
    )
    @shown_once("token")
    def create_service(self, request: Request, slug: str) -> Response:
        """Make a token of the organization. Not by token: it asks for a fresh sign-in. What signs in is in this
        answer alone."""
        return self._made(service=True)

    @extend_schema(operation_id="tokens_end_own", responses=answers(EndedSerializer))
    def destroy_own(self, request: Request, slug: str) -> Response:
        """End all of one's own tokens here at once. Not by token: that ends them one by one."""
        if isinstance(request.auth, ApiToken):
            raise SignInNeeded
        ended = token_services.revoke_all(organization=self.organization, actor=self.actor)
        return Response({"ended": ended})
