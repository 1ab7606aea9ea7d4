"""Whatever a table holds, it neither runs nor breaks anything; whatever a library says, its row stays readable."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import pytest
from dig_bench.report.series import TEXTS

from dig_bench import report
from dig_bench.cell import MAX_TEXT, ROW_COLUMNS, Cell, Row, one_line
from dig_bench.results.folder import StoreError
from dig_bench.results.read import read_rows
from dig_bench.results.store import Store
from dig_bench.results.table import CHOICES, format_line
from report_rows import row, write_results
from sweep_of_four import CELLS, row_of

# A font without a sign says so; nothing else may be said.
pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.filterwarnings("ignore:Glyph")]

TEXT = (
    "<script>document.title='run'</script>",
    "<img src=x onerror=document.title='run'>",
    "</table></svg><b>bold</b>",
    "=CMD()|'/C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "+1-1",
    "]]><!--",
    "&amp;&#60;b&#62;",
    "'\" onmouseover=document.title='run' \"",
    "{{ 7 * 7 }}{% raw %}",
    "$\\frac{1}{0}$",
    "_hidden from legends",
    "%s%n",
    "../../../etc/passwd",
    "right\u202eto left",
    "e\u0301 日本語 \U0001f680 \ufffe",
    "x" * 100_000,
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


def told(path: Path) -> str:
    with pytest.raises(StoreError) as raised:
        read_rows(path)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 1000
    return str(raised.value)


def columns_of(kind: str) -> list[str]:
    hints = get_type_hints(Row)
    return [name for name in ROW_COLUMNS if kind in str(hints[name]) and name not in CHOICES]


@pytest.mark.parametrize("kind", NUMBERS)
def test_what_is_no_number_is_told_with_its_line_and_column(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    for column in columns_of(kind):
        for text in NUMBERS[kind]:
            if not text and "None" in str(get_type_hints(Row)[column]):
                continue
            path.write_bytes(table_with(column, text))
            assert f"line 2: {column} cannot be" in told(path)


@pytest.mark.parametrize("column", ["resolution_px", "batch_size", "process"])
def test_a_cell_is_counted_from_one(column: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(table_with(column, "0"))
    assert f"line 2: {column} cannot be '0'" in told(tmp_path)


@pytest.mark.parametrize("case", BYTES)
def test_what_is_no_table_is_told_in_one_line(case: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(BYTES[case](table_with("detail", "")))
    assert "rows.csv" in told(path)


def test_a_table_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    """Line ends of Windows, exponents in capitals."""
    (tmp_path / "rows.csv").write_bytes(table_with("latency_ms_median", "1.5E+02").replace(b"\n", b"\r\n"))
    assert read_rows(tmp_path)["latency_ms_median"].tolist() == [150.0]


def hostile_rows() -> list[Row]:
    """Every text in every column of text, and every extreme number in every column of figures, among sound rows."""
    rows = [row(name, px, mode="train") for name in ("DiG-S/2@fla", "DiT-S/2@math") for px in (256, 512, 1024)]
    # Each model is a curve, each device a page of figures more.
    texts = sorted(TEXTS - CHOICES.keys() - {"model", "device"})
    rows += [replace(row("DiG-S/2@fla", 256, mode="train"), device=TEXT[0])]
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
    rows += [row("DiG-S/2@fla", 2**53, batch_size=2**53, process=2**53)]
    return rows


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_results(tmp_path_factory.mktemp("hostile") / "results", hostile_rows())
    written, *figures = report.write(folder, out=folder)
    assert figures
    assert all(path.parent == folder / "results" for path in figures)
    return written.read_text(encoding="utf-8")


def test_no_text_of_a_table_becomes_an_element_or_an_attribute(page: str) -> None:
    assert len(re.findall(r"<script\b", page)) == 1
    assert not re.findall(r"<(img|b|iframe)\b", page)
    assert not re.findall(r"<[a-z][^<>]*\son[a-z]+\s*=", re.sub(r'"[^"]*"', '""', page))
    assert page.count("</html>") == 1
    for text in ("&lt;script&gt;document.title", "=CMD()|&#39;/C calc&#39;!A0", "{{ 7 * 7 }}{% raw %}"):
        assert text in page


def test_numbers_beyond_reason_are_in_the_table_and_not_in_the_figures(page: str) -> None:
    assert "1e+308" in page
    assert "∞" in page
    drawings = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert drawings
    assert not re.search(r"\b(nan|inf)\b", drawings)


@pytest.mark.parametrize(
    "said", ["a\0b", "a\ud800b", "a\rb\nc\x85d\u2028e", "\x1b[31mred", "x" * 1_000_000, "=CMD()", '"', "a,b;c", ""]
)
def test_what_a_library_says_does_not_make_its_table_unreadable(said: str, tmp_path: Path) -> None:
    store = Store.open(tmp_path, spec={}, environment={}, resume=True)
    detail = one_line(said)
    assert len(detail) <= MAX_TEXT
    assert detail.isprintable()
    store.append(replace(row_of(CELLS[0]), status="crashed", detail=detail), {})
    store.append(row_of(CELLS[1]), {})
    store.finish()
    assert read_rows(tmp_path)["detail"].tolist() == [detail, row_of(CELLS[1]).detail]


def test_a_cell_of_an_odd_name_is_one_row(tmp_path: Path) -> None:
    """Names of models are checked; what a table of others holds is not."""
    cells = [Cell(model=text, backend="fla", resolution_px=256) for text in TEXT]
    folder = write_results(tmp_path, [row_of(cell) for cell in cells])
    assert read_rows(folder)["model"].tolist() == list(TEXT)
