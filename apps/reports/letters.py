"""A report as a mail with its table and CSV, and as a webhook."""

from datetime import UTC
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.notices.letters import Attached, Letter, Withheld, absolute, one_line, subject_of
from apps.notices.models import Channel, Delivery
from apps.reports.models import Run, Schedule
from apps.reports.pages import may_see, path_of, reads_as_much

REPORT = "report"
MOST_INLINE = 256 * 1024  # bytes of a CSV within a webhook


def page_url(schedule: Schedule) -> str:
    """The page that a report shows, with its filters."""
    path = path_of(schedule.organization, schedule.url_name, schedule.url_kwargs)
    query = schedule.view.query if schedule.view else ""
    return f"{path}?{query}" if query else path


def report(delivery: Delivery) -> Letter:
    """One run for one receiver; Withheld where they may not see it, or want it no more."""
    run: Run = subject_of(delivery, Run)
    schedule = Schedule.objects.select_related("organization", "view", "owner").get(
        pk=run.schedule_id
    )
    if delivery.channel == Channel.MAIL:
        _may_have(delivery, schedule)
    url = absolute(page_url(schedule))
    given: dict[str, Any] = {
        "schedule": schedule,
        "run": run,
        "digest": run.digest,
        "organization": schedule.organization,
        "attached": run.csv is not None,
        # How many rows there were is known unless they were too many to keep.
        "too_large": run.csv is None and run.rows is None,
        "url": url,
        "report_url": absolute(f"/o/{schedule.organization.slug}/reports/{schedule.pk}/"),
    }
    with timezone.override(delivery.user.zone if delivery.user else UTC):
        text = render_to_string("reports/mail/report.txt", given)
        html = render_to_string("reports/mail/report.html", given)
    return Letter(
        subject=one_line(f"[{schedule.organization.name}] {schedule.name}"),
        text=text,
        html=html,
        attached=[Attached(run.csv_name, bytes(run.csv), "text/csv")] if run.csv else [],
        type="report.made",
        data=_data(run, schedule, url),
    )


def _may_have(delivery: Delivery, schedule: Schedule) -> None:
    user = delivery.user
    if user is None or not schedule.users.filter(pk=user.pk).exists():
        raise Withheld(_("They do not want this report any more."))
    if not may_see(user, schedule.organization, schedule.url_name, schedule.url_kwargs):
        raise Withheld(_("They have lost their role here."))
    if not reads_as_much(user, schedule.owner, schedule.organization, schedule.url_name):
        raise Withheld(_("Their role does not read all that whoever made it reads."))


def _data(run: Run, schedule: Schedule, url: str) -> dict[str, Any]:
    small = run.csv is not None and len(run.csv) <= MOST_INLINE
    joined = "&" if "?" in url else "?"
    return {
        "id": str(run.uid),
        "organization": schedule.organization.slug,
        "report": schedule.name,
        "period": run.period if not run.period.startswith("now:") else None,
        "made_at": run.made_at.isoformat() if run.made_at else None,
        "url": url,
        "csv_url": f"{url}{joined}export=csv",
        "csv": bytes(run.csv or b"").decode("utf-8-sig") if small else None,
        "rows": run.rows,
        "range": run.digest.get("range", ""),
        "notes": run.digest.get("notes", []),
    }
