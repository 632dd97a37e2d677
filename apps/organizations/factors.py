"""Secrets of second factors, sealed like credentials: a copy of the database signs nobody in.

Lives here and not in ``accounts`` because the seal does. django-allauth asks for it by ``MFA_ADAPTER``.
"""

import base64
import os

import structlog
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.db import transaction

from apps.organizations.sealing import SealBroken, seal, sealed_with, unseal

log = structlog.get_logger(__name__)

SEALED_FIELDS = ("secret", "seed")  # of an authenticator app, of recovery codes


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    """Seals what allauth would keep in clear text, and names the portal to passkeys."""

    def encrypt(self, text: str) -> str:
        """Seal a secret for the database."""
        return seal_factor(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Open it. What cannot be opened becomes a secret that no code fits: the sign-in is refused."""
        try:
            return unseal_factor(encrypted_text)
        except SealBroken:
            log.error("second_factor_cannot_be_opened")
            return base64.b32encode(os.urandom(20)).decode()

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """The portal as the browser's prompt names it."""
        return {**super().get_public_key_credential_rp_entity(), "name": "Orgdesk"}


def seal_factor(clear: str) -> str:
    """Seal the secret of a second factor with the newest key."""
    return seal(clear, organization_id=0, connection_uid="portal", field="second-factor")


def unseal_factor(sealed: str) -> str:
    """Open it; SealBroken if it cannot be."""
    return unseal(
        sealed, organization_id=0, connection_uid="portal", field="second-factor"
    ).reveal()


def reseal_factor(pk: int, version: int) -> bool | None:
    """Seal one authenticator's secret with the newest key (``version``).

    True if it was sealed anew, False if there was nothing to do, None if it cannot be opened.
    """
    with transaction.atomic(durable=True):
        factor = Authenticator.objects.select_for_update().filter(pk=pk).first()
        name = next((one for one in SEALED_FIELDS if factor and one in factor.data), None)
        if factor is None or name is None or sealed_with(factor.data[name]) == version:
            return False
        try:
            factor.data[name] = seal_factor(unseal_factor(factor.data[name]))
        except SealBroken:
            return None
        factor.save(update_fields=["data"])
    return True
