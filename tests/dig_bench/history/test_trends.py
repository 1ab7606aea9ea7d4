"""Trends: changes and the causes that they are attributed to."""

from dataclasses import replace
from pathlib import Path

import pytest

from dig_bench.cell import Row
from dig_bench.history.add import add
from dig_bench.history.changes import Change
from dig_bench.history.entries import read
from dig_bench.history.trends import Trends, trends
from dig_bench.plan.filter import parse_filter
from history_folders import keep, results, revision, slower
from report_rows import row, write_results


def found(tmp_path: Path, count: int = 10, **options: object) -> Trends:
    return trends(read(keep(tmp_path, range(count), **options)))


def of_latency(found: Trends) -> list[Change]:
    return [change for change in found.changes if change.metric == "latency"]


def test_a_change_names_the_revisions_that_it_lies_between(tmp_path: Path) -> None:
    there = found(tmp_path, change=slower(6, 1.08))
    changes = of_latency(there)
    assert {(change.key.name, change.key.resolution_px) for change in changes} == {
        ("DiG-S/2@fla", 256),
        ("DiG-S/2@fla", 512),
    }
    for change in changes:
        assert change.is_worse
        assert change.cause == "revision"
        assert [there.entries[place].revision for place in (change.before, change.after)] == [revision(5), revision(6)]
        assert change.point
        assert change.point.low < 1.08 < change.point.high
    assert there.changes == changes


def test_a_history_without_a_change_has_no_change_point(tmp_path: Path) -> None:
    assert found(tmp_path, count=12).changes == []


def test_changes_of_memory_and_status_need_no_statistics(tmp_path: Path) -> None:
    def change(place: int, row: Row) -> Row:
        if row.model == "DiT-S/2" and row.resolution_px == 512 and place >= 2:
            return replace(row, peak_allocated_mib=(row.peak_allocated_mib or 0) + 64)
        if row.model == "DiG-S/2" and row.resolution_px == 256 and place == 1:
            return replace(row, status="oom", latency_ms_median=None, peak_allocated_mib=None)
        return row

    there = found(tmp_path, count=3, change=change)
    assert [(each.metric, each.key.model, each.at, each.is_worse) for each in there.changes] == [
        ("", "DiG-S/2", 2, False),
        ("memory", "DiT-S/2", 2, True),
        ("", "DiG-S/2", 1, True),
    ]
    assert there.changes[2].statuses == ("ok", "oom")


def test_a_change_together_with_the_environment_is_not_attributed_to_a_revision(tmp_path: Path) -> None:
    history = tmp_path / "history"
    for place in range(10):
        driver = "580" if place < 5 else "590"
        folder = results(tmp_path / str(place), place, change=slower(5, 1.1), driver=driver)
        add(folder, history)
    there = trends(read(history))
    changes = of_latency(there)
    assert {change.key.model for change in changes} == {"DiG-S/2"}
    for change in changes:
        assert change.cause == "environment"
        assert (change.before, change.after) == (4, 5)
        assert [str(each) for each in change.differences] == ["driver: 580 in the base, 590 in the candidate"]
    assert [place for place, _ in there.environments.changes()] == [5]


def test_a_change_after_one_of_the_environment_is_attributed_to_a_revision(tmp_path: Path) -> None:
    history = tmp_path / "history"
    for place in range(12):
        add(results(tmp_path / str(place), place, change=slower(8, 1.1), driver="58" if place < 4 else "59"), history)
    changes = of_latency(trends(read(history)))
    assert [(change.cause, change.at) for change in changes] == [("revision", 8)] * 2


def test_alternating_machines_are_each_compared_with_themselves(tmp_path: Path) -> None:
    """One is twice as fast; the code became slower once."""
    history = tmp_path / "history"
    for place in range(16):
        is_fast = place % 2 == 0
        slow = slower(9, 1.1)

        def change(place: int, row: Row, is_fast: bool = is_fast, slow=slow) -> Row:  # type: ignore[no-untyped-def]
            row = slow(place, row)
            return replace(row, latency_ms_median=(row.latency_ms_median or 0) / 2) if is_fast else row

        add(results(tmp_path / str(place), place, change=change, driver="fast" if is_fast else "slow"), history)
    there = trends(read(history))
    changes = of_latency(there)
    assert {(change.cause, change.before, change.after) for change in changes} == {
        ("revision", 8, 10),
        ("revision", 7, 9),
    }
    assert {change.key.model for change in changes} == {"DiG-S/2"}


def test_a_change_within_one_revision_is_not_the_code(tmp_path: Path) -> None:
    there = found(tmp_path, change=slower(5, 1.1), git_revision=revision(99))
    assert {change.cause for change in of_latency(there)} == {"same revision"}


def test_cells_missing_from_some_entries_are_followed_through_the_others(tmp_path: Path) -> None:
    history = tmp_path / "history"
    for place in range(12):
        names = ("DiG-S/2@fla", "DiT-S/2@math") if place % 3 else ("DiT-S/2@math",)
        add(results(tmp_path / str(place), place, names=names, change=slower(6, 1.2)), history)
    changes = of_latency(trends(read(history)))
    assert {(change.before, change.after) for change in changes} == {(5, 7)}


def test_metrics_and_cells_can_be_chosen(tmp_path: Path) -> None:
    history = read(keep(tmp_path, range(2)))
    chosen = trends(history, metrics=("energy",), only=parse_filter("model=DiG-* and resolution_px=256"))
    assert [(trend.key.name, trend.key.resolution_px, trend.metric) for trend in chosen.trends] == [
        ("DiG-S/2@fla", 256, "energy")
    ]
    with pytest.raises(ValueError, match="choices are latency"):
        trends(history, metrics=("speed",))


def test_values_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    columns = {"latency_ms_median": float("nan"), "peak_allocated_mib": float("inf"), "process": 1}
    history = tmp_path / "history"
    for place in range(5):
        folder = write_results(
            tmp_path / str(place),
            [replace(row("DiG-S/2@fla", 256), **columns)],  # type: ignore[arg-type]
            git_revision=revision(place),
        )
        add(folder, history)
    assert trends(read(history)).trends == ()
