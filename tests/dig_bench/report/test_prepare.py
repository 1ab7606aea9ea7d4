"""Rows made ready for figures: which count as processes of one cell, and what they merge into."""

from dataclasses import replace
from typing import Any

import pytest

from dig_bench.cell import Row
from dig_bench.report.prepare import prepare
from report_rows import MANIFEST, frame, row

BEFORE, AFTER, LATER = "2026-01-02T03:04:05+00:00", "2026-01-03T00:00:05+00:00", "2026-01-03T00:00:09+00:00"
RESUMED = {"at": "2026-01-03T00:00:00+00:00", "git_revision": "b", "git_dirty": False}


def timed(process: int, ms: float, **fields: Any) -> Row:
    ends = {"latency_ms_ci_low": 0.99 * ms, "latency_ms_ci_high": 1.01 * ms}
    return row("DiG-S/2@fla", 512, process=process, latency_ms_median=ms, **{**ends, **fields})


def merged(rows: list[Row], manifest: dict[str, Any] | None = MANIFEST) -> dict[str, Any]:
    (found,) = prepare(frame(rows), manifest).to_dict("records")
    return {str(name): value for name, value in found.items()}


def test_processes_of_a_cell_become_their_median_with_an_interval_around_all() -> None:
    processes = [timed(1, 1.0), timed(2, 1.3), timed(3, 1.1)]
    found = merged([*processes, replace(row("DiG-S/2@fla", 512, status="crashed"), process=4)])
    assert found["latency_ms_median"] == pytest.approx(1.1)
    assert found["latency_ms_ci_low"] == pytest.approx(0.99)
    assert found["latency_ms_ci_high"] == pytest.approx(1.313)
    assert (found["num_processes"], found["num_left_out"], found["is_measured"]) == (3, 0, True)
    assert sorted(found["latencies_ms"]) == [1.0, 1.1, 1.3]


def test_rows_of_other_kernels_are_no_processes_of_the_cell() -> None:
    rows = [timed(1, 8.35, kernels="old"), timed(2, 7.92, kernels="new", started_at=LATER)]
    found = merged(rows)
    assert (found["latency_ms_median"], found["num_processes"], found["num_left_out"]) == (7.92, 1, 1)
    assert merged(rows[::-1])["latency_ms_median"] == 7.92


def test_rows_of_another_part_of_the_sweep_count_only_if_it_ran_the_same_code() -> None:
    rows = [timed(1, 8.0, started_at=BEFORE), timed(2, 8.1, started_at=AFTER), timed(3, 8.2, started_at=LATER)]
    trees = {"git_trees": "dig_bench 1 models 2", "git_dirty": True, "git_revision": "a"}
    cases = {
        "other revision": (MANIFEST | {"resumed": [RESUMED]}, 2),
        "same revision": (MANIFEST | {"resumed": [RESUMED | MANIFEST["environment"]]}, 3),
        "same trees, other revision": ({"environment": trees, "resumed": [trees | RESUMED | trees]}, 3),
        "uncommitted changes": ({"environment": {"git_dirty": True}, "resumed": [RESUMED | {"git_dirty": True}]}, 2),
        "one uninterrupted part": ({"environment": {"git_dirty": True}}, 3),
        "no manifest": (None, 1),
    }
    for case, (manifest, count) in cases.items():
        found = merged(rows, manifest)
        assert (found["num_processes"], found["num_left_out"]) == (count, 3 - count), case
        assert max(found["latencies_ms"]) == 8.2, case


def test_a_throttled_process_counts_only_without_another() -> None:
    throttled = timed(1, 20.0, status="throttled")
    assert merged([throttled, timed(2, 10.0)])["latencies_ms"] == (10.0,)
    assert merged([throttled])["latencies_ms"] == (20.0,)


@pytest.mark.parametrize(
    ("reasons", "is_capped"),
    [
        ({"timing_throttle_reasons": "sw_power_cap"}, True),
        ({"throttle_reasons": "hw_slowdown sw_power_cap"}, True),
        ({"throttle_reasons": "sw_thermal_slowdown"}, False),
        ({}, False),
    ],
)
def test_a_row_at_the_power_limit_is_capped(reasons: dict[str, str], is_capped: bool) -> None:
    assert merged([timed(1, 1.0, **reasons)])["is_capped"] == is_capped
    assert merged([timed(1, 1.0, **reasons), timed(2, 1.0)])["is_capped"] == is_capped


def test_a_process_without_an_interval_takes_the_interval_of_all_away() -> None:
    found = merged([timed(1, 1.0), timed(2, 1.1, latency_ms_ci_low=None, latency_ms_ci_high=None)])
    assert found["latency_ms_ci_low"] != found["latency_ms_ci_low"]
