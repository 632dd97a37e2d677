"""Addresses below ``/o/<slug>/centres/``."""

from django.urls import path

from apps.centres import rule_views, statement_views, views

app_name = "centres"
urlpatterns = [
    path("", views.centres, name="list"),
    path("new/", views.new, name="new"),
    path("unallocated/", views.unallocated, name="unallocated"),
    path("give/<slug:subject>/<path:item>/", rule_views.give, name="give"),
    path("<int:pk>/", views.centre, name="one"),
    path("<int:pk>/change/", views.change, name="change"),
    path("<int:pk>/move/", views.move, name="move"),
    path("<int:pk>/remove/", views.remove, name="remove"),
    path("<int:pk>/rules/new/", rule_views.new, name="rule_new"),
    path("rules/<int:pk>/", rule_views.change, name="rule_change"),
    path("rules/<int:pk>/move/", rule_views.move, name="rule_move"),
    path("rules/<int:pk>/remove/", rule_views.remove, name="rule_remove"),
    path("statements/", statement_views.months_list, name="statements"),
    path("statements/<slug:month>/", statement_views.month, name="month"),
    path("statements/<slug:month>/close/", statement_views.close, name="close"),
    path("statements/<slug:month>/<slug:centre>/", statement_views.statement, name="statement"),
]
