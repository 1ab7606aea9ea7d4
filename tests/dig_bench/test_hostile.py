"""Hostile tables and messages: nothing in them runs or breaks anything, and every row stays readable."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import pytest

from dig_bench import report
from dig_bench.cell import MAX_TEXT, ROW_COLUMNS, Cell, Row, one_line
from dig_bench.results.folder import StoreError
from dig_bench.results.read import read_rows
from dig_bench.results.store import Store
from dig_bench.results.table import CHOICES, format_line
from harness import HOSTILE, Elements
from report_rows import row, write_results
from sweep_of_four import CELLS, row_of

# Fonts warn about characters that they lack; no other warning is allowed.
pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.filterwarnings("ignore:Glyph")]

TEXT = (
    # No table holds NUL.
    *(text.replace("\0", " ") for text in HOSTILE),
    "<script>document.title='run'</script>",
    "</table></svg><b>bold</b>",
    "&amp;&#60;b&#62;",
    "'\" onmouseover=document.title='run' \"",
    "%s%n",
    "../../../etc/passwd",
    "e\u0301 日本語 \U0001f680 \ufffe",
)

NUMBERS = {
    "int": ["", "0x10", "1_000", " 256", "256 ", "+256", "٢٥٦", "2.5", "1e3", "-1", str(2**53 + 1), "9" * 5000, "True"],
    "float": ["1_0.0", " 1.0", "0x1p3", "1,5", "1.0.0", "infinity", "NaN()", "१.५", "--1", "e5", "=1+1"],
}

EXTREME = (0.0, -0.0, -1.0, 1e308, -1e308, 1e-308, 5e-324, float("inf"), float("-inf"), float("nan"))

BYTES: dict[str, Callable[[bytes], bytes]] = {
    "UTF-16": lambda table: table.decode().encode("utf-16"),
    "Latin-1": lambda table: table.replace(b"DiG", "D\xeeG".encode("latin-1")),
    "a byte order mark": lambda table: b"\xef\xbb\xbf" + table,
    "NUL": lambda table: table.replace(b",ok,", b",ok\0,"),
    "a lone surrogate": lambda table: table.replace(b",ok,", b",\xed\xa0\x80,"),
    "a field without an end": lambda table: table.replace(b",ok,", b',"ok,'),
    "a field of a million characters": lambda table: table.replace(b",ok,", b",ok," + b"x" * 1_000_000),
    "a million columns": lambda table: table.replace(b",ok,", b",ok" + b"," * 1_000_000),
    "line ends of old Macs": lambda table: table.replace(b"\n", b"\r"),
    "HTML": lambda table: b"<html>\n<script>alert(1)</script>\n",
    "nothing": lambda table: b"",
}


def table_with(column: str, text: str) -> bytes:
    values = {**row("DiG-S/2@fla", 256).as_dict(), column: text}
    return (format_line(ROW_COLUMNS) + format_line(values.values())).encode()


def complaint(path: Path) -> str:
    with pytest.raises(StoreError) as raised:
        read_rows(path)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 1000
    return str(raised.value)


def columns_of(kind: str) -> list[str]:
    hints = get_type_hints(Row)
    return [name for name in ROW_COLUMNS if kind in str(hints[name]) and name not in CHOICES]


@pytest.mark.parametrize("kind", NUMBERS)
def test_text_in_a_number_s_place_is_reported_with_line_and_column(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    for column in columns_of(kind):
        for text in NUMBERS[kind]:
            if not text and "None" in str(get_type_hints(Row)[column]):
                continue
            path.write_bytes(table_with(column, text))
            assert f"line 2: {column} cannot be" in complaint(path)


@pytest.mark.parametrize("column", ["resolution_px", "batch_size", "process"])
def test_numbers_of_a_cell_start_at_one(column: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(table_with(column, "0"))
    assert f"line 2: {column} cannot be '0'" in complaint(tmp_path)


@pytest.mark.parametrize("case", BYTES)
def test_a_file_that_is_no_table_is_reported_in_one_line(case: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(BYTES[case](table_with("detail", "")))
    assert "rows.csv" in complaint(path)


def test_a_table_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    """Spreadsheets write Windows line ends and capital exponents."""
    (tmp_path / "rows.csv").write_bytes(table_with("latency_ms_median", "1.5E+02").replace(b"\n", b"\r\n"))
    assert read_rows(tmp_path)["latency_ms_median"].tolist() == [150.0]


def hostile_rows() -> list[Row]:
    """Returns sound rows, rows with each text in all text columns, and rows with each extreme number in all value
    columns."""
    rows = [row(name, px, mode="train") for name in ("DiG-S/2@fla", "DiT-S/2@math") for px in (256, 512, 1024)]
    # Each model adds a curve, each device and state a set of figures: one row has those.
    texts = sorted(set(columns_of("str")) - {"model", "device", "state"})
    for index, text in enumerate(TEXT):
        rows += [replace(row("DiG-S/2@fla", 1024 + 256 * index, mode="train"), **dict.fromkeys(texts, text))]
        rows += [replace(row("DiG-S/2@fla", 256), model=text)]
    figures = columns_of("float")
    for index, number in enumerate(EXTREME):
        rows += [replace(row("DiT-S/2@math", 16 + index, mode="train"), **dict.fromkeys(figures, number))]
        rows += [
            replace(row("DiG-S/2@fla", px, mode="train"), **{column: number})
            for px, column in enumerate(figures, start=10_000 + 100 * index)
        ]
    rows += [row("DiG-S/2@fla", 2**53, batch_size=2**53, process=2**53, device=TEXT[1], state=TEXT[0])]
    return rows


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_results(tmp_path_factory.mktemp("hostile") / "results", hostile_rows())
    written, *figures = report.write(folder, out=folder)
    assert figures
    assert all(path.parent == folder / "results" for path in figures)
    return written.read_text(encoding="utf-8")


def test_no_text_of_a_table_becomes_an_element_or_an_attribute(page: str) -> None:
    found = Elements(page)
    assert found.scripts == 1
    assert not found.tags & {"img", "b", "iframe"}
    assert not [name for name in found.attributes if name.startswith("on")]
    assert page.count("</html>") == 1
    for text in ("&lt;script&gt;document.title", "=cmd|&#39; /C calc&#39;!A0", "{{ undefined.attribute }}{% raw %}"):
        assert text in page


def test_absurd_numbers_are_in_the_table_and_not_in_the_figures(page: str) -> None:
    assert "1e+308" in page
    assert "∞" in page
    drawings = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert drawings
    assert not re.search(r"\b(nan|inf)\b", drawings)


@pytest.mark.parametrize(
    "said", ["a\0b", "a\ud800b", "a\rb\nc\x85d\u2028e", "\x1b[31mred", "x" * 1_000_000, "=CMD()", '"', "a,b;c", ""]
)
def test_a_library_s_message_keeps_its_table_readable(said: str, tmp_path: Path) -> None:
    store = Store.open(tmp_path, spec={}, environment={}, resume=True)
    detail = one_line(said)
    assert len(detail) <= MAX_TEXT
    assert detail.isprintable()
    store.append(replace(row_of(CELLS[0]), status="crashed", detail=detail), {})
    store.append(row_of(CELLS[1]), {})
    store.finish()
    assert read_rows(tmp_path)["detail"].tolist() == [detail, row_of(CELLS[1]).detail]


def test_a_cell_of_an_odd_name_is_one_row(tmp_path: Path) -> None:
    """The command line checks names of models; a table from elsewhere may hold any."""
    cells = [Cell(model=text, backend="fla", resolution_px=256) for text in TEXT]
    folder = write_results(tmp_path, [row_of(cell) for cell in cells])
    assert read_rows(folder)["model"].tolist() == list(TEXT)
