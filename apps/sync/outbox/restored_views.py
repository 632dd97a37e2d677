"""What pages say while changes are stopped because the database was put back, and the way on."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.services import Refused, resume_sending
from apps.sync.outbox.restored import standing

RESUME = "organization.resume_sending"


def notice(request: HttpRequest, **_given: object) -> SafeString | str:
    """Draw above every page of an organization that its changes are stopped; "" if they are not."""
    organization = getattr(request, "organization", None)
    if organization is None or organization.sending_stopped_at is None:
        return ""
    may_resume = request.may(RESUME)  # type: ignore[attr-defined]  # set by desk_view
    context = {"organization": organization, "may_resume": may_resume}
    return render_to_string("sync/_stopped.html", context, request)


@desk_view("activity.read", changes=RESUME)
@require_http_methods(["GET", "HEAD", "POST"])
def stopped(request: DeskRequest) -> HttpResponse:
    """Why changes are stopped and what is being checked; an owner lets them go on."""
    if request.method == "POST":
        try:
            resume_sending(organization=request.organization, actor=request.user)
            messages.success(request, _("Changes go on."))
        except Refused as refused:
            messages.info(request, str(refused))
        return redirect("sync:activity", slug=request.organization.slug)
    context = {"standing": standing(request.organization), "may_resume": request.may(RESUME)}
    return render(request, "sync/stopped.html", context)
