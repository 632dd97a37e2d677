"""Every address of Django admin, below ``/admin/``; what importing this brings, pages do without."""

from django.contrib import admin

from apps.organizations import desk_views
from apps.sync import desk_views as sync_views
from portal import staff

admin.autodiscover()
staff.furnish()

app_name = "admin"
_lists, _, _ = admin.site.urls
# Before Django's own, whose last one takes every address.
urlpatterns = [*desk_views.addresses(), *sync_views.addresses(), *_lists]
