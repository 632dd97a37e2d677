"""Addresses of walks and changes, below ``/o/<slug>/``."""

from django.urls import URLPattern, URLResolver, include, path

from apps.sync import views

app_name = "sync"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("apps.sync.outbox.urls")),
    path("connections/<uuid:uid>/sync/", views.progress, name="progress"),
    path("connections/<uuid:uid>/sync/start/", views.start, name="start"),
    path("connections/<uuid:uid>/sync/<slug:listing>/loss/", views.loss, name="loss"),
    path(
        "connections/<uuid:uid>/sync/<slug:listing>/unreadable/",
        views.unreadable,
        name="unreadable",
    ),
]
