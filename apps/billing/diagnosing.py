"""What this shelf knows of trouble: seats that are missing, credit that is used up, where a payment is."""

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext as _

from apps.billing import timeline
from apps.billing.models import Credit, Payment
from apps.billing.subscribing import held
from apps.billing.words import usd, whereabouts
from apps.organizations.diagnosing import live
from apps.organizations.diagnosis import (
    CAUSE,
    FINE,
    UNKNOWN,
    Answer,
    Evidence,
    Step,
    Subject,
    check,
)
from apps.providers.catalogue import PROVIDERS
from apps.sync.diagnosing import as_of, changes_of, mirrored
from apps.sync.models import Command, CommandState


def seats(subject: Subject) -> Iterator[Answer]:
    """Whether a seat is free, where each member and each pending invite holds one."""
    for connection in live(subject):
        if not PROVIDERS[connection.provider].holds_seats:
            continue
        source, at = mirrored(connection, "plan"), as_of(connection, "plan")
        plan = held(connection)
        if plan is None or plan.seats is None or plan.seats_used is None:
            words = _("%(name)s: how many seats are free is not known here.")
            fact = Evidence(_("No plan with a number of seats was read"), source, at, connection)
            yield Answer(UNKNOWN, words % {"name": connection.name}, (fact,))
            continue
        used = plan.seats_used + (plan.invites_counted or 0)
        given = {"name": connection.name, "used": used, "seats": plan.seats}
        fact = Evidence(
            _("%(used)d of %(seats)d seats held by members and pending invites") % given,
            source,
            at,
            plan,
        )
        if used < plan.seats:
            words = _("%(name)s: seats are free.")
            yield Answer(FINE, words % given, (fact,))
        else:
            address = reverse("billing:plans", args=[subject.organization.slug])
            words = _("%(name)s: no seat is free, so nobody can be invited.")
            more = Step(_("Buy seats, or take some back"), address, needs="billing.plan")
            yield Answer(CAUSE, words % given, (fact,), (more,))


def credit(subject: Subject) -> Iterator[Answer]:
    """Whether credit is used up, where a key lives on it."""
    row = Credit.objects.filter(
        connection_id=subject.row.connection_id, gone_at__isnull=True
    ).first()
    if row is None:
        return
    connection = subject.row.connection
    fact = Evidence(
        usd(row.amount), mirrored(connection, "credit"), as_of(connection, "credit"), row
    )
    if row.micros > 0:
        yield Answer(FINE, _("The organization has credit left."), (fact,))
        return
    address = reverse("billing:overview", args=[subject.organization.slug])
    yield Answer(
        CAUSE,
        _("The organization's credit is used up."),
        (fact,),
        (Step(_("Buy credit"), address, needs="billing.buy"),),
    )


def whereabouts_of(subject: Subject) -> Iterator[Answer]:
    """Where the payment is, with everything that is known of its way."""
    payment: Payment = subject.row
    source = mirrored(payment.connection, "payments")
    facts = [
        Evidence(f"{one.what} {one.details}".strip(), _("Timeline of the payment"), one.at, payment)
        for one in timeline.of(payment)
    ]
    facts.append(
        Evidence(
            _("The provider has a receipt") if payment.receipt_url else _("No receipt was told"),
            source,
            payment.detailed_at or as_of(payment.connection, "payments"),
        )
    )
    address = reverse("billing:payment", args=[subject.organization.slug, payment.pk])
    show = Step(
        _("The payment, with its receipt where there is one"), address, needs="billing.read"
    )
    level = FINE if payment.status == "completed" else CAUSE
    if payment.gone_at or not payment.status:
        level = UNKNOWN
    yield Answer(level, whereabouts(payment), facts, (show,))


def its_change(subject: Subject) -> Iterator[Answer]:
    """The change that made it, and the one of the connection that no payment has been found for."""
    payment: Payment = subject.row
    rows = Command.objects.filter(connection=payment.connection, is_money=True)
    rows = rows.select_related("connection", "organization")
    if payment.command_id:
        yield from changes_of(rows.filter(pk=payment.command_id))
    else:
        yield Answer(
            UNKNOWN,
            _(
                "It was not asked for here: somebody made it at the provider, or the provider itself did."
            ),
        )
    stuck = rows.filter(state__in=[CommandState.OPERATOR, CommandState.UNKNOWN])
    yield from changes_of(stuck.exclude(pk=payment.command_id or 0)[:5])


def payments_since(subject: Subject) -> Iterator[Answer]:
    """Of a purchase: the payments that the provider lists since it was asked for, whoever made them."""
    command: Command = subject.row
    if not command.is_money:
        return
    connection = command.connection
    listed = Payment.objects.filter(connection=connection, at__gte=command.created_at)
    facts = [
        Evidence(
            f"{usd(one.amount)} · {one.status} · {one.known_as}",
            _("A payment that the provider lists"),
            one.at,
            one,
        )
        for one in listed.order_by("at", "pk")[:10]
    ]
    source, at = mirrored(connection, "payments"), as_of(connection, "payments")
    words = _("The provider lists payments since it was asked for; see which of them it made.")
    if not facts:
        facts = [Evidence(_("None listed"), source, at, connection)]
        words = _("The provider has listed no payment since it was asked for, and may still do so.")
    yield Answer(UNKNOWN, words, facts)


def register() -> None:
    """Have them asked."""
    check("join", seats, 30)
    check("key", credit, 50)
    check("payment", whereabouts_of, 10)
    check("payment", its_change, 20)
    check("change", payments_since, 20)
