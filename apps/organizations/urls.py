"""Addresses below one organization, ``/o/<slug>/…``. Those of connections stand beside them."""

from django.urls import URLPattern, URLResolver, include, path

from apps.organizations import views

app_name = "organizations"
urlpatterns: list[URLPattern | URLResolver] = [
    path("connections/", include("apps.organizations.connection_urls")),
    path("settings/", views.organization_settings, name="settings"),
    path("colleagues/", views.grants, name="grants"),
    path("colleagues/invite/", views.grant_invite, name="grant_invite"),
    path("colleagues/<int:pk>/role/", views.grant_change, name="grant_change"),
    path("colleagues/<int:pk>/remove/", views.grant_remove, name="grant_remove"),
    path(
        "colleagues/invitations/<int:pk>/resend/",
        views.invitation_resend,
        name="invitation_resend",
    ),
    path(
        "colleagues/invitations/<int:pk>/withdraw/",
        views.invitation_withdraw,
        name="invitation_withdraw",
    ),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/<str:key>/revoke/", views.token_revoke, name="token_revoke"),
]
