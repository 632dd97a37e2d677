"""One call of each operation that the Cline adapter has."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from apps.providers.records.billing import AutoTopUp

USER, PAYMENT, PLAN = "usr-1", "pay-1", "pln-1"
TEN = Decimal(10)
RETURN = "https://portal.example/billing/return"
DAYS = (date(2026, 7, 1), date(2026, 7, 14))
TOP_UP = AutoTopUp(True, Decimal(50), Decimal(200))

CALLS: dict[str, Callable[[Any], object]] = {
    "get_current_user": lambda a: a.get_current_user(),
    "update_current_user": lambda a: a.update_current_user(name="Ada P."),
    "delete_current_user": lambda a: a.delete_current_user(),
    "accept_terms": lambda a: a.accept_terms(),
    "get_current_user_remote_config": lambda a: a.get_current_user_remote_config(),
    "set_active_account": lambda a: a.set_active_account("org-1"),
    "get_user_balance": lambda a: a.get_user_balance(USER),
    "list_user_usages": lambda a: a.list_user_usages(USER),
    "list_user_payments": lambda a: a.list_user_payments(USER),
    "get_user_payment": lambda a: a.get_user_payment(USER, PAYMENT),
    "get_user_payment_status": lambda a: a.get_user_payment_status(USER, PAYMENT),
    "get_user_provider_payment": lambda a: a.get_user_provider_payment(USER, PAYMENT),
    "create_user_credit_checkout": lambda a: a.create_user_credit_checkout(
        TEN, redirect_url=RETURN
    ),
    "purchase_user_credits": lambda a: a.purchase_user_credits(USER, TEN),
    "get_user_auto_top_up": lambda a: a.get_user_auto_top_up(USER),
    "set_user_auto_top_up": lambda a: a.set_user_auto_top_up(USER, TOP_UP),
    "get_user_default_payment_method": lambda a: a.get_user_default_payment_method(USER),
    "create_user_payment_method_setup_session": lambda a: (
        a.create_user_payment_method_setup_session(USER, redirect_url=RETURN)
    ),
    "list_user_promotions": lambda a: a.list_user_promotions(USER),
    "create_organization": lambda a: a.create_organization("Northwind"),
    "get_organization": lambda a: a.get_organization(),
    "update_organization": lambda a: a.update_organization(
        config_enabled=True, config={"version": "v1", "yoloModeAllowed": False}
    ),
    "delete_organization": lambda a: a.delete_organization(),
    "get_organization_provider_keys": lambda a: a.get_organization_provider_keys(),
    "get_organization_remote_config": lambda a: a.get_organization_remote_config(),
    "get_organization_metrics": lambda a: a.get_organization_metrics(*DAYS),
    "list_members": lambda a: a.list_members(),
    "remove_members": lambda a: a.remove_members("mbr-1"),
    "list_available_roles": lambda a: a.list_available_roles(),
    "set_member_role": lambda a: a.set_member_role("mbr-1", "admin"),
    "list_member_usages": lambda a: a.list_member_usages("mbr-1"),
    "list_invites": lambda a: a.list_invites(),
    "create_invites": lambda a: a.create_invites("dee@northwind.example", "member"),
    "count_invites": lambda a: a.count_invites(),
    "revoke_invite": lambda a: a.revoke_invite("inv-1"),
    "accept_invite": lambda a: a.accept_invite("example-invite-token"),
    "get_organization_balance": lambda a: a.get_organization_balance(),
    "list_organization_payments": lambda a: a.list_organization_payments(),
    "get_organization_payment": lambda a: a.get_organization_payment(PAYMENT),
    "get_organization_payment_status": lambda a: a.get_organization_payment_status(PAYMENT),
    "get_organization_provider_payment": lambda a: a.get_organization_provider_payment(PAYMENT),
    "create_organization_credit_checkout": lambda a: a.create_organization_credit_checkout(
        TEN, redirect_url=RETURN
    ),
    "purchase_organization_credits": lambda a: a.purchase_organization_credits(TEN),
    "get_organization_auto_top_up": lambda a: a.get_organization_auto_top_up(),
    "set_organization_auto_top_up": lambda a: a.set_organization_auto_top_up(TOP_UP),
    "get_organization_default_payment_method": lambda a: (
        a.get_organization_default_payment_method()
    ),
    "create_organization_payment_method_setup_session": lambda a: (
        a.create_organization_payment_method_setup_session(redirect_url=RETURN)
    ),
    "list_organization_promotions": lambda a: a.list_organization_promotions(),
    "list_plans": lambda a: a.list_plans("teams"),
    "get_organization_plan": lambda a: a.get_organization_plan(),
    "subscribe_organization_plan": lambda a: a.subscribe_organization_plan(PLAN, 10),
    "list_organization_plan_history": lambda a: a.list_organization_plan_history(),
    "get_organization_plan_details": lambda a: a.get_organization_plan_details(PLAN),
    "cancel_organization_plan": lambda a: a.cancel_organization_plan(PLAN),
    "set_organization_plan_seats": lambda a: a.set_organization_plan_seats(12),
    "get_organization_usage": lambda a: a.get_organization_usage(*DAYS),
    "list_api_keys": lambda a: a.list_api_keys(),
    "create_api_key": lambda a: a.create_api_key("nightly export"),
    "delete_api_key": lambda a: a.delete_api_key("key-1"),
    "request_budget_increase": lambda a: a.request_budget_increase(),
    "get_current_user_plan": lambda a: a.get_current_user_plan(),
    "get_current_user_plan_usage_limits": lambda a: a.get_current_user_plan_usage_limits(),
    "list_user_daily_usages": lambda a: a.list_user_daily_usages(USER, *DAYS),
    "refresh_account_token": lambda a: a.refresh_account_token("example-refresh-1"),
}
