"""Addresses of notices, below ``/o/<slug>/notices/``."""

from django.urls import path

from apps.notices import views, webhook_views

app_name = "notices"
urlpatterns = [
    path("", views.notices, name="list"),
    path("<int:pk>/", views.notice, name="notice"),
    path("<int:pk>/acknowledge/", views.acknowledge, name="acknowledge"),
    path("acknowledge/", views.bulk_acknowledge, name="bulk_acknowledge"),
    path("read/", views.bulk_read, name="bulk_read"),
    path("own/", views.own, name="own"),
    path("deliveries/", webhook_views.deliveries, name="deliveries"),
    path("deliveries/<int:pk>/", webhook_views.delivery, name="delivery"),
    path("deliveries/<int:pk>/again/", webhook_views.send_again, name="send_again"),
    path("webhooks/", webhook_views.webhooks, name="webhooks"),
    path("webhooks/new/", webhook_views.new, name="new_webhook"),
    path("webhooks/<int:pk>/", webhook_views.webhook, name="webhook"),
    path("webhooks/<int:pk>/change/", webhook_views.change, name="change_webhook"),
    path("webhooks/<int:pk>/secret/", webhook_views.renew_secret, name="renew_secret"),
    path("webhooks/<int:pk>/pause/", webhook_views.pause, name="pause_webhook"),
    path("webhooks/<int:pk>/test/", webhook_views.test, name="test_webhook"),
    path("webhooks/<int:pk>/delete/", webhook_views.delete, name="delete_webhook"),
]
