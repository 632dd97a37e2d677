"""Addresses below ``/o/<slug>/spend/``."""

from django.urls import path

from apps.billing import spend_views

app_name = "spend"
urlpatterns = [
    path("", spend_views.glance, name="glance"),
    path("reconciliation/", spend_views.reconciliation, name="reconciliation"),
]
