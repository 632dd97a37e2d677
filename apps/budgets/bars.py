"""The bar of a budget: what is spent, what is forecast, and where the amount ends. Drawn without a script."""

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.budgets import words
from apps.budgets.models import Standing

LONG, HIGH = 200, 10  # in its own units
MOST = 2  # times the amount that a bar can show


def bar(standing: Standing | None) -> SafeString:
    """Spent in full colour, up to the forecast paler, and a line at the amount once either goes beyond it."""
    tone, spent, forecast = words.tone(standing), 0.0, 0.0
    label = _("Not read yet")
    if standing is not None and standing.read_to is not None:
        amount = float(standing.amount)
        spent = max(0.0, float(standing.spent) / amount)
        forecast = max(spent, float(standing.forecast or 0) / amount)
        label = _("%(percent)s spent") % {"percent": words.percent(standing)}
        if standing.forecast is not None:
            label += ", " + _("forecast %(percent)d%%") % {"percent": int(forecast * 100)}
    whole = min(max(1.0, forecast), MOST)
    at = LONG / whole  # where the amount ends
    return format_html(
        '<svg class="budget-bar tone-{tone}" viewBox="0 0 {long} {high}" preserveAspectRatio="none"'
        ' role="img" aria-label="{label}"><rect class="budget-room" width="{long}" height="{high}"/>'
        '<rect class="budget-forecast" width="{forecast}" height="{high}"/>'
        '<rect class="budget-spent" width="{spent}" height="{high}"/>{mark}</svg>',
        tone=tone,
        long=LONG,
        high=HIGH,
        label=label,
        forecast=f"{min(forecast / whole, 1) * LONG:.1f}",
        spent=f"{min(spent / whole, 1) * LONG:.1f}",
        mark=format_html(
            '<rect class="budget-amount" x="{}" width="1.5" height="{}"/>', f"{at:.1f}", HIGH
        )
        if whole > 1
        else "",
    )
