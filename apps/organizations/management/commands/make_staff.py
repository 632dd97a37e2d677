"""Make somebody support staff from the command line: the first superuser above all."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.models import StaffRole, User
from apps.organizations.services import Refused
from apps.organizations.staff import change_staff_role, make_staff, password_link


class Command(BaseCommand):
    """Gives an account a role in support, and makes the account if there is none."""

    help = "Give an address a role at the support desk; the account is made if there is none."

    def add_arguments(self, parser: CommandParser) -> None:
        """The address, the role, the name."""
        parser.add_argument("email")
        parser.add_argument(
            "--role", choices=[*StaffRole.values, "none"], default=StaffRole.SUPERUSER.value
        )
        parser.add_argument("--name", default="", help="of a new account")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and say what comes next."""
        email = options["email"].strip().lower()
        role = None if options["role"] == "none" else StaffRole(options["role"])
        user = User.objects.filter(email__iexact=email).first()
        try:
            if user is not None:
                change_staff_role(user=user, role=role, actor=None)
                self.stdout.write(f"{email}: {role.label if role else 'no staff any more'}.")
                return
            if role is None:
                raise CommandError(f"{email} has no account.")
            user = make_staff(email=email, name=options["name"], role=role, actor=None)
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(f"{email}: {role.label}. They choose a password here, once:")
        self.stdout.write(password_link(user))
