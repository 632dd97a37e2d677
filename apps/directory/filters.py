"""SCIM's filters as conditions of the database."""

import uuid
from collections.abc import Callable
from datetime import datetime
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive, make_aware
from django.utils.translation import gettext as _
from scim2_models import InvalidFilterException, ScimFilter
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)

from apps.directory.models import DirectoryMembership
from apps.directory.scim import GROUP, USER
from apps.directory.services import storable

Condition = Callable[[CompareOperator, Any], Q]
NOTHING = Q(pk__in=[])
DEEP = 1000  # characters of a filter: no identity provider asks for half as much

_TEXT = {
    CompareOperator.eq: "exact",
    CompareOperator.co: "contains",
    CompareOperator.sw: "startswith",
    CompareOperator.ew: "endswith",
    CompareOperator.gt: "gt",
    CompareOperator.ge: "gte",
    CompareOperator.lt: "lt",
    CompareOperator.le: "lte",
}
_ORDER = {CompareOperator.gt, CompareOperator.ge, CompareOperator.lt, CompareOperator.le}


def _text(column: str, *, exact: bool = False) -> Condition:
    def condition(op: CompareOperator, value: Any) -> Q:
        if value is None and op in (CompareOperator.eq, CompareOperator.ne):
            empty = Q(**{column: ""})
            return empty if op == CompareOperator.eq else ~empty
        if not isinstance(value, str):
            raise InvalidFilterException(detail=_("A text can only be compared with a text."))
        value = storable(value)
        if op == CompareOperator.ne:
            return ~condition(CompareOperator.eq, value)
        insensitive = "" if exact or op in _ORDER else "i"
        return Q(**{f"{column}__{insensitive}{_TEXT[op]}": value})

    return condition


def _truth(column: str) -> Condition:
    def condition(op: CompareOperator, value: Any) -> Q:
        # Entra ID writes "True".
        said = {"true": True, "false": False}.get(str(value).lower())
        if said is None or op not in (CompareOperator.eq, CompareOperator.ne):
            raise InvalidFilterException(detail=_("This is either true or false."))
        return Q(**{column: said if op == CompareOperator.eq else not said})

    return condition


def _time(column: str) -> Condition:
    def condition(op: CompareOperator, value: Any) -> Q:
        moment = value if isinstance(value, datetime) else _moment(str(value))
        if op == CompareOperator.ne:
            return ~Q(**{column: moment})
        if op in (CompareOperator.co, CompareOperator.sw, CompareOperator.ew):
            raise InvalidFilterException(detail=_("Times come before or after each other."))
        return Q(**{f"{column}__{_TEXT[op]}": moment})

    return condition


def _moment(text: str) -> datetime:
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise InvalidFilterException(detail=_("This is no time: %(text)s") % {"text": text[:40]})
    return make_aware(found) if is_naive(found) else found


def _id(op: CompareOperator, value: Any) -> Q:
    try:
        found = Q(uid=uuid.UUID(str(value)))
    except ValueError:
        found = NOTHING
    if op == CompareOperator.eq:
        return found
    if op == CompareOperator.ne:
        return ~found
    raise InvalidFilterException(detail=_("Ids are equal or not."))


def _member(op: CompareOperator, value: Any) -> Q:
    try:
        uid = uuid.UUID(str(value))
    except ValueError:
        return NOTHING
    if op != CompareOperator.eq:
        raise InvalidFilterException(detail=_("Ids are equal or not."))
    return Q(Exists(DirectoryMembership.objects.filter(group=OuterRef("pk"), member__uid=uid)))


def _group(op: CompareOperator, value: Any) -> Q:
    try:
        uid = uuid.UUID(str(value))
    except ValueError:
        return NOTHING
    if op != CompareOperator.eq:
        raise InvalidFilterException(detail=_("Ids are equal or not."))
    return Q(Exists(DirectoryMembership.objects.filter(member=OuterRef("pk"), group__uid=uid)))


_BOTH: dict[str, Condition] = {
    "id": _id,
    "externalid": _text("external_id", exact=True),
    "meta.created": _time("created_at"),
    "meta.lastmodified": _time("changed_at"),
}
PEOPLE: dict[str, Condition] = {
    **_BOTH,
    "username": _text("user_name"),
    "displayname": _text("display_name"),
    "name.formatted": _text("formatted_name"),
    "name.givenname": _text("given_name"),
    "name.familyname": _text("family_name"),
    "active": _truth("active"),
    "emails": _text("email"),
    "emails.value": _text("email"),
    "groups": _group,
    "groups.value": _group,
}
GROUPS: dict[str, Condition] = {
    **_BOTH,
    "displayname": _text("name"),
    "members": _member,
    "members.value": _member,
}
_PRESENT = {
    "id": Q(),
    "username": Q(),
    "active": Q(),
    "meta.created": Q(),
    "meta.lastmodified": Q(),
    "externalid": ~Q(external_id=""),
    "emails": ~Q(email=""),
    "emails.value": ~Q(email=""),
}


class _Conditions(FilterVisitor[Q]):
    """One filter as a Q; attributes that are not kept here can be compared with nothing."""

    def __init__(self, known: dict[str, Condition], within: str = "") -> None:
        self._known = known
        self._within = within

    def _name(self, path: AttrPath) -> str:
        if path.uri and path.uri.lower() not in (USER.lower(), GROUP.lower()):
            return f"{path.uri}:{path.attr}".lower()
        parts = [self._within, path.attr, path.sub_attr or ""]
        return ".".join(part for part in parts if part).lower()

    def visit_comparison(self, node: Comparison) -> Q:
        name = self._name(node.attr_path)
        if self._within and name.endswith((".type", ".primary")):
            return Q()  # of the addresses the one that counts is looked at, whichever it is
        if name not in self._known:
            raise InvalidFilterException(
                detail=_("%(name)s cannot be filtered by.") % {"name": str(node.attr_path)[:60]}
            )
        return self._known[name](node.op, node.value)

    def visit_present(self, node: Present) -> Q:
        name = self._name(node.attr_path)
        if name in _PRESENT and name in self._known:
            return _PRESENT[name]
        if name == "displayname":
            return ~self._known[name](CompareOperator.eq, None)
        raise InvalidFilterException(
            detail=_("%(name)s cannot be filtered by.") % {"name": str(node.attr_path)[:60]}
        )

    def visit_not(self, node: Not) -> Q:
        return ~self.visit(node.expr)

    def visit_logical_expr(self, node: LogicalExpr) -> Q:
        joined = and_ if node.op == LogicalOperator.and_ else or_
        return reduce(joined, (self.visit(term) for term in node.terms))

    def visit_value_path(self, node: ValuePath) -> Q:
        inner = _Conditions(self._known, self._name(node.attr_path))
        return inner.visit(node.val_filter)


def condition(text: str, known: dict[str, Condition]) -> Q:
    """What a filter asks for; ``known`` is PEOPLE or GROUPS. InvalidFilterException for what is none."""
    if len(text) > DEEP:
        raise InvalidFilterException(detail=_("The filter is too long."))
    try:
        return _Conditions(known).visit(ScimFilter(text).ast)
    except RecursionError:
        raise InvalidFilterException(detail=_("The filter is nested too deeply.")) from None


def narrowed(rows: Any, text: str, known: dict[str, Condition]) -> Any:
    """The rows that the filter leaves; an empty one leaves all."""
    return rows.filter(condition(text, known)) if text.strip() else rows
