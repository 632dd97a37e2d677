"""Addresses below ``/o/<slug>/billing/``."""

from django.urls import path

from apps.billing import buying, topping_views, views

app_name = "billing"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("payments/", views.payments, name="payments"),
    path("payments/<int:pk>/", views.payment, name="payment"),
    path("buy/", buying.buy, name="buy"),
    path("begun/<uuid:uid>/", buying.begun, name="begun"),
    path("top-up/<uuid:uid>/", topping_views.change, name="top_up"),
    path("plans/", views.plans, name="plans"),
    path("seats/", views.seats, name="seats"),
]
