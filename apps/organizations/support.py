"""Django admin as support uses it: everything to look at, nothing to change but by the services.

A shelf's ``admin.py`` declares what of a model is shown (``fields``, each by name, so that a new
secret does not appear by itself), where it leads (``links``) and what can be done about it
(``acts``). Nothing is added, changed or deleted by Django's own forms: their views open a
transaction, and what is shown is a provider's truth.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import messages
from django.contrib.admin import AllValuesFieldListFilter, helpers
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.accounts.models import User
from apps.organizations.access import ask_for_fresh_sign_in
from apps.organizations.finding import why
from apps.organizations.policy import support_may
from apps.organizations.services import Refused
from apps.providers.catalogue import PROVIDERS
from apps.providers.masking import mask

Words = str | Promise
MOST_AT_ONCE = 500
SHOWN_AT_ONCE = 20  # rows named on the page that asks
NOBODY = "–"


# --- What can be done ----------------------------------------------------------------------------


class ActForm(forms.Form):
    """What an act wants to know; the plain one wants nothing but a click. ``rows`` are acted upon."""

    def __init__(self, *args: Any, rows: Sequence[Any] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rows = rows


class ReasonForm(ActForm):
    """Asks why, for those who come across it later."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("The organization reads it in its audit log."),
        max_length=500,
        widget=UnfoldAdminTextareaWidget,
    )


@dataclass(frozen=True, slots=True)
class Act:
    """Something that can be done about a row, after a page that says what it means.

    ``do(row, actor, given)`` calls a service, which begins its own transaction and asks the policy;
    ``given`` is the form's data. ``possible(row, actor)`` only says whether to offer it.
    """

    name: str
    label: Words
    meaning: Words
    do: Callable[[Any, User, dict[str, Any]], object]
    possible: Callable[[Any, User], bool]
    form: type[ActForm] = ActForm
    many: bool = True  # offered for several rows at once, in the list
    grave: bool = False
    fresh: bool = False  # asks for a sign-in of the last five minutes
    # What whoever decides must have before them, of one row: (what, value).
    shows: Callable[[Any], Sequence[tuple[Words, object]]] | None = None
    # Where to go once it is done to one row, with what ``do`` gave; None: back to the row.
    then: Callable[[HttpRequest, Any], HttpResponse] | None = None


# --- Where things lead ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """From a row to the list of what belongs to it: ``model`` as "sync_command"."""

    label: Words
    model: str
    where: Callable[[Any], Mapping[str, Any]]

    def url(self, row: Model) -> str:
        """The list's address, narrowed to the row."""
        return f"{reverse(f'admin:{self.model}_changelist')}?{urlencode(self.where(row))}"


@dataclass(frozen=True, slots=True)
class Why:
    """From a row to a diagnosis: ``of`` gives the id that the question is asked of, and what else it takes."""

    label: Words
    question: str
    of: Callable[[Any], tuple[int, Mapping[str, str]]]

    def url(self, row: Model) -> str:
        """The diagnosis's address."""
        pk, given = self.of(row)
        return why(self.question, pk, **given)


@dataclass(frozen=True, slots=True)
class Page:
    """From a row to a page of its own that stands beside the lists: ``name`` takes its id."""

    label: Words
    name: str

    def url(self, row: Model) -> str:
        """The page's address."""
        return reverse(f"admin:{self.name}", args=[row.pk])


def link_to(row: Model | None, text: Words = "") -> SafeString | str:
    """An anchor to the page of ``row``."""
    if row is None:
        return NOBODY
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return format_html('<a href="{}">{}</a>', reverse(name, args=[row.pk]), text or str(row))


def json_block(value: object) -> SafeString | str:
    """JSON for reading, without what looks like a secret."""
    if not value:
        return NOBODY
    text = json.dumps(mask(value), indent=2, ensure_ascii=False, default=str)
    return format_html('<pre class="whitespace-pre-wrap break-all">{}</pre>', text)


def provider_words(key: str) -> Words:
    """What people call a provider: "anthropic" is Anthropic."""
    return PROVIDERS[key].label if key in PROVIDERS else key


class WordsFilter(AllValuesFieldListFilter):
    """Narrows by the values that are there, each in ``words``."""

    @staticmethod
    def words(value: str, /) -> Words:
        """What people call ``value``."""
        return value

    def choices(self, changelist: Any) -> Iterator[Any]:
        """As Django has them, said otherwise."""
        known = {str(value) for value in self.lookup_choices}
        for one in super().choices(changelist):
            shown = one["display"]
            yield {**one, "display": type(self).words(shown) if shown in known else shown}


class ProviderFilter(WordsFilter):
    """Narrows by provider."""

    words = staticmethod(provider_words)


_VERBS = {"id", "exact", "isnull", "isempty", "gte", "lt", "year", "month", "day"}


# --- The admin -----------------------------------------------------------------------------------


class _Closed:
    """Nothing is added, changed or deleted; who may look is the policy's to say."""

    reads: str = "organization.read"
    fields: Sequence[str] = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        """All of them."""
        return self.fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never by a form."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever is staff; which rows they see, ``in_reach`` says."""
        return support_may(request.user, self.reads)


class SupportInline(_Closed, TabularInline):  # type: ignore[misc]  # unfold's types are half there
    """Rows that belong to one row, on its page."""

    extra = 0
    show_change_link = True
    can_delete = False


class SupportAdmin(_Closed, ModelAdmin):  # type: ignore[misc]  # unfold's types are half there
    """One model as support sees it.

    ``tenant`` is the lookup that leads to the Organization; rows of organizations that do not let
    support look are as absent as those that never were.
    """

    tenant: str = "organization"
    links: Sequence[Link | Why | Page] = ()
    acts: Sequence[Act] = ()
    narrowed_by: Sequence[str] = ()  # columns that links narrow a list by, besides those shown
    # What a service raises to say No in words for the person.
    refusals: ClassVar[tuple[type[Exception], ...]] = (Refused,)

    list_per_page = 50
    show_full_result_count = False
    compressed_fields = True
    list_filter_submit = False
    change_form_outer_before_template = "admin/acts.html"

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whoever is staff."""
        return self.has_view_permission(request)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only by what is shown: a list that can be narrowed by a secret gives it away bit by bit."""
        filters = [one[0] if isinstance(one, tuple) else one for one in self.list_filter]
        known = {*self.fields, *self.narrowed_by}
        known |= {getattr(one, "parameter_name", one) for one in filters}
        name, *path_and_verb = lookup.split("__")
        return name in known and set(path_and_verb) <= _VERBS

    def in_reach(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of organizations that let support look at them."""
        return rows.filter(**{f"{self.tenant}__support_may_read": True})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows in reach."""
        return self.in_reach(super().get_queryset(request))

    def get_list_filter(self, request: HttpRequest) -> Sequence[Any]:
        """Providers by the names that people know."""
        return [
            (one, ProviderFilter) if one in ("provider", "connection__provider") else one
            for one in super().get_list_filter(request)
        ]

    # Pages

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Add what can be done about the row and where it leads."""
        row = self.get_object(request, object_id) if object_id else None
        context = dict(extra_context or {})
        if row is not None:
            actor = cast("User", request.user)
            context["acts"] = [
                {"label": act.label, "grave": act.grave, "url": self._act_url(row, act)}
                for act in self.acts
                if act.possible(row, actor)
            ]
            context["links"] = [{"label": link.label, "url": link.url(row)} for link in self.links]
        return super().changeform_view(request, object_id, form_url, context)

    def _act_url(self, row: Model, act: Act) -> str:
        return reverse(f"admin:{self._stem}_act", args=[row.pk, act.name])

    @property
    def _stem(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def get_urls(self) -> list[URLPattern]:
        """Django's and the page of each act."""
        page = path(
            "<path:object_id>/act/<slug:name>/",
            self.admin_site.admin_view(self.act_view),
            name=f"{self._stem}_act",
        )
        return [page, *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Acts that can be done to several rows."""
        return {
            act.name: (_many(act), act.name, act.label)
            for act in self.acts
            if act.many and not getattr(request, "_popup", False)
        }

    # Acting

    def act_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Ask, then do: GET shows what it means, POST does it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        act = next((act for act in self.acts if act.name == name), None)
        row = self.get_object(request, object_id)
        if act is None or row is None:
            raise Http404
        if act.fresh:
            ask_for_fresh_sign_in(request)
        back = reverse(f"admin:{self._stem}_change", args=[row.pk])
        form = act.form(request.POST if request.method == "POST" else None, rows=[row])
        if form.is_valid():
            done = self._do(request, act, [row], form.cleaned_data)
            return act.then(request, done[0]) if act.then and done else HttpResponseRedirect(back)
        return self._asking(request, act, form, [row], back)

    def act_without_row(self, request: HttpRequest, act: Act, back: str) -> HttpResponse:
        """The same for an act that makes something: there is no row yet."""
        actor = cast("User", request.user)
        if not self.has_view_permission(request) or not act.possible(None, actor):
            raise PermissionDenied
        if act.fresh:
            ask_for_fresh_sign_in(request)
        form = act.form(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                made = act.do(None, actor, form.cleaned_data)
            except self.refusals as refused:
                form.add_error(None, str(refused))
            else:
                return act.then(request, made) if act.then else HttpResponseRedirect(back)
        return self._asking(request, act, form, [], back)

    def act_on_many(
        self, request: HttpRequest, act: Act, chosen: QuerySet[Any]
    ) -> HttpResponse | None:
        """The same for the rows chosen in the list, each on its own."""
        if act.fresh:
            ask_for_fresh_sign_in(request)
        rows = list(chosen[: MOST_AT_ONCE + 1])
        if len(rows) > MOST_AT_ONCE:
            words = _("That is more than %(most)d at once. Choose fewer.") % {"most": MOST_AT_ONCE}
            messages.error(request, words)
            return None
        form = act.form(request.POST if "apply" in request.POST else None, rows=rows)
        if form.is_valid():
            self._do(request, act, rows, form.cleaned_data)
            return None
        return self._asking(request, act, form, rows, request.get_full_path())

    def _do(
        self, request: HttpRequest, act: Act, rows: Sequence[Any], given: dict[str, Any]
    ) -> list[Any]:
        """What was done, row by row; what was refused is said and left out."""
        actor, done = cast("User", request.user), []
        for row in rows:
            try:
                done.append(act.do(row, actor, given))
            except PermissionDenied:
                words = _("%(row)s: support may not do this for the organization.")
                messages.error(request, words % {"row": self.called(row)})
            except self.refusals as refused:
                messages.error(request, f"{self.called(row)}: {refused}")
        if done and not act.then:
            words = ngettext("%(label)s: done.", "%(label)s: done for %(n)d.", len(done))
            messages.success(request, words % {"label": act.label, "n": len(done)})
        return done

    def called(self, row: Any) -> str:
        """What a row is called where it is acted upon."""
        return str(row)

    def organization_of(self, row: Any) -> Any:
        """The tenant that a row belongs to, as the page that asks names it."""
        for name in self.tenant.split("__"):
            row = getattr(row, name)
        return row

    def _asking(
        self, request: HttpRequest, act: Act, form: ActForm, rows: Sequence[Any], back: str
    ) -> TemplateResponse:
        keep = [(name, value) for name in _KEPT for value in request.POST.getlist(name)]
        context = {
            **self.admin_site.each_context(request),
            "title": act.label,
            "opts": self.opts,
            "act": act,
            "form": form,
            "rows": [(self.called(row), self.organization_of(row)) for row in rows[:SHOWN_AT_ONCE]],
            "more": max(0, len(rows) - SHOWN_AT_ONCE),
            "facts": act.shows(rows[0]) if act.shows and len(rows) == 1 else (),
            "keep": keep,
            "back": back,
        }
        return TemplateResponse(request, "admin/act.html", context)


# What Django admin sends with the choice of rows; sent again with the answer.
_KEPT = ("action", "select_across", "index", helpers.ACTION_CHECKBOX_NAME)


def _many(act: Act) -> Callable[[SupportAdmin, HttpRequest, QuerySet[Any]], HttpResponse | None]:
    def act_on_chosen(
        model_admin: SupportAdmin, request: HttpRequest, chosen: QuerySet[Any]
    ) -> HttpResponse | None:
        return model_admin.act_on_many(request, act, chosen)

    return act_on_chosen
