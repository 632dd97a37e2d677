"""Addresses below ``/o/<slug>/people/``."""

from django.urls import path

from apps.members import bulk, views

app_name = "members"
urlpatterns = [
    path("", views.people, name="list"),
    path("bulk/role/", bulk.change_role, name="bulk_change_role"),
    path("bulk/remove/", bulk.remove, name="bulk_remove"),
    path("rows/", views.people_rows, name="rows"),
    path("<int:pk>/", views.person, name="person"),
    path("<int:pk>/<int:member>/role/", views.change_role, name="change_role"),
    path("<int:pk>/<int:member>/remove/", views.remove, name="remove"),
]
