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
    "refused": _("not approved"),
    "cancelled": _("cancelled"),
    "resent": _("sent again by decision"),
    "adopted": _("found done by decision"),
    "abandoned": _("abandoned by decision"),
    "done": _("done"),
    "rejected": _("refused by the provider"),
    "dead": _("given up"),
    "undecided": _("outcome unknown, needs a decision"),
    "moot": _("no longer possible"),
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
