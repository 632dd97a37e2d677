"""The letters of this shelf: a notice, and the webhook that tries whether a receiver is there."""

from datetime import UTC

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.notices import hearers
from apps.notices.letters import Letter, Withheld, absolute, one_line, subject_of
from apps.notices.models import Channel, Delivery, Digest, Notice
from apps.notices.topics import TOPICS
from apps.organizations.models import Organization

NOTICE, DIGEST, TEST = "notice", "digest", "test"
DELIVER = "actions.deliver"  # the task that sends what is due about one of them
MOST = 100  # notices in one digest


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


def digest(delivery: Delivery) -> Letter:
    """What its receiver has heard of since the last one and hears of still; Withheld if that is nothing."""
    gathered: Digest = subject_of(delivery, Digest)
    organization = gathered.organization
    told = Notice.objects.visible_to(gathered.user).filter(hearings__digest=gathered)
    wanted: dict[str, bool] = {}
    for name in set(told.order_by().values_list("topic", flat=True)):
        topic = TOPICS.get(name)
        listeners = hearers.of(organization, topic) if topic else []
        wanted[name] = any(one.user.pk == gathered.user_id and one.by_mail for one in listeners)
    notices = list(told.filter(topic__in=[name for name, yes in wanted.items() if yes])[:MOST])
    if not notices:
        raise Withheld(_("They hear of none of it any more."))
    given = {
        "organization": organization,
        "notices": [
            (one, absolute(f"/o/{organization.slug}/notices/{one.pk}/")) for one in notices
        ],
        "all_url": absolute(f"/o/{organization.slug}/notices/"),
        "choices_url": absolute(f"/o/{organization.slug}/notices/own/"),
    }
    with timezone.override(gathered.user.zone):
        text = render_to_string("notices/mail/digest.txt", given)
        html = render_to_string("notices/mail/digest.html", given)
    words = ngettext("%(n)d notice", "%(n)d notices", len(notices)) % {"n": len(notices)}
    return Letter(subject=one_line(f"[{organization.name}] {words}"), text=text, html=html)


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
