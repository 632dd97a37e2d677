"""The process that serves and is measured: ``python -m bench.pages_child``."""

import json
import logging
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import django

from apps.sandbox.names import FAMILY, GIVEN, plain

if TYPE_CHECKING:
    from apps.members.models import Member, Person

PEOPLE = 100_000
ALSO_AT_CLINE = 20_000
ROUNDS = 15
SEED = 7
EPOCH = datetime(2023, 1, 1, tzinfo=UTC)


class Browser:
    """A signed-in reader who asks the whole WSGI application, in this process."""

    def __init__(self, cookie: str) -> None:
        from portal.wsgi import application

        # The log is written, as it is where the portal runs, but not among the figures.
        (handler,) = logging.getLogger().handlers
        handler.setStream(open(os.devnull, "w"))  # type: ignore[attr-defined]  # noqa: SIM115 - for good
        sys.excepthook = sys.__excepthook__  # a bench that fails says so
        self.application: Callable[..., Any] = application
        self.cookie = cookie

    def get(self, address: str, *, fragment: bool = False) -> float:
        """Milliseconds until the answer is there; it must be a page."""
        path, _mark, query = address.partition("?")
        environ: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": query}
        environ |= {"HTTP_COOKIE": self.cookie, "REMOTE_ADDR": "127.0.0.1"}
        if fragment:
            environ |= {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "table"}
        setup_testing_defaults(environ)
        said: list[str] = []
        began = time.perf_counter()
        answer = self.application(environ, lambda status, headers: said.append(status))
        body = b"".join(answer)
        answer.close()
        took = (time.perf_counter() - began) * 1000
        if said != ["200 OK"] or b"@example.com" not in body:
            raise RuntimeError(f"{address}: {said}")
        return took


@dataclass(frozen=True, slots=True)
class Kind:
    """One way of looking at people, as both know it."""

    name: str
    ours: str
    peer: str
    whole: bool = False


def kinds(far: str) -> list[Kind]:
    """What is measured; ``far`` is the cursor that page 1,000 begins after."""
    people, stock = "/o/bench/people/", "/stock/members/member/"
    return [
        Kind("fragment.plain", f"{people}?view=all", stock),
        Kind("fragment.searched", f"{people}?q=yamamoto", f"{stock}?q=yamamoto"),
        Kind("fragment.searched_many", f"{people}?q=example", f"{stock}?q=example"),
        Kind("fragment.sorted", f"{people}?sort=-joined", f"{stock}?o=-6"),
        Kind(
            "fragment.filtered",
            f"{people}?connection=2",
            f"{stock}?connection__id__exact=2",
        ),
        Kind("fragment.far", f"{people}?after={far}", f"{stock}?p=1000"),
        Kind("page.plain", f"{people}?view=all", stock, whole=True),
    ]


# --- What is there to be seen ---------------------------------------------------------------------


def fill() -> str:
    """An organization as walks would have left it; the session cookie of its owner."""
    from allauth.mfa.models import Authenticator
    from django.conf import settings
    from django.test import Client
    from django.utils import timezone

    from apps.accounts.models import User
    from apps.organizations.models import Connection, Grant, Organization, Role
    from apps.sync.models import Resource

    now = timezone.now()
    user = User.objects.create_superuser("owner@example.com", name="Owner")
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={})
    organization = Organization.objects.create(name="Bench", slug="bench")
    Grant.objects.create(organization=organization, user=user, role=Role.OWNER)
    for number, provider in enumerate(("anthropic", "cline"), start=1):
        connection = Connection.objects.create(
            pk=number,
            organization=organization,
            provider=provider,
            name=provider.title(),
            state=Connection.State.ACTIVE,
            capabilities={"members.read": {"ok": True, "reason": ""}},
        )
        Resource.objects.create(connection=connection, name="members", completed_at=now)
    fill_people(organization.pk)
    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def fill_people(organization_id: int) -> None:
    """Rows as the mirror holds them, the search index too."""
    from apps.members.models import Member, Person
    from apps.members.search import index_people

    dice = random.Random(SEED)
    people = [person(number, organization_id, dice) for number in range(PEOPLE)]
    people = Person.objects.bulk_create(people, batch_size=5000)
    members = [member(one, 1, dice) for one in people]
    members += [member(one, 2, dice) for one in dice.sample(people, ALSO_AT_CLINE)]
    Member.objects.bulk_create(members, batch_size=5000)
    while index_people(chunk=5000):
        pass


def person(number: int, organization_id: int, dice: random.Random) -> "Person":
    """One of many; names repeat, addresses do not."""
    from apps.members.models import Person

    given, family = dice.choice(GIVEN), dice.choice(FAMILY)
    return Person(
        organization_id=organization_id,
        email=f"{plain(given)}.{plain(family)}{number}@example.com",
        name=f"{given} {family}",
        joined_at=EPOCH + timedelta(minutes=dice.randrange(1_500_000)),
    )


def member(person: "Person", connection_id: int, dice: random.Random) -> "Member":
    """Their membership of one connection."""
    from apps.members.models import Member

    role = dice.choices(("user", "developer", "billing", "admin"), (80, 15, 4, 1))[0]
    return Member(
        connection_id=connection_id,
        person=person,
        remote_id=f"user_{connection_id}_{person.pk:024}",
        email=person.email,
        name=person.name,
        role=role,
        joined_at=person.joined_at,
        first_seen_at=EPOCH,
        changed_at=EPOCH,
        raw={"type": "user"},
    )


def far_cursor() -> str:
    """What page 1,000 of the list by name begins after."""
    from apps.members.models import Person
    from apps.ui.keyset import Cursor

    last = Person.objects.order_by("sort_name", "pk")[999 * 50 - 1]
    return str(Cursor(last.sort_name, last.pk))


def settle() -> None:
    """What PostgreSQL does by itself within a minute: look at what is in the tables."""
    from django.db import connection

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def measure(browser: Browser, kind: Kind) -> dict[str, Any]:
    """The medians of both, in turn, in milliseconds."""
    ours, peer = [], []
    for _ in range(ROUNDS):
        ours.append(browser.get(kind.ours, fragment=not kind.whole))
        peer.append(browser.get(kind.peer))
    return {
        "name": kind.name,
        "ours": statistics.median(ours),
        "peer": statistics.median(peer),
        "whole": kind.whole,
    }


def main() -> None:
    """Measure, and print what was found, a line of JSON a kind."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    browser = Browser(fill())
    settle()
    given = kinds(far_cursor())
    for kind in given:  # warm
        browser.get(kind.ours), browser.get(kind.peer)
    for kind in given:
        print(json.dumps(measure(browser, kind)), flush=True)


if __name__ == "__main__":
    django.setup()
    main()
