"""The card that is stored at the provider: a page of the provider's own where another one is stored."""

from dataclasses import replace

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User
from apps.billing.mirror import CARD, with_billing
from apps.billing.models import Card
from apps.billing.remote import start_anew
from apps.billing.whose import ORGANIZATION, PERSON, SORTS, sort_of
from apps.organizations.models import Connection
from apps.providers.protocol import Adapter
from apps.sync import schedule
from apps.sync.models import Command
from apps.sync.outbox.kinds import Json, Kind, Step, register
from apps.sync.outbox.requests import Wish, ask

CARD_PAGES = tuple(sort.kind("card_page") for sort in SORTS)
CARD_PAGE_KIND, OWN_CARD_PAGE_KIND = CARD_PAGES
FACTS = ("brand", "last4", "expires_month", "expires_year")


def stored(connection: Connection) -> Card | None:
    """The card as it was read last; None where none is known."""
    return Card.objects.filter(connection=connection, gone_at__isnull=True).first()


def facts_of(card: Card | None) -> Json:
    """What tells one card from another; {} for none."""
    return {name: getattr(card, name) for name in FACTS} if card else {}


def open_page(*, connection: Connection, back: str, actor: User, nonce: str) -> Command:
    """Open a page where a card is stored. Whoever has done so is led to ``back`` and the Command's uid.

    Raises RequestRefused.
    """
    wish = Wish(
        kind=sort_of(connection).kind("card_page"),
        connection=connection,
        target=f"{CARD.name}:page",
        label=str(_("Payment method")),
        arguments={"back": back},
        before=facts_of(stored(connection)),
    )
    return ask(wish, actor=actor, nonce=nonce)


def _send(adapter: Adapter, command: Command) -> Json:
    back = command.arguments.get("back", "")
    session = with_billing(adapter).payment_method_setup_session(
        redirect_url=f"{back}{command.uid}/" if back else ""
    )
    return {"session": session.session_id, "url": session.url}


def _settle(command: Command) -> None:
    """Nothing has changed yet: a card is stored by whoever fills the page in."""


def ask_soon(connection: Connection) -> None:
    """Somebody may have stored another card: have it read now."""
    schedule.soon(connection, CARD.name)


CARD_PAGE = Kind(
    name=CARD_PAGE_KIND,
    label=gettext_lazy("Store another card"),
    action=ORGANIZATION.card,
    capability="card.change",
    resource=CARD.name,
    steps=(Step("setup", _send, start_anew),),
    describe=lambda command: (
        _("A page of the provider where a card is stored for %(connection)s. It charges nothing.")
        % {"connection": command.connection}
    ),
    settle=_settle,
    private=frozenset({"session", "url"}),  # whoever has them may store a card there
)


OWN_CARD_PAGE = replace(CARD_PAGE, name=OWN_CARD_PAGE_KIND, action=PERSON.card)


def register_kinds() -> None:
    """Make the change known to the outbox."""
    for kind in (CARD_PAGE, OWN_CARD_PAGE):
        register(kind)
