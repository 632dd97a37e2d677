"""Addresses below ``/o/<slug>/keys/``."""

from django.urls import path

from apps.keys import bulk, views

app_name = "keys"
urlpatterns = [
    path("", views.keys, name="list"),
    path("rows/", views.rows, name="rows"),
    path("hygiene/", views.hygiene, name="hygiene"),
    path("new/", views.new, name="new"),
    path("bulk/deactivate/", bulk.deactivate, name="bulk_deactivate"),
    path("bulk/activate/", bulk.activate, name="bulk_activate"),
    path("bulk/archive/", bulk.archive, name="bulk_archive"),
    path("bulk/delete/", bulk.delete, name="bulk_delete"),
    path("bulk/rename/", bulk.rename, name="bulk_rename"),
    path("<int:pk>/", views.key, name="key"),
    path("<int:pk>/rename/", views.rename, name="rename"),
    path("<int:pk>/deactivate/", views.deactivate, name="deactivate"),
    path("<int:pk>/activate/", views.activate, name="activate"),
    path("<int:pk>/archive/", views.archive, name="archive"),
    path("<int:pk>/delete/", views.delete, name="delete"),
]
