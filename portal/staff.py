"""Django admin as the support desk uses it: who gets in, and what is left out."""

from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Words = str | Promise

# Brought by libraries: secrets of second factors and sign-in tokens in plain sight, and ways to change
# a sign-in that leave no line in the audit log.
LEFT_OUT: tuple[type[Model], ...] = (
    Authenticator,
    EmailAddress,
    Group,
    SocialAccount,
    SocialApp,
    SocialToken,
    UserSession,
)


# Pages of the way that are no model's list, and what stands at the front too.
FRONT = "stuck"
PAGES = {FRONT}

# The way through Django admin: what is wrong first, then whose it is, then who did what.
NAVIGATION: tuple[tuple[Words, tuple[tuple[Words, str, str, str], ...]], ...] = (
    (
        _("Trouble"),
        (
            (_("Stuck changes"), "rule", "sync_command", "?state__exact=operator"),
            (
                _("Stopped after a restore"),
                "settings_backup_restore",
                "organizations_organization",
                "?sending_stopped_at__isempty=0",
            ),
            (_("What stands still"), "pause_circle", "stuck", ""),
            (_("Failing listings"), "sync_problem", "sync_resource", "?error__isempty=0"),
            (_("Unreadable rows"), "unknown_document", "sync_quarantinedrow", ""),
        ),
    ),
    (
        _("Customers"),
        (
            (_("Organizations"), "apartment", "organizations_organization", ""),
            (_("Connections"), "power", "organizations_connection", ""),
            (
                _("Own accounts of persons"),
                "account_circle",
                "organizations_personalconnection",
                "",
            ),
            (_("People"), "group", "members_person", ""),
            (_("Members"), "badge", "members_member", ""),
            (_("Invites"), "mail", "invites_invite", ""),
            (_("Workspaces"), "grid_view", "workspaces_workspace", ""),
            (_("Roles in workspaces"), "rule", "workspaces_workspacemember", ""),
            (_("Rate limits"), "speed", "workspaces_ratelimit", ""),
            (_("At the providers"), "domain", "configuration_remoteorganization", ""),
            (_("Remote configs"), "tune", "configuration_remoteconfiguration", ""),
            (_("Versions of those"), "history", "configuration_version", ""),
            (_("API keys"), "vpn_key", "keys_key", ""),
            (_("Shared provider keys"), "share", "keys_sharedkey", ""),
            (_("Usage reports"), "query_stats", "usage_report", ""),
            (_("Usage by what"), "category", "usage_dimension", ""),
            (_("Days of Claude Code"), "code", "usage_codingday", ""),
            (_("Credit"), "account_balance_wallet", "billing_credit", ""),
            (_("Payments"), "payments", "billing_payment", ""),
            (_("Plans"), "loyalty", "billing_subscription", ""),
            (_("Cost centres"), "account_tree", "centres_costcentre", ""),
            (_("Automatic purchases"), "autorenew", "billing_topup", ""),
            (_("Budgets"), "savings", "budgets_budget", ""),
            (_("Webhooks"), "webhook", "notices_endpoint", ""),
        ),
    ),
    (
        _("What happened"),
        (
            (_("Changes"), "swap_horiz", "sync_command", ""),
            (_("Batches"), "list_alt", "sync_batch", ""),
            (_("Changes at the provider"), "cloud_sync", "sync_remotechange", ""),
            (_("Listings"), "lists", "sync_resource", ""),
            (_("Walks"), "directions_walk", "sync_syncrun", ""),
            (_("Days of usage read"), "event_available", "usage_readday", ""),
            (_("Usage corrected"), "edit_note", "usage_correction", ""),
            (_("Usage by the minute"), "timer", "usage_minutereading", ""),
            (_("Single calls read"), "receipt_long", "usage_callledger", ""),
            (_("Incidents"), "warning", "incidents_incident", ""),
            (_("Periods of budgets"), "data_usage", "budgets_standing", ""),
            (_("Months closed"), "lock_clock", "centres_closing", ""),
            (_("Credit over time"), "show_chart", "billing_creditpoint", ""),
            (_("Notices"), "notifications", "notices_notice", ""),
            (_("Deliveries"), "outgoing_mail", "notices_delivery", ""),
            (_("Reports"), "schedule_send", "reports_schedule", ""),
            (_("Runs of reports"), "event_repeat", "reports_run", ""),
            (_("Views as a colleague"), "visibility", "organizations_viewing", ""),
            (_("Audit log"), "history", "audit_entry", ""),
        ),
    ),
    (
        _("The portal"),
        (
            (_("Users"), "person", "accounts_user", ""),
            (_("Grants"), "key", "organizations_grant", ""),
            (_("Colleagues invited"), "forward_to_inbox", "organizations_colleagueinvitation", ""),
            (_("API tokens"), "token", "organizations_apitoken", ""),
            (_("Directories"), "lan", "directory_directory", ""),
            (_("People of directories"), "badge", "directory_directoryuser", ""),
            (_("Groups of directories"), "groups", "directory_directorygroup", ""),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's sidebar."""
    return [
        {
            "title": title,
            "items": [
                {
                    "title": label,
                    "icon": icon,
                    "link": _address(model) + narrowed,
                    "active": _is_here(request, model, narrowed),
                }
                for label, icon, model, narrowed in entries
            ],
        }
        for title, entries in NAVIGATION
    ]


def _address(model: str) -> str:
    """Of a model's list, or of one of ``PAGES``."""
    return reverse(f"admin:{model}" if model in PAGES else f"admin:{model}_changelist")


# (model, query) of the entries that show a part of a model.
NARROWED = [
    (model, narrowed)
    for _title, entries in NAVIGATION
    for _label, _icon, model, narrowed in entries
    if narrowed
]


def _is_here(request: HttpRequest, model: str, narrowed: str) -> bool:
    """Whether the page at hand is this entry's. Two entries may show one model, one of them narrowed."""
    at_front = model == FRONT and request.path == reverse("admin:index")
    if not at_front and not request.path.startswith(_address(model)):
        return False
    if narrowed:
        return QueryDict(narrowed[1:]).dict().items() <= request.GET.dict().items()
    return not any(
        _is_here(request, model, other) for of_model, other in NARROWED if of_model == model
    )


def furnish() -> None:
    """Have staff sign in where everybody does, with their second factor; take out what is not theirs."""
    admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # allauth's way
    for model in LEFT_OUT:
        if admin.site.is_registered(model):
            admin.site.unregister(model)
