"""Facts and warnings at the top of the page."""

from typing import Any

import pytest

from dig_bench.cell import Row
from dig_bench.report.notes import tiles, warnings
from report_rows import frame, row

CLEAN: dict[str, Any] = {"environment": {"git_dirty": False, "torch": "2.9"}, "finished_at": "2026-01-02T03:04:05Z"}
ONE = [row("DiG-S/2@fla", 256)]


def said(rows: list[Row] = ONE, environment: dict[str, Any] | None = None, **manifest: Any) -> str:
    environment = CLEAN["environment"] | (environment or {})
    return " ".join(warnings(frame(rows), CLEAN | {"environment": environment} | manifest))


def test_a_finished_sweep_of_a_clean_tree_has_no_warnings() -> None:
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
    assert "versions and protocol are unknown" in " ".join(warnings(frame(ONE), None))


@pytest.mark.parametrize(
    ("status", "count", "is_told"), [("noisy", 2, True), ("throttled", 2, True), ("noisy", 1, False)]
)
def test_doubtful_rows_are_told_from_a_tenth_on(status: str, count: int, is_told: bool) -> None:
    rows = [row("DiG-S/2@fla", 256 + 16 * place, status=status if place < count else "ok") for place in range(11)]
    assert (f"of the rows are {status}" in said(rows)) == is_told


def test_tiles_count_the_statuses() -> None:
    rows = [row("DiG-S/2@fla", 256), row("DiG-S/2@fla", 512, status="oom"), row("DiG-S/2@fla", 768, status="crashed")]
    found = dict(tiles(frame(rows), CLEAN))
    assert found["cells measured"] == "1 of 3"
    assert (found["out of memory"], found["failed"]) == ("1", "1")
    assert (found["measured on"], found["PyTorch"]) == ("2026-01-02", "2.9")
