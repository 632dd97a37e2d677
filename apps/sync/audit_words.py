"""The audit log's verbs of walks and Commands, in words."""

from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from apps.sync.outbox.kinds import KINDS

WORDS = {
    "sync.start": _("Asked for a sync"),
    "sync.accept_loss": _("Accepted a sudden loss"),
    "sync.dismiss_loss": _("Dismissed a sudden loss"),
}
# What has become of a Command: "<kind>.<this>".
OUTCOMES = {
    "asked": _("asked for"),
    "approved": _("approved"),
    "not_approved": _("not approved"),
    "cancelled": _("cancelled"),
    "resend_asked": _("support asks that it be sent again"),
    "resend_taken_back": _("support asks no more that it be sent again"),
    "resent": _("sent again by decision"),
    "abandoned": _("abandoned by decision"),
    "done": _("done"),
    "refused": _("refused"),
    "given_up": _("given up"),
    "undecided": _("outcome unknown, needs a decision"),
    "secret_shown": _("its secret was shown once"),
    "secret_wiped": _("its secret was wiped unseen"),
}


def read(verb: str) -> str | Promise | None:
    """A Command's verb: its kind's label and what has become of it. None for anything else."""
    name, _dot, outcome = verb.rpartition(".")
    if name not in KINDS:
        return None
    return format_lazy(
        "{kind}: {outcome}", kind=KINDS[name].label, outcome=OUTCOMES.get(outcome, outcome)
    )
