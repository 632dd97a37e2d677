"""Saved views of a list: shown, made, renamed, shared, opened first, deleted.

All of it happens at the list's own address (``?views=new``, ``?views=<id>``), so whoever may see the
list may keep views of it, and nobody else can.
"""

from functools import cached_property
from typing import Any, Protocol
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from apps.ui.models import SavedView

# What views can be kept of, by the name that they are kept under: lists, and pages that say so.
KEPT: dict[str, "str | Promise"] = {}


class Keepable(Protocol):
    """A page of which views can be kept: a list, or another whose filters stand in its address."""

    request: Any
    organization: Any
    params: QueryDict
    path: str

    @property
    def name(self) -> str:
        """What its views are kept under."""

    @property
    def query(self) -> str:
        """Its filters as they stand in an address, those that go without saying left out."""

    @property
    def clear_url(self) -> str:
        """The page without filters."""

    def url(self, **changes: str | None) -> str:
        """Its address with changes."""


class Views:
    """The saved views of one list for its reader, with their addresses."""

    def __init__(self, page: Keepable) -> None:
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
        kept = QueryDict(view.query)  # a filter may have several values
        query = [(key, one) for key, many in kept.lists() for one in many]
        query.append(("view", str(view.pk)))
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


def respond(page: Keepable, views: Views) -> HttpResponse:
    """Show or carry out the form of one view. Other people's views cannot be changed: 404."""
    view = _view_at_hand(page, views)
    request = page.request
    if request.method == "POST" and "delete" in request.POST and view.pk:
        view.delete()
        return redirect(page.clear_url)
    form = SavedViewForm(request.POST if request.method == "POST" else None, instance=view)
    if request.method == "POST" and keep(form):
        return redirect(views.url(form.instance))
    given = {
        "form": form,
        "view": view,
        "title": _("Change this view") if view.pk else _("Save this view"),
        "action": request.get_full_path(),
        "cancel_url": page.url(),
    }
    return render(request, "ui/saved_view.html", given)


def _view_at_hand(page: Keepable, views: Views) -> SavedView:
    asked_for = page.request.GET.get("views", "")
    if asked_for == "new":
        return SavedView(
            organization=page.organization,
            owner=page.request.user,
            list_name=page.name,
            query=page.query[:1000],
        )
    for view in views.every:
        if str(view.pk) == asked_for and view.owner_id == page.request.user.pk:
            if page.request.GET.get("keep"):  # the filters as they are now replace those it had
                view.query = page.query[:1000]
            return view
    raise Http404


def keep(form: SavedViewForm) -> bool:
    """Keep the view as the form has it; False, with the form's errors, where it cannot be."""
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
