"""Another card for a person's own account: a page of the provider's, where the person stores it.

The portal never sees a card. Nothing is charged by this, and a page whose address was lost is opened anew.
"""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User
from apps.billing.mirror import CARD, with_billing
from apps.billing.whose import PERSON
from apps.organizations.models import Connection
from apps.providers.protocol import Adapter
from apps.sync.models import Command, CommandState
from apps.sync.outbox.kinds import Json, Kind, NotDone, Step, Verdict, register
from apps.sync.outbox.requests import Wish, ask

OWN_CARD_KIND = PERSON.kind("card")
KINDS = (OWN_CARD_KIND,)


def open_page(*, connection: Connection, back: str, actor: User, nonce: str) -> Command:
    """Ask for a page where a card is stored. Whoever stored one is led to ``back`` and the Command's uid.

    Raises RequestRefused.
    """
    wish = Wish(
        kind=OWN_CARD_KIND,
        connection=connection,
        target="billing:card",
        label=str(_("Another card")),
        arguments={"back": back},
    )
    return ask(wish, actor=actor, nonce=nonce)


def _send(adapter: Adapter, command: Command) -> Json:
    back = f"{command.arguments['back']}{command.uid}/?stored=1"
    session = with_billing(adapter).payment_method_setup_session(redirect_url=back)
    return {"session": session.session_id, "url": session.url}


def _start_anew(adapter: Adapter, command: Command) -> Verdict:
    """No operation lists such pages, and one that nobody was led to does nothing."""
    return NotDone()


OWN_CARD = Kind(
    name=OWN_CARD_KIND,
    label=gettext_lazy("Store another card"),
    action="account.card",
    capability="card.change",
    resource=CARD.name,
    steps=(Step("session", _send, _start_anew),),
    describe=lambda command: (
        _("A page where a card is stored at %(connection)s. Nothing is charged by that.")
        % {"connection": command.connection}
    ),
    settle=lambda command: None,
    private=frozenset({"session", "url"}),  # whoever has them may store a card there
)


def page_opened_by(command: Command) -> str:
    """The address of the page that a change has opened; "" if it has not."""
    if command.kind not in KINDS or command.state != CommandState.SUCCEEDED:
        return ""
    return str(command.results[-1].get("url") or "") if command.results else ""


def register_kinds() -> None:
    """Make the change known to the outbox."""
    register(OWN_CARD)
