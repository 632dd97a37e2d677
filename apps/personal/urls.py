"""Addresses below ``/o/<slug>/`` on a person's own desk."""

from django.urls import path

from apps.personal import usage_views, views

app_name = "personal"
ONE = "account/<uuid:uid>/"
urlpatterns = [
    path("account/", views.account, name="account"),
    path(ONE, views.detail, name="detail"),
    path(f"{ONE}profile/", views.profile, name="profile"),
    path(f"{ONE}terms/", views.terms, name="terms"),
    path(f"{ONE}join/", views.join, name="join"),
    path(f"{ONE}activate/", views.activate, name="activate"),
    path(f"{ONE}token/", views.refresh, name="refresh"),
    path(f"{ONE}delete/", views.delete, name="delete"),
    path(f"{ONE}usage/", usage_views.usage, name="usage"),
    path(f"{ONE}usage/budget/", usage_views.request_budget, name="request_budget"),
    path(f"{ONE}calls/", usage_views.own_calls, name="calls"),
    path(f"{ONE}calls/read/", usage_views.read_own_calls, name="read_calls"),
]
