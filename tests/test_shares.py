"""What PostgreSQL runs of a table leaves no row and no column out."""

from itertools import product

import pytest

from tests import shares


@pytest.mark.parametrize(("height", "width", "apart"), [(30, 22, 4), (4, 32, 4), (2, 32, 2)])
@pytest.mark.parametrize("offset", range(4))
def test_of_a_table_each_row_and_each_column_has_its_part(
    monkeypatch: pytest.MonkeyPatch, height: int, width: int, apart: int, offset: int
) -> None:
    monkeypatch.setattr(shares, "EVERY_CASE", False)
    monkeypatch.setattr(shares, "_values", {})
    rows, columns = ([object() for _ in range(size)] for size in (height, width))
    run = [
        (row, column)
        for row, column in product(rows, columns)
        if shares.is_run(
            offset + shares.number("table", "row", row) + shares.number("table", "column", column),
            apart,
        )
    ]
    assert {row for row, _column in run} == set(rows)
    assert {column for _row, column in run} == set(columns)
    assert len(run) <= height * width / apart + height


def test_neighbours_have_all_of_a_list_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "EVERY_CASE", False)
    fields = range(10)
    shared = [shares.share(fields, offset) for offset in range(shares.APART)]
    assert sorted(one for some in shared for one in some) == list(fields)
