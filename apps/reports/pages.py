"""Asking a page of this portal for its CSV, as one of its readers would.

A report is what its page says to the one who made it: the page's own view is called, with their user
and the moment's permissions, so nothing about a page is written twice and a relative range means what
it means on the day.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.urls import Resolver404, ResolverMatch, resolve, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django_htmx.middleware import HtmxDetails

from apps.accounts.models import User
from apps.organizations.models import Organization, Role
from apps.organizations.policy import role_may, role_of
from apps.reports.tables import Table, read_table

MOST_BYTES = 5 * 1024 * 1024  # of a CSV that is kept and attached
SHOWN = 50  # rows in the mail itself


class CannotSee(Exception):
    """The page does not answer its reader (any more); the message says why, for people."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What a mail shows of a report: a small table, and what is to be said of it."""

    headings: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    total: Sequence[str] = ()
    more: int = 0  # rows that are not shown here
    range: str = ""
    notes: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """As the run keeps it."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Made:
    """What a page answered: ``csv`` None where it is larger than what is kept."""

    digest: Digest
    rows: int | None
    csv: bytes | None = field(repr=False)
    name: str


# url_name → says more of a page than its CSV does. Called with the request in the reader's zone.
Digester = Callable[[Any], Digest]
_digesters: dict[str, Digester] = {}


def digest_by(url_name: str, digester: Digester) -> None:
    """Have ``digester`` say what a mail shows of that page; by default it is the CSV's first rows."""
    _digesters[url_name] = digester


# url_name → what a role reads of the page. It holds the same for all that may open it, unless this says.
_parts: dict[str, Callable[[Role | None], frozenset[str]]] = {}


def rows_by_role(url_name: str, parts: Callable[[Role | None], frozenset[str]]) -> None:
    """Have a page sent to those alone who read every part of it that its maker reads."""
    _parts[url_name] = parts


def reads_as_much(
    user: User, maker: User | None, organization: Organization, url_name: str
) -> bool:
    """Whether ``user`` may read every row of a page that ``maker`` may read, as their roles are now."""
    parts = _parts.get(url_name)
    if parts is None or user == maker:
        return True
    of_maker = role_of(maker, organization) if maker else None
    # Of whoever has no role any more nobody knows what they could read.
    return of_maker is not None and parts(of_maker) <= parts(role_of(user, organization))


def find(path: str, organization: Organization) -> ResolverMatch | None:
    """The page at an address, if it is one of ``organization``'s."""
    try:
        match = resolve(urlsplit(path).path)
    except Resolver404:
        return None
    if match.kwargs.get("slug") != organization.slug or not hasattr(match.func, "access"):
        return None
    return match


def path_of(organization: Organization, url_name: str, kwargs: Mapping[str, Any]) -> str:
    """A page's address without its query."""
    return reverse(url_name, kwargs={"slug": organization.slug, **kwargs})


class _Asked(HttpRequest):
    """A GET that nobody sent over the network."""

    def __init__(self, user: User, path: str, query: str) -> None:
        super().__init__()
        self.method = "GET"
        self.path = self.path_info = path
        self.GET = QueryDict(query, mutable=True)  # type: ignore[assignment]  # it may be changed: export
        self.user = user
        self.session = cast("Any", {})
        self.resolver_match = resolve(path)
        self.htmx = HtmxDetails(self)


def may_see(
    user: User, organization: Organization, url_name: str, kwargs: Mapping[str, Any]
) -> bool:
    """Whether the role that ``user`` holds now opens the page."""
    match = resolve(path_of(organization, url_name, kwargs))
    action, _changes = match.func.access  # type: ignore[attr-defined]  # desk_view sets it
    return user.is_active and role_may(role_of(user, organization), action)


def _request(user: User, organization: Organization, url_name: str, kwargs: Any, query: str) -> Any:
    return _Asked(user, path_of(organization, url_name, kwargs), query)


def _answer(request: Any, **params: str) -> HttpResponseBase:
    """The page's answer; CannotSee where it does not let its reader in or has nothing to give."""
    # Never closed: to Django that is the end of a request, at which it closes the database.
    for name, value in params.items():
        request.GET[name] = value
    match = request.resolver_match
    if not request.user.is_active:
        raise CannotSee(_("Whoever made it can no longer sign in."))
    try:
        answer: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
    except PermissionDenied:
        raise CannotSee(_("The role of whoever made it no longer opens this page.")) from None
    except Http404:
        raise CannotSee(
            _("Whoever made it no longer has access here, or the page cannot answer any more.")
        ) from None
    if answer.status_code != 200 or not answer.headers.get("Content-Type", "").startswith(
        "text/csv"
    ):
        raise CannotSee(_("This page cannot be sent: it has no CSV."))
    return answer


def check(user: User, organization: Organization, match: ResolverMatch, query: str) -> None:
    """CannotSee unless ``user`` could have this page sent now; the file itself is not made."""
    kwargs = {name: value for name, value in match.kwargs.items() if name != "slug"}
    request = _request(user, organization, match.view_name, kwargs, query)
    _answer(request, export="csv")


def make(
    user: User, organization: Organization, url_name: str, kwargs: Mapping[str, Any], query: str
) -> Made:
    """The page as its reader would have it now, times in the organization's zone.

    CannotSee where it does not answer them.
    """
    with timezone.override(organization.zone):
        answer = _answer(_request(user, organization, url_name, kwargs, query), export="csv")
        name = _file_name(answer)
        parts = cast("StreamingHttpResponse", answer).streaming_content
        table = read_table(cast("Iterable[bytes]", parts), MOST_BYTES, SHOWN)
        digester = _digesters.get(url_name)
        if digester is None:
            listing = getattr(answer, "listing", None)
            fresh = listing.context().get("freshness", ()) if listing else ()
            return Made(_plain_digest(table, fresh), table.count, table.csv, name)
        request = _request(user, organization, url_name, kwargs, query)
        request.organization = organization
        return Made(digester(request), table.count, table.csv, name)


def _file_name(answer: HttpResponseBase) -> str:
    said = answer.headers.get("Content-Disposition", "")
    return said.partition('filename="')[2].rstrip('"') or "report.csv"


def _plain_digest(table: Table, fresh: Iterable[Any]) -> Digest:
    """``fresh``: for each connection how fresh its rows are, as the page says it (``sync``'s Freshness)."""
    now = timezone.localtime()
    more = max(0, (table.count or 0) - len(table.rows))
    stand = _("As Orgdesk had it on %(at)s (%(zone)s).") % {
        "at": now.strftime("%d %b %Y, %H:%M"),
        "zone": timezone.get_current_timezone_name(),
    }
    notes = (stand, *map(_fresh_words, fresh))
    return Digest(tuple(table.headings), tuple(table.rows), more=more, notes=notes)


def _fresh_words(fresh: Any) -> str:
    """ "Claude: synced 29 Nov 2026, 14:00 · the last sync ended early"."""
    words = _("%(name)s: not synced yet") % {"name": fresh.connection.name}
    if fresh.synced_at:
        words = _("%(name)s: synced %(at)s") % {
            "name": fresh.connection.name,
            "at": timezone.localtime(fresh.synced_at).strftime("%d %b %Y, %H:%M"),
        }
    if fresh.asking:
        return f"{words} · " + _("waits for a decision")
    return f"{words} · " + _("the last sync ended early") if fresh.failing else words
