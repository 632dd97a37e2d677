"""Addresses below ``/o/<slug>/`` on a person's own desk."""

from django.urls import path

from apps.personal import views

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
]
