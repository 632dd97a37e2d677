"""Rules of a cost centre: made, changed, moved, removed; and one thing given to a centre."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.centres import contents, months, places, services, words
from apps.centres.forms import GiveForm, RuleForm
from apps.centres.items import Items, is_item
from apps.centres.models import CostCentre, Rule
from apps.centres.rules import Ruling
from apps.centres.views import address, ask, current_centre
from apps.organizations.access import DeskRequest, desk_view


def _rule(request: DeskRequest, pk: int) -> Rule:
    mine = CostCentre.objects.visible_to(request.user).current()
    found = Rule.objects.filter(centre__in=mine.filter(organization=request.organization))
    return get_object_or_404(found.select_related("centre__organization"), pk=pk)


def _edit(request: DeskRequest, centre: CostCentre, rule: Rule | None) -> HttpResponse:
    """The form; "preview" shows what the rule would take and saves nothing."""
    organization = request.organization
    connections = places.connections_of(organization)
    form = RuleForm(
        request.POST if request.method == "POST" else None,
        organization=organization,
        connections=connections,
        rule=rule,
    )
    preview = None
    asked = "\n".join(request.POST.get(name, "") for name in ("how", "text", "which"))
    # What the preview was of goes along with the form: another rule than was seen is shown first.
    is_changed = "save" in request.POST and request.POST.get("seen", asked).split() != asked.split()
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data["rule"]
        if "save" in request.POST and not is_changed:
            try:
                if rule is None:
                    services.add_rule(centre=centre, actor=request.user, **told)
                else:
                    services.change_rule(rule=rule, actor=request.user, **told)
            except services.Refused as refused:
                known = refused.field if refused.field in form.fields else None
                form.add_error(known, str(refused))
            else:
                return redirect(address(request, "one", pk=centre.pk))
        else:
            draft = Ruling(
                centre.pk,
                str(centre),
                told["subject"],
                told["kind"],
                told["text"],
                tuple(told["items"]),
            )
            preview = contents.preview(
                organization,
                connections,
                months.last_whole(),
                centre=centre,
                draft=draft,
                instead_of=rule,
            )
    names = {"name": centre.name}
    context: dict[str, Any] = {
        "title": _("What “%(name)s” takes") % names if rule is None else _("Change the rule"),
        "centre": centre,
        "form": form,
        "preview": preview,
        "asked": asked,
        "is_changed": is_changed,
        "is_whole": preview is None or months.is_whole(connections, preview.month),
        "cancel_url": address(request, "one", pk=centre.pk),
    }
    return render(request, "centres/rule.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("centres.change")
def new(request: DeskRequest, pk: int) -> HttpResponse:
    """Another rule for a centre."""
    return _edit(request, current_centre(request, pk), None)


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("centres.change")
def change(request: DeskRequest, pk: int) -> HttpResponse:
    """Another rule in the place of one."""
    rule = _rule(request, pk)
    return _edit(request, rule.centre, rule)


@desk_view("centres.change")
@require_POST
def move(request: DeskRequest, pk: int) -> HttpResponse:
    """One place up or down among its centre's own."""
    rule = _rule(request, pk)
    try:
        services.move_rule(rule=rule, actor=request.user, up=request.POST.get("to") == "up")
    except services.Refused as refused:
        messages.error(request, str(refused))
    return redirect(address(request, "one", pk=rule.centre_id))


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("centres.change")
def remove(request: DeskRequest, pk: int) -> HttpResponse:
    """Take a rule away, once it is said what that means."""
    rule = _rule(request, pk)
    form = _nothing(request)

    def act() -> None:
        services.remove_rule(rule=rule, actor=request.user)

    return ask(
        request,
        form,
        act,
        "centres/rule_remove.html",
        back=address(request, "one", pk=rule.centre_id),
        title=_("Take this rule away?"),
        rule=words.ruling(rule),
        danger=True,
    )


def _nothing(request: DeskRequest) -> Any:
    from django.forms import Form

    return Form(request.POST if request.method == "POST" else None)


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("centres.change")
def give(request: DeskRequest, subject: str, item: str) -> HttpResponse:
    """Make a rule of one key, person or workspace: a centre takes it, whatever else decides."""
    organization = request.organization
    connections = places.connections_of(organization)
    if not is_item(organization, connections, subject, item):
        raise Http404
    name = Items(organization, connections, subject).names([item])[item]
    form = GiveForm(request.POST if request.method == "POST" else None, organization=organization)
    back = address(request, "unallocated")

    def act() -> None:
        centre = form.cleaned_data["centre"]
        if centre is None:
            centre = services.create_centre(
                organization=organization, actor=request.user, name=form.cleaned_data["name"]
            )
        services.give(centre=centre, actor=request.user, subject=subject, item=item)
        messages.success(
            request, _("%(item)s belongs to “%(name)s” now.") % {"item": name, "name": centre.name}
        )

    return ask(
        request,
        form,
        act,
        "centres/give.html",
        back=back,
        title=_("Who pays for “%(name)s”?") % {"name": name},
        subject=words.SUBJECTS[subject],
    )
