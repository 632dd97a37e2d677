"""Reading pasted addresses and CSV."""

import pytest

from apps.invites.addresses import Address, joined, read


def emails(text: str) -> list[str]:
    return [address.email for address in read(text).addresses]


@pytest.mark.parametrize(
    "text",
    [
        "ada@example.com\nbo@example.com",
        "ada@example.com, bo@example.com",
        "ada@example.com; bo@example.com;",
        "Ada Park <ada@example.com>\r\nbo@example.com\r\n\r\n",
        '"Park, Ada" <ada@example.com>, bo@example.com',
        "ada@example.com bo@example.com",
        "ada@example.com\tBo Lind <bo@example.com>",
        "Email\nada@example.com, bo@example.com",
    ],
)
def test_addresses_may_be_separated_in_any_usual_way(text: str) -> None:
    assert emails(text) == ["ada@example.com", "bo@example.com"]


def test_the_same_address_counts_once_in_any_case() -> None:
    assert emails("Ada@example.com\nada@EXAMPLE.com") == ["Ada@example.com"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_may_bring_its_own_roles(delimiter: str) -> None:
    text = "Name,E-mail,Role\nAda,ada@example.com,developer\nBo,bo@example.com,\n"
    reading = read(text.replace(",", delimiter))

    assert reading.addresses == [
        Address("ada@example.com", "developer"),
        Address("bo@example.com", ""),
    ]


def test_a_heading_counts_for_what_follows_it() -> None:
    reading = read("ada@example.com\n\ufeffemail,role\nbo@example.com,developer\nnobody,user")

    assert reading.addresses == [
        Address("ada@example.com", ""),
        Address("bo@example.com", "developer"),
    ]
    assert [(bad.number, bad.text) for bad in reading.bad_lines] == [(4, "nobody")]


def test_of_two_texts_the_one_with_a_heading_comes_last() -> None:
    typed, file = "email,role\nbo@example.com,developer\n", "ada@example.com\n"

    assert emails(joined(typed, file)) == ["ada@example.com", "bo@example.com"]
    assert joined("", "\n") == ""


def test_an_address_with_two_roles_has_the_first_and_the_other_is_named() -> None:
    reading = read(
        "email,role\nada@example.com,developer\nAda@example.com,user\nada@example.com,Developer"
    )

    assert reading.addresses == [Address("ada@example.com", "developer")]
    assert [bad.number for bad in reading.bad_lines] == [3]


def test_a_spreadsheets_byte_order_mark_does_not_hide_the_heading() -> None:
    assert emails("\ufeffemail\nada@example.com") == ["ada@example.com"]


def test_a_line_without_an_address_is_named_with_its_number() -> None:
    reading = read("ada@example.com\n\nnot an address\nbo@example")

    assert [(bad.number, bad.text) for bad in reading.bad_lines] == [
        (3, "not an address"),
        (4, "bo@example"),
    ]
    assert [address.email for address in reading.addresses] == ["ada@example.com"]


def test_nothing_is_nothing() -> None:
    assert read(" \n ,; \n").addresses == []
    assert read("").bad_lines == []
