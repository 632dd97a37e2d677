"""Every address of Django admin, below ``/admin/``; what importing this brings, pages do without."""

from django.contrib import admin

from portal import staff

admin.autodiscover()
staff.furnish()

app_name = "admin"
urlpatterns, _, _ = admin.site.urls
