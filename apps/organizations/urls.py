"""Addresses below one organization, ``/o/<slug>/…``. Those of connections stand beside them."""

from django.urls import URLPattern, URLResolver, include, path

from apps.organizations import token_views, views

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
    path("tokens/", token_views.tokens, name="tokens"),
    path("tokens/end-all/", token_views.end_all, name="tokens_end_all"),
    path("tokens/organization/", token_views.service_tokens, name="service_tokens"),
    path(
        "tokens/organization/<str:key>/end/",
        token_views.service_token_end,
        name="service_token_end",
    ),
    path(
        "tokens/organization/<str:key>/rename/",
        token_views.service_token_rename,
        name="service_token_rename",
    ),
    path("tokens/<str:key>/end/", token_views.token_end, name="token_end"),
    path("tokens/<str:key>/rename/", token_views.token_rename, name="token_rename"),
]
