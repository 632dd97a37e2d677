"""What every answer to htmx has in common."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

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
