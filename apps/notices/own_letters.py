"""The letters of this shelf: a notice, and the webhook that tries whether a receiver is there."""

from datetime import UTC

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.notices import hearers
from apps.notices.letters import Letter, Withheld, absolute, one_line, subject_of
from apps.notices.models import Channel, Delivery, Notice
from apps.notices.topics import TOPICS
from apps.organizations.models import Organization

NOTICE, TEST = "notice", "test"


def notice(delivery: Delivery) -> Letter:
    """A notice as its receiver gets it; Withheld where they hear of it no more."""
    told: Notice = subject_of(delivery, Notice)
    if delivery.channel == Channel.MAIL:
        _still_hears(delivery, told)
    given = {
        "notice": told,
        "url": absolute(told.url),
        "choices_url": absolute(f"/o/{told.organization.slug}/notices/own/"),
    }
    zone = delivery.user.zone if delivery.user else UTC
    with timezone.override(zone):
        text = render_to_string("notices/mail/notice.txt", given)
        html = render_to_string("notices/mail/notice.html", given)
    return Letter(
        subject=one_line(f"[{told.organization.name}] {told.title}"),
        text=text,
        html=html,
        type=told.topic,
        data={
            "id": str(told.uid),
            "organization": told.organization.slug,
            "cause": told.cause,
            "severity": told.severity,
            "title": told.title,
            "text": told.text,
            "url": absolute(told.url),
            "told_at": told.created_at.isoformat(),
        },
    )


def _still_hears(delivery: Delivery, told: Notice) -> None:
    topic = TOPICS.get(told.topic)
    listeners = hearers.of(told.organization, topic) if topic else []
    if all(one.user.pk != delivery.user_id or not one.by_mail for one in listeners):
        raise Withheld(_("They have lost their role here, or do not want to hear of this."))


def test(delivery: Delivery) -> Letter:
    """What the test button sends: nothing has happened."""
    endpoint = delivery.endpoint
    assert endpoint is not None  # noqa: S101 - a test goes by webhook alone
    organization: Organization = endpoint.organization
    return Letter(
        subject="",
        text="",
        type="orgdesk.test",
        data={
            "organization": organization.slug,
            "title": _("A test from Orgdesk"),
            "text": _("Nothing has happened. Somebody wanted to see whether this arrives."),
            "url": absolute(f"/o/{organization.slug}/notices/webhooks/{endpoint.pk}/"),
        },
    )
