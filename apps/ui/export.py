"""CSV and XLSX of a whole list: every column, the filters respected, memory flat."""

import csv
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.http import FileResponse, Http404, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.text import slugify

from apps.ui.keyset import page_of

if TYPE_CHECKING:
    from apps.ui.listing import ListPage

CHUNK = 1000  # rows fetched and prepared at a time
SHEET_ROWS = 1_048_575  # what a sheet holds beside its heading
# How a sheet shows its numbers: amounts with all their decimals, as far as spreadsheets count: to fifteen digits.
NUMBER_FORMATS = {Decimal: "#,##0.00#############", int: "#,##0"}
# A cell that begins so would be run as a formula by spreadsheets.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe(value: Any) -> Any:
    """A value as a cell may hold it: text that looks like a formula gets an apostrophe before it.

    Times become the reader's own, to the second, without a zone (the heading row names the zone).
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal):
        return value
    if isinstance(value, datetime):
        return timezone.localtime(value).strftime("%Y-%m-%d %H:%M:%S")
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def lines(page: "ListPage[Any]") -> Iterator[list[Any]]:
    """The heading and then every matching row, fetched a chunk at a time by keyset."""
    zone = timezone.get_current_timezone_name()
    columns = page.exported_columns
    times = {column.key for column in columns if column.moment or column.cell == "when"}
    yield [
        f"{column.label} ({zone})" if column.key in times else str(column.label)
        for column in columns
    ]
    readers = [column.read_for_export for column in columns]
    after = None
    while True:
        found = page_of(page.matching, page.order, CHUNK, after=after)
        if after is not None and found.previous is None:
            return  # what followed is gone: keyset fell back to the first page
        page.prepare(found.rows)
        for row in found.rows:
            yield [safe(read(row)) for read in readers]
        after = found.next
        if after is None:
            return


class _Echo:
    """Hands back what the csv module writes, line by line."""

    def write(self, text: str) -> str:
        return text


def _csv(page: "ListPage[Any]", name: str) -> HttpResponseBase:
    return csv_of(lines(page), name)


def csv_of(table: Iterable[list[Any]], name: str) -> HttpResponseBase:
    """The lines of ``table``, whose cells are ``safe``, streamed as ``name``.csv."""
    writer = csv.writer(_Echo())
    zone = timezone.get_current_timezone()

    def streamed() -> Iterator[str]:
        # The answer is written after the middleware has gone home, and taken its time zone along.
        with timezone.override(zone):
            yield "\ufeff"  # without it Excel reads UTF-8 as something else
            for line in table:
                # Amounts in full: "0.0000001", where Python would write "1E-7".
                yield writer.writerow(
                    [f"{cell:f}" if isinstance(cell, Decimal) else cell for cell in line]
                )

    answer = StreamingHttpResponse(_gathered(streamed()), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def _gathered(parts: Iterable[str], size: int = 32_768) -> Iterator[str]:
    """Few large pieces instead of many small ones: each costs a turn of the web server."""
    held: list[str] = []
    length = 0
    for part in parts:
        held.append(part)
        length += len(part)
        if length >= size:
            yield "".join(held)
            held, length = [], 0
    yield "".join(held)


def _xlsx(page: "ListPage[Any]", name: str) -> HttpResponseBase:
    return xlsx_of(lines(page), str(page.title), name)


def xlsx_of(table: Iterable[list[Any]], title: str, name: str) -> HttpResponseBase:
    """The lines of ``table``, whose cells are ``safe`` and whose first is the heading, as ``name``.xlsx.

    Numbers are numbers there, with a format. A spreadsheet's have fifteen digits; a CSV has them all.
    """
    from openpyxl import Workbook  # a twelfth of a process's start, for what few ask for
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)  # rows go to a file on disk as they come
    sheet = book.create_sheet(title[:31])
    styled = {kind: WriteOnlyCell(sheet) for kind in NUMBER_FORMATS}
    for kind, cell in styled.items():
        cell.number_format = NUMBER_FORMATS[kind]
    for number, line in enumerate(table):
        if number and number % SHEET_ROWS == 0:
            sheet = book.create_sheet(f"{title[:25]} {number // SHEET_ROWS + 1}")
        sheet.append(_with_formats(line, styled))
    # FileResponse closes it, and closing deletes it.
    file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the answer that streams it
    book.save(file)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"{name}.xlsx")


def _with_formats(line: Iterable[Any], styled: dict[type, Any]) -> Iterator[Any]:
    """The cells of a line, each written before the next is asked for: so one of a kind serves all."""
    for value in line:
        cell = styled.get(type(value))
        if cell is None:
            yield value
        else:
            cell.value = value
            yield cell


FORMS: dict[str, Callable[["ListPage[Any]", str], HttpResponseBase]] = {"csv": _csv, "xlsx": _xlsx}


def respond(page: "ListPage[Any]", form: str) -> HttpResponseBase:
    """The list as a file: ``form`` is "csv" or "xlsx", all else a 404. The answer knows its ``listing``."""
    if form not in FORMS:
        raise Http404
    day = timezone.localdate().isoformat()
    answer = FORMS[form](page, f"{page.organization.slug}-{slugify(page.name)}-{day}")
    answer.listing = page  # type: ignore[attr-defined]  # for whoever sends it on
    return answer
