"""What the support desk finds of keys, over all organizations in reach."""

from django.utils.translation import gettext_lazy as _

from apps.keys.models import Ending, Key
from apps.organizations.finding import Finder, Reach, add, by_remote_id, distinct, placed, why

LAST = 4  # letters of a key that are enough to look for it


def _keys(text: str, reach: Reach) -> list[Key]:
    """By how what is shown of it ends, by its whole name, or by the provider's id. Three queries."""
    ending = Key.objects.alias(ending=Ending("hint")).filter(
        ending=text[-LAST:].lower(), hint__iendswith=text
    )
    return distinct(
        placed(ending, reach) if len(text) >= LAST else [],
        placed(Key.objects.filter(name=text), reach),
        by_remote_id(Key.objects, text, reach),
    )


def register() -> None:
    """Make this shelf's known."""
    add(
        Finder(
            "keys",
            _("API keys"),
            "keys.read",
            _keys,
            lambda row: f"{row.hint} · {row.connection.name}",
            lambda row: why("key", row.pk),
            "keys_key",
        )
    )
