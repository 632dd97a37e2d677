"""Addresses below ``/o/<slug>/workspaces/``."""

from django.urls import path

from apps.workspaces import matrix_views, member_views, views

app_name = "workspaces"
urlpatterns = [
    path("", views.workspaces, name="list"),
    path("rows/", views.rows, name="rows"),
    path("new/", views.new, name="new"),
    path("matrix/", matrix_views.matrix, name="matrix"),
    path("matrix/page/", matrix_views.matrix_page, name="matrix_page"),
    path("matrix/review/", matrix_views.matrix_review, name="matrix_review"),
    path("matrix/csv/", matrix_views.matrix_import, name="matrix_import"),
    path("people/", member_views.add_people, name="add_people"),
    path("<int:pk>/", member_views.one, name="one"),
    path("<int:pk>/rename/", views.rename, name="rename"),
    path("<int:pk>/residency/", views.residency, name="residency"),
    path("<int:pk>/archive/", views.archive, name="archive"),
    path("<int:pk>/rows/", member_views.member_rows, name="member_rows"),
    path("<int:pk>/add/", member_views.add_members, name="add_members"),
    path("<int:pk>/role/", member_views.change_members, name="change_members"),
    path("<int:pk>/remove/", member_views.remove_members, name="remove_members"),
]
