"""Addresses below ``/o/<slug>/billing/``."""

from django.urls import path

from apps.billing import views

app_name = "billing"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("payments/", views.payments, name="payments"),
    path("payments/<int:pk>/", views.payment, name="payment"),
    path("plans/", views.plans, name="plans"),
    path("seats/", views.seats, name="seats"),
]
