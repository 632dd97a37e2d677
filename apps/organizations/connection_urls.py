"""Addresses of connections, below ``/o/<slug>/connections/``; included by ``urls.py``."""

from django.urls import URLPattern, path

from apps.organizations import connection_views as views

urlpatterns: list[URLPattern] = [
    path("", views.listing, name="connections"),
    path("new/", views.pick, name="connect"),
    path("new/<slug:provider>/", views.paste, name="connect_paste"),
    path("<uuid:uid>/", views.detail, name="connection"),
    path("<uuid:uid>/connect/", views.wizard, name="connect_wizard"),
    path("<uuid:uid>/connect/key/", views.paste_again, name="connect_paste_again"),
    path("<uuid:uid>/connect/choose/", views.choose, name="connect_choose"),
    path("<uuid:uid>/connect/discard/", views.discard, name="connect_discard"),
    path("<uuid:uid>/ask-again/", views.ask_again, name="connection_ask_again"),
    path("<uuid:uid>/rename/", views.rename, name="connection_rename"),
    path("<uuid:uid>/key/", views.rotate, name="connection_rotate"),
    path("<uuid:uid>/key/drop/", views.drop_new_key, name="connection_drop_new_key"),
    path("<uuid:uid>/pause/", views.pause, name="connection_pause"),
    path("<uuid:uid>/resume/", views.resume, name="connection_resume"),
    path("<uuid:uid>/disconnect/", views.disconnect, name="connection_disconnect"),
]
