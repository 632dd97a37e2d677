"""Addresses of changes, below ``/o/<slug>/``; included by ``apps.sync.urls``."""

from django.urls import path

from apps.sync.outbox import restored_views, views

urlpatterns = [
    path("activity/", views.activity, name="activity"),
    path("activity/rows/", views.activity_rows, name="activity_rows"),
    path("activity/provider/", views.remote_changes, name="remote_changes"),
    path("activity/in-flight/", views.in_flight, name="in_flight"),
    path("activity/stopped/", restored_views.stopped, name="stopped"),
    path("activity/batches/<uuid:uid>/", views.batch_page, name="batch"),
    path("activity/batches/<uuid:uid>/confirm/", views.confirm_batch, name="confirm_batch"),
    path("activity/batches/<uuid:uid>/discard/", views.discard_batch, name="discard_batch"),
    path("activity/<uuid:uid>/", views.command_page, name="command"),
    path("activity/<uuid:uid>/secret/", views.secret, name="secret"),
    path("activity/<uuid:uid>/approve/", views.approve, name="approve"),
    path("activity/<uuid:uid>/decide/", views.decide, name="decide"),
    path("activity/<uuid:uid>/again/", views.again, name="again"),
]
