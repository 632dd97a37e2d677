"""The pages of Settings that are about the directory, below ``/o/<slug>/directory/``."""

from django.urls import URLPattern, path

from apps.directory import views

app_name = "directory"
urlpatterns: list[URLPattern] = [
    path("", views.directory, name="directory"),
    path("groups/<int:pk>/", views.group, name="group"),
    path("people/", views.people, name="people"),
    path("people/<int:pk>/", views.person, name="person"),
    path("people/<int:pk>/hand-over/", views.hand_over, name="hand_over"),
]
