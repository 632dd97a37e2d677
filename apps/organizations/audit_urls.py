"""Addresses of the audit log, below ``/o/<slug>/audit/``."""

from django.urls import URLPattern, path

from apps.organizations import audit_views as views

app_name = "audit"
urlpatterns: list[URLPattern] = [
    path("audit/", views.listing, name="list"),
    path("audit/verify/", views.verify, name="verify"),
    path("audit/<int:sequence>/", views.entry, name="entry"),
]
