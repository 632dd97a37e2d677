"""Addresses below ``/o/<slug>/billing/``."""

from django.urls import path

from apps.billing import buying, card_views, plan_views, reclaim, topping_views, views

app_name = "billing"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("payments/", views.payments, name="payments"),
    path("payments/<int:pk>/", views.payment, name="payment"),
    path("buy/", buying.buy, name="buy"),
    path("begun/<uuid:uid>/", buying.begun, name="begun"),
    path("top-up/<uuid:uid>/", topping_views.change, name="top_up"),
    path("card/<uuid:uid>/", card_views.change, name="card"),
    path("plans/", views.plans, name="plans"),
    path("plans/<uuid:uid>/subscribe/<int:pk>/", plan_views.subscribe, name="subscribe"),
    path("plans/<uuid:uid>/seats/", plan_views.set_seats, name="set_seats"),
    path("plans/<uuid:uid>/cancel/", plan_views.cancel, name="cancel_plan"),
    path("seats/", views.seats, name="seats"),
    path("seats/reclaim/", reclaim.reclaim, name="reclaim"),
]
