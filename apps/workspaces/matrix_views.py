"""Pages of the matrix: the table, the review of what was changed in it, and CSV."""

import uuid
from collections.abc import Sequence

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from apps.members.models import Member
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.sync.asking import nonce_of
from apps.ui.uploads import text_of
from apps.workspaces import matrix_csv
from apps.workspaces.cells import Edit, as_fields, edits_of
from apps.workspaces.matrix import Matrix
from apps.workspaces.member_services import RoleWish, draft_roles
from apps.workspaces.models import Workspace

MAX_FILE = 4 * 1024 * 1024


@desk_view("workspaces.read")
@require_http_methods(["GET", "HEAD", "POST"])
def matrix(request: DeskRequest) -> HttpResponseBase:
    """People × workspaces; a POST keeps, changes or deletes a saved view of it."""
    return Matrix.respond(request)


@desk_view("workspaces.change_members")
@require_POST
def matrix_page(request: DeskRequest) -> HttpResponse:
    """Other people or workspaces of the matrix, or in another order, with the cells that were changed so far."""
    return Matrix.go_on(request, as_fields(edits_of(request.POST)))


@desk_view("workspaces.change_members")
@require_POST
def matrix_review(request: DeskRequest) -> HttpResponse:
    """Review what the changed cells ask for, of the matrix or of one person's page."""
    edits = edits_of(request.POST)
    back = _back(request)
    wanted = _wanted(request, edits)
    if not wanted:
        messages.info(request, _("No cell was changed, so there is nothing to review."))
        query = request.POST.get("query", "")
        return redirect(f"{back}?{query}" if query else back)
    batch = draft_roles(
        wanted,
        organization=request.organization,
        actor=request.user,
        title=_("Change roles in workspaces"),
        nonce=uuid.uuid4().hex,
        source={
            "back": back,
            "query": request.POST.get("query", ""),
            "edits": as_fields(edits),
        },
    )
    return redirect("sync:batch", slug=request.organization.slug, uid=batch.uid)


def _back(request: DeskRequest) -> str:
    """Where the cells stand: a person's page, or the matrix."""
    slug, person = request.organization.slug, request.POST.get("person", "")
    if person.isdecimal() and len(person) < 19:
        return reverse("members:person", kwargs={"slug": slug, "pk": int(person)})
    return reverse("workspaces:matrix", kwargs={"slug": slug})


def _wanted(request: DeskRequest, edits: Sequence[Edit]) -> list[RoleWish]:
    """A wish for each edit whose member and workspace are the organization's. Two queries."""
    mine = {"connection__organization": request.organization}
    whole = ("connection", "connection__organization")
    members = Member.objects.visible_to(request.user).filter(
        pk__in={one.member for one in edits}, **mine
    )
    workspaces = Workspace.objects.visible_to(request.user).filter(
        pk__in={one.workspace for one in edits}, remote_id__isnull=False, **mine
    )
    known = {one.pk: one for one in members.select_related(*whole).defer("raw")}
    places = {one.pk: one for one in workspaces.select_related(*whole).defer("raw")}
    return [
        RoleWish(places[one.workspace], known[one.member], one.role, one.seen)
        for one in edits
        if one.member in known and one.workspace in places
    ]


class ImportForm(forms.Form):
    """A CSV file like the matrix's own."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        help_text=gettext_lazy(
            "One line a person, with a column called email and one for each workspace, as in the "
            "matrix's own CSV. An empty cell changes nothing; “none” takes the person out. At most 4 MB."
        ),
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv,text/plain"}),
    )

    def __init__(self, connection: Connection, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]  # data and files, as a view passes them
        self.connection = connection

    def clean_file(self) -> matrix_csv.Reading:
        """What the file asks for."""
        reading = matrix_csv.read(
            text_of(self.cleaned_data["file"], most=MAX_FILE), self.connection
        )
        if not reading.error and not reading.wanted and not reading.refusals:
            reading.error = _("Every role in this file is what it says already.")
        if reading.error:
            raise forms.ValidationError(reading.error)
        return reading


@desk_view("workspaces.change_members")
@require_http_methods(["GET", "HEAD", "POST"])
def matrix_import(request: DeskRequest) -> HttpResponse:
    """Read roles from a file, then review what would change."""
    page = Matrix(request)
    title = _("Read roles from a CSV file")
    if page.connection is None:
        return render(request, "workspaces/matrix_import.html", {"title": title})
    live = Connection.objects.visible_to(request.user).select_related("organization")
    connection = live.get(pk=page.connection.pk)
    posted = (request.POST, request.FILES) if request.method == "POST" else ()
    form = ImportForm(connection, *posted)
    if form.is_bound and form.is_valid():
        reading: matrix_csv.Reading = form.cleaned_data["file"]
        batch = draft_roles(
            reading.wanted,
            organization=request.organization,
            actor=request.user,
            title=_("Change roles in workspaces"),
            nonce=nonce_of(request),
            refusals=reading.refusals,
            source={"back": request.path},
        )
        return redirect("sync:batch", slug=request.organization.slug, uid=batch.uid)
    context = {
        "form": form,
        "connection": connection,
        "nonce": uuid.uuid4().hex,
        "title": title,
    }
    status = 422 if form.is_bound else 200
    return render(request, "workspaces/matrix_import.html", context, status=status)
