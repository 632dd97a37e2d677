"""Views of the pages of usage, kept as those of lists are."""

from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy

from apps.ui import saved
from apps.usage.question import PRESETS, Question

USAGE, CODING = "usage", "claude-code"
saved.KEPT[USAGE] = gettext_lazy("Usage and cost")
saved.KEPT[CODING] = gettext_lazy("Claude Code")


class KeptPage:
    """A page of usage for one request, as ``saved`` and the tabs of views know pages."""

    all_label = gettext_lazy("As it opens")

    def __init__(self, request: Any, name: str, question: Question) -> None:
        self.request = request
        self.organization = request.organization
        self.params: QueryDict = request.GET
        self.path: str = request.path
        self.name = name
        self._question = question

    @property
    def query(self) -> str:
        """The question as its address holds it."""
        return urlencode(self._question.params())

    @property
    def called(self) -> str:
        """What a report of it may be called: "Usage and cost, last week"."""
        title, preset = str(saved.KEPT[self.name]), PRESETS.get(self._question.preset)
        return f"{title}, {str(preset).lower()}" if preset else title

    @property
    def clear_url(self) -> str:
        """The page as it opens by itself."""
        return f"{self.path}?view=all"

    def url(self, **changes: str | None) -> str:
        """The question's address with changes."""
        held: list[tuple[str, str]] = [
            one for one in self._question.params() if one[0] not in changes
        ]
        if "view" in self.params and "view" not in changes:
            held.append(("view", str(self.params["view"])))
        held += [(name, value) for name, value in changes.items() if value]
        return f"{self.path}?{urlencode(held)}" if held else self.path

    @cached_property
    def views(self) -> saved.Views:
        """The saved views of this page."""
        return saved.Views(self)

    def respond(self) -> HttpResponse | HttpResponseRedirect | None:
        """The form of a view, or the way to the one that the page opens with; None: the page itself."""
        if self.request.method == "POST" or saved.asked(self.request):
            return saved.respond(self, self.views)
        fresh = not self.request.GET and "HX-Request" not in self.request.headers
        if fresh and self.views.first:
            return redirect(self.views.url(self.views.first))
        return None
