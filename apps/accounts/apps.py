from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save


class AccountsConfig(AppConfig):
    name = "apps.accounts"

    def ready(self) -> None:
        from allauth.mfa.models import Authenticator

        from apps.accounts.access import factor_changed

        post_save.connect(factor_changed, sender=Authenticator)
        post_delete.connect(factor_changed, sender=Authenticator)
