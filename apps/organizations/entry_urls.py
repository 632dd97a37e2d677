"""Addresses of those who are on their way to an organization."""

from django.urls import path

from apps.organizations import views

urlpatterns = [
    path("", views.home, name="home"),
    path("start/", views.start, name="start"),
    path("invitation/<str:token>/", views.accept, name="accept_invitation"),
    path("second-factor/", views.second_factor, name="second_factor"),
    path("view-as/end/", views.viewing_end, name="viewing_end"),
]
