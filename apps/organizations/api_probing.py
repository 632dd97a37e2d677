"""How the API tells that a worker asks a provider about a key, and how a caller waits for that.

A pasted key is read here and leaves as a ``Secret``: it is in no answer and in no error.
"""

from abc import abstractmethod
from collections.abc import Mapping
from time import monotonic, sleep
from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.response import Response

from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_problems import answers, of_form
from apps.organizations.api_shapes import Moment, Shape, address
from apps.organizations.api_waiting import Patience
from apps.organizations.connection_forms import NewKeyForm
from apps.organizations.models import Connection
from apps.organizations.probing import KEY, NETWORK, ORGANIZATION, OURS, PERMISSION, REFUSED
from apps.organizations.sealing import Secret
from apps.providers.protocol import Provider
from apps.ui import waiting

Probe = Connection.Probe
KINDS = (KEY, PERMISSION, ORGANIZATION, REFUSED, NETWORK, OURS)
NOT_ASKED = "none"
STATES = (NOT_ASKED, *(one.value for one in Probe if one.value))
ASKING = (Probe.WAITING, Probe.RUNNING)
ONE_WAIT = 0.25  # seconds between two looks at the row


class CheckProblemSerializer(serializers.Serializer[dict[str, Any]]):
    """Why nothing was found with a key."""

    kind = serializers.ChoiceField(
        KINDS,
        help_text="key: not accepted. permission: genuine, but it may not. organization: of another one. "
        "refused: the question was refused. network: nobody answered. ours: the portal failed. After "
        "the last two the same key may be tried again.",
    )
    said = serializers.CharField(allow_blank=True, help_text="The provider's own words.")
    status = serializers.IntegerField(allow_null=True, help_text="HTTP's, if it answered.")
    request_id = serializers.CharField(allow_blank=True, help_text="For the provider's support.")
    new_key = serializers.BooleanField(
        help_text="It was the key that was to take the place of the one in use, which goes on working."
    )


class CheckSerializer(serializers.Serializer[dict[str, Any]]):
    """How far a worker is that asks the provider what a key can do."""

    state = serializers.ChoiceField(STATES)
    asked_at = Moment(allow_null=True)
    new_key = serializers.BooleanField(
        help_text="A key is kept that takes the place of the one in use once it has passed."
    )
    problem = CheckProblemSerializer(allow_null=True)
    lost = serializers.ListField(
        child=serializers.CharField(),
        help_text="What the key before could do and the one that took its place cannot; `capabilities` says why.",
    )


def check_of(connection: Connection) -> dict[str, Any]:
    """What ``CheckSerializer`` writes of a connection or a draft."""
    problem = None
    if connection.probe == Probe.FAILED:
        error = connection.probe_result.get("error") or {}
        kind = error.get("kind") or OURS
        problem = {
            "kind": kind,
            # What went wrong in the portal stands in its log.
            "said": "" if kind == OURS else str(error.get("message") or ""),
            "status": error.get("status"),
            "request_id": str(error.get("request_id") or ""),
            "new_key": bool(error.get("new_key")),
        }
    told = {
        "state": connection.probe or NOT_ASKED,
        "asked_at": connection.probe_asked_at,
        "new_key": bool(connection.next_credential),
        "problem": problem,
        "lost": [
            name for name in connection.probe_result.get("lost") or [] if not connection.can(name)
        ],
    }
    return dict(CheckSerializer(told).data)


# --- What is sent --------------------------------------------------------------------------------


class PastedKey(Shape):
    """A provider's key."""

    key = serializers.CharField(
        write_only=True, max_length=500, help_text="The whole key. It is in no answer, ever."
    )


def secret_of(given: Mapping[str, Any], provider: Provider) -> Secret:
    """The key that was sent, if it looks like one of ``provider``'s; else a 400 that does not repeat it."""
    form = NewKeyForm({"credential": given["key"]}, provider=provider)
    if not form.is_valid():
        raise of_form(form, credential="key")
    return form.credential


# --- Waiting -------------------------------------------------------------------------------------


def probing_answers(shape: Any) -> dict[Any, Any]:
    """What an act answers with that has a worker ask the provider."""
    return {
        200: OpenApiResponse(shape, description="The provider has answered while you waited."),
        **answers(
            OpenApiResponse(shape, description="A worker asks the provider; look at its address."),
            202,
        ),
    }


def _await_probe(connection: Connection, seconds: float) -> None:
    """Return once no worker has to ask any more, or after ``seconds``; at once if too many wait."""
    deadline = monotonic() + seconds
    asking = Connection.objects.filter(pk=connection.pk, probe__in=ASKING)
    with waiting.room() as free:
        while free and (left := deadline - monotonic()) > 0 and asking.exists():
            sleep(min(ONE_WAIT, left))


class ProbingMixin(DeskAPIMixin):
    """For views that have a worker ask a provider. ``place``: the name of a row's own address."""

    place = ""

    @abstractmethod
    def shown(self, uid: object) -> Response:
        """The row as it is now, its ``check`` with it."""

    def asked(self, connection: Connection) -> Response:
        """202 with where to look; 200 if the provider has answered while the caller waited."""
        patience = Patience(self.request)
        _await_probe(connection, patience.seconds)
        answer = self.shown(connection.uid)
        asking = answer.data["check"]["state"] in ASKING
        if asking:
            answer.status_code = 202
        answer["Location"] = address(
            self.request, self.place, self.organization.slug, uid=connection.uid
        )
        for name, value in patience.heeded(settled=not asking).items():
            answer[name] = value
        return answer
