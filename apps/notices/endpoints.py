"""Webhooks of an organization: made, changed, paused, tried, ended."""

import base64
import os
from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import record
from apps.kicks import kick_after_commit
from apps.notices.models import Channel, Delivery, Endpoint
from apps.notices.own_letters import DELIVER, TEST
from apps.notices.targets import abridged, checked
from apps.organizations.credentials import Resealed, hint_of
from apps.organizations.models import Organization
from apps.organizations.policy import may
from apps.organizations.sealing import SealBroken, Secret, seal, sealed_with, unseal
from apps.organizations.services import Refused

FIELD = "webhook"
SECRET_BYTES = 32


class EndpointWords(TypedDict, total=False):
    """What of a webhook can be changed: as ``create_endpoint`` takes it."""

    name: str
    url: str
    topics: Sequence[str]
    speaks: str


class NameTaken(Refused):
    """Another webhook there has that name."""

    field = "name"

    def __init__(self) -> None:
        super().__init__(_("There is a webhook of this name already."))


def must(actor: User, action: str, organization: Organization) -> None:
    """PermissionDenied unless ``actor`` may do ``action``."""
    if not may(actor, action, organization):
        raise PermissionDenied


def of(organization: Organization) -> list[Endpoint]:
    """The webhooks of an organization that are not paused."""
    return list(Endpoint.objects.filter(organization=organization, paused_at__isnull=True))


def _sealed(endpoint: Endpoint, secret: Secret) -> str:
    return seal(
        secret.reveal(),
        organization_id=endpoint.organization_id,
        connection_uid=endpoint.uid,
        field=FIELD,
    )


def unseal_secret(endpoint: Endpoint) -> Secret:
    """The secret that signs; SealBroken if it cannot be opened."""
    return unseal(
        endpoint.secret,
        organization_id=endpoint.organization_id,
        connection_uid=endpoint.uid,
        field=FIELD,
    )


def _locked(endpoint: Endpoint) -> Endpoint:
    # What is deleted in another tab is neither changed nor deleted again. On SQLite the IMMEDIATE
    # transaction is the lock.
    current = Endpoint.objects.select_for_update().filter(pk=endpoint.pk).first()
    if current is None:
        raise Refused(_("The webhook was deleted meanwhile."))
    return current


def _new_secret(endpoint: Endpoint) -> Secret:
    secret = Secret(f"whsec_{base64.b64encode(os.urandom(SECRET_BYTES)).decode()}")
    endpoint.secret, endpoint.secret_hint = _sealed(endpoint, secret), hint_of(secret)
    return secret


def create_endpoint(
    *,
    organization: Organization,
    actor: User,
    name: str,
    url: str,
    topics: Sequence[str],
    speaks: str = Endpoint.Speaks.SIGNED,
) -> tuple[Endpoint, Secret]:
    """Make a webhook; its secret is here to be shown, once.

    AddressRefused where it may not go, NameTaken where another there is called so.
    ``topics`` are names of topics; none means all. ``speaks``: what reads it, an ``Endpoint.Speaks``.
    """
    must(actor, "notices.webhooks", organization)
    endpoint = Endpoint(
        organization=organization,
        name=name,
        url=checked(url),
        topics=list(topics),
        speaks=speaks,
        created_by=actor,
    )
    secret = _new_secret(endpoint)
    try:
        with transaction.atomic(durable=True):
            endpoint.save()
            told = {"url": abridged(url), "topics": endpoint.topics, "speaks": endpoint.speaks}
            _record(endpoint, actor, "create", told)
    except IntegrityError:
        # Sent twice at once: the other was first.
        raise NameTaken from None
    return endpoint, secret


def change_endpoint(
    *, endpoint: Endpoint, actor: User, **wanted: Unpack[EndpointWords]
) -> Endpoint:
    """Change name, address, topics or what reads it; what is not said stays. The webhook as it is now.

    AddressRefused or NameTaken as above; Refused once it is gone.
    """
    must(actor, "notices.webhooks", endpoint.organization)
    if "url" in wanted:
        wanted["url"] = checked(wanted["url"])
    try:
        with transaction.atomic(durable=True):
            current = _locked(endpoint)
            changes = _changed(current, wanted)
            if changes:
                current.save(update_fields=list(changes))
                _record(current, actor, "change", changes)
    except IntegrityError:
        raise NameTaken from None
    return current


def _changed(endpoint: Endpoint, wanted: EndpointWords) -> dict[str, list[object]]:
    """Give ``endpoint`` what is ``wanted``: field → before and after, as the log may have it."""
    changes = {}
    for field, value in wanted.items():
        before = getattr(endpoint, field)
        if before != value:
            setattr(endpoint, field, value)
            shown = [before, value]
            changes[field] = [abridged(str(one)) for one in shown] if field == "url" else shown
    return changes


def renew_secret(*, endpoint: Endpoint, actor: User) -> Secret:
    """Replace the secret; what is sent from now on is signed with the new one, shown once. Refused once it is gone."""
    must(actor, "notices.webhooks", endpoint.organization)
    secret = _new_secret(endpoint)
    with transaction.atomic(durable=True):
        _locked(endpoint)
        endpoint.save(update_fields=["secret", "secret_hint"])
        _record(endpoint, actor, "renew_secret", {})
    return secret


def pause_endpoint(*, endpoint: Endpoint, actor: User, paused: bool) -> None:
    """Send nothing there for the time being, or send again; what waits goes on waiting."""
    must(actor, "notices.webhooks", endpoint.organization)
    with transaction.atomic(durable=True):
        if bool(_locked(endpoint).paused_at) == paused:
            return
        endpoint.paused_at = timezone.now() if paused else None
        endpoint.save(update_fields=["paused_at"])
        _record(endpoint, actor, "pause" if paused else "resume", {})


def delete_endpoint(*, endpoint: Endpoint, actor: User) -> None:
    """End a webhook, with what still waits for it and its log."""
    must(actor, "notices.webhooks", endpoint.organization)
    with transaction.atomic(durable=True):
        current = _locked(endpoint)
        _record(current, actor, "delete", {"url": abridged(current.url)})
        current.delete()


def try_endpoint(*, endpoint: Endpoint, actor: User) -> Delivery:
    """Send a test there; the delivery's log shows what came of it."""
    must(actor, "notices.send_again", endpoint.organization)
    with transaction.atomic(durable=True):
        _locked(endpoint)
        Endpoint.objects.filter(pk=endpoint.pk).update(rests_until=None)
        # Each test is a subject of its own: the delivery's number, once it has one.
        delivery = Delivery.objects.create(
            organization=endpoint.organization,
            kind=TEST,
            subject_id=_next_test(endpoint),
            channel=Channel.WEBHOOK,
            endpoint=endpoint,
            label=_("Test"),
            due_at=timezone.now(),
        )
        _record(endpoint, actor, "try", {})
        kick_after_commit(DELIVER, TEST, delivery.subject_id)
    return delivery


def _next_test(endpoint: Endpoint) -> int:
    # The webhook is locked, so that two who press at once do not take the same number.
    last = Delivery.objects.filter(kind=TEST, endpoint=endpoint).order_by("-subject_id").first()
    return last.subject_id + 1 if last else 1


def send_again(*, delivery: Delivery, actor: User) -> bool:
    """Have a delivery that failed tried anew, at once; False where it has not failed."""
    must(actor, "notices.send_again", delivery.organization)
    with transaction.atomic(durable=True):
        failed = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.FAILED)
        again = failed.update(state=Delivery.State.WAITING, due_at=timezone.now(), settled_at=None)
        Endpoint.objects.filter(deliveries=delivery).update(rests_until=None)
        if again:
            record(
                organization=delivery.organization,
                actor=actor,
                verb="notices.deliveries.send_again",
                target=delivery,
                label=f"{delivery.label} → {delivery.receiver}",
            )
            kick_after_commit(DELIVER, delivery.kind, delivery.subject_id)
    return bool(again)


def _record(endpoint: Endpoint, actor: User, verb: str, details: Mapping[str, object]) -> None:
    record(
        organization=endpoint.organization,
        actor=actor,
        verb=f"notices.webhooks.{verb}",
        target=endpoint,
        details=details,
    )


def reseal(done: Resealed) -> None:
    """Seal the secrets of all webhooks with the newest key, one short transaction each."""
    for endpoint in Endpoint.objects.order_by("pk"):
        if sealed_with(endpoint.secret) == done.version:
            done.current += 1
            continue
        try:
            clear = unseal_secret(endpoint)
        except SealBroken:
            done.broken.append(f"{endpoint.organization_id}/{endpoint.uid} webhook")
            continue
        with transaction.atomic(durable=True):
            same = Endpoint.objects.filter(pk=endpoint.pk, secret=endpoint.secret)
            done.resealed += same.update(secret=_sealed(endpoint, clear))
