"""Addresses about one's own account; allauth's own stand in ``portal/urls.py``."""

from django.urls import path

from apps.accounts import views

app_name = "accounts"
urlpatterns = [
    path("profile/", views.profile, name="profile"),
    path("profile/sessions/<int:pk>/end/", views.end_session, name="end_session"),
]
