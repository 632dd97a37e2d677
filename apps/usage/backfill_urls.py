"""Addresses of the backfill, below ``/o/<slug>/``."""

from django.urls import path

from apps.usage import backfill_views

app_name = "backfill"
urlpatterns = [
    path("connections/<uuid:uid>/usage/<slug:report>/pause/", backfill_views.pause, name="pause"),
    path(
        "connections/<uuid:uid>/usage/<slug:report>/resume/", backfill_views.resume, name="resume"
    ),
]
