"""Addresses below ``/o/<slug>/``: usage and cost, Claude Code."""

from django.urls import path

from apps.usage import coding_views, views

app_name = "usage"
urlpatterns = [
    path("usage/", views.usage, name="usage"),
    path("claude-code/", coding_views.coding, name="coding"),
]
