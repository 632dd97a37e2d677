"""What people may do with cost centres: make, change and remove them, and say what they take.

The portal's own data: nothing is asked of a provider. Every change is in the audit log with before and
after, and everything is sorted anew in its transaction.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import record
from apps.centres import places
from apps.centres.models import CostCentre, Rule, RuleKind, Ruleset, Subject
from apps.organizations.models import Organization
from apps.organizations.policy import may

MOST_CENTRES, MOST_RULES, MOST_ITEMS = 200, 50, 2_000
# What a rule of a kind may look at.
SUBJECTS_OF: Mapping[str, Sequence[str]] = {
    RuleKind.DOMAIN: (Subject.PERSON,),
    RuleKind.BEGINS: (Subject.KEY, Subject.WORKSPACE),
    RuleKind.CONTAINS: (Subject.KEY, Subject.WORKSPACE),
    RuleKind.TAG: (Subject.WORKSPACE,),
    RuleKind.LIST: tuple(Subject),
}


class Refused(Exception):
    """What cannot be done, in plain words; ``field`` of the form, "" for the whole of it."""

    def __init__(self, words: str, field: str = "") -> None:
        super().__init__(words)
        self.field = field


class CentreWords(TypedDict, total=False):
    """What a centre is called."""

    name: str
    code: str


class RuleWords(TypedDict, total=False):
    """What a rule takes: ``text`` and ``items`` as its ``kind`` looks at them."""

    subject: str
    kind: str
    text: str
    items: Sequence[str]


# --- Centres ---------------------------------------------------------------------------------------


def create_centre(
    *, organization: Organization, actor: User, name: str, code: str = ""
) -> CostCentre:
    """Make a centre, the last in the order. It takes nothing until it has a rule."""
    with transaction.atomic(durable=True):
        _hold(organization, actor)
        current = CostCentre.objects.current().filter(organization=organization)
        name, code = _fit(organization, name, code)
        if current.count() >= MOST_CENTRES:
            raise Refused(_("There are %(n)d cost centres already.") % {"n": MOST_CENTRES})
        last = current.aggregate(last=Max("position"))["last"]
        made = CostCentre.objects.create(
            organization=organization, name=name, code=code, position=(last or 0) + 1
        )
        _write(made, actor, "centres.create", None, _told(made))
    return made


def change_centre(*, centre: CostCentre, actor: User, **wanted: Unpack[CentreWords]) -> CostCentre:
    """Another name or code; what is not said stays. Closed months keep what they had."""
    with transaction.atomic(durable=True):
        current = _checked(centre, actor)
        before = _told(current)
        name, code = wanted.get("name", current.name), wanted.get("code", current.code)
        current.name, current.code = _fit(current.organization, name, code, but=current)
        if _told(current) != before:
            current.save(update_fields=["name", "code"])
            _write(current, actor, "centres.change", before, _told(current))
    return current


def move_centre(*, centre: CostCentre, actor: User, up: bool) -> CostCentre:
    """One place up or down in the order, which decides where two would take the same."""
    with transaction.atomic(durable=True):
        current = _checked(centre, actor)
        rows = list(CostCentre.objects.current().filter(organization=current.organization))
        before = [one.name for one in rows]
        if _moved(rows, current.pk, up=up):
            CostCentre.objects.bulk_update(rows, ["position"])
            places.sort_all(current.organization)
            after = [one.name for one in rows]
            _write(current, actor, "centres.move", {"order": before}, {"order": after})
    return current


def remove_centre(*, centre: CostCentre, actor: User) -> CostCentre:
    """Take nothing with it any more: what it had goes to the next rule that fits, or is unallocated. Closed
    months keep it. Twice is once."""
    with transaction.atomic(durable=True):
        current = _checked(centre, actor, removed_too=True)
        if current.removed_at is not None:
            return current
        before = _told(current)
        current.removed_at = timezone.now()
        current.save(update_fields=["removed_at"])
        places.sort_all(current.organization)
        _write(current, actor, "centres.remove", before, None)
    return current


# --- Rules -----------------------------------------------------------------------------------------


def add_rule(
    *,
    centre: CostCentre,
    actor: User,
    subject: str,
    kind: str,
    text: str = "",
    items: Sequence[str] = (),
) -> Rule:
    """Have a centre take more, by a rule that stands last among its own. One that it has already stays one."""
    with transaction.atomic(durable=True):
        current = _checked(centre, actor)
        text, items = fit_rule(subject, kind, text, items)
        for one in current.rules.filter(subject=subject, kind=kind, text=text):
            if one.items == list(items):
                return one
        if current.rules.count() >= MOST_RULES:
            raise Refused(_("It has %(n)d rules already.") % {"n": MOST_RULES})
        last = current.rules.aggregate(last=Max("position"))["last"]
        made = Rule.objects.create(
            centre=current,
            position=(last or 0) + 1,
            subject=subject,
            kind=kind,
            text=text,
            items=list(items),
        )
        places.sort_all(current.organization)
        _write(current, actor, "centres.add_rule", None, _told_rule(made))
    return made


def change_rule(*, rule: Rule, actor: User, **wanted: Unpack[RuleWords]) -> Rule:
    """Another rule in the place of one; what is not said stays, as far as the kind has it."""
    with transaction.atomic(durable=True):
        centre, current = _checked_rule(rule, actor)
        before = _told_rule(current)
        for field, value in wanted.items():
            setattr(current, field, value)
        current.text, found = fit_rule(current.subject, current.kind, current.text, current.items)
        current.items = list(found)
        if _told_rule(current) != before:
            current.save()
            places.sort_all(centre.organization)
            _write(centre, actor, "centres.change_rule", before, _told_rule(current))
    return current


def move_rule(*, rule: Rule, actor: User, up: bool) -> Rule:
    """One place up or down among its centre's own."""
    with transaction.atomic(durable=True):
        centre, current = _checked_rule(rule, actor)
        rows = list(centre.rules.all())
        before = [str(one) for one in rows]
        if _moved(rows, current.pk, up=up):
            Rule.objects.bulk_update(rows, ["position"])
            places.sort_all(centre.organization)
            after = [str(one) for one in rows]
            _write(centre, actor, "centres.move_rule", {"order": before}, {"order": after})
    return current


def remove_rule(*, rule: Rule, actor: User) -> None:
    """Take a rule away."""
    with transaction.atomic(durable=True):
        centre, current = _checked_rule(rule, actor)
        before = _told_rule(current)
        current.delete()
        places.sort_all(centre.organization)
        _write(centre, actor, "centres.remove_rule", before, None)


def give(*, centre: CostCentre, actor: User, subject: str, item: str) -> Rule:
    """Have a centre take one thing: by the list of such things that it has, else by a new one."""
    held = Rule.objects.filter(centre=centre, subject=subject, kind=RuleKind.LIST).last()
    if held is None or len(held.items) >= MOST_ITEMS:
        return add_rule(
            centre=centre, actor=actor, subject=subject, kind=RuleKind.LIST, items=[item]
        )
    with transaction.atomic(durable=True):
        own, current = _checked_rule(held, actor)
        if item in current.items:
            return current
        before = _told_rule(current)
        current.items = [*current.items, item]
        current.save(update_fields=["items"])
        places.sort_all(own.organization)
        _write(own, actor, "centres.change_rule", before, _told_rule(current))
    return current


def fit_rule(subject: str, kind: str, text: str, items: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Text and items as a rule of this kind keeps them; Refused for what cannot be one."""
    if subject not in SUBJECTS_OF.get(kind, ()):
        raise Refused(_("There is no such rule."), "how")
    if kind == RuleKind.LIST:
        found = list(dict.fromkeys(items))
        if not found:
            raise Refused(_("Name at least one."), "which")
        if len(found) > MOST_ITEMS:
            raise Refused(_("At most %(n)d in one list.") % {"n": MOST_ITEMS}, "which")
        return "", found
    words = text.replace("\x00", "").strip().lower()[:200]
    if kind == RuleKind.DOMAIN:
        words = words.lstrip("@")
        if "." not in words or any(one in words for one in " @/"):
            raise Refused(_("Write the domain alone, as in example.com."), "text")
    elif kind == RuleKind.TAG:
        name, equals, value = (one.strip() for one in words.partition("="))
        if not name or (equals and not value):
            raise Refused(_("Write a tag's name, or name=value."), "text")
        words = f"{name}{equals}{value}"
    elif not words:
        raise Refused(_("Say what the name begins with or contains."), "text")
    return words, ()


# --- What they share -------------------------------------------------------------------------------


def _hold(organization: Organization, actor: User) -> None:
    """One at a time changes an organization's rules, until the end of the transaction."""
    if not may(actor, "centres.change", organization):
        raise PermissionDenied(_("Your role here does not allow this any more."))
    Ruleset.objects.get_or_create(organization=organization)
    Ruleset.objects.filter(organization=organization).update(version=F("version") + 1)


def _checked(centre: CostCentre, actor: User, *, removed_too: bool = False) -> CostCentre:
    _hold(centre.organization, actor)
    current = CostCentre.objects.select_related("organization").get(pk=centre.pk)
    if current.removed_at is not None and not removed_too:
        raise Refused(_("The cost centre was removed meanwhile."))
    return current


def _checked_rule(rule: Rule, actor: User) -> tuple[CostCentre, Rule]:
    centre = _checked(rule.centre, actor)
    current = centre.rules.filter(pk=rule.pk).first()
    if current is None:
        raise Refused(_("The rule was removed meanwhile."))
    return centre, current


def _fit(
    organization: Organization, name: str, code: str, but: CostCentre | None = None
) -> tuple[str, str]:
    name = " ".join(name.replace("\x00", "").split())[:120]
    code = " ".join(code.replace("\x00", "").split())[:40]
    if not name:
        raise Refused(_("It needs a name."), "name")
    others = CostCentre.objects.current().filter(organization=organization, name__iexact=name)
    if (others.exclude(pk=but.pk) if but else others).exists():
        raise Refused(_("There is one of this name already."), "name")
    return name, code


def _moved(rows: list[Any], pk: int, *, up: bool) -> bool:
    """Exchange one with its neighbour and number all anew; False at the end of the row."""
    at = next(at for at, one in enumerate(rows) if one.pk == pk)
    to = at - 1 if up else at + 1
    if not 0 <= to < len(rows):
        return False
    rows[at], rows[to] = rows[to], rows[at]
    for number, one in enumerate(rows, start=1):
        one.position = number
    return True


def _told(centre: CostCentre) -> dict[str, Any]:
    return {"name": centre.name, "code": centre.code}


def _told_rule(rule: Rule) -> dict[str, Any]:
    return {
        "subject": rule.subject,
        "kind": rule.kind,
        "text": rule.text,
        "items": list(rule.items),
    }


def _write(
    centre: CostCentre,
    actor: User,
    verb: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    record(
        organization=centre.organization_id,
        actor=actor,
        verb=verb,
        target=centre,
        details={"before": before, "after": after},
    )
