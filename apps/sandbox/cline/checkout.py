"""The card processor's hosted pages: ``/checkout/{session}``, as a browser sees them.

A page is completed by a form post with ``outcome``: ``pay`` (with a card that works, which is stored from
then on), ``decline`` (with one that does not) or ``cancel``; or it is simply left, and lapses in a day.
"""

from html import escape
from typing import Any
from urllib.parse import parse_qs

import msgspec

from ..app import App, Request, Response
from ..world import Change, Organization, Payment, Put, Session, Set, micros_stamp
from .catalogue import CARD

PATH = "/checkout/"
DECLINED: dict[str, Any] = {
    **CARD,
    "id": "pm_1SandboxVisa0000000000002",
    "last4": "0341",
    "declines": True,
}
ICON = '<link rel="icon" href="data:,">'  # none, and nobody asks for one
OUTCOMES = {"pay": "completed", "decline": "failed", "cancel": "failed"}


def answer(app: App, request: Request) -> Response:
    """Show a page, or carry out what was chosen on it."""
    with app.lock:
        found = _find(app, request.path.removeprefix(PATH))
        if found is None:
            return _page(404, "There is no such page.")
        owner, session = found
        if session.outcome or session.expires_at <= app.state.now():
            return _page(410, "This page is closed.")
        if request.method != "POST":
            return _page(200, _form(owner, session))
        outcome = parse_qs(request.body.decode("utf-8", "replace")).get("outcome", [""])[0]
        if outcome not in OUTCOMES:
            return _page(400, "Choose one of the three.")
        _carry_out(app, owner, session, outcome)
    if session.redirect:
        return Response(303, b"", [("Location", session.redirect)])
    return _page(200, "Thank you. You may close this page.")


def _find(app: App, session_id: str) -> tuple[Organization, Session] | None:
    world = app.state.world
    for owner in (*world.of("cline"), *world.homes.values()):
        if session := owner.tables["sessions"].get(session_id):
            return owner, session
    return None


def _carry_out(app: App, owner: Organization, session: Session, outcome: str) -> None:
    closed = msgspec.structs.replace(session, outcome=outcome)
    changes: list[Change] = [Put(owner.id, "sessions", closed)]
    if session.payment:
        payment: Payment = owner.tables["payments"].get(session.payment)  # type: ignore[assignment] # made with its session
        reason = {"decline": "card_declined", "cancel": "canceled by the customer"}.get(outcome, "")
        done = msgspec.structs.replace(
            payment,
            status=OUTCOMES[outcome],
            paid_at=micros_stamp(app.state.now()),
            reason=reason,
        )
        changes.append(Put(owner.id, "payments", done))
    elif outcome != "cancel":
        changes.append(Set(owner.id, "card", dict(CARD if outcome == "pay" else DECLINED)))
    if session.payment and outcome == "pay" and owner.settings.get("card") is None:
        changes.append(Set(owner.id, "card", dict(CARD)))
    app.state.enter(
        f"_checkout.{outcome}",
        api="cline",
        organization=owner.id,
        target=session.payment or session.id,
        status=200,
        changes=changes,
    )


def _form(owner: Organization, session: Session) -> str:
    payment = owner.tables["payments"].get(session.payment) if session.payment else None
    what = f"Pay ${payment.cents / 100:,.2f}" if payment else "Store a card"
    buttons = "".join(
        f'<p><button name="outcome" value="{value}">{escape(words)}</button></p>'
        for value, words in (
            ("pay", f"{what} with a card that works (4242)"),
            ("decline", f"{what} with a card that is declined (0341)"),
            ("cancel", "Cancel and go back"),
        )
    )
    return f'<h1>{escape(what)}</h1><form method="post">{buttons}</form>'


def _page(status: int, words: str) -> Response:
    body = f'<!doctype html><html lang="en"><meta charset="utf-8">{ICON}<title>Checkout</title>{words}</html>'
    return Response(status, body.encode(), [("Content-Type", "text/html; charset=utf-8")])
