"""Addresses below ``/o/<slug>/``: usage and cost, Claude Code."""

from django.urls import path

from apps.usage import coding_views, minute_views, views

app_name = "usage"
urlpatterns = [
    path("usage/", views.usage, name="usage"),
    path("usage/minutes/", minute_views.by_minute, name="minutes"),
    path("usage/minutes/<uuid:uid>/read/", minute_views.read, name="read_minutes"),
    path("claude-code/", coding_views.coding, name="coding"),
]
