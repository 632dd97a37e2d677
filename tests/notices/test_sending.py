"""Deliveries leave once, are tried again, are never lost, and doubled at most where a worker died."""

import json
from collections.abc import Iterator
from datetime import timedelta
from smtplib import (
    SMTPConnectError,
    SMTPDataError,
    SMTPRecipientsRefused,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from apps.audit.models import Entry
from apps.notices import endpoints, letters, sending, services
from apps.notices.models import Attempt, Channel, Choice, Delivery, Endpoint, Notice
from apps.notices.targets import AddressRefused, checked
from apps.organizations.credentials import Resealed
from apps.organizations.models import Grant, Organization, Role
from apps.organizations.sealing import keyring
from apps.providers.errors import CallNotAllowed
from apps.providers.guard import worker_scope
from tests import factories
from tests.notices.receiver import Receiver, receiving
from tests.notices.test_telling import tell

S = Delivery.State


@pytest.fixture
def organization(db: None) -> Organization:
    """One with an owner."""
    return factories.GrantFactory(role=Role.OWNER).organization


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somebody who takes webhooks."""
    with receiving() as told:
        yield told


def webhook(organization: Organization, url: str, **more: Any) -> tuple[Endpoint, str]:
    """A webhook of the organization's owner, and its secret."""
    owner = organization.grants.get(role=Role.OWNER).user
    made, secret = endpoints.create_endpoint(
        organization=organization, actor=owner, name="Ours", url=url, topics=[], **more
    )
    return made, secret.reveal()


def sweep(*, later: timedelta = timedelta(0)) -> None:
    """What a worker does now, or ``later``: what is due comes nearer by that."""
    for delivery in Delivery.objects.all():
        due_at = delivery.due_at and delivery.due_at - later
        Endpoint.objects.filter(pk=delivery.endpoint_id).update(rests_until=None)
        leased = delivery.leased_until and delivery.leased_until - later
        Delivery.objects.filter(pk=delivery.pk).update(due_at=due_at, leased_until=leased)
    with worker_scope():
        sending.sweep()


def only(**where: Any) -> Delivery:
    """The one delivery there is."""
    return Delivery.objects.get(**where)


# --- Mail -----------------------------------------------------------------------------------------


def test_a_mail_says_what_happened_and_leaves_once(organization: Organization) -> None:
    tell(organization)
    sweep()
    sweep(later=timedelta(days=1))

    (sent,) = mail.outbox
    assert sent.to == [organization.grants.get().user.email]
    assert sent.subject == f"[{organization.name}] A storm"
    assert "It rains." in sent.body
    assert f"/o/{organization.slug}/" in sent.body
    assert only().state == S.SENT
    assert sent.extra_headers["Message-ID"].startswith(f"<{only().uid}@")


def test_nothing_is_sent_outside_a_worker(organization: Organization) -> None:
    tell(organization)
    with pytest.raises(CallNotAllowed):
        sending.sweep()
    assert mail.outbox == []


def test_a_mail_that_was_not_taken_is_tried_again(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(organization)
    with monkeypatch.context() as patched:

        def away(*args: Any) -> int:
            raise SMTPServerDisconnected("gone")

        patched.setattr(EmailBackend, "send_messages", away)
        sweep()
    assert (only().state, only().attempts) == (S.WAITING, 1)
    due_at = only().due_at
    assert due_at is not None
    assert due_at > timezone.now()
    sweep()
    sweep(later=timedelta(minutes=1))  # the server is left alone for a moment
    assert mail.outbox == []
    cache.delete(sending.MAIL_RESTS)
    sweep()

    assert len(mail.outbox) == 1
    outcomes = list(only().tries.values_list("outcome", flat=True))
    assert outcomes == [Attempt.Outcome.UNCLEAR, Attempt.Outcome.SENT]


def test_an_address_that_there_is_not_is_given_up_at_once(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> int:
        raise SMTPRecipientsRefused({"a@b.example": (550, b"No such user")})

    tell(organization)
    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    sweep()
    assert only().state == S.FAILED
    assert "No such user" in only().said


@pytest.mark.parametrize("refusal", [SMTPSenderRefused, SMTPConnectError, SMTPDataError])
def test_a_mail_server_that_refuses_the_portal_itself_is_asked_again(
    organization: Organization, refusal: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ["us@x.example"] if refusal is SMTPSenderRefused else []

    def refuse(*args: Any) -> int:
        raise refusal(550, b"Not from here", *more)

    tell(organization)
    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    sweep()
    assert (only().state, only().attempts) == (S.WAITING, 1)
    assert "Not from here" in only().said


def test_a_worker_that_dies_between_sending_and_noting_doubles_the_mail_and_loses_none(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(organization)
    with monkeypatch.context() as patched:

        def die(*args: Any) -> None:
            raise SystemExit

        patched.setattr(sending, "_settle", die)
        with pytest.raises(SystemExit):
            sweep()
    assert (only().state, len(mail.outbox)) == (S.SENDING, 1)

    sweep()  # nobody else takes it while it may still be under way
    assert len(mail.outbox) == 1
    sweep(later=timedelta(hours=1))  # the dead worker's is taken back…
    sweep(later=timedelta(hours=1))  # …and sent

    assert only().state == S.SENT
    assert len(mail.outbox) == 2
    ids = {one.extra_headers["Message-ID"] for one in mail.outbox}
    assert len(ids) == 1  # by which the receiver's program knows the second again
    assert only().tries.first().outcome == Attempt.Outcome.UNCLEAR


def test_a_worker_that_wakes_up_late_changes_nothing(organization: Organization) -> None:
    tell(organization)
    first = sending._claimed(only().pk)
    assert sending._claimed(first.pk) is None
    sweep(later=timedelta(hours=1))
    sweep(later=timedelta(hours=1))
    assert only().state == S.SENT

    sending._settle(first, sending.Outcome(Attempt.Outcome.REFUSED, final=True))
    assert only().state == S.SENT


def test_whoever_has_lost_their_role_or_opted_out_gets_no_mail(organization: Organization) -> None:
    gone, deaf = (factories.GrantFactory(organization=organization, role="admin") for _ in "ab")
    tell(organization)
    Choice.objects.create(
        organization=organization, user=deaf.user, topic="tests.weather", hears=False
    )
    Grant.objects.filter(pk=gone.pk).delete()
    sweep()

    assert len(mail.outbox) == 1
    for grant in (gone, deaf):
        assert only(user=grant.user).state == S.DROPPED
        assert not only(user=grant.user).tries.exists()


def test_after_a_restore_nothing_leaves_until_somebody_says_so(organization: Organization) -> None:
    tell(organization)
    Organization.objects.update(sending_stopped_at=timezone.now())
    sweep()
    assert mail.outbox == []
    Organization.objects.update(sending_stopped_at=None)
    sweep()
    assert len(mail.outbox) == 1


def test_one_that_cannot_be_sent_holds_up_no_other(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tell(organization), tell(organization, "storm:2")
    plain, given_up = letters.write, EmailBackend.send_messages

    def broken(delivery: Delivery) -> letters.Letter:
        if delivery.subject_id == first.pk:
            raise KeyError("what nobody foresaw")
        return plain(delivery)

    with monkeypatch.context() as patched:
        patched.setattr(letters, "write", broken)
        sweep()
    assert (only(subject_id=first.pk).state, only(subject_id=first.pk).attempts) == (S.WAITING, 1)
    assert only(subject_id=first.pk).said.endswith("KeyError")
    assert only(subject_id=second.pk).state == S.SENT

    tell(organization, "storm:3")

    def odd(backend: EmailBackend, messages: list[Any]) -> int:
        if len(mail.outbox) == 1:
            mail.outbox.append(messages[0])
            raise UnicodeError("what nobody foresaw")
        return given_up(backend, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", odd)
    sweep(later=timedelta(minutes=1))
    states = sorted(Delivery.objects.values_list("state", flat=True))
    assert states == [S.SENT, S.SENT, S.WAITING]


# --- Webhooks -------------------------------------------------------------------------------------


@pytest.fixture
def quiet(organization: Organization) -> Organization:
    """Nobody hears anything by mail."""
    Choice.objects.create(
        organization=organization,
        user=organization.grants.get().user,
        topic="tests.weather",
        hears=True,
        by_mail=False,
    )
    return organization


def test_a_webhook_is_signed_and_tells_all(quiet: Organization, receiver: Receiver) -> None:
    _made, secret = webhook(quiet, receiver.url)
    notice = tell(quiet)
    sweep()

    ((headers, body),) = receiver.got
    told = Webhook(secret).verify(body, headers)
    assert told["type"] == "tests.weather"
    assert told["data"]["cause"] == "storm:1"
    assert told["data"]["url"].startswith("http")
    assert only().state == S.SENT
    assert headers["webhook-id"] == str(only().uid)
    assert told["data"]["id"] == str(notice.uid)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body.replace(b"storm", b"calm!"), headers)


def test_a_webhook_is_repeated_under_the_same_id_and_follows_no_redirect(
    quiet: Organization, receiver: Receiver
) -> None:
    webhook(quiet, receiver.url)
    tell(quiet)
    receiver.answers = [302, 500]
    for _ in range(3):
        sweep(later=timedelta(hours=1))

    assert len({headers["webhook-id"] for headers, _body in receiver.got}) == 1
    statuses = list(only().tries.values_list("status", "outcome"))
    assert statuses == [(302, "refused"), (500, "refused"), (204, "sent")]


def test_whoever_says_that_they_have_it_has_it_however_much_they_say(
    quiet: Organization, receiver: Receiver
) -> None:
    webhook(quiet, receiver.url)
    tell(quiet)
    receiver.answers, receiver.body = [200], b"x" * (1 << 20)
    sweep()
    assert only().state == S.SENT
    assert only().tries.get().status == 200


def test_a_receiver_that_is_away_is_left_alone_whatever_waits(
    quiet: Organization, receiver: Receiver
) -> None:
    made, _secret = webhook(quiet, receiver.url)
    for n in range(3):
        tell(quiet, str(n))
    receiver.answers = [503]
    with worker_scope():
        sending.sweep()
        sending.sweep()
    assert len(receiver.got) == 1
    made.refresh_from_db()
    assert made.rests_until is not None
    for _ in range(3):
        sweep(later=timedelta(hours=1))
    assert len(receiver.got) == 4


def test_a_receiver_that_never_answers_well_is_told_of_once(
    quiet: Organization, receiver: Receiver
) -> None:
    made, _secret = webhook(quiet, receiver.url)
    tell(quiet)
    tell(quiet, "storm:2")
    receiver.answers = [410, 410]
    sweep()

    assert set(Delivery.objects.filter(endpoint=made).values_list("state", flat=True)) == {"failed"}
    told = Notice.objects.get(topic="notices.webhook_failed")
    assert str(made) in told.title
    assert not Delivery.objects.filter(subject_id=told.pk, channel=Channel.WEBHOOK).exists()


def test_mails_that_must_wait_take_no_webhooks_place(
    organization: Organization, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "AT_ONCE", 1)
    tell(organization)
    webhook(organization, receiver.url)
    tell(organization, "storm:2")
    cache.set(sending.MAIL_RESTS, True)
    sweep()
    assert (len(receiver.got), mail.outbox) == (1, [])


def test_what_failed_is_sent_again_when_asked(quiet: Organization, receiver: Receiver) -> None:
    webhook(quiet, receiver.url)
    tell(quiet)
    receiver.answers = [410]
    sweep()
    owner, failed = quiet.grants.get().user, only(channel=Channel.WEBHOOK)
    assert endpoints.send_again(delivery=failed, actor=owner)
    assert not endpoints.send_again(delivery=failed, actor=owner)
    sweep()
    assert only(pk=failed.pk).state == S.SENT


def test_a_test_goes_out_and_is_no_notice(quiet: Organization, receiver: Receiver) -> None:
    made, secret = webhook(quiet, receiver.url)
    for _ in range(2):
        endpoints.try_endpoint(endpoint=made, actor=quiet.grants.get().user)
    sweep()
    types = [Webhook(secret).verify(body, headers)["type"] for headers, body in receiver.got]
    assert types == ["orgdesk.test"] * 2
    assert not Notice.objects.exists()


def test_a_secret_is_kept_sealed_and_stands_in_no_log(
    organization: Organization, settings: Any
) -> None:
    made, secret = webhook(organization, "https://hooks.example/in")
    assert secret not in made.secret
    assert secret not in json.dumps(list(Entry.objects.values_list("details", flat=True)))
    newer = "2:" + "bmV3ZXIta2V5LW5ld2VyLWtleS1uZXdlci1rZXkhISE="
    settings.CREDENTIAL_KEYS = [newer, *settings.CREDENTIAL_KEYS]
    done = Resealed(keyring().newest)
    endpoints.reseal(done)
    made.refresh_from_db()
    assert (done.resealed, made.secret[:3]) == (1, "v2.")
    assert endpoints.unseal_secret(made).reveal() == secret


def test_an_address_by_which_anybody_can_post_stands_in_no_log(organization: Organization) -> None:
    owner = organization.grants.get().user
    made, _secret = webhook(organization, "https://hooks.example/services/T0/first")
    given: dict[str, Any] = {"endpoint": made, "actor": owner, "name": "Ours", "topics": []}
    given["speaks"] = made.speaks
    endpoints.change_endpoint(url="https://hooks.example/services/T0/second", **given)
    endpoints.delete_endpoint(endpoint=made, actor=owner)

    verbs = [f"notices.webhooks.{verb}" for verb in ("create", "change", "delete")]
    first, change, last = (Entry.objects.get(verb=verb).details["url"] for verb in verbs)
    assert change == [first, last]
    assert first != last
    assert first.startswith("https://hooks.example/… (")
    kept = json.dumps(list(Entry.objects.values_list("details", flat=True)))
    assert "services" not in kept


def test_what_is_not_said_of_a_webhook_stays_as_it_is_by_now(organization: Organization) -> None:
    owner = organization.grants.get().user
    made, _secret = webhook(organization, "https://hooks.example/first")
    stale = Endpoint.objects.get(pk=made.pk)
    endpoints.change_endpoint(endpoint=made, actor=owner, url="https://hooks.example/second")
    endpoints.change_endpoint(endpoint=made, actor=owner, topics=["sync.stale"])
    changed = endpoints.change_endpoint(endpoint=stale, actor=owner, name="Theirs")
    kept = Endpoint.objects.get(pk=made.pk)
    for one in (changed, kept):
        told = (one.name, one.url, one.topics)
        assert told == ("Theirs", "https://hooks.example/second", ["sync.stale"])
    last = Entry.objects.filter(verb="notices.webhooks.change").latest("pk")
    assert last.details == {"name": ["Ours", "Theirs"]}


def test_a_name_that_leads_into_the_private_network_is_refused_when_sent(
    quiet: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook(quiet, "https://hooks.example/in")
    tell(quiet)
    inside = [(2, 1, 6, "", ("10.0.0.7", 443))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: inside)
    sweep()
    assert only().state == S.WAITING
    assert "private" in only().said


REFUSED = [
    "http://hooks.example/",
    "ftp://hooks.example/",
    "https://127.0.0.1/",
    "https://localhost/",
    "https://[::1]/",
    "https://10.1.2.3/",
    "https://192.168.0.1:8443/",
    "https://169.254.169.254/latest/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[2002:a00:1::]/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://224.0.0.1/",
    "https://2130706433/",
    "https://0x7f.0.0.1/",
    "https://127.1/",
    "https://metadata.internal/",
    "https://printer.local/",
    "https://intranet/",
    "https://user:pass@hooks.example/",
    "https://hooks.example:99999/",
    "https://hooks .example/",
    "https:///path",
    "not an address",
    "https://☃.example.com/",
    "https://exämple..com/",
    "https://hooks.example/\x7f",
]


@pytest.mark.databaseless
def test_a_webhook_goes_to_the_open_internet_alone(settings: Any) -> None:
    settings.NOTICES_LOOPBACK = False
    for url in REFUSED:
        with pytest.raises(AddressRefused):
            checked(url)
    assert checked("https://hooks.example/in?x=1")
    assert checked("https://8.8.8.8/")
    settings.NOTICES_LOOPBACK = True
    assert checked("http://127.0.0.1:8/")


def test_only_owners_and_admins_set_webhooks_up(organization: Organization) -> None:
    from django.core.exceptions import PermissionDenied

    for role in (Role.BILLING, Role.VIEWER):
        user = factories.GrantFactory(organization=organization, role=role).user
        with pytest.raises(PermissionDenied):
            endpoints.create_endpoint(
                organization=organization,
                actor=user,
                name="x",
                url="https://a.example/",
                topics=[],
            )
    assert not Endpoint.objects.exists()


def test_choices_that_say_what_the_role_says_are_not_kept(organization: Organization) -> None:
    owner = organization.grants.get().user
    services.choose(
        user=owner,
        organization=organization,
        wanted={"tests.weather": (True, True), "x": (True, True)},
    )
    assert not Choice.objects.exists()
    services.choose(user=owner, organization=organization, wanted={"tests.weather": (False, True)})
    assert not Choice.objects.get().hears
    assert Entry.objects.filter(verb="notices.choose").count() == 1
