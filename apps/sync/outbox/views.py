"""Pages of changes: one change with its timeline, a batch under review or on its way."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Case, Count, IntegerField, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.organizations.access import DeskRequest, desk_view, must_be_fresh
from apps.organizations.policy import POLICY
from apps.providers.masking import mask
from apps.sync.lists import CommandList, RemoteChangeList
from apps.sync.models import OPEN_STATES, Batch, Command, CommandState
from apps.sync.outbox import batches, requests, secrets, support_resend, turns
from apps.sync.outbox.kinds import KINDS, Kind, kind_of
from apps.sync.outbox.requests import RequestRefused

S = CommandState
ROWS = 100

# What needs a person's eye comes first.
ATTENTION = Case(
    *[
        When(state=state, then=Value(rank))
        for rank, state in enumerate(
            [
                S.OPERATOR,
                S.REJECTED,
                S.DEAD,
                S.AWAITING_APPROVAL,
                S.UNKNOWN,
                S.RETRY,
                S.SENDING,
                S.CLAIMED,
            ]
        )
    ],
    default=Value(20),
    output_field=IntegerField(),
)


# --- Activity ------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("activity.read")
def activity(request: DeskRequest) -> HttpResponseBase:
    """Every change that was asked for here; a POST keeps a saved view of the list."""
    return CommandList.respond(request)


@require_GET
@desk_view("activity.read")
def activity_rows(request: DeskRequest) -> HttpResponse:
    """Rows that were in flight a second ago, drawn anew."""
    return CommandList.respond_rows(request)


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("activity.read")
def remote_changes(request: DeskRequest) -> HttpResponseBase:
    """Every change that somebody made at the provider."""
    return RemoteChangeList.respond(request)


# --- One change ----------------------------------------------------------------------------------


def _command(request: DeskRequest, uid: str) -> Command:
    found = Command.objects.visible_to(request.user).filter(organization=request.organization)
    return get_object_or_404(
        found.exclude(state=S.DRAFT).select_related(
            "connection", "organization", "actor", "approved_by", "batch"
        ),
        uid=uid,
    )


def _stuck(commands: QuerySet[Command]) -> bool:
    """Whether some of them wait for a worker and none is running."""
    return commands.filter(turns.overdue()).exists() and turns.nobody_works()


def _decisions(request: DeskRequest, command: Command) -> set[str]:
    """What this reader may decide about this change now."""
    possible: set[str] = set()
    if not request.may(kind_of(command).action):
        return possible
    second_person = request.may("commands.approve") and command.actor_id != request.user.pk
    if command.state == S.AWAITING_APPROVAL and second_person:
        possible |= {"approve", "refuse"}
    if not request.may("commands.decide"):
        return possible
    if command.state in (S.AWAITING_APPROVAL, S.QUEUED, S.RETRY) and not command.step:
        possible.add("cancel")
    if command.state == S.OPERATOR:
        possible |= {"abandon", "resend"} | ({"adopt"} if command.candidates else set())
    ended = command.state in (S.REJECTED, S.DEAD, S.CANCELLED) and not command.step
    if ended and not requests.was_left_unknown(command):
        possible.add("again")
    return possible


def _spelled(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a change carries, as people read it: no names and values of a program."""
    return [(_name(name), _value(value)) for name, value in facts.items()]


def _name(name: str) -> str:
    if name == "remote_id":
        return _("Id at the provider")
    return name.replace("_", " ").capitalize()


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Mapping):
        return ", ".join(f"{_name(str(name))}: {_value(one)}" for name, one in value.items()) or "–"
    if isinstance(value, list):
        return ", ".join(_value(one) for one in value) or "–"
    return "–" if value is None or value == "" else str(value)


@desk_view("activity.read")
@require_GET
def command_page(request: DeskRequest, uid: str) -> HttpResponse:
    """One change: what was asked, by whom, what the provider said, and every step of its way."""
    command = _command(request, uid)
    kind = kind_of(command)
    context = {
        "command": command,
        "kind": kind,
        "sentence": kind.describe(command),
        "before": _spelled(command.before or {}),
        "arguments": _spelled(mask(command.arguments)),  # sealed texts are nobody's business either
        "events": command.events.all(),
        "stuck": _stuck(Command.objects.filter(pk=command.pk)),
        "decisions": _decisions(request, command),
        "title": f"{kind.label}: {command.label}",
        "own": command.actor_id == request.user.pk,
        "support_asks": support_resend.waiting_for(command),
        "secret_waits": secrets.waits_for(command, request.user),
    }
    fragment = "#state" if request.headers.get("HX-Request") else ""
    return render(request, f"sync/command.html{fragment}", context)


@desk_view("activity.read")
@require_POST
@never_cache
def secret(request: DeskRequest, uid: str) -> HttpResponse:
    """Show what the provider showed once, to who asked for it and never again."""
    command = _command(request, uid)
    must_be_fresh(request, kind_of(command).action)
    try:
        clear = secrets.reveal(command=command, actor=request.user)
    except secrets.SecretGone as gone:
        messages.error(request, str(gone))
        return redirect("sync:command", slug=request.organization.slug, uid=command.uid)
    # Never by way of a redirect: it would have to lie in the session meanwhile.
    context = {"command": command, "secret": clear.reveal(), "title": command.label}
    return render(request, "sync/secret.html", context)


def _approve(request: DeskRequest, command: Command) -> str:
    requests.approve(command=command, actor=request.user)
    return _("Approved. It is on its way.")


def _refuse(request: DeskRequest, command: Command) -> str:
    requests.refuse_approval(
        command=command, actor=request.user, reason=request.POST.get("reason", "").strip()
    )
    return _("Not approved. Nothing was changed.")


def _cancel(request: DeskRequest, command: Command) -> str:
    requests.cancel(command=command, actor=request.user)
    return _("Cancelled. Nothing was changed at the provider.")


def _resend(request: DeskRequest, command: Command) -> str:
    must_be_fresh(request, kind_of(command).action)
    again = requests.resend(command=command, actor=request.user)
    if again.state == S.AWAITING_APPROVAL:
        return _("It is asked for again. A second person must approve that before money is sent.")
    return _("It is being sent again.")


def _adopt(request: DeskRequest, command: Command) -> str:
    requests.adopt(command=command, candidate=request.POST.get("candidate", ""), actor=request.user)
    return _("Adopted: the change counts as done.")


def _abandon(request: DeskRequest, command: Command) -> str:
    reason = request.POST.get("reason", "").strip()
    if not reason:
        raise RequestRefused(_("Say why, for those who come across it later."))
    requests.abandon(command=command, actor=request.user, reason=reason)
    return _("Abandoned. The next sync shows what is true at the provider.")


Decision = Callable[[DeskRequest, Command], str]
APPROVALS: dict[str, Decision] = {"approve": _approve, "refuse": _refuse}
DECISIONS: dict[str, Decision] = {
    "cancel": _cancel,
    "resend": _resend,
    "adopt": _adopt,
    "abandon": _abandon,
}


def _decide(request: DeskRequest, uid: str, choices: dict[str, Decision]) -> HttpResponse:
    command = _command(request, uid)
    decide = choices.get(request.POST.get("decision", ""))
    if decide is None:
        raise PermissionDenied(_("There is no such decision."))
    try:
        messages.success(request, decide(request, command))
    except RequestRefused as refused:
        messages.error(request, str(refused))
    return redirect("sync:command", slug=request.organization.slug, uid=command.uid)


@desk_view("commands.approve")
@require_POST
def approve(request: DeskRequest, uid: str) -> HttpResponse:
    """A second person says yes or no."""
    return _decide(request, uid, APPROVALS)


@desk_view("commands.decide")
@require_POST
def decide(request: DeskRequest, uid: str) -> HttpResponse:
    """Cancel what has not been sent; decide what nobody could tell."""
    return _decide(request, uid, DECISIONS)


@desk_view("commands.decide")
@require_POST
def again(request: DeskRequest, uid: str) -> HttpResponse:
    """Ask anew for a change that has failed."""
    command = _command(request, uid)
    must_be_fresh(request, kind_of(command).action)
    try:
        new = requests.ask_again(
            command=command, actor=request.user, nonce=request.POST.get("nonce", f"again:{uid}")
        )
    except RequestRefused as refused:
        messages.error(request, str(refused))
        new = command
    return redirect("sync:command", slug=request.organization.slug, uid=new.uid)


# --- A batch -------------------------------------------------------------------------------------


def _batch(request: DeskRequest, uid: str) -> Batch:
    found = Batch.objects.visible_to(request.user).filter(organization=request.organization)
    return get_object_or_404(found.select_related("organization", "actor"), uid=uid)


def _kinds_in(batch: Batch) -> list[Kind]:
    names = batch.commands.order_by().values_list("kind", flat=True).distinct()
    return [KINDS[name] for name in names]


@desk_view("activity.read")
@require_GET
def batch_page(request: DeskRequest, uid: str) -> HttpResponse:
    """A batch: what each change will do while it is a draft, how far each is once it is on its way."""
    batch = _batch(request, uid)
    rows = batch.commands.select_related("connection", "organization")
    rows = rows.annotate(attention=ATTENTION).order_by("attention", "pk")
    page = Paginator(rows, ROWS).get_page(request.GET.get("page"))
    for command in page:
        command.sentence = kind_of(command).describe(command)  # type: ignore[attr-defined]  # for the template
    counts = batch.counts()
    kinds = _kinds_in(batch)
    actions = {kind.action for kind in kinds}
    context = {
        "batch": batch,
        "page": page,
        "counts": counts,
        "stuck": _stuck(batch.commands.all()),
        "title": batch.title,
        "may_send": bool(actions) and all(request.may(action) for action in actions),
        "may_discard": all(map(request.may, ("commands.decide", *actions))),
        "irreversible": any(POLICY[action].irreversible for action in actions),
        # To be typed by whoever confirms what nobody can take back.
        "typed": str(counts["total"]) if any(kind.final for kind in kinds) else "",
    }
    fragment = "#progress" if request.headers.get("HX-Request") else ""
    return render(request, f"sync/batch.html{fragment}", context)


@desk_view("commands.decide")
@require_POST
def confirm_batch(request: DeskRequest, uid: str) -> HttpResponse:
    """Send a reviewed batch on its way; twice is once."""
    batch = _batch(request, uid)
    kinds = _kinds_in(batch)
    if any(kind.final for kind in kinds):
        count = batch.commands.count()
        if request.POST.get("typed", "").strip().replace(",", "") != str(count):
            messages.error(
                request, _("Type %(count)d to confirm: nothing was sent.") % {"count": count}
            )
            return redirect("sync:batch", slug=request.organization.slug, uid=batch.uid)
    must_be_fresh(request, *(kind.action for kind in kinds))
    batch = batches.confirm_batch(batch=batch, actor=request.user)
    return redirect("sync:batch", slug=request.organization.slug, uid=batch.uid)


@desk_view("commands.decide")
@require_POST
def discard_batch(request: DeskRequest, uid: str) -> HttpResponse:
    """Drop a draft."""
    batch = _batch(request, uid)
    try:
        batches.discard_batch(batch=batch, actor=request.user)
    except RequestRefused as refused:
        messages.error(request, str(refused))
        return redirect("sync:batch", slug=request.organization.slug, uid=batch.uid)
    messages.success(request, _("Discarded. Nothing was changed."))
    return HttpResponseRedirect(reverse("overview", kwargs={"slug": request.organization.slug}))


# --- The shell's indicator -----------------------------------------------------------------------


def _in_flight(request: HttpRequest) -> dict[str, Any]:
    organization = request.organization  # type: ignore[attr-defined]  # set by desk_view
    found = Command.objects.filter(organization=organization, state__in=OPEN_STATES).aggregate(
        count=Count("pk"), late=Count("pk", filter=turns.overdue())
    )
    count, late = found["count"], found["late"]
    stuck = bool(late) and turns.nobody_works()
    if stuck:
        words = ngettext("%(n)s change waits", "%(n)s changes wait", late)
    else:
        words = ngettext("%(n)s change on its way", "%(n)s changes on their way", count)
    return {
        "count": count,
        "stuck": stuck,
        "words": words % {"n": f"{late if stuck else count:,}"},
        "organization": organization,
    }


def in_flight_slot(request: HttpRequest, **_given: object) -> SafeString | str:
    """Draw the number of changes on their way into the shell; "" outside an organization."""
    if getattr(request, "organization", None) is None:
        return ""
    return render_to_string("sync/_in_flight.html", _in_flight(request), request)


@desk_view("activity.read")
@require_GET
def in_flight(request: DeskRequest) -> HttpResponse:
    """The same number, as the shell polls it while there are any."""
    return render(request, "sync/_in_flight.html", _in_flight(request))
