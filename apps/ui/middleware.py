"""What every answer to htmx has in common, and a page where a browser would find none."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render

GetResponse = Callable[[HttpRequest], HttpResponse]


class FragmentMiddleware:
    """Have no browser keep a piece of a page: it comes from the page's own address.

    Kept there, the button "back" would show the piece in the page's place. As nothing is kept, "back" also
    shows what is so now.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.headers.get("HX-Request") and not response.has_header("Cache-Control"):
            response["Cache-Control"] = "no-store"
        return response


class FormAddressMiddleware:
    """Say in words that an address takes what a form sends, where it is opened like a page.

    Who loads such a page anew by its address, or signs in again on the way, would see the browser's own error.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        opened = request.method == "GET" and "text/html" in request.headers.get("Accept", "")
        if not (opened and isinstance(response, HttpResponseNotAllowed)):
            return response
        page = render(request, "405.html", status=405)
        page["Allow"] = response["Allow"]
        return page
