"""Addresses of SCIM, without a slash at their end: so identity providers ask for them."""

from django.urls import URLPattern, path

from apps.directory.scim_resources import (
    Groups,
    Nothing,
    OneGroup,
    OneUser,
    ResourceTypes,
    Schemas,
    ServiceProviderConfig,
    Users,
)

app_name = "scim"
urlpatterns: list[URLPattern] = [
    path("ServiceProviderConfig", ServiceProviderConfig.as_view(), name="configuration"),
    path("ResourceTypes", ResourceTypes.as_view(), name="types"),
    path("ResourceTypes/<str:name>", ResourceTypes.as_view(), name="type"),
    path("Schemas", Schemas.as_view(), name="schemas"),
    path("Schemas/<str:name>", Schemas.as_view(), name="schema"),
    path("Users", Users.as_view(), name="users"),
    path("Users/<uuid:uid>", OneUser.as_view(), name="user"),
    path("Groups", Groups.as_view(), name="groups"),
    path("Groups/<uuid:uid>", OneGroup.as_view(), name="group"),
    path("<path:rest>", Nothing.as_view(), name="nothing"),
]
