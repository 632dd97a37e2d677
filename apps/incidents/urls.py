"""Addresses below ``/o/<slug>/incidents/``."""

from django.urls import path

from apps.incidents import views

app_name = "incidents"
urlpatterns = [
    path("", views.incidents, name="list"),
    path("<int:pk>/", views.incident, name="one"),
    path("<int:pk>/acknowledge/", views.acknowledge, name="acknowledge"),
    path("<int:pk>/resolve/", views.resolve, name="resolve"),
    path("<int:pk>/mute/", views.mute, name="mute"),
    path("<int:pk>/take-up/", views.take_up, name="take_up"),
    path("<int:pk>/deactivate/", views.deactivate, name="deactivate"),
]
