"""Django's test client as a signed-in person."""

import time

from django.test import Client

from apps.accounts.models import User
from apps.sync.models import Command, CommandState


def at_desk(user: User) -> Client:
    """A browser in which ``user`` has signed in just now: as fresh as the policy may ask."""
    client = Client()
    client.force_login(user)
    sign_in_again(client, user)
    return client


def sign_in_again(client: Client, user: User, at: float | None = None) -> None:
    """Give the password once more: the signed-in session is as fresh as the policy may ask.

    ``at``: when that was, in seconds since 1970; now.
    """
    session = client.session
    records = [{"method": "password", "at": time.time() if at is None else at}]
    session["account_authentication_methods"] = records
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()


def tired(client: Client) -> Client:
    """The same browser ten minutes later: acts that ask for a fresh sign-in will ask."""
    session = client.session
    records = session["account_authentication_methods"]
    ago = time.time() - 600
    session["account_authentication_methods"] = [{**r, "at": min(r["at"], ago)} for r in records]
    session.save()
    return client


def refuse(command: Command) -> Command:
    """In place of a page's wait for the worker's word: the provider has refused."""
    command.state, command.error = CommandState.REJECTED, "The provider says no."
    command.save()
    return command
