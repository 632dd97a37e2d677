"""What an incident is about, in words, and where its page is."""

from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from django.urls import reverse

from apps.incidents.models import Incident, Kind
from apps.organizations.models import Connection, Organization
from apps.usage.days import date_of
from apps.usage.names import Name, Names
from apps.usage.people import persons_of

Thing = tuple[str, int, str]  # kind, connection id, the provider's id


def names_of(
    organization: Organization, connections: Sequence[Connection], things: Iterable[Thing]
) -> dict[Thing, Name]:
    """A name for each. Five queries at most, whatever their number."""
    wanted = set(things)
    names = Names(organization, connections)
    found: dict[Thing, Name] = {}
    for kind in (Kind.KEY, Kind.WORKSPACE):
        own = [one for one in wanted if one[0] == kind]
        called = names.of(kind, [(value, pk) for _, pk, value in own])
        found |= {one: called[one[2], one[1]] for one in own}
    people = [one for one in wanted if one[0] == Kind.PERSON]
    if people:
        persons = persons_of(connections, {(pk, value) for _, pk, value in people})
        called = names.of("person", [(str(one), 0) for one in set(persons.values())])
        found |= {one: called[str(persons[one[1], one[2]]), 0] for one in people}
    whole = [one for one in wanted if one[0] in (Kind.CONNECTION, Kind.QUIET)]
    called = names.of("connection", [(pk, 0) for _, pk, _ in whole])
    return found | {one: called[one[1], 0] for one in whole}


def thing_of(incident: Incident) -> Thing:
    """What it is about."""
    return (incident.kind, incident.connection_id, incident.value)


def usage_url(organization: Organization, incident: Incident, first: int, last: int) -> str:
    """Usage of some days, of what the incident is about, told apart by what lies beneath."""
    query = [("from", date_of(first).isoformat()), ("to", date_of(last).isoformat())]
    query.append(("connection", str(incident.connection_id)))
    group = "model"
    if incident.kind == Kind.PERSON:
        query.append(("person", f"account:{incident.value}"))
    elif incident.kind in (Kind.KEY, Kind.WORKSPACE):
        query.append((incident.kind, incident.value))
        group = "model" if incident.kind == Kind.KEY else "key"
    else:
        group = "key"
    query.append(("group", group))
    if incident.unit == "tokens":
        query.append(("show", "tokens"))
    address = reverse("usage:usage", kwargs={"slug": organization.slug})
    return f"{address}?{urlencode(query)}"
