"""The page: complete, escaped, accessible as far as its markup shows, and explicit about what is missing."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from dig_bench import report
from dig_bench.cell import ROW_COLUMNS, STATUSES, Row
from dig_bench.report.page import STATUSES as MEANINGS
from dig_bench.report.page import render
from dig_bench.report.prepare import prepare
from dig_bench.report.sections import sections
from dig_bench.results.folder import StoreError
from dig_bench.results.manifest import read_manifest
from dig_bench.results.read import read_rows
from dig_bench.results.table import format_line
from harness import HOSTILE
from report_rows import frame, row, sweep, write_results

VOID = {"meta", "input", "br", "wbr", "link", "img", "hr"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    parent: "Element | None" = None
    children: list["Element"] = field(default_factory=list)
    text: str = ""

    def all(self, *tags: str) -> list["Element"]:
        found = [self] if self.tag in tags else []
        return found + [element for child in self.children for element in child.all(*tags)]

    def words(self) -> str:
        return self.text + "".join(child.words() for child in self.children)


class Page(HTMLParser):
    """A tree of the elements; complains of one that is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.root = self.current = Element("document", {})
        self.feed(self.html)
        assert self.current is self.root, f"<{self.current.tag}> is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self.current)
        self.current.children.append(element)
        if tag not in VOID:
            self.current = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.current.children.append(Element(tag, {name: value or "" for name, value in attrs}, self.current))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.current.tag, f"</{tag}> closes <{self.current.tag}>"
        assert self.current.parent is not None
        self.current = self.current.parent

    def handle_data(self, data: str) -> None:
        self.current.text += data

    def all(self, *tags: str) -> list[Element]:
        return self.root.all(*tags)

    def words(self) -> str:
        return " ".join(element.words() for element in self.all("header", "main"))


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def drawn(tmp_path: Path, rows: Iterable[Row], **environment: object) -> Page:
    """The page of these rows, as `report.write` renders it, without the figures' files."""
    folder = write_results(tmp_path / "example", rows, **environment)
    found, manifest = read_rows(folder), read_manifest(folder)
    data = prepare(found, manifest)
    html = render("example", rows=found, data=data, manifest=manifest, sections=sections(data))
    return Page(html)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Page:
    models = ("DiG-S/2@fla", "DiT-S/2@math", "DiT-S/2@flash2")
    rows = sweep(models=models, resolutions_px=(256, 1024, 1536), executions=("eager", "graph"))
    rows += [row("DiS-S/2@mamba-ssm", 256, status="crashed", detail="killed by signal 9 (SIGKILL)")]
    return drawn(tmp_path_factory.mktemp("report"), rows)


def test_the_page_and_its_figures_are_written_and_named_after_the_results(tmp_path: Path) -> None:
    of_two_figures = row("DiG-S/2@fla", 256, energy_j_per_image=None, power_w_mean=None)
    folder = write_results(tmp_path / "results" / "example", [of_two_figures])
    page, *figures = report.write(folder, out=tmp_path / "reports")
    assert page == tmp_path / "reports" / "example.html"
    assert len(figures) == 4
    assert {path.parent for path in figures} == {tmp_path / "reports" / "example"}
    assert sorted(figures) == sorted((tmp_path / "reports" / "example").iterdir())
    assert {path.suffix for path in figures} == {".png", ".svg"}
    other, *_ = report.write(folder / "rows.csv", out=tmp_path / "reports", name="other")
    assert other == tmp_path / "reports" / "other.html"


def test_the_sweep_s_own_figures_have_fixed_names(tmp_path: Path) -> None:
    folder = write_results(tmp_path, sweep(resolutions_px=(256, 512)))
    written = report.write_figures(folder)
    assert [path.name for path in written] == ["speed.png", "speed.svg", "memory.png", "memory.svg"]
    assert all(path.parent == folder and path.stat().st_size for path in written)


def test_the_page_needs_no_network(example: Page) -> None:
    loaded = [
        element.attributes.get(name) for element in example.all("script", "link", "img") for name in ("src", "href")
    ]
    assert not any(loaded)
    assert "@import" not in example.html
    assert not re.search(r"url\((?!#)", example.html)
    (policy,) = [e for e in example.all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policy.attributes["content"].startswith("default-src 'none'")


def test_every_row_and_every_column_with_a_value_is_in_the_table(example: Page) -> None:
    (table,) = [table for table in example.all("table") if table.attributes.get("id") == "rows-table"]
    head, body = table.all("thead")[0], table.all("tbody")[0]
    columns = [cell.words() for cell in head.all("th")]
    assert set(columns) <= set(ROW_COLUMNS)
    assert {"latency_ms_median", "peak_allocated_mib", "status", "detail"} <= set(columns)
    assert "throttle_reasons" not in columns
    assert len(body.all("tr")) == 3 * 3 * 2 + 1
    assert "killed by signal 9 (SIGKILL)" in body.words()
    statuses = {cell.words() for cell in body.all("td") if "status" in cell.attributes.get("class", "").split()}
    assert statuses == {"ok", "oom", "crashed"}


def test_the_meaning_of_every_status_is_on_the_page(example: Page) -> None:
    assert set(STATUSES) == {status for status, _ in MEANINGS}
    for _, meaning in MEANINGS:
        assert meaning in example.words()


def test_numbers_are_rounded_with_all_digits_beside_them(example: Page) -> None:
    (table,) = [table for table in example.all("table") if table.attributes.get("id") == "rows-table"]
    column = [cell.words() for cell in table.all("thead")[0].all("th")].index("latency_ms_median")
    cell = table.all("tbody")[0].all("tr")[0].children[column]
    assert len(cell.words()) <= 6
    assert float(cell.attributes["title"]) == row("DiG-S/2@fla", 256, mode="train", execution="eager").latency_ms_median


def test_headings_descend_and_the_document_has_a_language_and_a_title(example: Page) -> None:
    (html,) = example.all("html")
    assert html.attributes["lang"] == "en"
    assert example.all("title")[0].words() == "example · dig-bench"
    levels = [int(heading.tag[1]) for heading in example.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_figure_has_a_text_and_a_table(example: Page) -> None:
    figures = example.all("figure")
    assert figures
    for figure in figures:
        (svg,) = figure.all("svg")
        assert svg.attributes["role"] == "img"
        assert svg.attributes["aria-label"]
        assert figure.all("figcaption")[0].words().strip()
        assert figure.all("table")


def test_headers_have_a_scope_and_inputs_a_label(example: Page) -> None:
    assert all(header.attributes.get("scope") in ("row", "col") for header in example.all("th"))
    labelled = {label.attributes["for"] for label in example.all("label")}
    assert {control.attributes["id"] for control in example.all("input", "select")} == labelled
    (table,) = [table for table in example.all("table") if table.attributes.get("id") == "rows-table"]
    for header in table.all("thead")[0].all("th"):
        assert header.attributes["aria-sort"] == "none"
        assert header.all("button")


def test_ids_are_unique_and_every_link_inside_the_page_arrives(example: Page) -> None:
    ids = re.findall(r'\sid="([^"]+)"', example.html)
    assert len(set(ids)) == len(ids)
    targets = {link.attributes["href"][1:] for link in example.all("a") if link.attributes["href"].startswith("#")}
    assert {"speed-memory", "rows", "paper"} <= targets <= set(ids)


def test_the_headline_is_against_the_fastest_competitor_and_the_figures_follow_the_baseline(
    example: Page, tmp_path: Path
) -> None:
    assert "DiG-S/2@fla runs at" in example.all("header")[0].words()
    assert "times the speed of DiT-S/2@flash2, the fastest competitor measured" in example.all("header")[0].words()
    models = ("DiG-S/2@fla", "DiT-S/2@math", "DiT-S/2@flash2")
    folder = write_results(tmp_path / "example", sweep(models, resolutions_px=(256,)))
    page, *_ = report.write(folder, out=tmp_path, baseline="DiT@math")
    assert "times the speed of DiT-S/2@flash2" in read(page).all("header")[0].words()
    assert "Speed-up over DiT-S/2@math" in page.read_text(encoding="utf-8")


def test_a_comparison_of_single_processes_is_labelled_wherever_it_stands(example: Page) -> None:
    assert "(one process; train" in example.all("header")[0].words()
    for figure in example.all("figure"):
        assert any("one process" in text.words() for text in figure.all("text")), figure.attributes["id"]


def test_the_method_names_the_columns_that_say_how_much_a_latency_is_worth(example: Page) -> None:
    columns = {code.words() for code in example.all("code")}
    later = {"state", "checked", "latency_trend_per_s", "energy_consistency", "device_duty", "second_look_ms_median"}
    assert later | {"timing_throttle_reasons", "timing_power_w", "timing_sm_clock_mhz", "host_slowdown"} <= columns


def test_warnings_and_tiles_are_in_the_header(tmp_path: Path) -> None:
    header = drawn(tmp_path, [row("DiG-S/2@fla", 256)], git_dirty=True).all("header")[0].words()
    assert "uncommitted changes" in header
    assert "1 of 1" in header


def test_no_value_of_a_file_becomes_markup(tmp_path: Path) -> None:
    text = "".join(HOSTILE[:4])
    hostile = replace(row(f"{text}@fla", 256), detail=text, device_name=text, kernels="=cmd()", throttle_reasons=text)
    page = drawn(tmp_path, [hostile, row("DiG-S/2@fla", 256)], gpu_name=text, **{text: [text, {text: 1}]})
    assert len(page.all("script")) == 1
    assert not page.all("img", "b")
    assert text in page.words()


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "holds no rows"),
        ([row("DiG-S/2@fla", 256, status=s) for s in ("crashed",)], "No cell was measured"),
        ([row("DiG-S/2@fla", px, status="oom") for px in (256, 512)], "No cell was measured"),
        ([row("DiG-S/2@fla", 256)], "1 of 1"),
        ([replace(row("DiG-S/2@fla", 256), latency_ms_median=float("nan"))], "1 of 1"),
        ([replace(row("DiG-S/2@fla", 256), peak_allocated_mib=1e300, latency_ms_median=1e-300)], "1 of 1"),
        ([replace(row("DiG-S/2@fla", 256), latency_ms_median=float("inf"))], "1 of 1"),
        ([replace(row("DiG-S/2@fla", 256), latency_ms_ci_low=None, latency_ms_ci_high=None)], "1 of 1"),
        ([row("Toy@conv2d", px, device="cpu", execution="eager") for px in (256, 512)], "resident set"),
    ],
)
def test_a_page_is_written_whatever_the_rows_hold(rows: list[Row], says: str, tmp_path: Path) -> None:
    assert says in drawn(tmp_path, rows).words()


def test_rows_without_a_manifest_are_reported_as_of_unknown_origin(tmp_path: Path) -> None:
    lines = [ROW_COLUMNS, row("DiG-S/2@fla", 256).as_dict().values()]
    (tmp_path / "rows.csv").write_text("".join(map(format_line, lines)), encoding="utf-8")
    page, *_ = report.write(tmp_path, out=tmp_path / "reports", name="example")
    assert "machine, versions and protocol are unknown" in read(page).words()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [({"baseline": "DiT@flash3"}, "DiT@flash3"), ({"name": "../up"}, "file name"), ({"name": ".."}, "file name")],
)
def test_a_mistake_is_one_line_and_writes_nothing(arguments: dict[str, str], complaint: str, tmp_path: Path) -> None:
    folder = write_results(tmp_path / "results", sweep(resolutions_px=(256,)))
    with pytest.raises(ValueError, match=complaint) as raised:
        report.write(folder, out=tmp_path / "reports", **arguments)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "reports").exists()


def test_missing_results_and_a_folder_that_cannot_be_written_are_store_errors(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        report.write(tmp_path / "nowhere", out=tmp_path / "reports")
    folder = write_results(tmp_path / "results", sweep(resolutions_px=(256,)))
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="file"):
        report.write(folder, out=tmp_path / "file")


def test_a_page_of_a_hundred_rows_stays_below_one_megabyte() -> None:
    rows = frame(sweep(executions=("eager", "graph")))
    assert len(rows) == 96
    data = prepare(rows)
    html = render("big", rows=rows, data=data, manifest=None, sections=sections(data))
    assert len(html.encode()) < 1_000_000
