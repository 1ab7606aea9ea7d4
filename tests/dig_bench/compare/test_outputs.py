"""Outputs of a comparison: complete, valid, and safe whatever text a table of rows holds."""

import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from dig_bench.cell import Row
from dig_bench.compare.comparison import Comparison, compare
from dig_bench.compare.evidence import Evidence, read_evidence
from dig_bench.compare.output import check, render, summarise_job, terminal, words, write
from dig_bench.compare.output.markdown import MARKER
from dig_bench.compare.settings import Settings
from harness import HOSTILE, Elements
from report_rows import row, sweep, write_results

FORMATS = [".md", ".xml", ".json", ".html"]


def sides(changes: Sequence[dict[str, object]] = (), **more: object) -> Comparison:
    """Three processes of three models; the candidate's rows of each model take one of the changes."""
    rows = [
        replace(each, process=process, first_call_s=(each.first_call_s or 0) * (1 + process / 1e3))
        for process in (1, 2, 3)
        for each in sweep(models=("DiG-S/2@fla", "DiT-S/2@math", "DiS-S/2@mamba-ssm"), resolutions_px=(256, 512))
    ]
    models = ["DiG-S/2", "DiT-S/2", "DiS-S/2"]
    changed = [replace(each, **dict(zip(models, changes, strict=False)).get(each.model, {})) for each in rows]
    return compare(Evidence.of(rows, source="base"), Evidence.of(changed, source="candidate"), Settings(**more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def mixed() -> Comparison:
    """Slower, failed and the same."""
    return sides([{"latency_ms_median": 1000.0}, {"status": "mismatch", "detail": "the output is not finite"}])


def shown(comparison: Comparison) -> str:
    console = Console(file=io.StringIO(), width=300, force_terminal=False)
    console.print(terminal.render(comparison))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_every_format_names_every_cell_and_its_verdict(mixed: Comparison) -> None:
    for text in (shown(mixed), *(render(mixed, suffix) for suffix in (".md", ".xml", ".html"))):
        for cell in mixed.cells:
            assert str(cell.key) in text
        for word in ("SLOWER", "FAILED", "the output is not finite"):
            assert word in text


def test_json_holds_the_values_and_the_verdicts(mixed: Comparison) -> None:
    found = json.loads(render(mixed, ".json"))
    assert (found["outcome"], found["exit_code"]) == ("regression", 1)
    assert [cell["verdict"] for cell in found["cells"]] == [cell.verdict for cell in mixed.cells]
    (latency,) = [finding for finding in found["cells"][0]["findings"] if finding["metric"] == "latency"]
    assert (latency["verdict"], latency["candidate"], latency["unit"]) == ("slower", [1000.0] * 3, "ms")


def test_json_has_null_where_an_interval_is_infinite() -> None:
    rows = [row("DiG-S/2@fla", 256)]
    found = json.loads(render(compare(Evidence.of(rows), Evidence.of(rows), Settings()), ".json"))
    latency = found["cells"][0]["findings"][0]
    assert (latency["ratio"], latency["ratio_high"], latency["verdict"]) == (1.0, None, "undecided")


def test_junit_counts_failures_and_skips(mixed: Comparison) -> None:
    suite = ElementTree.fromstring(render(mixed, ".xml")).find("testsuite")
    assert suite is not None
    assert suite.attrib["tests"] == str(len(suite))
    assert suite.attrib["failures"] == str(len(suite.findall("testcase/failure"))) == "4"
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("SLOWER")
    assert "candidate: 1,000, 1,000, 1,000" in (failure.text or "")


def test_a_refused_comparison_is_an_error_in_junit_and_says_why_everywhere() -> None:
    rows = [row("DiG-S/2@fla", 256)]
    refused = compare(Evidence.of(rows), Evidence.of([replace(rows[0], device_name="another")]), Settings())
    suite = ElementTree.fromstring(render(refused, ".xml"))
    assert len(suite.findall("testsuite/testcase/error")) == 1
    for text in (shown(refused), *(render(refused, suffix) for suffix in FORMATS)):
        assert "another" in text


def test_nothing_to_compare_can_be_written_in_every_format() -> None:
    nothing = compare(Evidence.of([]), Evidence.of([]), Settings())
    for suffix in FORMATS:
        assert render(nothing, suffix)
    assert "Nothing to compare" in shown(nothing)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_in_a_table_stays_text(text: str) -> None:
    hostile = {"detail": text, "kernels": text, "device_name": text}
    rows = [
        *(
            Row.of(replace(row(f"{text}@{text}", 256).cell, process=n), "ok", latency_ms_median=10.0, **hostile)
            for n in (1, 2, 3)
        ),
        *(replace(each, process=n) for n in (1, 2, 3) for each in [row("DiG-S/2@fla", 256, device_name=text)]),
    ]
    worse = [
        replace(each, status="crashed") if each.model != text else replace(each, latency_ms_median=20.0)
        for each in rows
    ]
    worse = [replace(each, detail=text, kernels=text + " new") for each in worse]
    found = compare(Evidence.of(rows, source=text), Evidence.of(worse, source=text), Settings())

    page = render(found, ".html")
    elements = Elements(page)
    assert elements.scripts == 1
    assert not elements.tags & {"img", "b", "iframe"}
    assert not any(name.startswith("on") for name in elements.attributes)
    ElementTree.fromstring(render(found, ".xml"))
    json.loads(render(found, ".json"))

    markdown = render(found, ".md")
    outside_code = re.sub(r"`[^`\n]*`", "", markdown.replace(MARKER, ""))
    for sign in ("<script", "<img", "@everyone", "javascript:", "![b]", "\x1b"):
        assert sign not in outside_code
    tables = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in tables} == {len(re.findall(r"(?<!\\)\|", tables[0]))}

    printed = shown(found)
    assert not set(printed) & {"\x1b", "\x00", "\x07", "\x08"}
    assert "##[" not in printed
    assert not any(line.lstrip().startswith("::") for line in printed.splitlines())


def test_hostile_numbers_are_drawn_and_written(tmp_path: Path) -> None:
    rows = [replace(row("DiG-S/2@fla", 256), process=process) for process in (1, 2, 3)]
    for value in (1e308, 5e-324, -1e308, float("nan"), float("inf"), 0.0):
        changed = [
            replace(each, latency_ms_median=value, peak_allocated_mib=value, first_call_s=value, sm_clock_mhz=value)
            for each in rows
        ]
        for pair in ((rows, changed), (changed, rows), (changed, changed)):
            found = compare(*(Evidence.of(each) for each in pair), Settings())
            for suffix in FORMATS:
                write(found, tmp_path / f"compare{suffix}")
            shown(found)


def test_a_table_with_hostile_fields_is_compared_from_its_file(tmp_path: Path) -> None:
    rows = [replace(row("=HYPERLINK(1)@fla", 256, detail="<b>"), process=process) for process in (1, 2, 3)]
    folder = write_results(tmp_path / "results", rows)
    found = compare(read_evidence(folder), read_evidence(folder / "rows.csv"), Settings(metrics=("latency",)))
    assert found.exit_code == 0
    assert "=HYPERLINK(1)" in render(found, ".html")


def test_a_thousand_cells_fit_into_a_comment() -> None:
    rows = [
        replace(row(f"DiG-S/2-{'variant' * 6}@fla", 16 * number), process=process, detail="x" * 500)
        for number in range(1, 1001)
        for process in (1, 2, 3)
    ]
    slow = [
        replace(each, latency_ms_median=1e4) if each.resolution_px % 32 else replace(each, status="oom")
        for each in rows
    ]
    text = render(compare(Evidence.of(rows), Evidence.of(slow), Settings()), ".md")
    assert re.search(r"^and \d+ more\.$", text, re.MULTILINE)
    assert len(text) < 65_536


def test_a_job_s_summary_is_appended_to(mixed: Comparison, tmp_path: Path) -> None:
    page = tmp_path / "summary.md"
    page.write_text("before\n", encoding="utf-8")
    summarise_job(mixed, {"GITHUB_STEP_SUMMARY": str(page)})
    assert page.read_text(encoding="utf-8") == f"before\n{render(mixed, '.md')}\n"
    summarise_job(mixed, {})
    with pytest.raises(ValueError, match="nowhere"):
        summarise_job(mixed, {"GITHUB_STEP_SUMMARY": str(tmp_path / "nowhere" / "page.md")})


def test_an_output_of_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.md, \.xml, \.json, \.html"):
        check([tmp_path / "compare.pdf"])
    with pytest.raises(ValueError, match="no such folder"):
        check([tmp_path / "nowhere" / "compare.md"])


def test_the_page_shows_the_processes_and_stands_alone(mixed: Comparison) -> None:
    page = render(mixed, ".html")
    assert page.count("<svg") == len(words.metrics_shown(mixed)) == 4
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"(?!#)(?!https?://www\.w3\.org)", page)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("value", "text"), [(12346.0, "12,346"), (12.346, "12.35"), (0.0123456, "0.01235"), (1e20, "1.000e+20")]
)
def test_values_have_four_digits(value: float, text: str) -> None:
    assert words.value(value, "latency") == text
