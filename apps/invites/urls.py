"""Addresses of invites, below ``/o/<slug>/``."""

from django.urls import path

from apps.invites import views

app_name = "invites"
urlpatterns = [
    path("invites/", views.invites, name="list"),
    path("invites/rows/", views.rows, name="rows"),
    path("invites/new/", views.new, name="new"),
    path("invites/resend/", views.bulk_resend, name="bulk_resend"),
    path("invites/withdraw/", views.bulk_withdraw, name="bulk_withdraw"),
    path("invites/<int:pk>/resend/", views.resend, name="resend"),
    path("invites/<int:pk>/withdraw/", views.withdraw, name="withdraw"),
]
