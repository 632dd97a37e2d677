"""Addresses below ``/o/<slug>/budgets/``."""

from django.urls import path

from apps.budgets import views

app_name = "budgets"
urlpatterns = [
    path("", views.budgets, name="list"),
    path("new/", views.new, name="new"),
    path("<int:pk>/", views.budget, name="one"),
    path("<int:pk>/change/", views.change, name="change"),
    path("<int:pk>/delete/", views.delete, name="delete"),
]
