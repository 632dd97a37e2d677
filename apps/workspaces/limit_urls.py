"""Addresses below ``/o/<slug>/limits/``."""

from django.urls import path

from apps.workspaces import limit_views

app_name = "limits"
urlpatterns = [path("", limit_views.limits, name="list")]
