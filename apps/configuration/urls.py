"""Addresses below ``/o/<slug>/``: of a connection's organization at its provider, and of all."""

from django.urls import path

from apps.configuration import settings_views, views

app_name = "configuration"
ONE = "connections/<uuid:uid>/provider/"
urlpatterns = [
    path("settings/providers/", views.listing, name="list"),
    path(ONE, views.organization, name="organization"),
    path(f"{ONE}rename/", views.rename, name="rename"),
    path(f"{ONE}new/", views.new, name="new"),
    path(f"{ONE}new/<uuid:command>/connect/", views.connect_new, name="connect_new"),
    path(f"{ONE}delete/", views.delete, name="delete"),
    path(f"{ONE}config/", settings_views.edit, name="edit"),
    path(f"{ONE}config/compare/", settings_views.compare, name="compare"),
    path(f"{ONE}config/<int:number>/", settings_views.version, name="version"),
]
