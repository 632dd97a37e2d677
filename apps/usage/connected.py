"""What the tables of usage share: rows that belong to a connection and are seen with it."""

from typing import TYPE_CHECKING, Self, TypeVar

from django.db import models

from apps.organizations.models import Connection

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from apps.accounts.models import User

Row = TypeVar("Row", bound=models.Model)


class ConnectedQuerySet(models.QuerySet[Row]):
    """Rows of connections as a reader may see them."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those of the connections that ``user`` may see."""
        return self.filter(connection__in=Connection.objects.visible_to(user))


def owner() -> "models.ForeignKey[Connection, Connection]":
    """The connection of a row, without an index or a check of its own: the primary key begins with it."""
    return models.ForeignKey(
        Connection, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
