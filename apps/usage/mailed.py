"""What a mail shows of the pages of usage: their table, how fresh it is, and what it leaves out."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from apps.reports.pages import Digest
from apps.ui import amounts
from apps.usage import coding_page, coding_views, missing_words, reads, views
from apps.usage.answer import Answer, Answering, chosen, group_label
from apps.usage.coding_reads import CoderWork, Work
from apps.usage.coverage import Coverage
from apps.usage.question import PRESETS, Question
from apps.usage.rows import Row

ESTIMATE = "≈ "


def of_usage(request: Any) -> Digest:
    """Usage and cost: what each group used and cost, and the sum."""
    connections = reads.connections_of(request.user, request.organization)
    question = views.ask(request, connections)
    answer = Answering(question, connections, request.organization).run()
    rows = [_figures(line.name.text, line.row) for line in answer.lines]
    by_nature = missing_words.by_nature(chosen(question, connections), *views.READ)
    return Digest(
        headings=(
            str(group_label(question.group)),
            _("Cost"),
            _("Input tokens"),
            _("Output tokens"),
            _("Requests"),
        ),
        rows=tuple(rows),
        total=tuple(_figures(_("Total"), answer.total)) if rows else (),
        more=answer.more,
        range=_range(question),
        notes=tuple(_usage_notes(answer, by_nature)),
    )


def _figures(name: str, row: Row) -> list[str]:
    cost = amounts.money(row.cost, row.currency)
    return [
        name,
        f"{ESTIMATE}{cost}" if row.is_estimate else cost,
        amounts.count(row.input),
        amounts.count(row.output),
        amounts.count(row.requests),
    ]


def _usage_notes(answer: Answer, by_nature: Iterable[str]) -> list[str]:
    notes = _fresh(answer.coverage)
    if any(line.row.is_estimate for line in answer.lines) or answer.total.is_estimate:
        notes.append(
            _(
                "%(mark)s An estimate: the provider bills by less than this, and its own cost is shared "
                "out by tokens."
            )
            % {"mark": ESTIMATE.strip()}
        )
    if len(answer.currencies) > 1:
        notes.append(
            _("Money is in %(currency)s alone; other currencies are on the page and in the CSV.")
            % {"currency": answer.currency}
        )
    return [*notes, *_left_out(answer.coverage, by_nature)]


def of_coding(request: Any) -> Digest:
    """Claude Code: who used it, and what came of it."""
    every = reads.connections_of(request.user, request.organization)
    connections = coding_views.telling(every)
    question = coding_views.ask(request, connections)
    answer = coding_page.answer(question, connections, request.organization)
    rows = [_work(_coder(one), one.work) for one in answer.lines]
    return Digest(
        headings=(
            _("Person or key"),
            _("Sessions"),
            _("Lines added"),
            _("Commits"),
            _("Pull requests"),
            _("Estimated cost"),
        ),
        rows=tuple(rows),
        total=tuple(_work(_("Total"), answer.total)) if rows else (),
        more=answer.more,
        range=_range(question),
        notes=(
            *_fresh(answer.coverage),
            _("%(mark)s The provider's own estimate.") % {"mark": ESTIMATE.strip()},
            *_left_out(answer.coverage, coding_views.unseen(every)),
        ),
    )


def _coder(one: CoderWork) -> str:
    return one.name or one.email or one.key_name


def _work(name: str, work: Work) -> list[str]:
    return [
        name,
        amounts.count(work.sessions),
        amounts.count(work.lines_added),
        amounts.count(work.commits),
        amounts.count(work.pull_requests),
        f"{ESTIMATE}{amounts.money(work.estimate)}",
    ]


def _range(question: Question) -> str:
    """ "Last week: 16 Nov 2026 – 22 Nov 2026, days of UTC"."""
    days = _("%(first)s – %(last)s, days of UTC") % {
        "first": date_format(question.first, "j M Y"),
        "last": date_format(question.last, "j M Y"),
    }
    return f"{PRESETS[question.preset]}: {days}" if question.preset in PRESETS else days


def _fresh(coverage: Coverage) -> list[str]:
    if coverage.as_of is None:
        return [_("Nothing has been read yet.")]
    at = timezone.localtime(coverage.as_of)
    told = [
        _("Read up to %(at)s (%(zone)s).")
        % {
            "at": date_format(at, "j M Y, H:i"),
            "zone": timezone.get_current_timezone_name(),
        }
    ]
    if coverage.open_from:
        told.append(
            _("Days from %(day)s on may still change.")
            % {"day": date_format(coverage.open_from, "j M Y")}
        )
    return told


def _left_out(coverage: Coverage, by_nature: Iterable[str]) -> Sequence[str]:
    missing = [*missing_words.sentences(coverage), *by_nature]
    return [_("Not included: %(what)s") % {"what": one} for one in missing]


SHOWN = {"usage:usage": of_usage, "usage:coding": of_coding}
