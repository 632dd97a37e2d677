"""What this shelf knows of a key that fails: its status, its end, its workspace, its maker."""

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext as _

from apps.keys.models import Key
from apps.keys.standing import standings, state_in_words
from apps.organizations.diagnosis import (
    CAUSE,
    FINE,
    UNKNOWN,
    Answer,
    Evidence,
    Step,
    Subject,
    check,
)
from apps.providers.catalogue import PROVIDERS
from apps.sync.diagnosing import as_of, mirrored


def status(subject: Subject) -> Iterator[Answer]:
    """Whether the provider still has it, has switched it off, or its date has passed."""
    key: Key = subject.row
    source, at = mirrored(key.connection, "keys"), as_of(key.connection, "keys")
    facts = [Evidence(_("Status “%(status)s”") % {"status": key.status}, source, at, key)]
    if key.expires_at:
        facts.append(Evidence(_("It ends then"), source, key.expires_at))
    if key.last_used_at:
        facts.append(Evidence(_("Last used then"), source, key.last_used_at))
    address = reverse("keys:key", args=[subject.organization.slug, key.pk])
    if key.gone_at:
        facts.append(Evidence(_("No longer listed since then"), source, key.gone_at, key))
        words = _(
            "The provider does not list it any more: it opens nothing. Another one must be made."
        )
        yield Answer(CAUSE, words, facts, (_make(subject),))
    elif key.state == "active":
        yield Answer(FINE, _("The provider calls it active."), facts)
    elif key.state == "inactive":
        switch = Step(_("Switch it on again"), address, needs="keys.change")
        yield Answer(CAUSE, _("It is switched off."), facts, (switch,))
    elif key.state == "expired":
        words = _("It has expired. An expiry cannot be put off: another one must be made.")
        yield Answer(CAUSE, words, facts, (_make(subject),))
    elif key.state == "archived":
        words = _("It is archived, which is final: another one must be made.")
        yield Answer(CAUSE, words, facts, (_make(subject),))
    else:
        _tone, word = state_in_words(key)
        words = _(
            "The provider calls it “%(state)s”. What that means for calls, nobody here knows."
        )
        yield Answer(UNKNOWN, words % {"state": word}, facts)


def _make(subject: Subject) -> Step:
    """Where keys are made, or where it says that the provider's own console makes them."""
    address = reverse("keys:list", args=[subject.organization.slug])
    return Step(_("Make another key"), address, needs="keys.create")


def surroundings(subject: Subject) -> Iterator[Answer]:
    """Its workspace and who made it."""
    key: Key = subject.row
    (standing,) = standings([key])
    if standing.archived:
        fact = Evidence(
            standing.workspace,
            mirrored(key.connection, "workspaces"),
            as_of(key.connection, "workspaces"),
        )
        yield Answer(
            CAUSE,
            _(
                "Its workspace is archived, and its keys with it: another one must be made elsewhere."
            ),
            (fact,),
            (_make(subject),),
        )
    if standing.left:
        provider = PROVIDERS[key.connection.provider]
        source, at = mirrored(key.connection, "members"), as_of(key.connection, "members")
        facts = [Evidence(standing.creator, source, at)]
        if provider.removal_leaves:
            facts.append(Evidence(provider.removal_leaves, _("The contract of the API")))
        words = _(
            "Who made it is no longer a member. Whether it still works, only a call can tell."
        )
        yield Answer(UNKNOWN, words, facts)


def limits(subject: Subject) -> Iterator[Answer]:
    """Limits: how much of them is used at this moment no API tells."""
    key: Key = subject.row
    if not key.connection.can("limits.read"):
        yield Answer(
            UNKNOWN, _("Whether it has met a rate limit, the provider's API does not tell.")
        )
        return
    address = reverse("limits:list", args=[subject.organization.slug])
    yield Answer(
        UNKNOWN,
        _(
            "How much of its rate limits is used up now, the provider's API does not tell: the limits alone."
        ),
        (
            Evidence(
                _("Limits of the organization and its workspaces"),
                mirrored(key.connection, "rate_limits"),
                as_of(key.connection, "rate_limits"),
            ),
        ),
        (Step(_("See the limits"), address, needs="limits.read"),),
    )


def register() -> None:
    """Have them asked."""
    check("key", status, 10)
    check("key", surroundings, 20)
    check("key", limits, 60)
