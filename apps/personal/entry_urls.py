"""The way from the profile menu to one's own desk."""

from django.urls import path

from apps.personal import views

urlpatterns = [path("own-account/", views.own_account, name="own_account")]
