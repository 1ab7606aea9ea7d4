"""Facts and warnings at the top of the page."""

from dataclasses import replace
from typing import Any

import pytest

from dig_bench.cell import Row
from dig_bench.report.notes import tiles, warnings
from dig_bench.report.prepare import prepare
from report_rows import frame, processes, row

CLEAN: dict[str, Any] = {
    "environment": {"git_dirty": False, "git_revision": "a", "torch": "2.9"},
    "finished_at": "2026-01-02T03:04:05Z",
}
ONE = processes([row("DiG-S/2@fla", 256)])


def said(rows: list[Row] = ONE, environment: dict[str, Any] | None = None, **manifest: Any) -> str:
    environment = CLEAN["environment"] | (environment or {})
    whole = CLEAN | {"environment": environment} | manifest
    return " ".join(warnings(frame(rows), prepare(frame(rows), whole), whole))


def test_a_finished_sweep_of_a_clean_tree_in_three_processes_has_no_warnings() -> None:
    assert said() == ""


@pytest.mark.parametrize(
    ("trees", "says"), [("dig_bench 1a models 2b", "unless a commit has the folders of git_trees"), (None, "a draft.")]
)
def test_numbers_of_a_dirty_tree_are_a_draft_unless_a_commit_has_it(trees: str | None, says: str) -> None:
    assert says in said(environment={"git_dirty": True, "git_trees": trees})


def test_an_unfinished_sweep_and_one_of_two_revisions_say_so() -> None:
    assert "has not finished" in said(finished_at=None)
    assert "resumed on another" in said(environment={"git_revision": "a"}, resumed=[{"git_revision": "b"}])


def test_without_a_manifest_the_origin_is_unknown() -> None:
    assert "versions and protocol are unknown" in " ".join(warnings(frame(ONE), prepare(frame(ONE)), None))


@pytest.mark.parametrize(
    ("status", "count", "is_told"), [("noisy", 2, True), ("throttled", 2, True), ("noisy", 1, False)]
)
def test_doubtful_rows_are_told_from_a_tenth_on(status: str, count: int, is_told: bool) -> None:
    rows = [row("DiG-S/2@fla", 256 + 16 * place, status=status if place < count else "ok") for place in range(11)]
    assert (f"of the rows are {status}" in said(rows)) == is_told


def test_tiles_count_the_statuses() -> None:
    rows = [row("DiG-S/2@fla", 256), row("DiG-S/2@fla", 512, status="oom"), row("DiG-S/2@fla", 768, status="crashed")]
    found = dict(tiles(frame(rows), prepare(frame(rows), CLEAN), CLEAN))
    assert (found["processes per cell"], found["state of the device"]) == ("1", "sustained")
    assert found["cells measured"] == "1 of 3"
    assert (found["out of memory"], found["failed"]) == ("1", "1")
    assert (found["measured on"], found["PyTorch"]) == ("2026-01-02", "2.9")


def test_few_processes_other_code_other_states_and_earlier_versions_are_told() -> None:
    assert "1 cell of 1 was measured in fewer than 3 processes" in said([row("DiG-S/2@fla", 256)])
    assert "fewer than" not in said(ONE)
    resumed = [{"git_revision": "b", "git_dirty": False, "at": "2026-01-03T00:00:00Z"}]
    other = [replace(ONE[0], process=4, started_at="2026-01-03T00:00:01Z")]
    assert "3 measured rows of cells with several are not in the figures" in said([*ONE, *other], resumed=resumed)
    assert "measured by an earlier version" in said([replace(each, state="") for each in ONE])
    burst = [replace(each, state="burst", process=each.process + 3) for each in ONE]
    assert "are never compared" in said([*ONE, *burst])
