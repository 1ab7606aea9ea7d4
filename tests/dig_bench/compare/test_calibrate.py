"""`dig-bench calibrate` of a folder: the noise that it stores, what it recommends, and usage errors."""

from dataclasses import replace
from pathlib import Path

import pytest

from dig_bench.cell import Row
from dig_bench.compare.calibrate import calibrate, halves
from dig_bench.compare.calibration import Calibration
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.settings import Settings
from harness import Run
from report_rows import row, write_results

SPREAD = (0.996, 1.003, 0.999, 1.001, 0.998, 1.004, 1.0, 0.997)


def rows_of_processes(*spread: float) -> list[Row]:
    """One row per process, whose latency varies by `spread`."""
    one = row("DiG-S/2@fla", 256)
    return [
        replace(one, process=number, latency_ms_median=(one.latency_ms_median or 0) * factor)
        for number, factor in enumerate(spread, start=1)
    ]


def test_the_noise_and_the_recommendation_are_stored_for_compare(tmp_path: Path, dig_bench: Run) -> None:
    write_results(tmp_path / "results", rows_of_processes(*SPREAD))
    ran = dig_bench("calibrate", "results", "--output", "noise.json")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == "noise.json"
    found = Calibration.read(tmp_path / "noise.json")
    noise = {metric: noise for (_, metric), noise in found.noise.items()}
    assert noise["latency"].degrees == 7
    assert noise["latency"].sd == pytest.approx(0.00285, rel=0.02)
    assert "memory" not in noise
    assert f"Recommended: --processes {found.processes}" in ran.out


def test_a_calibration_updates_the_cells_of_its_file(tmp_path: Path, dig_bench: Run) -> None:
    for px, folder in ((256, "small"), (512, "large")):
        write_results(tmp_path / folder, [replace(each, resolution_px=px) for each in rows_of_processes(*SPREAD)])
        assert dig_bench("calibrate", folder, "--output", "noise.json").code == 0
    assert {key.resolution_px for key, _ in Calibration.read(tmp_path / "noise.json").noise} == {256, 512}


def test_a_machine_that_drifts_between_the_halves_has_exit_code_1(tmp_path: Path, dig_bench: Run) -> None:
    slow_half = [factor * (1.2 if place % 4 in (1, 2) else 1.0) for place, factor in enumerate(SPREAD)]
    write_results(tmp_path / "results", rows_of_processes(*slow_half))
    assert dig_bench("calibrate", "results", "--output", "noise.json").code == 1


def test_a_quiet_machine_needs_fewer_processes_than_a_noisy_one() -> None:
    quiet, noisy = (
        calibrate(
            Evidence.of(rows_of_processes(*(1 + times * (each - 1) for each in SPREAD))), Settings()
        ).recommendation
        for times in (1, 4)
    )
    assert quiet is not None
    assert noisy is not None
    assert quiet.processes < noisy.processes
    assert quiet.detects


def test_the_halves_get_the_processes_in_turn() -> None:
    one, other = halves(Evidence.of(rows_of_processes(*(float(number) for number in range(1, 9)))))
    (key,) = one.rows
    factors = [
        [round(each / one.values(key, "latency")[0]) for each in side.values(key, "latency")] for side in (one, other)
    ]
    assert factors == [[1, 4, 5, 8], [2, 3, 6, 7]]


WRONG = {
    "too few processes in the folder": (["few"], "no cell was measured in 6 processes"),
    "too few processes asked for": (["--processes", "5"], "--processes takes a whole number from 6"),
    "cells with a folder": (["few", "--res", "256"], "--res applies to cells that are measured now"),
    "processes with a folder": (["few", "--processes", "8"], "--processes applies to cells that are measured now"),
    "no percentage": (["few", "--change", "five"], "--change is written as a percentage"),
    "no manifest": (["few/rows.csv"], "has no manifest.json"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_usage_error_gets_one_line_and_exit_code_2(case: str, tmp_path: Path, dig_bench: Run) -> None:
    arguments, complaint = WRONG[case]
    folder = write_results(tmp_path / "few", rows_of_processes(1.0, 1.0))
    if case == "no manifest":
        (folder / "manifest.json").unlink()
    ran = dig_bench("calibrate", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1
    assert complaint in ran.err
