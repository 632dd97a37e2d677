"""Saved views of a list: shown, made, renamed, shared, opened first, deleted.

All of it happens at the list's own address (``?views=new``, ``?views=<id>``), so whoever may see the
list may keep views of it, and nobody else can.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from apps.ui.models import SavedView

if TYPE_CHECKING:
    from apps.ui.listing import ListPage


class Views:
    """The saved views of one list for its reader, with their addresses."""

    def __init__(self, page: "ListPage[Any]") -> None:
        self.page = page

    @cached_property
    def every(self) -> list[SavedView]:
        """The reader's own views of this list, and those that others share. One query."""
        return list(
            SavedView.objects.filter(
                Q(owner=self.page.request.user) | Q(shared=True),
                organization=self.page.organization,
                list_name=self.page.name,
            )
        )

    @cached_property
    def current(self) -> SavedView | None:
        """The view that the address names."""
        asked_for = self.page.params.get("view", "")
        if not asked_for.isdecimal():  # "all", or none: no query to find that out
            return None
        return next((view for view in self.every if str(view.pk) == asked_for), None)

    @property
    def mine(self) -> SavedView | None:
        """The view at hand where it is the reader's own, to change."""
        view = self.current
        return view if view and view.owner_id == self.page.request.user.pk else None

    @property
    def first(self) -> SavedView | None:
        """The view that the reader has the list open with."""
        mine = (view for view in self.every if view.owner_id == self.page.request.user.pk)
        return next((view for view in mine if view.opens_first), None)

    @property
    def unsaved(self) -> bool:
        """Whether filters or sort differ from the view at hand, so that there is something to save."""
        return self.page.query != (self.current.query if self.current else "")

    def url(self, view: SavedView) -> str:
        """The list as ``view`` keeps it."""
        query = [*QueryDict(view.query).items(), ("view", str(view.pk))]
        return f"{self.page.path}?{urlencode(query)}"

    def links(self) -> list[tuple[SavedView, str]]:
        """The views with their addresses."""
        return [(view, self.url(view)) for view in self.every]

    @property
    def new_url(self) -> str:
        """The form that saves filters and sort as they are now."""
        return self.page.url(views="new")

    @property
    def change_url(self) -> str:
        """The form of the view at hand; it keeps its filters."""
        return self.page.url(views=str(self.mine.pk)) if self.mine else ""

    @property
    def update_url(self) -> str:
        """The form of the view at hand, with filters and sort as they are now."""
        return self.page.url(views=str(self.mine.pk), keep="1") if self.mine else ""


def asked(request: HttpRequest) -> bool:
    """Whether the address asks for a view's form."""
    return "views" in request.GET


class SavedViewForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Name, who sees it, and whether the list opens with it."""

    class Meta:
        model = SavedView
        fields = ["name", "shared", "opens_first"]

    def clean_name(self) -> str:
        """Refuse a name that the owner's other views of this list have: the owner is no field here."""
        name: str = self.cleaned_data["name"]
        view = self.instance
        others = SavedView.objects.filter(
            organization=view.organization, owner=view.owner, list_name=view.list_name
        )
        if others.exclude(pk=view.pk).filter(name=name).exists():
            raise ValidationError(_("You have a view of this name already."))
        return name


def respond(page: "ListPage[Any]") -> HttpResponse:
    """Show or carry out the form of one view. Other people's views cannot be changed: 404."""
    view = _view_at_hand(page)
    request = page.request
    if request.method == "POST" and "delete" in request.POST and view.pk:
        view.delete()
        return redirect(page.clear_url)
    form = SavedViewForm(request.POST if request.method == "POST" else None, instance=view)
    if request.method == "POST" and _accepted(form):
        return redirect(page.views.url(form.instance))
    given = {
        "form": form,
        "view": view,
        "title": _("Change this view") if view.pk else _("Save this view"),
        "action": request.get_full_path(),
        "cancel_url": page.url(),
    }
    return render(request, "ui/saved_view.html", given)


def _view_at_hand(page: "ListPage[Any]") -> SavedView:
    asked_for = page.request.GET.get("views", "")
    if asked_for == "new":
        return SavedView(
            organization=page.organization,
            owner=page.request.user,
            list_name=page.name,
            query=page.query[:1000],
        )
    for view in page.views.every:
        if str(view.pk) == asked_for and view.owner_id == page.request.user.pk:
            if page.request.GET.get("keep"):  # the filters as they are now replace those it had
                view.query = page.query[:1000]
            return view
    raise Http404


def _accepted(form: SavedViewForm) -> bool:
    if not form.is_valid():
        return False
    with transaction.atomic(durable=True):
        view = form.instance
        if view.opens_first:
            others = SavedView.objects.filter(
                organization=view.organization, owner=view.owner, list_name=view.list_name
            )
            others.exclude(pk=view.pk).update(opens_first=False)
        view.save()
    return True
