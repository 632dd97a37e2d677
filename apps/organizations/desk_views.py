"""Pages of Django admin that stand beside its lists: the one box, what is wrong, evidence."""

from datetime import date, datetime, time, timedelta
from typing import Any, cast
from urllib.parse import quote

from django import forms
from django.apps import apps
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.accounts.models import User
from apps.organizations import evidence, finding
from apps.organizations.diagnosis import (
    LEVELS,
    QUESTIONS,
    Answer,
    Step,
    Subject,
    admin_page,
    those_who_may,
)
from apps.organizations.models import Grant, Organization
from apps.organizations.policy import support_may


class _DateInput(UnfoldAdminTextInputWidget):  # type: ignore[misc]  # unfold's types are half there
    """The browser's own picker."""

    input_type = "date"

    def format_value(self, value: Any) -> str:
        """As the picker takes it, whatever the language."""
        return value.isoformat() if isinstance(value, date) else str(value or "")


LONGEST = 200  # characters of a text that is looked for


def page(
    request: HttpRequest, template: str, title: str | Promise, **context: Any
) -> TemplateResponse:
    """A page in the frame of Django admin."""
    frame = admin.site.each_context(request)
    return TemplateResponse(request, template, {**frame, "title": title, **context})


@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """The one box: who and what a text means, over all organizations in reach."""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:LONGEST]
    groups = finding.find(text, cast("User", request.user))
    return page(
        request,
        "admin/find.html",
        _("Find"),
        asked=text,
        groups=groups,
        too_short=len(text) < finding.SHORTEST,
    )


# --- Diagnosis -----------------------------------------------------------------------------------


def row_in_reach(request: HttpRequest, model: str, pk: int) -> Any:
    """A row as its list in Django admin would show it; 404 for one that is not there, or out of reach."""
    shown = admin.site._registry[apps.get_model(model)]
    row = shown.get_object(request, str(pk))
    if row is None:
        raise Http404
    return row


@require_safe
def diagnosis(request: HttpRequest, question: str, pk: int) -> HttpResponse:
    """One question about one row, answered by all shelves."""
    asked = QUESTIONS.get(question)
    if asked is None:
        raise Http404
    if not support_may(request.user, asked.reads):
        raise PermissionDenied
    row = row_in_reach(request, asked.model, pk)
    organization = row if isinstance(row, Organization) else row.connection.organization
    subject = Subject(
        row,
        organization,
        request.GET.get("email", "").replace("\x00", "").strip().lower()[:254],
        _number(request.GET.get("connection", "")),
    )
    complete = question != "join" or "@" in subject.email
    answers = asked.answers(subject) if complete else []
    who = those_who_may(
        organization, {step.needs for answer in answers for step in answer.steps if step.needs}
    )
    return page(
        request,
        "admin/diagnosis.html",
        asked.title,
        question=question,
        subject=subject,
        complete=complete,
        row_url=admin_page(row),
        answers=[_shown(request, subject, answer, who) for answer in answers],
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _shown(
    request: HttpRequest, subject: Subject, answer: Answer, who: dict[str, list[Grant]]
) -> dict[str, Any]:
    return {
        "level": answer.level,
        "level_words": LEVELS[answer.level],
        "words": answer.words,
        "evidence": [
            {"one": one, "url": admin_page(one.row) if one.row is not None else ""}
            for one in answer.evidence
        ],
        "steps": [_step(request, subject, step, who) for step in answer.steps],
    }


def _step(
    request: HttpRequest, subject: Subject, step: Step, who: dict[str, list[Grant]]
) -> dict[str, Any]:
    if not step.needs:
        return {"label": step.label, "url": step.url, "letters": None}
    address = request.build_absolute_uri(step.url)
    letters = [
        {
            "user": grant.user,
            "role": grant.get_role_display(),
            "href": _letter(grant.user.email, str(subject.organization), step.label, address),
        }
        for grant in who[step.needs]
    ]
    return {"label": step.label, "url": address, "letters": letters}


def _letter(to: str, organization: str, label: str | Promise, address: str) -> str:
    """A letter with the link in it, for the supporter's own mail program."""
    words = _("%(what)s: %(address)s") % {"what": label, "address": address}
    return f"mailto:{quote(to, safe='@')}?subject={quote(organization)}&body={quote(words)}"


# --- Evidence ------------------------------------------------------------------------------------

LONGEST_SPAN = timedelta(days=92)
EVIDENCE_READS = ("organization.read", "connections.read", "activity.read", "audit.read")


class SpanForm(forms.Form):
    """Of which days; both are in it."""

    since = forms.DateField(label=gettext_lazy("From"), widget=_DateInput())
    until = forms.DateField(label=gettext_lazy("To"), widget=_DateInput())

    def clean(self) -> dict[str, Any]:
        """The days in their order, and not too many."""
        given = super().clean() or {}
        since, until = given.get("since"), given.get("until")
        if since and until and since > until:
            raise forms.ValidationError(_("The first day is after the last."))
        if since and until and until - since >= LONGEST_SPAN:
            words = _("At most %(n)d days at once.") % {"n": LONGEST_SPAN.days}
            raise forms.ValidationError(words)
        return given


@require_http_methods(["GET", "POST"])
def evidence_file(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask of which days; then give one organization's evidence as a file, and note in its log who took it."""
    organization = row_in_reach(request, "organizations.organization", pk)
    if not all(support_may(request.user, one, organization) for one in EVIDENCE_READS):
        raise PermissionDenied
    today = timezone.localdate()
    first = {"since": today - timedelta(days=7), "until": today}
    form = SpanForm(request.POST if request.method == "POST" else None, initial=first)
    if not form.is_valid():
        return page(
            request,
            "admin/evidence.html",
            _("Evidence for a ticket"),
            organization=organization,
            form=form,
        )
    since, until = form.cleaned_data["since"], form.cleaned_data["until"]
    span = evidence.Span(
        organization,
        timezone.make_aware(datetime.combine(since, time.min)),
        timezone.make_aware(datetime.combine(until, time.max)),
    )
    evidence.note_taken(organization, cast("User", request.user), since, until)
    answer = StreamingHttpResponse(evidence.stream(span), content_type="application/json")
    name = f"evidence-{organization.slug}-{since:%Y-%m-%d}-{until:%Y-%m-%d}.json"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store"
    return answer


def addresses() -> list[URLPattern]:
    """Theirs, below Django admin's own."""
    wrapped = admin.site.admin_view
    return [
        path("find/", wrapped(find), name="find"),
        path("evidence/<int:pk>/", wrapped(evidence_file), name="evidence"),
        path("diagnosis/<slug:question>/<int:pk>/", wrapped(diagnosis), name="diagnosis"),
    ]
