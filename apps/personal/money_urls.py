"""Addresses below ``/o/<slug>/account/<uid>/billing/``, named as those of an organization's billing."""

from django.urls import path

from apps.personal import money_views

app_name = "own_billing"
urlpatterns = [
    path("", money_views.overview, name="overview"),
    path("payments/", money_views.payments, name="payments"),
    path("payments/<int:pk>/", money_views.payment, name="payment"),
    path("buy/", money_views.buy, name="buy"),
    path("begun/<uuid:command>/", money_views.begun, name="begun"),
    path("top-up/", money_views.top_up, name="top_up"),
    path("card/", money_views.card, name="card"),
]
