"""Addresses below ``/o/<slug>/``: usage and cost, Claude Code."""

from django.urls import path

from apps.usage import call_views, coding_views, minute_views, model_page, views

app_name = "usage"
urlpatterns = [
    path("usage/", views.usage, name="usage"),
    path("usage/calls/<int:pk>/", call_views.person_calls, name="calls"),
    path("usage/calls/<int:pk>/read/", call_views.read_person_calls, name="read_calls"),
    path("usage/minutes/", minute_views.by_minute, name="minutes"),
    path("usage/minutes/<uuid:uid>/read/", minute_views.read, name="read_minutes"),
    path("usage/models/<path:model>/", model_page.model, name="model"),
    path("claude-code/", coding_views.coding, name="coding"),
]
