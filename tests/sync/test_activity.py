"""The list of changes that were asked for here."""

import re

import pytest

from apps.sync.models import Command
from tests.browsing import at_desk
from tests.factories import CommandFactory, GrantFactory

pytestmark = pytest.mark.django_db
SAME = ("billing.purchase", "billing.own_purchase")


def test_changes_of_one_name_are_one_choice_of_the_filter() -> None:
    reader = GrantFactory()
    address = f"/o/{reader.organization.slug}/activity/"
    for kind in (*SAME, "members.remove"):
        CommandFactory(for_organization=reader.organization, kind=kind, label=f"of {kind}")
    client = at_desk(reader.user)
    select = client.get(address).text.split('name="kind"')[1].partition("</select>")[0]
    options = re.findall(r'<option value="([^"]+)"[^>]*>([^<]+)<', select)
    assert len({label.strip() for _value, label in options}) == len(options)
    (value,) = {value for value, _label in options} & set(SAME)

    rows = client.get(address, {"kind": value}).text
    assert [f"of {kind}" in rows for kind in (*SAME, "members.remove")] == [True, True, False]
    assert Command.objects.count() == 3
