"""``manage.py load_demo``: the database of the demo, made and filled. Run again, it adds what is missing."""

import json
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from apps.accounts.models import User
from apps.audit.record import record
from apps.organizations import connections, probing
from apps.organizations.models import Connection, Grant, Installation, Organization, Role
from apps.organizations.sealing import Secret
from apps.providers.guard import worker_scope
from portal.demo import CLINE_REQUESTS_A_MINUTE
from portal.demo.signins import OWNER, PASSWORD, SIGN_INS, STAFF, SignIn


class Command(BaseCommand):
    """Migrate and load the demo's people, organizations and connections."""

    help = "Fill the demo's database. Exists for `make demo` and refuses to run anywhere else."

    def handle(self, *args: object, **options: object) -> None:
        """Do all of it, each part in transactions of its own."""
        if not settings.DEMO:
            raise CommandError(
                "Demo sign-ins have known passwords: they exist in `make demo` alone."
            )
        call_command("migrate", verbosity=0, interactive=False)
        with transaction.atomic(durable=True):
            northgate, lakeside = self.load_people()
        # The sandbox may listen on another port than last time.
        Connection.objects.filter(base_url__startswith="http://127.0.0.1:").update(
            base_url=settings.SANDBOX_URL
        )
        self.load_connections(northgate, lakeside)
        Connection.objects.filter(provider="cline", base_url=settings.SANDBOX_URL).update(
            requests_per_minute=CLINE_REQUESTS_A_MINUTE
        )
        self.stdout.write("The demo's data is there.")

    def load_people(self) -> tuple[Organization, Organization]:
        """Make organizations, sign-ins and Grants."""
        Installation.objects.get_or_create(pk=Installation.THE_ONE)
        northgate = self.organization("northgate", "Northgate Robotics")
        lakeside = self.organization("lakeside", "Lakeside Studio")
        for person in SIGN_INS:
            self.grant(self.sign_in(person), northgate, Role(person.role))
        self.grant(self.sign_in(OWNER), lakeside, Role.OWNER)
        self.sign_in(STAFF, is_staff=True, is_superuser=True)
        return northgate, lakeside

    def organization(self, slug: str, name: str) -> Organization:
        """Return the organization, made if it is not there."""
        organization, new = Organization.objects.get_or_create(slug=slug, defaults={"name": name})
        if new:
            record(
                organization=organization,
                actor=None,
                verb="organizations.start",
                target=organization,
            )
        return organization

    def grant(self, user: User, organization: Organization, role: Role) -> None:
        """Give a role to whoever has none there."""
        Grant.objects.get_or_create(organization=organization, user=user, defaults={"role": role})

    def sign_in(self, person: SignIn, **fields: Any) -> User:
        """Return the account of that address, made if it is not there."""
        user = User.objects.filter(email=person.email).first()
        if user is None:
            user = User.objects.create_user(person.email, PASSWORD, name=person.name, **fields)
        EmailAddress.objects.get_or_create(
            user=user, email=user.email, defaults={"verified": True, "primary": True}
        )
        return user

    def load_connections(self, northgate: Organization, lakeside: Organization) -> None:
        """Connect the sandbox's accounts as the wizard would."""
        keys = json.loads((settings.VAR_DIR / "sandbox-keys.json").read_text())
        first, second = keys["anthropic"][:2]
        self.connect(northgate, "anthropic", first["api_key"])
        self.connect(northgate, "cline", keys["cline"][0]["api_key"])
        self.connect(lakeside, "anthropic", second["api_key"])

    def connect(self, organization: Organization, provider: str, key: str) -> None:
        """Connect one account, unless the organization has, or had, one of that provider."""
        if (
            Connection.objects.filter(organization=organization, provider=provider)
            .exclude(state=Connection.State.DRAFT)
            .exists()
        ):
            return
        owner = User.objects.get(email=OWNER.email)
        draft = connections.begin(
            organization=organization,
            actor=owner,
            provider=provider,
            base_url=settings.SANDBOX_URL,
            credential=Secret(key),
        )
        self.probe(draft)
        if not draft.remote_organization_id:  # the key reaches several: take the first
            connections.choose_organization(
                connection=draft,
                actor=owner,
                remote_organization_id=draft.probe_result["organizations"][0]["id"],
            )
            self.probe(draft)
        connections.connect(connection=draft, actor=owner, name=draft.name)

    def probe(self, draft: Connection) -> None:
        """Find out what is behind a key, here and now: the workers are not there yet."""
        with worker_scope():
            probing.probe(draft.pk)
        draft.refresh_from_db()
        if draft.probe != Connection.Probe.FOUND:
            raise CommandError(f"The sandbox did not accept a key: {draft.probe_result}")
