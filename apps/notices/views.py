"""Pages of notices, and of what one hears of oneself."""

from django.contrib import messages
from django.forms.models import model_to_dict
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.notices import services
from apps.notices.forms import ChoicesForm, HabitForm
from apps.notices.lists import NoticeList, severity, standing
from apps.notices.models import Choice, Delivery, Habit, Notice
from apps.notices.own_letters import NOTICE
from apps.organizations.access import DeskRequest, desk_view


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("notices.read")
def notices(request: DeskRequest) -> HttpResponseBase:
    """The list; a POST keeps, changes or deletes a saved view of it."""
    return NoticeList.respond(request)


def _notice(request: DeskRequest, pk: int) -> Notice:
    mine = Notice.objects.visible_to(request.user).filter(organization=request.organization)
    return get_object_or_404(mine.select_related("organization", "acknowledged_by"), pk=pk)


@require_safe
@desk_view("notices.read")
def notice(request: DeskRequest, pk: int) -> HttpResponse:
    """One notice; whoever opens it has read it."""
    row = _notice(request, pk)
    if (
        request.user.viewed_on is None
    ):  # support that looks over somebody's shoulder reads nothing for them
        services.mark_read(notices=[row], user=request.user)
    context = {
        "title": row.title,
        "notice": row,
        "severity": severity(row),
        "standing": standing(row),
        "hearers": [one.user for one in row.hearings.select_related("user").order_by("pk")],
        "may_acknowledge": request.may("notices.acknowledge"),
        "deliveries": _deliveries(row) if request.may("notices.deliveries") else None,
    }
    return render(request, "notices/notice.html", context)


def _deliveries(row: Notice) -> list[Delivery]:
    about = Delivery.objects.filter(organization=row.organization, kind=NOTICE, subject_id=row.pk)
    return list(about.select_related("user", "endpoint").order_by("pk")[:50])


@desk_view("notices.acknowledge")
@require_POST
def acknowledge(request: DeskRequest, pk: int) -> HttpResponse:
    """Say for everybody that one notice has been seen to."""
    row = _notice(request, pk)
    if services.acknowledge(notice=row, actor=request.user):
        messages.success(request, _("Acknowledged. Nobody's bell counts it any more."))
    else:
        messages.info(request, _("Somebody has acknowledged it already."))
    return redirect("notices:notice", slug=request.organization.slug, pk=row.pk)


@desk_view("notices.acknowledge")
@require_POST
def bulk_acknowledge(request: DeskRequest) -> HttpResponse:
    """Ask, then acknowledge what was chosen in the list."""
    chosen = NoticeList.chosen(request)
    rows = chosen.rows.filter(acknowledged_at__isnull=True)
    number = rows.count()
    back = reverse("notices:list", kwargs={"slug": request.organization.slug})
    if not number:
        messages.info(request, _("All of those were acknowledged already."))
        return redirect(back)
    if not request.POST.get("confirmed"):
        context = {
            "title": ngettext(
                "Acknowledge this notice?", "Acknowledge these %(n)d notices?", number
            )
            % {"n": number},
            "rows": rows[:20],
            "more": max(0, number - 20),
            "fields": chosen.fields,
            "cancel_url": back,
        }
        return render(request, "notices/acknowledge.html", context)
    done = services.acknowledge_many(
        organization=request.organization,
        pks=list(rows.values_list("pk", flat=True)),
        actor=request.user,
    )
    words = ngettext("Acknowledged %(n)d notice.", "Acknowledged %(n)d notices.", done)
    messages.success(request, words % {"n": done})
    return redirect(back)


@desk_view("notices.own")
@require_POST
def bulk_read(request: DeskRequest) -> HttpResponse:
    """Take what was chosen off the reader's own bell."""
    services.mark_read(notices=NoticeList.chosen(request).rows, user=request.user)
    return redirect("notices:list", slug=request.organization.slug)


@desk_view("notices.own")
@require_http_methods(["GET", "HEAD", "POST"])
def own(request: DeskRequest) -> HttpResponse:
    """What one hears of oneself, and which of it by mail."""
    mine = Choice.objects.filter(user=request.user, organization=request.organization)
    said = {one.topic: (one.hears, one.by_mail) for one in mine}
    typed = request.POST if request.method == "POST" else None
    form = ChoicesForm(typed, role=request.role, said=said)
    habit = Habit.objects.filter(user=request.user, organization=request.organization).first()
    when = HabitForm(typed, initial=model_to_dict(habit or Habit(), fields=HabitForm.base_fields))
    if request.method == "POST" and form.is_valid() and when.is_valid():
        user, organization = request.user, request.organization
        services.choose(user=user, organization=organization, wanted=form.wanted())
        services.keep_habit(user=user, organization=organization, habit=when.cleaned_data)
        messages.success(request, _("Kept. It holds for what is told from now on."))
        return redirect("notices:own", slug=request.organization.slug)
    context = {"title": _("What I hear of"), "form": form, "when": when}
    return render(request, "notices/own.html", context)
