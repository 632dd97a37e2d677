"""Pages about one's own account that allauth does not bring."""

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts import services
from apps.accounts.forms import ProfileForm
from apps.accounts.models import User


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Name, time zone and theme."""
    user: User = request.user  # type: ignore[assignment]  # login_required
    # A form on a copy: what was refused must not colour the page around it.
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=user.pk))
    if request.method == "POST" and form.is_valid():
        services.change_profile(user=user, **form.cleaned_data)
        messages.success(request, _("Saved."))
        return redirect("accounts:profile")
    return render(request, "accounts/profile.html", {"form": form})


@login_required
@require_POST
def end_session(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign out another of one's own sessions."""
    session = get_object_or_404(UserSession, pk=pk, user_id=request.user.pk)
    services.end_session(session=session)
    messages.success(request, _("That session has ended."))
    return redirect("usersessions_list")
