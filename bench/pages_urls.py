"""The portal's addresses, and below ``/stock/`` what Django admin makes of members by itself."""

from django.contrib.admin import AdminSite, ModelAdmin
from django.urls import path

from apps.members.models import Member
from portal import urls

stock = AdminSite(name="stock")


class StockMembers(ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Like for like: what the list of people shows, finds and filters, as many rows a page."""

    list_display = ("name", "email", "connection", "role", "gone_at", "joined_at")
    search_fields = ("name", "email")
    list_filter = ("connection", "role", "gone_at")
    list_per_page = 50


stock.register(Member, StockMembers)
urlpatterns = [path("stock/", stock.urls), *urls.urlpatterns]
