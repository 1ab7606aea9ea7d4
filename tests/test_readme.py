"""README, CONTRIBUTING and the tables of committed results agree with the repository."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from dig_bench.results.read import read_rows

ROOT = Path(__file__).parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

NOT_MEASURED = "\N{EN DASH}"

ROWS = re.compile(r"<!-- rows: (\S+) -->\n((?:\|.*\n)+)")
"""A table of values from the rows of a folder."""


@cache
def committed(folder: str) -> pd.DataFrame:
    return read_rows(ROOT / folder)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables() -> Iterator[tuple[str, str, list[str], list[str]]]:
    """Document, folder, header and one line of each table of committed rows."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for folder, table in ROWS.findall(path.read_text(encoding="utf-8")):
            header, _, *lines = table.splitlines()
            for line in lines:
                yield path.name, folder, cells(header), cells(line)


def row(rows: pd.DataFrame, conditions: str, column: str) -> pd.Series:
    """The row that a table's value stands for: `S/2, forward, 256 px, 64 images` and ``DiG `@fused` ``."""
    size, mode, resolution, *rest = conditions.split(", ")
    family, backend = re.fullmatch(r"(\S+) `@(\S+)`", column).groups()  # type: ignore[union-attr]
    (batch,) = [int(each.split()[0]) for each in rest if each.endswith("images")] or [1]
    wanted = {
        "model": f"{family}-{size}",
        "backend": backend,
        "resolution_px": int(resolution.removesuffix(" px")),
        "batch_size": batch,
        "mode": mode,
        "precision": "bf16",
        "execution": "eager" if "eager" in rest else "graph",
    }
    for name, value in wanted.items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1, f"{len(rows)} rows of {wanted}"
    return rows.iloc[0]


def digits(value: float) -> str:
    """Three significant digits."""
    return f"{value:#.3g}".rstrip(".")


@pytest.mark.parametrize(("document", "folder", "header", "line"), list(tables()), ids=lambda value: str(value)[:40])
def test_tables_hold_the_values_of_committed_rows(
    document: str, folder: str, header: list[str], line: list[str]
) -> None:
    rows = committed(folder)
    conditions, *values = line
    for column, value in zip(header[1:], values, strict=True):
        if value == NOT_MEASURED:
            continue
        if column == "DiT/DiG":
            dit, dig = (row(rows, conditions, f"{family} `@fused`") for family in ("DiT", "DiG"))
            is_one_sided = ("sw_power_cap" in dit.throttle_reasons) != ("sw_power_cap" in dig.throttle_reasons)
            assert value == f"{dit.latency_ms_median / dig.latency_ms_median:.2f}{' †' if is_one_sided else ''}"
            # The rows of this folder are from one process each: `row` finds a single one.
            assert header[0].endswith("one process")
            continue
        measured = row(rows, conditions, column)
        noisy = " (noisy)" if measured.status == "noisy" else ""
        assert value == f"{digits(measured.latency_ms_median)} ms{noisy}"


def test_there_are_tables_of_committed_rows() -> None:
    documents = {document for document, *_ in tables()}
    assert {"README.md", "which-backbone.md"} <= documents


def test_the_answer_in_the_readme_states_ratios_of_committed_rows() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    fused, by_resolution = (committed(f"results/h100-80gb-hbm3/{name}") for name in ("fused", "paper-resolution"))

    def ratio(rows: pd.DataFrame, conditions: str, value: str = "latency_ms_median") -> float:
        dit, dig = (row(rows, conditions, f"{family} `@fused`")[value] for family in ("DiT", "DiG"))
        return float(dit / dig)

    def percent(share: float) -> str:
        return f"{100 * share:.0f} %"

    memory = 1 - 1 / ratio(fused, "S/2, train, 1792 px", "peak_allocated_mib")
    stated = (
        f"at 2048 px an S/2 forward pass is {ratio(fused, 'S/2, forward, 2048 px'):.1f} times as fast.",
        f"at 1792 px an S/2 step is {ratio(fused, 'S/2, train, 1792 px'):.1f} times as fast, "
        f"with {percent(memory)} less memory",
        f"DiT is {percent(1 / ratio(by_resolution, 'S/2, train, 256 px') - 1)} faster in an S/2 training step",
    )
    assert [phrase for phrase in stated if phrase not in text] == []
    certain = 1.06
    assert all(ratio(fused, f"S/2, forward, {px} px") > certain for px in range(512, 2049, 256))
    for px in (512, 768):
        assert 1 / certain < ratio(by_resolution, f"S/2, train, {px} px") < certain
    assert all(ratio(by_resolution, f"S/2, train, {px} px") > certain for px in range(1024, 2049, 256))
    for conditions in ("S/2, forward, 256 px", "S/2, forward, 256 px, 64 images"):
        assert 1 / certain < ratio(fused, conditions) < certain


def test_dit_fused_is_the_fastest_competitor_under_every_condition_of_the_answer() -> None:
    for folder in ("fused", "paper-resolution"):
        rows = committed(f"results/h100-80gb-hbm3/{folder}")
        bf16 = rows[(rows["precision"] == "bf16") & (rows["execution"] == "graph") & rows["latency_ms_median"].notna()]
        for _, cells_ in bf16[bf16["model"].str.startswith(("DiT", "DiS"))].groupby(
            [bf16["model"].str.split("-").str[-1], "mode", "resolution_px", "batch_size"]
        ):
            if "fused" in set(cells_["backend"]):
                assert cells_.loc[cells_["latency_ms_median"].idxmin(), "backend"] == "fused"


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= 9000


def mapped(folder: str) -> set[str]:
    """Names below a folder in CONTRIBUTING's map."""
    block = CONTRIBUTING.split("```")[1]
    below = re.split(rf"^{re.escape(folder)}/ .*\n", block, flags=re.MULTILINE)[1]
    return {line.split()[0] for line in re.match(r"(?:  \S.*\n)*", below)[0].splitlines()}  # type: ignore[index]


def present(folder: Path) -> set[str]:
    return {
        f"{path.name}/" if path.is_dir() else path.name
        for path in folder.iterdir()
        if path.name not in ("__init__.py", "__pycache__") and (path.is_dir() or path.suffix == ".py")
    }


@pytest.mark.parametrize("folder", ["dig_bench", "models/dig_models", "benchmarks"])
def test_contributing_maps_every_folder_and_module(folder: str) -> None:
    assert mapped(folder) == present(ROOT / folder)


def test_contributing_names_only_files_that_exist() -> None:
    named = re.findall(
        r"`((?:dig_bench|models|tests|benchmarks|docs|examples|reports|results|\.github)/[^`]*)`", CONTRIBUTING
    )
    missing = [name for name in named if "NAME" not in name and not (ROOT / name).exists()]
    assert named
    assert missing == []


RESULTS = (ROOT / "results" / "README.md").read_text(encoding="utf-8")


def result_lines() -> dict[str, list[str]]:
    """Folder or file -> its line in the table of committed results."""
    lines = [cells(line) for line in RESULTS.splitlines() if line.startswith("| `")]
    return {name: line for line in lines for name in re.findall(r"`([^`]+)`", line[0])}


def test_the_table_of_committed_results_lists_everything() -> None:
    patterns = result_lines()
    names = [
        path.relative_to(ROOT / "results")
        for machine in (ROOT / "results").iterdir()
        if machine.is_dir()
        for path in machine.iterdir()
        if path.name != "roofline.json"
    ]
    assert names
    assert [str(path) for path in names if not any(path.match(pattern) for pattern in patterns)] == []
    assert [name for name in patterns if not list((ROOT / "results").glob(name))] == []


def test_the_table_of_committed_results_counts_the_cells() -> None:
    for name, line in result_lines().items():
        table = ROOT / "results" / name / "rows.csv"
        if table.exists():
            assert line[-1] == f"yes, {len(read_rows(table))} cells"
