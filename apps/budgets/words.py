"""A budget in words: amounts, how it stands, what its notices say."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.budgets.models import FORECAST, NEAR, WHOLE, Budget, Scope, Standing
from apps.budgets.periods import days_text, name_of
from apps.budgets.reading import Figures
from apps.organizations.models import Connection
from apps.ui import amounts
from apps.usage import missing_words
from apps.usage.coverage import Coverage

MOST = 6  # sentences on what is missing, in a letter


def money(amount: Decimal | None, currency: str) -> str:
    """ "$1,234.56"."""
    return amounts.money(amount, currency)


def exact(amount: Decimal | None) -> Decimal | None:
    """To the last digit, without zeros behind it: for files and programs."""
    if amount is None:
        return None
    plain = amount.normalize()
    return plain.quantize(Decimal(1)) if plain == plain.to_integral_value() else plain


def spent(standing: Standing) -> str:
    """ "$412.34", "≈ $412.34" where it is shared out."""
    text = money(standing.spent, standing.budget.currency)
    return f"≈ {text}" if standing.is_estimate else text


def percent(standing: Standing) -> str:
    """ "82%", rounded down: never passed before it is. Little is not nothing: "<1%"."""
    if standing.percent == 0 and standing.spent > 0:
        return "<1%"
    return f"{standing.percent:,}%"


def threshold(number: int) -> str:
    """ "80%", or that it is the forecast."""
    return _("forecast over") if number == FORECAST else f"{number}%"


def thresholds(budget: Budget) -> str:
    """What it is told at: "50%, 80%, 100%, forecast over"."""
    found = [threshold(one) for one in budget.thresholds]
    if budget.tell_forecast:
        found.append(threshold(FORECAST))
    return ", ".join(found) or _("never")


def told_at(budget: Budget) -> str:
    """The same in a sentence."""
    if not budget.thresholds:
        if budget.tell_forecast:
            return _("Once in a period, when the forecast is over the amount.")
        return _("Nothing is told of it: it has no threshold.")
    given = {"thresholds": ", ".join(threshold(one) for one in budget.thresholds)}
    if budget.tell_forecast:
        return (
            _("At %(thresholds)s, and when the forecast is over the amount; each once in a period.")
            % given
        )
    return _("At %(thresholds)s; each once in a period.") % given


def state(standing: Standing | None) -> tuple[str, str]:
    """Tone and word of how a period that lasts stands; None: nobody has looked yet."""
    if standing is None or standing.read_to is None:
        return "plain", _("Not read yet")
    if standing.spent > standing.amount:
        return "danger", _("Exceeded")
    if standing.percent >= WHOLE:
        return "danger", _("Used up")
    if standing.is_forecast_over:
        return "warning", _("Forecast over")
    if standing.percent >= NEAR:
        return "warning", _("Over %(n)d%%") % {"n": NEAR}
    return "success", _("Within")


def tone(standing: Standing | None) -> str:
    """Of the bar: by what is spent, and by what is to come."""
    found = state(standing)[0]
    return found if found in ("danger", "warning") else "success"


def left(amount: Decimal, currency: str) -> str:
    """ "$87.66", or by how much it is exceeded."""
    if amount < 0:
        return _("%(amount)s too much") % {"amount": money(-amount, currency)}
    return money(amount, currency)


def band(standing: Standing) -> str:
    """ "≈ $640 ($590 to $690)"; "" where nobody can tell."""
    if standing.forecast is None or standing.low is None or standing.high is None:
        return ""
    currency = standing.budget.currency
    return _("≈ %(total)s (%(low)s to %(high)s)") % {
        "total": amounts.whole(standing.forecast, currency),
        "low": amounts.whole(standing.low, currency),
        "high": amounts.whole(standing.high, currency),
    }


def days_left(last: date, today: date) -> str:
    """ "12 days", after today."""
    days = max(0, (last - today).days)
    return ngettext("%(n)d day", "%(n)d days", days) % {"n": days} if days else _("ends today")


# --- What is in the sum and what is not -----------------------------------------------------------


def counted(scope: str = Scope.ORGANIZATION) -> list[str]:
    """What counts as spent, and what does not."""
    found = [
        _("Counted: what the providers charge for use, by the day (UTC) it was used on."),
        _(
            "Where use is paid afterwards, that is the cost they report. Where credit is bought in advance, "
            "it is what was used up of it."
        ),
        _("Not counted: buying credit, or it would count twice. Seats, plans, fees and taxes."),
    ]
    if scope == Scope.CENTRE:
        found.append(
            _(
                "Of a cost centre: what its rules take as they are now, of past days too. Closed months keep "
                "their own rules in its statements."
            )
        )
    return found


def lacks(seen: Figures) -> list[str]:
    """What is not in the sum though it belongs there, a sentence each."""
    found = missing_words.sentences(_of_money(seen.coverage))
    found += [
        _("%(connection)s is read from %(day)s on: what was spent before is not in it.")
        % {"connection": one, "day": date_format(day, "j M Y")}
        for one, day in seen.begun
    ]
    found += [_("Of %(connection)s nothing was read.") % {"connection": one} for one in seen.never]
    found += [_ended(one) for one in seen.ended]
    found += [
        _(
            "%(amount)s was spent as well and is in no sum here: a budget has one currency, and nothing is "
            "converted."
        )
        % {"amount": money(amount, name)}
        for name, amount in sorted(seen.others.items())
    ]
    return found


def _of_money(coverage: Coverage) -> Coverage:
    """Without what is left out of hours and of other ways to tell use apart: no sum here has them."""
    left = [replace(one, dropped=(), without_hours=False) for one in coverage.left]
    return replace(coverage, left=left)


def _ended(connection: Connection) -> str:
    if connection.disconnected_at is None:
        return _("%(connection)s is disconnected: what it used is in it as far as it was read.") % {
            "connection": connection
        }
    return _(
        "%(connection)s is disconnected since %(day)s: what it used until then is in it as far as it was "
        "read."
    ) % {
        "connection": connection,
        "day": date_format(timezone.localtime(connection.disconnected_at), "j M Y"),
    }


# --- Notices --------------------------------------------------------------------------------------


def headline(standing: Standing, number: int) -> str:
    """ "Support: 80% of $500.00 is spent (November 2026)"."""
    budget = standing.budget
    given = {
        "name": budget.name,
        "amount": money(standing.amount, budget.currency),
        "period": name_of(budget.period, standing.first_date),
        "percent": number,
    }
    if number == FORECAST:
        given["forecast"] = amounts.whole(standing.forecast or Decimal(0), budget.currency)
        return _("%(name)s: %(period)s should come to %(forecast)s, more than %(amount)s") % given
    return _("%(name)s: %(percent)s%% of %(amount)s is spent (%(period)s)") % given


def letter(standing: Standing, seen: Figures) -> str:
    """What a notice says below its headline."""
    budget = standing.budget
    told = [
        _("%(spent)s of %(amount)s was spent in %(days)s (UTC), %(percent)s.")
        % {
            "spent": spent(standing),
            "amount": money(standing.amount, budget.currency),
            "days": days_text((seen.first, seen.end)),
            "percent": percent(standing),
        }
    ]
    if seen.coming:
        told.append(
            _("By %(end)s it should come to %(band)s, an estimate.")
            % {"end": date_format(seen.last, "j M"), "band": band(standing)}
        )
    missing = lacks(seen)
    if missing:
        told.append(_("What is not in it:"))
        told += missing[:MOST]
    return " ".join(told)


def below(standing: Standing, number: int) -> str:
    """ "Support: below 80% of $500.00 again (November 2026)"."""
    budget = standing.budget
    return _("%(name)s: below %(percent)s%% of %(amount)s again (%(period)s)") % {
        "name": budget.name,
        "percent": number,
        "amount": money(standing.amount, budget.currency),
        "period": name_of(budget.period, standing.first_date),
    }


def below_letter(standing: Standing, seen: Figures) -> str:
    """Why: what was told before was corrected, or does not belong there any more."""
    why = (
        _("What is told of these days was corrected, or the rules of the cost centre have changed.")
        if standing.budget.scope == Scope.CENTRE
        else _("What the provider tells of these days was corrected.")
    )
    return f"{why} {letter(standing, seen)}"
