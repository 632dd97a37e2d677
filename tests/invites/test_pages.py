"""The pages of invites, as an owner uses them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.invites.models import Invite
from apps.organizations.models import Connection, Grant, Role
from apps.sync.models import Batch, Command, CommandState
from tests.browsing import refuse
from tests.factories import GrantFactory, InviteFactory, MemberFactory

pytestmark = pytest.mark.django_db
State = Invite.State


@pytest.fixture
def at(owner: Grant) -> Callable[[str], str]:
    """Addresses of the organization's invites."""
    return lambda path="": f"/o/{owner.organization.slug}/invites/{path}"


@pytest.fixture
def pending(anthropic: Connection) -> Invite:
    """Dee's pending invite."""
    invite: Invite = InviteFactory(
        connection=anthropic,
        person__organization=anthropic.organization,
        person__email="dee@northgate.example",
        role="developer",
        expires_at=timezone.now() + timedelta(days=3),
    )
    return invite


def form(*connections: Connection, addresses: str, **more: Any) -> dict[str, Any]:
    chosen: dict[str, Any] = {"addresses": addresses, "nonce": "n1"}
    for one in connections:
        role = "developer" if one.provider == "anthropic" else "member"
        chosen |= {f"to_{one.pk}": "on", f"role_{one.pk}": role}
    return chosen | more


def test_one_address_is_invited_at_once(
    olga: Client, at: Callable[[str], str], anthropic: Connection
) -> None:
    answer = olga.post(at("new/"), form(anthropic, addresses="bo@northgate.example"))

    assert answer.status_code == 302
    assert answer["Location"] == at("")
    assert Command.objects.get().label == "bo@northgate.example"
    page = olga.get(at("")).content.decode()
    assert "bo@northgate.example" in page
    assert "Queued" in page, "the row shows at once that it is in flight"


def test_a_form_sent_before_asks_anew_once_something_else_stands_in_it(
    olga: Client, at: Callable[[str], str], anthropic: Connection
) -> None:
    for who in ("bo", "bo", "dee"):
        olga.post(at("new/"), form(anthropic, addresses=f"{who}@x.example"))
    assert [c.label for c in Command.objects.order_by("pk")] == ["bo@x.example", "dee@x.example"]

    for more in ("eva", "eva", "fay"):
        olga.post(at("new/"), form(anthropic, addresses=f"ada@x.example, {more}@x.example"))
    sent = [{c.label for c in batch.commands.all()} for batch in Batch.objects.order_by("pk")]
    assert sent == [{"ada@x.example", "eva@x.example"}, {"ada@x.example", "fay@x.example"}]

    for line in ("gil", "hal"):
        sheet = SimpleUploadedFile("people.csv", f"{line}@x.example, ida@x.example".encode())
        olga.post(at("new/"), form(anthropic, addresses="", file=sheet))
    assert Batch.objects.count() == 4, "files of one name are told apart by what they hold"


def test_several_addresses_at_two_providers_are_reviewed_first(
    olga: Client, at: Callable[[str], str], anthropic: Connection, cline: Connection
) -> None:
    text = "bo@northgate.example\nDee <dee@northgate.example>\nnot an address"
    answer = olga.post(at("new/"), form(anthropic, cline, addresses=text), follow=True)

    page = answer.content.decode()
    assert "4 changes will be made" in page
    assert "Line 3: This is no email address." in page
    assert not Invite.objects.exists(), "nothing is on its way before it is confirmed"

    batch = Batch.objects.get()
    olga.post(f"/o/{batch.organization.slug}/activity/batches/{batch.uid}/confirm/")
    assert Invite.objects.filter(state=State.SENDING).count() == 4
    assert batch.commands.filter(state=CommandState.QUEUED).count() == 4


def test_going_back_from_the_review_loses_nothing(
    olga: Client, at: Callable[[str], str], anthropic: Connection
) -> None:
    text = "bo@northgate.example\ndee@northgate.example\noops"
    olga.post(at("new/"), form(anthropic, addresses=text))
    batch = Batch.objects.get()

    page = olga.get(at(f"new/?from={batch.uid}")).content.decode()

    assert "bo@northgate.example\ndee@northgate.example\noops" in page


def test_a_file_is_read_like_what_is_pasted(
    olga: Client, at: Callable[[str], str], anthropic: Connection
) -> None:
    sheet = SimpleUploadedFile(
        "people.csv", "\ufeffEmail;Role\nbo@x.example;user\ndee@x.example;\n".encode()
    )
    olga.post(at("new/"), form(anthropic, addresses="", file=sheet))

    wanted = {c.label: c.arguments["role"] for c in Batch.objects.get().commands.all()}
    assert wanted == {"bo@x.example": "user", "dee@x.example": "developer"}


def test_a_file_beside_what_was_typed_keeps_its_roles_also_on_going_back(
    olga: Client, at: Callable[[str], str], anthropic: Connection
) -> None:
    sheet = SimpleUploadedFile(
        "people.csv", b"\xef\xbb\xbfemail,role\nbo@x.example,Claude Code user\n"
    )
    olga.post(at("new/"), form(anthropic, addresses="dee@x.example", file=sheet))
    first = Batch.objects.get()
    again = olga.get(at(f"new/?from={first.uid}")).context["form"]["addresses"].value()
    olga.post(at("new/"), form(anthropic, addresses=again, nonce="n2"))

    for batch in Batch.objects.all():
        wanted = {c.label: c.arguments["role"] for c in batch.commands.all()}
        assert wanted == {"bo@x.example": "claude_code_user", "dee@x.example": "developer"}
        assert not batch.refusals
    assert Batch.objects.count() == 2


@pytest.mark.parametrize(
    ("addresses", "message"),
    [
        ("", "Enter at least one address."),
        ("nobody", "No email address in: “nobody”"),
        ("\n".join(f"a{n}@x.example" for n in range(2001)), "2001 addresses are too many"),
    ],
)
def test_what_is_wrong_stands_beside_the_field_and_what_was_typed_stays(
    olga: Client,
    at: Callable[[str], str],
    anthropic: Connection,
    addresses: str,
    message: str,
) -> None:
    page = olga.post(at("new/"), form(anthropic, addresses=addresses)).content.decode()

    assert message in page
    assert addresses[:20] in page
    assert not Command.objects.exists()


def test_the_providers_refusal_stands_beside_the_form_and_what_was_typed_stays(
    olga: Client,
    at: Callable[[str], str],
    anthropic: Connection,
    pending: Invite,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("apps.sync.asking.await_word", refuse)
    answer = olga.post(at("new/"), form(anthropic, addresses="bo@northgate.example"))
    field = answer.text.split("<textarea")[1].partition("</div>")[0]
    assert "bo@northgate.example</textarea>" in field
    assert "The provider says no." in field
    assert 'value="n1"' not in answer.text, "the next one is a new wish"
    withdrawn = olga.post(at(f"{pending.pk}/withdraw/"), {"nonce": "w1"})
    assert withdrawn.status_code == 422
    assert "The provider says no." in withdrawn.text
    assert "Withdraw invite" in withdrawn.text


def test_a_connection_must_be_chosen(
    olga: Client, at: Callable[[str], str], anthropic: Connection, cline: Connection
) -> None:
    page = olga.post(at("new/"), form(addresses="bo@x.example")).content.decode()

    assert "Choose at least one connection" in page


def test_who_is_invited_already_is_not_invited_twice(
    olga: Client, at: Callable[[str], str], pending: Invite, anthropic: Connection
) -> None:
    page = olga.post(at("new/"), form(anthropic, addresses=pending.email)).content.decode()

    assert "Has a pending invite there already." in page
    assert not Command.objects.exists()


def test_without_a_connection_the_page_leads_to_one(olga: Client, at: Callable[[str], str]) -> None:
    assert "Connect an account" in olga.get(at("new/")).content.decode()
    assert "No account is connected yet" in olga.get(at("")).content.decode()


def test_an_invite_past_its_date_shows_as_expired_before_any_walk(
    olga: Client, at: Callable[[str], str], pending: Invite
) -> None:
    Invite.objects.update(expires_at=timezone.now() - timedelta(minutes=1))

    assert "dee@northgate.example" in olga.get(at("?state=expired")).content.decode()
    assert "dee@northgate.example" not in olga.get(at("?state=pending")).content.decode()


def test_what_waits_at_a_disconnected_account_counts_no_more_and_says_why(
    olga: Client, at: Callable[[str], str], pending: Invite
) -> None:
    overview = at("").removesuffix("invites/")

    def told() -> list[bool]:
        pages = [
            olga.get(at(query)).content.decode() for query in ("?state=pending", "?state=expiring")
        ]
        return [pending.email in page for page in pages]

    assert told() == [True, True]
    assert "expires within 7 days" in olga.get(overview).content.decode()
    Connection.objects.update(state=Connection.State.DISCONNECTED)
    assert told() == [False, False]
    assert "expires within 7 days" not in olga.get(overview).content.decode()
    page = olga.get(at("?state=")).content.decode()
    assert pending.email in page
    assert "when disconnected" in page


def test_withdrawing_asks_first_and_twice_is_once(
    olga: Client, at: Callable[[str], str], pending: Invite
) -> None:
    page = olga.get(at(f"{pending.pk}/withdraw/")).content.decode()
    assert "stops working at once" in page
    assert not Command.objects.exists()

    for _ in range(2):
        olga.post(at(f"{pending.pk}/withdraw/"), {"nonce": "w1"})
    assert [c.kind for c in Command.objects.all()] == ["invites.withdraw"]


def test_a_row_redraws_itself_when_its_button_is_pressed(
    olga: Client, at: Callable[[str], str], pending: Invite
) -> None:
    answer = olga.post(at(f"{pending.pk}/resend/"), {"nonce": "r1"}, headers={"HX-Request": "true"})

    body = answer.content.decode()
    assert f'id="row-{pending.pk}"' in body
    assert "Queued" in body


def test_a_refusal_is_said_in_a_toast(
    olga: Client, at: Callable[[str], str], pending: Invite
) -> None:
    Invite.objects.update(state=State.ACCEPTED)

    answer = olga.post(
        at(f"{pending.pk}/withdraw/"), {"nonce": "w1"}, headers={"HX-Request": "true"}
    )

    assert "Only a pending invite" in answer["HX-Trigger"]


@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_those_who_only_read_see_no_buttons_and_get_no_further(
    client: Client, at: Callable[[str], str], owner: Grant, pending: Invite, role: Role
) -> None:
    reader = GrantFactory(organization=owner.organization, role=role)
    client.force_login(reader.user)

    page = client.get(at("")).content.decode()
    assert "dee@northgate.example" in page
    assert "Withdraw" not in page.replace("Withdrawn", "")
    assert client.post(at(f"{pending.pk}/withdraw/")).status_code == 403
    assert client.get(at("new/")).status_code == 403


@pytest.mark.parametrize("action", ["resend", "withdraw"])
def test_chosen_invites_are_reviewed_in_bulk(
    olga: Client, at: Callable[[str], str], pending: Invite, anthropic: Connection, action: str
) -> None:
    other = InviteFactory(
        connection=anthropic, person__organization=anthropic.organization, state=State.ACCEPTED
    )
    MemberFactory(connection=anthropic, person=other.person)
    answer = olga.post(at(f"{action}/"), {"id": [pending.pk, other.pk]}, follow=True)

    page = answer.content.decode()
    assert "1 change will be made" in page
    assert pending.email in page
    assert other.email in page


def test_the_list_takes_the_same_queries_at_ten_and_a_thousand_rows(
    olga: Client,
    at: Callable[[str], str],
    anthropic: Connection,
) -> None:
    def make(count: int) -> None:
        InviteFactory.create_batch(
            count, connection=anthropic, person__organization=anthropic.organization
        )

    make(10)
    olga.get(at(""))
    with CaptureQueriesContext(connection) as few:
        olga.get(at(""))
    make(200)
    with CaptureQueriesContext(connection) as many:
        olga.get(at(""))
    assert len(many) <= len(few) + 1, "one more counts the rows beyond the page"
