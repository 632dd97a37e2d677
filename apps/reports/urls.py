"""Addresses of reports, below ``/o/<slug>/reports/``."""

from django.urls import path

from apps.reports import views

app_name = "reports"
urlpatterns = [
    path("", views.reports, name="list"),
    path("new/", views.new, name="new"),
    path("<int:pk>/", views.report, name="report"),
    path("<int:pk>/change/", views.change, name="change"),
    path("<int:pk>/pause/", views.pause, name="pause"),
    path("<int:pk>/now/", views.send_now, name="send_now"),
    path("<int:pk>/leave/", views.leave, name="leave"),
    path("<int:pk>/delete/", views.delete, name="delete"),
]
