"""Every address of the portal. Shelves bring their own ``urls.py``, all below one organization."""

from django.urls import URLPattern, URLResolver, include, path
from django.urls.resolvers import RoutePattern
from django.views.generic import RedirectView

from portal.views import nothing_here, overview


class OnFirstUse(URLResolver):
    """``include()`` of a module that is imported once somebody asks for an address of its namespace.

    The API brings REST framework and what describes it, Django admin brings Unfold and, whatever the
    database, psycopg: 15 MB each and half a second of a process that serves pages alone.
    """

    def _populate(self) -> None:
        """Nothing: whoever looks for names without a namespace finds none here.

        ``reverse("api:…")`` looks by another way, and imports.
        """


# What allauth brings and nobody can use here: accounts come from the first run or an invitation, and
# identities from single sign-on are tied by their address, never by hand.
CLOSED = [
    "accounts/3rdparty/",
    "accounts/3rdparty/signup/",
    "accounts/login/code/confirm/",
    "accounts/social/signup/",
    "accounts/social/connections/",
]

handler400 = "portal.views.unusable"
handler404 = "portal.views.absent"
handler500 = "portal.views.broken"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("apps.organizations.entry_urls")),
    path("", include("apps.accounts.urls")),
    path("", include("apps.personal.entry_urls")),
    *(path(address, nothing_here) for address in CLOSED),
    path("accounts/", include("allauth.urls")),
    path("o/<slug:slug>/", overview, name="overview"),
    path("o/<slug:slug>/", include("apps.sync.urls")),
    path("o/<slug:slug>/", include("apps.invites.urls")),
    path("admin/password_change/", RedirectView.as_view(pattern_name="account_change_password")),
    OnFirstUse(RoutePattern("api/v1/"), "portal.api_urls", app_name="api", namespace="api"),
    OnFirstUse(
        RoutePattern("scim/v2/<slug:slug>/"),
        "apps.directory.scim_urls",
        app_name="scim",
        namespace="scim",
    ),
    OnFirstUse(RoutePattern("admin/"), "portal.desk_urls", app_name="admin", namespace="admin"),
    path("o/<slug:slug>/", include("apps.organizations.urls")),
    path("o/<slug:slug>/", include("apps.organizations.audit_urls")),
    path("o/<slug:slug>/directory/", include("apps.directory.urls")),
    path("", include("portal.probes")),
    path("o/<slug:slug>/reports/", include("apps.reports.urls")),
    path("o/<slug:slug>/notices/", include("apps.notices.urls")),
    path("o/<slug:slug>/", include("apps.configuration.urls")),
    path("o/<slug:slug>/", include("apps.personal.urls")),
    path("o/<slug:slug>/account/<uuid:uid>/billing/", include("apps.personal.money_urls")),
    path("o/<slug:slug>/limits/", include("apps.workspaces.limit_urls")),
    path("o/<slug:slug>/people/", include("apps.members.urls")),
    path("o/<slug:slug>/workspaces/", include("apps.workspaces.urls")),
    path("o/<slug:slug>/keys/", include("apps.keys.urls")),
    path("o/<slug:slug>/incidents/", include("apps.incidents.urls")),
    path("o/<slug:slug>/budgets/", include("apps.budgets.urls")),
    path("o/<slug:slug>/centres/", include("apps.centres.urls")),
    path("o/<slug:slug>/", include("apps.usage.urls")),
    path("o/<slug:slug>/", include("apps.usage.backfill_urls")),
    path("o/<slug:slug>/spend/", include("apps.billing.spend_urls")),
    path("o/<slug:slug>/billing/", include("apps.billing.urls")),
]
