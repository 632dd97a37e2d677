"""What this shelf draws into Settings."""

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString


def tab(request: HttpRequest, *, tab: str) -> SafeString:
    """The tab of Settings that is about the directory."""
    return render_to_string("directory/_tab.html", {"tab": tab}, request)
