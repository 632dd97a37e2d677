"""What is not in the sums, in words: a sentence for each hole, refusal and provider that says less."""

from collections.abc import Iterable
from datetime import date

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.usage.coverage import Coverage, Hole, Left
from apps.usage.models import ReportName
from apps.usage.question import GROUPS

MOST = 12  # sentences; what is beyond is counted


def by_nature(connections: Iterable[Connection], *reports: str) -> list[str]:
    """What the providers of ``connections`` leave out of ``reports``, whoever asks."""
    providers = dict.fromkeys(one.provider for one in connections)
    told = [
        str(PROVIDERS[key].leaves_out[name])
        for key in providers
        for name in reports
        if key in PROVIDERS and name in PROVIDERS[key].leaves_out
    ]
    return list(dict.fromkeys(told))


def sources(connections: Iterable[Connection]) -> list[str]:
    """Which report each figure comes from, a sentence for each provider."""
    providers = dict.fromkeys(one.provider for one in connections)
    return [str(PROVIDERS[key].sources) for key in providers if key in PROVIDERS]


def sentences(coverage: Coverage) -> list[str]:
    """One for each thing that is missing, holes first; [] where nothing is."""
    found = [_hole(hole) for hole in coverage.holes]
    for left in coverage.left:
        found += _left(left)
    if len(found) > MOST:
        rest = len(found) - MOST
        found = [*found[:MOST], _("and %(n)d more gaps of this kind.") % {"n": rest}]
    return found


def _days(first: date, last: date) -> str:
    if first == last:
        return date_format(first, "j M Y")
    return f"{date_format(first, 'j M Y')} – {date_format(last, 'j M Y')}"


def _report(name: str) -> str:
    return str(ReportName(name).label)


def _hole(hole: Hole) -> str:
    words = {
        "connection": hole.connection.name,
        "report": _report(hole.report),
        "days": _days(hole.first, hole.last),
    }
    if hole.why == "backfill":
        return _("%(connection)s, %(report)s: %(days)s is still being read.") % words
    if hole.why == "paused":
        return (
            _("%(connection)s, %(report)s: %(days)s waits, because reading back is paused.") % words
        )
    return _("%(connection)s, %(report)s: %(days)s has not been read.") % words


def _left(left: Left) -> list[str]:
    words = {"connection": left.connection.name, "report": _report(left.report)}
    if left.cannot:
        return [_("%(connection)s, %(report)s: %(why)s") % {**words, "why": left.cannot}]
    found = []
    if left.dropped:
        names = ", ".join(str(GROUPS.get(name, name)) for name in left.dropped)
        line = _(
            "%(connection)s, %(report)s: the provider would not tell these apart: %(names)s."
        ) % {
            **words,
            "names": names,
        }
        found.append(f"{line} “{left.refusal}”" if left.refusal else line)
    if left.unreadable:
        found.append(
            _("%(connection)s, %(report)s: %(n)d rows could not be read and are left out.")
            % {**words, "n": left.unreadable}
        )
    if left.without_hours:
        found.append(_("%(connection)s tells days alone: it is left out of hours.") % words)
    return found
